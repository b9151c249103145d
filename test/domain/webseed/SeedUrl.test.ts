import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Bencode from "../../../src/domain/Bencode.ts"
import * as Bytes from "../../../src/domain/Bytes.ts"
import * as Metainfo from "../../../src/domain/Metainfo.ts"
import * as RawPaths from "../../../src/domain/metainfo/RawPaths.ts"
import * as Percent from "../../../src/domain/tracker/Percent.ts"
import * as SeedUrl from "../../../src/domain/webseed/SeedUrl.ts"
import { bytes } from "../generators.ts"

describe("SeedUrl", () => {
  it("keeps user and password to itself", () => {
    const seed = SeedUrl.parse("http://al%C3%AFce:s%3Acret@host:81/a%20b/?k=v#x")!
    assert.strictEqual(seed.base, "http://host:81/a%20b/?k=v")
    assert.strictEqual(seed.shown, seed.base)
    assert.strictEqual(
      seed.authorization,
      `Basic ${Buffer.from("al\u00c3\u00afce:s:cret", "latin1").toString("base64")}`
    )
    assert.isUndefined(SeedUrl.parse("https://host/")!.authorization)
    assert.strictEqual(SeedUrl.hidden("ftp://me:pw@host/x"), "ftp://host/x")
    assert.strictEqual(SeedUrl.hidden("http://host/x@y"), "http://host/x@y")
  })

  it("is of the web alone", () => {
    for (const text of ["", "ftp://host/", "file:///etc/passwd", "host/x", "javascript:1"]) {
      assert.isUndefined(SeedUrl.parse(text), text)
    }
  })

  it("adds names as BEP 19 says", () => {
    assert.strictEqual(SeedUrl.fileUrl("http://h/file.exe", "name", false), "http://h/file.exe")
    assert.strictEqual(SeedUrl.fileUrl("http://h/pub/", "name", false), "http://h/pub/name")
    assert.strictEqual(SeedUrl.fileUrl("http://h/pub/", "michael/Readme.txt", true), "http://h/pub/michael/Readme.txt")
    assert.strictEqual(SeedUrl.fileUrl("http://h/pub", "michael/Readme.txt", true), "http://h/pub/michael/Readme.txt")
  })

  it.prop("a path names the same bytes, and leads nowhere else", [bytes(0, 6), bytes(1, 6)], ([first, second]) => {
    const path = SeedUrl.pathOf([first, second])
    const leads = [first, second].some((name) => /^\.{0,2}$/.test(Bytes.toLatin1(name)))
    if (leads) return assert.isUndefined(path)
    const { pathname } = new URL(`http://h/${path}`)
    const names = pathname.slice(1).split("/").map((part) => Bytes.fromLatin1(Percent.decode(part)))
    assert.deepStrictEqual(names, [first, second])
  })
})

const encode = (info: Bencode.Encodable): Uint8Array => Bencode.encode(new Map([["info", info]]))

const v1 = (
  files: ReadonlyArray<readonly [Uint8Array, number]>,
  more: ReadonlyArray<readonly [string, Bencode.Encodable]> = []
) =>
  encode(
    new Map<string, Bencode.Encodable>([
      [
        "files",
        files.map(([name, length]) =>
          new Map<string, Bencode.Encodable>([["length", length], ["path", [Bytes.fromUtf8("d"), name]]])
        )
      ],
      ["name", Bytes.fromUtf8("tö:p")],
      ["piece length", 16_384],
      ["pieces", new Uint8Array(20)],
      ...more
    ])
  )

describe("RawPaths", () => {
  it.prop("gives the bytes of the torrent, whatever is made of them on a disk", [bytes(1, 8), bytes(1, 8)], (
    [one, two]
  ) => {
    const metainfo = Result.getOrThrow(Metainfo.parse(v1([[one, 5], [two, 7]])))
    const namesOf = RawPaths.of(metainfo)
    const folder = [Bytes.fromUtf8("tö:p"), Bytes.fromUtf8("d")]
    assert.deepStrictEqual(namesOf(0), [...folder, one])
    assert.deepStrictEqual(namesOf(1), [...folder, two])
  })

  it("knows a torrent of one file", () => {
    const document = encode(
      new Map<string, Bencode.Encodable>([
        ["length", 3],
        ["name", Bytes.fromUtf8("a:b")],
        ["piece length", 16_384],
        ["pieces", new Uint8Array(20)]
      ])
    )
    const metainfo = Result.getOrThrow(Metainfo.parse(document))
    assert.deepStrictEqual(RawPaths.of(metainfo)(0), [Bytes.fromUtf8("a:b")])
  })
})
