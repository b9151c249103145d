import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import { createHash } from "node:crypto"
import * as Bencode from "../../src/domain/Bencode.ts"
import * as Bytes from "../../src/domain/Bytes.ts"
import * as Metainfo from "../../src/domain/Metainfo.ts"
import * as MetainfoWriter from "../../src/domain/MetainfoWriter.ts"
import { bytes, int, textOf } from "./generators.ts"

type Fields = { readonly [key: string]: Bencode.Encodable | undefined }

const parse = (document: Uint8Array) => Result.getOrThrow(Metainfo.parse(document))

const failureOf = (document: Uint8Array, options?: Metainfo.ParseOptions) => {
  const result = Metainfo.parse(document, options)
  return Result.isFailure(result) ? result.failure : undefined
}

const single: Fields = { name: "a.iso", length: 40_000, "piece length": 16_384, pieces: new Uint8Array(60).fill(7) }

const document = (info: Fields, rest: Fields = {}) => Bencode.encode({ ...rest, info })

const word = textOf(["a", "b", "C", "é", "😀", "7", "-"], 1, 6)

const url = Arbitrary.all([int(0, 2), word]).pipe(
  Arbitrary.map(([kind, path]) => `${["http", "https", "udp"][kind]}://tracker.example:6969/${path}`)
)

const urls = Arbitrary.array(url, { maxLength: 4 })

/** Parts whose paths are safe and unlike each other, so that they must come back unchanged. */
const parts = Arbitrary.all({
  name: word,
  files: Arbitrary.array(Arbitrary.all([Arbitrary.array(word, { maxLength: 2 }), int(0, 3), int(0, 50_000)]), {
    maxLength: 6
  }),
  first: int(1, 50_000),
  multiFile: int(0, 1),
  pieceLength: int(1000, 70_000),
  seed: bytes(20, 20),
  tiers: Arbitrary.array(urls, { maxLength: 3 }),
  webSeeds: urls,
  flags: int(0, 15),
  comment: word,
  creationDate: int(0, 2 ** 40),
  port: int(1, 65_535)
}).pipe(Arbitrary.map((drawn) => {
  const { comment, creationDate, first, flags, name, pieceLength, port, seed } = drawn
  const files = [[[], 0, first] as const, ...drawn.files].map(([folders, kind, length], i) => ({
    path: [...folders.map((folder) => `d${folder}`), `f${i}`],
    length,
    padding: kind === 3
  }))
  const total = drawn.multiFile === 1 ? files.reduce((sum, file) => sum + file.length, 0) : first
  const hashes = Math.ceil(total / pieceLength)
  const common = {
    name,
    pieceLength,
    pieceHashes: Uint8Array.from({ length: hashes * 20 }, (_, i) => (seed[i % 20]! + i) & 0xff),
    trackers: drawn.tiers,
    webSeeds: drawn.webSeeds,
    nodes: (flags & 1) === 1 ? [{ host: "router.example", port }] : [],
    private: (flags & 2) === 2,
    comment: (flags & 4) === 4 ? comment : undefined,
    createdBy: (flags & 8) === 8 ? comment : undefined,
    creationDate: (flags & 8) === 8 ? creationDate : undefined
  }
  return Object.assign(common, drawn.multiFile === 1 ? { files } : { length: first })
}))

/** Each URL where it stands first, without the tiers that this leaves empty. */
const firstOnly = (tiers: ReadonlyArray<ReadonlyArray<string>>) => {
  const seen = new Set<string>()
  return tiers.map((tier) => tier.filter((url) => !seen.has(url) && seen.add(url))).filter((tier) => tier.length > 0)
}

