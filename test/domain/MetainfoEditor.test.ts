import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Bencode from "../../src/domain/Bencode.ts"
import * as Bytes from "../../src/domain/Bytes.ts"
import * as MetainfoEditor from "../../src/domain/MetainfoEditor.ts"
import { versioned } from "../support/versions.ts"
import { bytes, int, textOf } from "./generators.ts"

const url = int(0, 5).pipe(Arbitrary.map((i) => `http://t${i}.example/announce`))

const urls = Arbitrary.array(url, { maxLength: 3 })

const text = textOf(["a", "b", "é", "😀", "\n", "\u202e"], 0, 5)

/** Of 0 to 3 the first two are nothing. */
const perhaps = <A>(value: Arbitrary.Arbitrary<A>): Arbitrary.Arbitrary<A | undefined> =>
  Arbitrary.all([int(0, 3), value]).pipe(Arbitrary.map(([chance, value]) => chance < 2 ? undefined : value))

/** A key that no edit is about, and anything for a value. */
const unknown = Arbitrary.all([bytes(1, 9), bytes(0, 9)])

const known = new Set(["announce", "announce-list", "comment", "comment.utf-8", "info", "url-list"])

/** Documents as strangers write them: keys in any order, fields in more than one spelling, and bytes after the end. */
const document = Arbitrary.all({
  order: int(0, 1_000_000),
  unknown: Arbitrary.array(unknown, { maxLength: 4 }),
  unknownInInfo: Arbitrary.array(unknown, { maxLength: 3 }),
  announce: perhaps(url),
  tiers: perhaps(Arbitrary.array(urls, { maxLength: 3 })),
  webSeeds: perhaps(urls),
  single: int(0, 1),
  comment: perhaps(text),
  twin: perhaps(text),
  source: perhaps(text),
  private: int(0, 2),
  tail: bytes(0, 3)
}).pipe(Arbitrary.map((drawn) => {
  const write = (fields: Array<readonly [string | Uint8Array, Bencode.Encodable | undefined]>): Uint8Array => {
    const left = fields.filter(([, value]) => value !== undefined)
    const out: Array<Uint8Array> = []
    for (let chance = drawn.order; left.length > 0; chance = Math.floor(chance / 3)) {
      const [[key, value]] = left.splice(chance % left.length, 1) as [readonly [string, Bencode.Encodable]]
      out.push(Bencode.encode(key), Bencode.encode(value))
    }
    return Bytes.concat([Bytes.fromUtf8("d"), ...out, Bytes.fromUtf8("e")])
  }
  const info = write([
    ["length", 5],
    ["name", "x"],
    ["piece length", 16_384],
    ["pieces", new Uint8Array(20).fill(7)],
    ["source", drawn.source],
    ["private", drawn.private === 0 ? undefined : drawn.private - 1],
    ...drawn.unknownInInfo
  ])
  const root = write([
    ["announce", drawn.announce],
    ["announce-list", drawn.tiers],
    ["comment", drawn.comment],
    ["comment.utf-8", drawn.twin],
    ["url-list", drawn.single === 1 ? drawn.webSeeds?.[0] : drawn.webSeeds],
    ["info", "INFO"],
    ...drawn.unknown
  ])
  const at = Buffer.from(root).indexOf("4:info4:INFO") + 6
  return Bytes.concat([root.subarray(0, at), info, root.subarray(at + 6), drawn.tail])
}))

const list = Arbitrary.all({ clear: int(0, 5), remove: urls, add: urls }).pipe(
  Arbitrary.map(({ add, clear, remove }) => ({ clear: clear === 0, remove, add: [add.slice(0, 2), add.slice(2)] }))
)

const rootEdits = Arbitrary.all({ trackers: perhaps(list), webSeeds: perhaps(list), comment: perhaps(text) })

const infoEdits = Arbitrary.all({ source: perhaps(text), private: perhaps(int(0, 1)), name: perhaps(int(0, 1)) }).pipe(
  Arbitrary.map(({ name, private: isPrivate, source }): MetainfoEditor.Edits => ({
    source: source === "" ? null : source,
    private: isPrivate === undefined ? undefined : isPrivate === 1,
    name: name === undefined ? undefined : ["x", "y"][name]
  }))
)

const apply = (document: Uint8Array, edits: MetainfoEditor.Edits): MetainfoEditor.Edited =>
  Result.getOrThrow(MetainfoEditor.edit(document, edits))

const rootOf = (document: Uint8Array): Bencode.Value => Result.getOrThrow(Bencode.read(document))

/** All keys and values, as they stand, but for some. */
const others = (dictionary: Bencode.Value, without: ReadonlySet<string>): Array<string> =>
  Array.from(Bencode.entries(dictionary)).flatMap(([key, value]) =>
    without.has(Bytes.toLatin1(key)) ? [] : [`${Bytes.toHex(key)} ${Bytes.toHex(Bencode.raw(value))}`]
  )

const fieldsOf = <Name extends string>(document: Uint8Array, ...names: ReadonlyArray<Name>) =>
  Bencode.pick(rootOf(document), names)

describe("MetainfoEditor.edit", () => {
  it.prop("gives the same bytes when there is nothing to change", [document, urls], ([document, absent]) => {
    const { bytes, before } = apply(document, {})
    assert.strictEqual(bytes, document)
    const same = apply(document, {
      trackers: { add: before.trackers, remove: absent.filter((url) => !before.trackers.flat().includes(url)) },
      webSeeds: { add: [before.webSeeds] },
      comment: before.comment ?? null,
      source: before.source ?? null,
      private: before.private,
      name: before.name
    })
    // An `announce` that the list lacks can be named for removal too; then it goes.
    if (absent.every((url) => Bencode.text(fieldsOf(document, "announce").announce) !== url)) {
      assert.strictEqual(same.bytes, document)
    }
  })

  it.prop("leaves info and all other keys as they are", [document, rootEdits], ([document, edits]) => {
    const { after, before, bytes } = apply(document, { ...edits, comment: edits.comment === "" ? null : edits.comment })
    assert.deepStrictEqual(after.info, before.info)
    assert.strictEqual(after.infoHash, before.infoHash)
    const untouched = new Set([...known].filter((key) => key !== "info"))
    assert.deepStrictEqual(others(rootOf(bytes), untouched), others(rootOf(document), untouched))
    assert.deepStrictEqual(bytes.subarray(rootOf(bytes).end), document.subarray(rootOf(document).end))
  })

  it.prop("changes in info what it was asked to, and nothing around it", [document, infoEdits], ([document, edits]) => {
    const { after, before, bytes } = apply(document, edits)
    assert.deepStrictEqual(
      [after.name, after.private, after.source],
      [
        edits.name ?? before.name,
        edits.private ?? before.private,
        edits.source === null ? undefined : edits.source ?? before.source
      ]
    )
    const asked = new Set(["name", "private", "source"])
    assert.deepStrictEqual(others(rootOf(after.info), asked), others(rootOf(before.info), asked))
    assert.deepStrictEqual(others(rootOf(bytes), new Set(["info"])), others(rootOf(document), new Set(["info"])))
    assert.strictEqual(after.infoHash === before.infoHash, Bytes.equals(after.info, before.info))
  })

  it.prop("edits lists by its rules, and a second time not at all", [document, rootEdits], ([document, edits]) => {
    const { absent, after, before, bytes } = apply(document, edits)
    const expected = (old: ReadonlyArray<string>, { add = [], clear, remove = [] }: MetainfoEditor.ListEdit = {}) => [
      ...new Set([...old.filter((url) => clear !== true && !remove.includes(url)), ...add.flat()])
    ]
    assert.deepStrictEqual(after.webSeeds, expected(before.webSeeds, edits.webSeeds))
    assert.deepStrictEqual(after.comment, edits.comment ?? before.comment)
    const trackers = expected(before.trackers.flat(), edits.trackers)
    const announce = Bencode.text(fieldsOf(document, "announce").announce)
    // What a list of no tracker hides comes to light: the bare `announce`.
    if (trackers.length > 0) assert.deepStrictEqual(after.trackers.flat(), trackers)
    else assert.includeMembers(announce === undefined ? [] : [announce], after.trackers.flat() as Array<string>)
    if (announce === undefined && JSON.stringify(after.trackers) !== JSON.stringify(before.trackers)) {
      assert.strictEqual(Bencode.text(fieldsOf(bytes, "announce").announce), trackers[0])
    }
    const there = new Set([announce, ...before.trackers.flat()])
    assert.deepStrictEqual(absent, [
      ...(edits.trackers?.remove ?? []).filter((url) => !there.has(url)),
      ...(edits.webSeeds?.remove ?? []).filter((url) => !before.webSeeds.includes(url))
    ])
    // What is removed and added goes to the end, each time.
    if ([edits.trackers, edits.webSeeds].some((list) => list?.add.flat().some((url) => list.remove.includes(url)))) {
      return
    }
    const again = apply(bytes, edits)
    assert.strictEqual(again.bytes, bytes)
  })

  const base = (rest: { readonly [key: string]: Bencode.Encodable }) =>
    Bencode.encode({ ...rest, info: { length: 5, name: "x", "piece length": 16_384, pieces: new Uint8Array(20) } })

  it("adds tiers as they are given, each tracker once, and keeps the first one first", () => {
    const { bytes } = apply(base({ announce: "http://a" }), {
      trackers: { add: [["http://b"], ["http://c", "http://d"], ["http://b"]] }
    })
    const fields = fieldsOf(bytes, "announce", "announce-list")
    assert.strictEqual(Bencode.text(fields.announce), "http://a")
    assert.strictEqual(
      Buffer.from(Bencode.raw(fields["announce-list"]!)).toString(),
      "ll8:http://ael8:http://bel8:http://c8:http://dee"
    )
    const one = apply(base({}), { trackers: { add: [["http://b"]] } })
    assert.deepStrictEqual(Object.keys(fieldsOf(one.bytes, "announce", "announce-list")), ["announce"])
    assert.deepStrictEqual(one.after.trackers, [["http://b"]])
  })

  it("removes trackers wherever they stand", () => {
    const document = base({ announce: "http://a", "announce-list": [["http://a", "http://b"], ["http://c"]] })
    const { absent, after, bytes } = apply(document, { trackers: { remove: ["http://a", "http://d"] } })
    assert.deepStrictEqual(after.trackers, [["http://b"], ["http://c"]])
    assert.strictEqual(Bencode.text(fieldsOf(bytes, "announce").announce), "http://b")
    assert.deepStrictEqual(absent, ["http://d"])
    const none = apply(document, { trackers: { clear: true } })
    assert.deepStrictEqual(none.bytes, base({}))
    const moved = apply(document, { trackers: { clear: true, add: [["http://b"]] } })
    assert.deepStrictEqual(moved.after.trackers, [["http://b"]])
    const hidden = base({ announce: "http://a", "announce-list": [["http://b"]] })
    const found = apply(hidden, { trackers: { remove: ["http://a"] } })
    assert.deepStrictEqual(found.bytes, base({ announce: "http://b", "announce-list": [["http://b"]] }))
    assert.deepStrictEqual(found.absent, [])
  })

  it("puts new keys where they belong", () => {
    const document = base({ announce: "http://a", "created by": "y", zebra: 1 })
    const { bytes } = apply(document, {
      comment: "hello",
      webSeeds: { add: [["http://w"]] },
      private: true,
      source: "S"
    })
    assert.deepStrictEqual(
      bytes,
      Bencode.encode({
        announce: "http://a",
        comment: "hello",
        "created by": "y",
        info: {
          length: 5,
          name: "x",
          "piece length": 16_384,
          pieces: new Uint8Array(20),
          private: 1,
          source: "S"
        },
        "url-list": ["http://w"],
        zebra: 1
      })
    )
  })

  it("leaves no second key that would count for one taken away", () => {
    const document = Bytes.fromUtf8(
      `d7:comment1:a7:comment1:b13:comment.utf-81:c4:infod6:lengthi5e4:name1:x12:piece lengthi16384e6:pieces20:${
        "x".repeat(20)
      }7:privatei1e7:privatei1eee`
    )
    const { after } = apply(document, { comment: null, private: false })
    assert.deepStrictEqual([after.comment, after.private], [undefined, false])
    assert.strictEqual(apply(document, { comment: "d" }).after.comment, "d")
  })

  it("renames folders of all versions, and single files where they have one name", () => {
    for (const version of ["1", "2", "hybrid"] as const) {
      const folder = versioned(version, [{ path: ["a"], length: 5 }, { path: ["b"], length: 5 }], 16_384)
      assert.deepStrictEqual(
        apply(folder.document, { name: "other" }).after.files.filter(({ padding }) => !padding).map(({ path }) => path),
        [["other", "a"], ["other", "b"]]
      )
      const { document } = versioned(version, [{ path: ["a"], length: 5 }], 16_384, { single: true })
      assert.strictEqual(apply(document, { name: "a" }).bytes, document)
      const renamed = MetainfoEditor.edit(document, { name: "other" })
      if (version === "1") assert.strictEqual(Result.getOrThrow(renamed).after.name, "other")
      else assert.isTrue(Result.isFailure(renamed))
    }
  })

  it("refuses what is no torrent", () => {
    const refused = (text: string) => {
      const result = MetainfoEditor.edit(Bytes.fromUtf8(text), { comment: "x" })
      return Result.isFailure(result) ? result.failure.reason : undefined
    }
    assert.strictEqual(refused("<html>"), "NotBencode")
    assert.strictEqual(refused("de"), "Invalid")
  })
})