describe("Metainfo.parse", () => {
  it.prop("reads what the writer writes", [parts], ([parts]) => {
    const encoded = MetainfoWriter.encode(parts)
    const metainfo = parse(encoded)
    const files = "files" in parts ? parts.files : [{ path: [], length: parts.length, padding: false }]
    let offset = 0
    assert.deepStrictEqual(
      metainfo.files,
      files.map(({ length, padding, path }) => {
        offset += length
        const entry = { path: [parts.name, ...path], length, offset: offset - length, padding }
        return Object.assign(entry, { piecesRoot: undefined, symlink: undefined, executable: false })
      })
    )
    assert.strictEqual(metainfo.multiFile, "files" in parts)
    assert.strictEqual(metainfo.layout.totalLength, offset)
    assert.strictEqual(metainfo.layout.pieceLength, parts.pieceLength)
    assert.deepStrictEqual(metainfo.trackers, firstOnly(parts.trackers))
    assert.deepStrictEqual(metainfo.webSeeds, [...new Set(parts.webSeeds)])
    const { comment, createdBy, creationDate, name, nodes, pieceHashes } = metainfo
    assert.deepStrictEqual(
      { comment, createdBy, creationDate, name, nodes, pieceHashes, private: metainfo.private },
      {
        comment: parts.comment,
        createdBy: parts.createdBy,
        creationDate: parts.creationDate,
        name: parts.name,
        nodes: parts.nodes,
        pieceHashes: parts.pieceHashes,
        private: parts.private
      }
    )
    const at = Buffer.from(encoded).indexOf("4:infod") + 6
    assert.deepStrictEqual(metainfo.info, encoded.slice(at, at + metainfo.info.length))
    assert.strictEqual(metainfo.infoHash, createHash("sha1").update(metainfo.info).digest("hex"))
  })

  it.prop("never throws on mutated documents", [parts, int(0, 5000), int(0, 255)], ([parts, at, byte]) => {
    const encoded = MetainfoWriter.encode(parts)
    encoded[at % encoded.length] = byte
    const error = failureOf(encoded)
    if (error !== undefined) assert.notInclude(error.message, "\n")
    failureOf(encoded.subarray(0, at % encoded.length))
  }, { arbitrary: { runs: 500 } })

  it("hashes info as it stands, canonical or not", () => {
    const pieces = "p".repeat(20)
    const info =
      `d6:pieces20:${pieces}4:name1:x6:lengthi007e4:name1:y12:piece lengthi16384e5:extrai99999999999999999999ee`
    const metainfo = parse(Buffer.from(`d4:info${info}3:abci-0ee trailing`))
    assert.strictEqual(metainfo.infoHash, createHash("sha1").update(info).digest("hex"))
    assert.strictEqual(metainfo.name, "x")
    assert.strictEqual(metainfo.layout.totalLength, 7)
    // Node's Buffer must not shine through: its slices are views.
    assert.strictEqual(metainfo.pieceHashes.constructor, Uint8Array)
    assert.strictEqual(metainfo.info.constructor, Uint8Array)
  })

  it("makes names safe and unique, and prefers the UTF-8 ones", () => {
    const files = [
      { length: 16_384, path: ["..", "x"] },
      { length: 16_384, path: ["_", "X"] },
      { length: 1, path: [Uint8Array.of(0xff)], "path.utf-8": ["é", "b"] },
      { length: 5, attr: "xp", path: [".pad", "5"] },
      { length: 0, attr: "p" }
    ]
    const pieces = new Uint8Array(60)
    const info = { name: "old", "name.utf-8": "/new", "piece length": 16_384, pieces, files }
    const metainfo = parse(document(info))
    assert.strictEqual(metainfo.name, "_new")
    assert.deepStrictEqual(metainfo.files.map((file) => file.path.join("/")), [
      "_new/_/x",
      "_new/_/X.1",
      "_new/é/b",
      "_new/.pad/5",
      "_new/.pad/0"
    ])
    assert.deepStrictEqual(metainfo.files.map((file) => file.padding), [false, false, false, true, true])
    const plain = parse(document({ ...single, name: "aux. " }))
    assert.deepStrictEqual(plain.files[0]!.path, ["_aux"])
    const posix = Result.getOrThrow(Metainfo.parse(document({ ...single, name: "aux. " }), { names: "posix" }))
    assert.deepStrictEqual([posix.name, posix.files[0]!.path], ["aux. ", ["aux. "]])
  })

  it("reads what BEP 47 says of files", () => {
    const files = [
      { length: 16_384, attr: "hx?", path: ["program"] },
      { attr: "l", path: ["link"], "symlink path": ["..", "program"] },
      { length: 0, attr: "l", path: ["nowhere"] },
      { length: 5, attr: "l", path: ["not empty"], "symlink path": ["program"] },
      { length: 0, attr: "pl", "symlink path": ["program"] }
    ]
    const info = { name: "top", "piece length": 16_384, pieces: new Uint8Array(40), files }
    const seen = parse(document(info)).files
    assert.deepStrictEqual(seen.map(({ executable }) => executable), [true, false, false, false, false])
    assert.deepStrictEqual(seen.map(({ symlink }) => symlink), [
      undefined,
      ["_", "program"],
      undefined,
      undefined,
      undefined
    ])
    assert.deepStrictEqual(seen.map(({ length }) => length), [16_384, 0, 0, 5, 0])
    assert.isTrue(parse(document({ ...single, attr: "x" })).files[0]!.executable)
    const noLength = { ...info, files: [{ ...files[2], length: undefined }] } as Fields
    assert.strictEqual(failureOf(document(noLength))?.message, "info.files[0].length is not an integer of 0 or more")
  })

  it("keeps the trackers that are URLs, and falls back to announce", () => {
    const trackers = (rest: Fields) => parse(document(single, rest)).trackers
    const a = "http://a.example/announce"
    const b = "udp://b.example:6969"
    assert.deepStrictEqual(trackers({ announce: a }), [[a]])
    assert.deepStrictEqual(trackers({ announce: a, "announce-list": [[b], ["", "nonsense", 7], [], [a, b]] }), [[b], [
      a
    ]])
    assert.deepStrictEqual(trackers({ announce: a, "announce-list": [b, [` ${a}\n`]] }), [[b], [a]])
    assert.deepStrictEqual(trackers({ announce: a, "announce-list": [[""], "x"] }), [[a]])
    assert.deepStrictEqual(trackers({ announce: "http://", "announce-list": 1 }), [])
    assert.deepStrictEqual(trackers({ announce: `http://a.example/${"x".repeat(5000)}` }), [])
    const many = Array.from({ length: 3000 }, (_, i) => [`${a}/${i}`])
    assert.strictEqual(trackers({ "announce-list": many }).length, 1024)
  })

  it("leaves out what is merely odd", () => {
    const rest = { "url-list": a, nodes: [["h", 1], ["h", 0], ["", 5], ["h"], 3, ["h", 70_000]], comment: 5 }
    const metainfo = parse(document({ ...single, private: 0 }, { ...rest, "creation date": -1, "created by": ["x"] }))
    assert.deepStrictEqual(metainfo.webSeeds, [a])
    assert.deepStrictEqual(metainfo.nodes, [{ host: "h", port: 1 }])
    assert.isUndefined(metainfo.comment ?? metainfo.createdBy ?? metainfo.creationDate)
    assert.isFalse(metainfo.private)
    assert.isTrue(parse(document({ ...single, private: 1 })).private)
    assert.deepStrictEqual(parse(document(single, { "url-list": [a, "", a] })).webSeeds, [a])
  })

  const a = "https://seed.example/file"

  it("names the field that is wrong", () => {
    const file = { length: 40_000, path: ["x"] }
    const multi = (files: Bencode.Encodable) => ({ ...single, length: undefined, files })
    const table: ReadonlyArray<readonly [info: Fields, message: string]> = [
      [{ ...single, name: undefined }, "info.name is not a text"],
      [{ ...single, name: 5 }, "info.name is not a text"],
      [{ ...single, length: undefined }, "info has neither files nor a length that is an integer of 0 or more"],
      [{ ...single, length: -1 }, "info has neither files nor a length that is an integer of 0 or more"],
      [{ ...single, length: 1n << 60n }, "info has neither files nor a length that is an integer of 0 or more"],
      [{ ...single, length: 0 }, "info has no data: all its files are empty"],
      [{ ...single, "piece length": 0 }, "info.piece length is not an integer from 1 to 536870912"],
      [{ ...single, "piece length": -16_384 }, "info.piece length is not an integer from 1 to 536870912"],
      [{ ...single, "piece length": 2 ** 30 }, "info.piece length is not an integer from 1 to 536870912"],
      [{ ...single, "piece length": undefined }, "info.piece length is not an integer from 1 to 536870912"],
      [{ ...single, length: 2 ** 50 }, "info.piece length makes 68719476736 pieces, more than 4194304"],
      [{ ...single, pieces: new Uint8Array(59) }, "info.pieces is not 3 hashes of 20 bytes, as the sizes need"],
      [{ ...single, pieces: new Uint8Array(80) }, "info.pieces is not 3 hashes of 20 bytes, as the sizes need"],
      [{ ...single, pieces: undefined }, "info.pieces is not 3 hashes of 20 bytes, as the sizes need"],
      [multi([]), "info.files is empty"],
      [multi("x"), "info.files is not a list"],
      [multi([file, { ...file, length: -1 }]), "info.files[1].length is not an integer of 0 or more"],
      [multi([file, 7]), "info.files[1].length is not an integer of 0 or more"],
      [multi([file, { length: 1 }]), "info.files[1].path is not a list of names"],
      [multi([{ ...file, path: [] }]), "info.files[0].path is not a list of names"],
      [multi([{ ...file, path: ["a", 5] }]), "info.files[0].path is not a list of names"],
      [multi([{ ...file, length: 0 }]), "info has no data: all its files are empty"],
      [
        multi([{ ...file, length: Number.MAX_SAFE_INTEGER }, file]),
        "info.files add up to more than 2^53 bytes"
      ]
    ]
    for (const [info, message] of table) {
      const error = failureOf(document(info))
      assert.deepStrictEqual([error?.reason, error?.message], ["Invalid", message])
    }
    assert.isUndefined(failureOf(document(single)))
    assert.isUndefined(failureOf(document(multi([file]))))
  })

  it("tells what is no torrent from what is a bad one", () => {
    const reason = (text: string) => failureOf(Bytes.fromUtf8(text))?.reason
    assert.strictEqual(reason(""), "NotBencode")
    assert.strictEqual(reason("<!DOCTYPE html>"), "NotBencode")
    assert.strictEqual(reason("l".repeat(1_000_000)), "NotBencode")
    assert.strictEqual(reason("d4:info"), "NotBencode")
    assert.strictEqual(reason("de"), "Invalid")
    assert.strictEqual(reason("le"), "Invalid")
    assert.strictEqual(reason("d4:infolee"), "Invalid")
    assert.strictEqual(failureOf(document(single), { maxBytes: 50 })?.reason, "TooLarge")
  })

  it("reads 200,000 pieces and 10,000 files in well under half a second", () => {
    const pieces = 200_000
    const files = Array.from(
      { length: 10_000 },
      (_, i) => ({ path: [`d${i % 100}`, `f${i}`], length: pieces * 16_384 / 10_000 })
    )
    const pieceHashes = new Uint8Array(pieces * 20)
    const encoded = MetainfoWriter.encode({ name: "big", files, pieceLength: 16_384, pieceHashes })
    const start = process.cpuUsage()
    const metainfo = parse(encoded)
    const { system, user } = process.cpuUsage(start)
    assert.isBelow((user + system) / 1000, 500)
    assert.strictEqual(metainfo.layout.pieces, pieces)
    assert.strictEqual(metainfo.files.length, 10_000)
  })
})
