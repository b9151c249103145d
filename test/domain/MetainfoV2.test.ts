import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Bencode from "../../src/domain/Bencode.ts"
import * as Bytes from "../../src/domain/Bytes.ts"
import * as Merkle from "../../src/domain/Merkle.ts"
import * as Metainfo from "../../src/domain/Metainfo.ts"
import * as PieceTrees from "../../src/domain/PieceTrees.ts"
import * as SafePath from "../../src/domain/SafePath.ts"
import { noise } from "../support/payload.ts"
import { hashesOf } from "../support/versions.ts"
import { bytes } from "./generators.ts"

type Fields = { readonly [key: string]: Bencode.Encodable | undefined }

const PIECE = 32_768

const document = (info: Fields, rest: Fields = {}) => Bencode.encode({ ...rest, info })

const failureOf = (document: Uint8Array, options?: Metainfo.ParseOptions) => {
  const result = Metainfo.parse(document, options)
  return Result.isFailure(result) ? result.failure : undefined
}

const parse = (document: Uint8Array, options?: Metainfo.ParseOptions) =>
  Result.getOrThrow(Metainfo.parse(document, options))

describe("Metainfo.parse, versions 2 and hybrid", () => {
  /** Trees of all shapes, hardly any of them right. */
  const node: Arbitrary.Arbitrary<Bencode.Encodable> = Arbitrary.array(bytes(0, 3), { maxLength: 4 }).pipe(
    Arbitrary.map((keys) => new Map(keys.map((key) => [key, key.length === 0 ? { length: 7 } : new Map()])))
  )
  const tree = Arbitrary.array(Arbitrary.all([bytes(0, 2), node]), { maxLength: 4 }).pipe(
    Arbitrary.map((children) => new Map(children))
  )

  it.prop("never throws on trees of any shape", [tree, tree], ([tree, layers]) => {
    const info = { name: "x", "piece length": PIECE, "meta version": 2, "file tree": tree }
    const error = failureOf(document(info, { "piece layers": layers }))
    assert.strictEqual(error?.reason, "Invalid")
    assert.match(error?.message ?? "", /^[\x20-\x7e\u{80}-\u{10ffff}]+$/u)
  })

  const file = (length: number, more: Fields = {}): Bencode.Encodable => {
    const { piecesRoot } = hashesOf(noise(length), PIECE)
    return { "": { length, "pieces root": piecesRoot, ...more } } as Bencode.Encodable
  }

  const layersOf = (...lengths: ReadonlyArray<number>) =>
    new Map(lengths.map((length) => {
      const { pieceLayer, piecesRoot } = hashesOf(noise(length), PIECE)
      return [piecesRoot!, pieceLayer!]
    }))

  const v2: Fields = {
    name: "top",
    "piece length": PIECE,
    "meta version": 2,
    "file tree": { a: file(5), b: file(70_000) }
  }
  const rest: Fields = { "piece layers": layersOf(70_000) }
  const withTree = (tree: Bencode.Encodable | undefined): Fields => ({ ...v2, "file tree": tree })

  it("takes names as they come, and makes them safe", () => {
    const names = [
      [Uint8Array.of(0xff), file(1)],
      ["..", { "../x": file(2), AUX: file(3), aux: file(4) }],
      ["a\u202eb", file(6)],
      ["x".repeat(300), file(0)],
      ["nothing", {}],
      ["nothing but", { folders: {} }]
    ] as const
    const metainfo = parse(
      document(withTree(new Map<string | Uint8Array, Bencode.Encodable>(names)))
    )
    assert.deepStrictEqual(metainfo.files.map(({ path }) => path.join("/")), [
      "top/_/.._x",
      "top/_/_AUX",
      "top/_/_aux.1",
      "top/a_b",
      `top/${"x".repeat(255)}`,
      "top/\ufffd"
    ])
    assert.isTrue(metainfo.files.every(({ length }) => length < 16))
  })

  it("a tree of one file lies in no folder and has its own name, any other lies in one", () => {
    const pathsOf = (tree: Bencode.Encodable) => parse(document(withTree(tree))).files.map(({ path }) => path.join("/"))
    assert.deepStrictEqual(pathsOf({ other: file(5) }), ["other"])
    assert.deepStrictEqual(pathsOf({ other: file(5), folder: {} }), ["top/other"])
    assert.deepStrictEqual(pathsOf({ dir: { other: file(5) } }), ["top/dir/other"])
    assert.strictEqual(parse(document(withTree({ other: file(5) }))).name, "top")
  })

  it("needs no piece layers where no file is longer than a piece", () => {
    assert.isUndefined(failureOf(document(withTree({ a: file(PIECE), b: file(PIECE - 1) }))))
  })

  it("files with the same content share a layer", () => {
    const metainfo = parse(document(withTree({ a: file(70_000), b: file(1), c: file(70_000) }), rest))
    const { pieceLayer } = hashesOf(noise(70_000), PIECE)
    assert.deepStrictEqual(metainfo.pieceRoots?.slice(0, 96), pieceLayer)
    assert.deepStrictEqual(metainfo.pieceRoots?.slice(128), pieceLayer)
  })

  it("links have no bytes, and point to safe names", () => {
    const link = { "": { attr: "l", "symlink path": ["..", "a/b", "c"] } }
    const metainfo = parse(document(withTree({ a: file(5), link, plain: file(0, { attr: "lx" }) })))
    assert.deepStrictEqual(metainfo.files.map(({ symlink }) => symlink), [undefined, ["_", "a_b", "c"], undefined])
    assert.deepStrictEqual(metainfo.files.map(({ length }) => length), [5, 0, 0])
    assert.deepStrictEqual(metainfo.files.map(({ executable }) => executable), [false, false, true])
  })

  it("says what is wrong with a torrent of version 2", () => {
    const tail = { length: PIECE, path: ["b"] }
    const table: ReadonlyArray<readonly [info: Fields, message: string, rest?: Fields]> = [
      [{ ...v2, "meta version": 3, name: 7 }, "info.meta version is 3: nothing newer than version 2 can be read"],
      [{ ...v2, "meta version": "2" }, "info.meta version is no number: nothing newer than version 2 can be read"],
      [
        { ...v2, "meta version": 1n << 60n },
        "info.meta version is no number: nothing newer than version 2 can be read"
      ],
      [{ ...v2, "meta version": undefined }, "info has a file tree without a meta version of 2"],
      [{ ...v2, "meta version": 1 }, "info has a file tree without a meta version of 2"],
      [withTree(undefined), "info.file tree is missing or not a dictionary"],
      [withTree([]), "info.file tree is missing or not a dictionary"],
      [{ ...v2, name: undefined }, "info.name is not a text"],
      ...[undefined, 16_383, 8192, 49_152, 2 ** 30, 0, -PIECE].map((length) =>
        [
          { ...v2, "piece length": length },
          "info.piece length is not a power of two from 16384 to 536870912"
        ] as const
      ),
      [withTree({}), "info.file tree is empty"],
      [withTree({ a: { b: {} } }), "info.file tree is empty"],
      [withTree(file(5)), "info.file tree: it is a file itself"],
      [withTree({ a: { "": { length: 5 }, b: file(5) } }), "info.file tree: a has no pieces root of 32 bytes"],
      [
        withTree({ a: { ...file(5) as Fields, b: file(5) } as Fields as Bencode.Encodable }),
        "info.file tree: a is a file and a folder at once"
      ],
      [withTree({ a: { b: 7 } }), "info.file tree: a/b is not a dictionary"],
      [withTree({ a: { "": 7 } }), "info.file tree: a/ is not a dictionary"],
      [withTree({ a: { "": {} } }), "info.file tree: a has no length that is an integer of 0 or more"],
      [withTree({ a: { "": { "": file(5) } } }), "info.file tree: a has no length that is an integer of 0 or more"],
      [withTree({ a: file(5, { length: -1 }) }), "info.file tree: a has no length that is an integer of 0 or more"],
      [
        withTree({ a: file(5, { length: 1n << 60n }) }),
        "info.file tree: a has no length that is an integer of 0 or more"
      ],
      [
        withTree({ "a\n": { b: file(5, { "pieces root": new Uint8Array(31) }) } }),
        "info.file tree: a\\x0a/b has no pieces root of 32 bytes"
      ],
      [withTree({ a: file(5, { "pieces root": undefined }) }), "info.file tree: a has no pieces root of 32 bytes"],
      [withTree({ a: file(5, { attr: "p" }) }), "info.file tree: a is a padding file, which version 2 does not have"],
      [
        withTree({ a: file(5, { attr: "l", "symlink path": ["b"] }) }),
        "info.file tree: a is a symbolic link with a length of 5"
      ],
      [withTree({ a: file(0), b: file(0) }), "info has no data: all its files are empty"],
      [withTree({ a: file(5, { length: 2 ** 53 - 1 }), b: file(5) }), "info.file tree add up to more than 2^53 bytes"],
      [withTree({ a: file(5, { length: 2 ** 50 }) }), "info.piece length makes 34359738368 pieces, more than 4194304"],
      [v2, "piece layers is missing", {}],
      [v2, "piece layers is not a dictionary", { "piece layers": [] }],
      [v2, "piece layers has no hashes for b", { "piece layers": {} }],
      [v2, "piece layers has hashes for a root that no file longer than a piece has", { "piece layers": { x: "y" } }],
      [v2, "piece layers has hashes for a root that no file longer than a piece has", {
        "piece layers": new Map([...layersOf(70_000), [hashesOf(noise(5), PIECE).piecesRoot!, Bytes.empty]])
      }],
      [v2, "piece layers has a value that is not a byte string", {
        "piece layers": new Map([[hashesOf(noise(70_000), PIECE).piecesRoot!, 7]])
      }],
      ...[0, 64, 95, 128].map((length) =>
        [v2, "piece layers has not 3 hashes of 32 bytes for b", {
          "piece layers": new Map([[hashesOf(noise(70_000), PIECE).piecesRoot!, new Uint8Array(length)]])
        }] as const
      ),
      [v2, "piece layers has hashes that do not make the pieces root of b", {
        "piece layers": new Map([[hashesOf(noise(70_000), PIECE).piecesRoot!, new Uint8Array(96)]])
      }],
      [{ ...v2, pieces: new Uint8Array(20) }, "info has neither files nor a length that is an integer of 0 or more"],
      [{ ...v2, files: [tail] }, "info.files[0] has another name than a of info.file tree"]
    ]
    for (const [info, message, more = rest] of table) {
      const error = failureOf(document(info, more))
      assert.deepStrictEqual([error?.reason, error?.message], ["Invalid", message])
    }
    assert.isUndefined(failureOf(document(v2, rest)))
  })

  it("file trees must be in order, without a name twice", () => {
    const leaf = Buffer.from(Bencode.encode(file(5))).toString("latin1")
    const info = (tree: string) => `d9:file treed${tree}e12:meta versioni2e4:name1:x12:piece lengthi${PIECE}ee`
    const errorOf = (tree: string) => failureOf(Bytes.fromLatin1(`d4:info${info(tree)}e`))?.message
    assert.isUndefined(errorOf(`1:a${leaf}1:b${leaf}2:ba${leaf}`))
    assert.strictEqual(errorOf(`1:b${leaf}1:a${leaf}`), "info.file tree: a is out of order, or there twice")
    assert.strictEqual(errorOf(`1:a${leaf}1:a${leaf}`), "info.file tree: a is out of order, or there twice")
    assert.strictEqual(errorOf(`1:dd2:aa${leaf}1:a${leaf}e`), "info.file tree: d/a is out of order, or there twice")
    // The order of raw bytes: 0xff comes after every letter, and says nothing about the next folder.
    assert.isUndefined(errorOf(`1:dd1:\xff${leaf}e1:ed1:a${leaf}e`))
    const twice = leaf.slice(0, -1) + leaf.slice(1)
    assert.strictEqual(errorOf(`1:a${twice}`), "info.file tree: a is a file and a folder at once")
  })

  const a = { length: 5, path: ["a"] }
  const b = { length: 70_000, path: ["b"] }
  const pad = (length: number) => ({ length, attr: "p", path: [".pad", String(length)] })
  const hybrid = (files: ReadonlyArray<Fields>, pieces = 4): Fields => ({
    ...v2,
    files: files as ReadonlyArray<Bencode.Encodable>,
    pieces: new Uint8Array(20 * pieces)
  })

  it("the two parts of a hybrid must tell of the same files", () => {
    const one: Fields = { ...withTree({ x: file(5) }), name: "x", length: 5, pieces: new Uint8Array(20) }
    const table: ReadonlyArray<readonly [info: Fields, message: string]> = [
      [hybrid([a, pad(PIECE - 5)], 1), "info.files has not b of info.file tree"],
      [
        hybrid([a, pad(PIECE - 5), b, { length: 0, path: ["c"] }]),
        "info.files[3] is not in info.file tree, which has 2 files"
      ],
      [hybrid([b, a]), "info.files[0] has another name than a of info.file tree"],
      [hybrid([{ ...a, path: ["a", "a"] }, b]), "info.files[0] has another name than a of info.file tree"],
      [hybrid([{ ...a, "path.utf-8": ["A"] }, b]), "info.files[0] has another name than a of info.file tree"],
      [hybrid([{ ...a, length: 6 }, b]), "info.files[0] has another length than a of info.file tree"],
      [hybrid([a, b]), "info.files[1] does not start at the piece of b of info.file tree"],
      [hybrid([a, pad(PIECE - 6), b]), "info.files[2] does not start at the piece of b of info.file tree"],
      [hybrid([a, pad(2 * PIECE - 5), b]), "info.files[2] does not start at the piece of b of info.file tree"],
      [
        hybrid([pad(PIECE), a, pad(PIECE - 5), b]),
        "info.files[1] does not start at the piece of a of info.file tree"
      ],
      [hybrid([a, pad(PIECE - 5), b, pad(1)]), "info.files ends with padding that does not end at a piece"],
      [hybrid([a, pad(PIECE - 5), b, pad(2 * PIECE)]), "info.files ends with padding that does not end at a piece"],
      [hybrid([a, pad(PIECE - 5), b], 3), "info.pieces is not 4 hashes of 20 bytes, as the sizes need"],
      [
        { ...hybrid([]), files: undefined, length: 5 },
        "info.file tree has not the one file of info.length and info.name alone"
      ],
      [{ ...one, name: "y" }, "info.name has another name than x of info.file tree"],
      [{ ...one, length: 6 }, "info.name has another length than x of info.file tree"],
      [{ ...one, pieces: undefined }, "info.pieces is not 1 hashes of 20 bytes, as the sizes need"]
    ]
    for (const [info, message] of table) {
      const error = failureOf(document(info, rest))
      assert.deepStrictEqual([error?.reason, error?.message], ["Invalid", message])
    }
    assert.isUndefined(failureOf(document(one)))
    assert.isUndefined(failureOf(document({ ...one, name: "old", "name.utf-8": "x" })))
  })

  it("padding behind a hybrid's last file may be there or not, in one file or in more", () => {
    for (
      const files of [
        [a, pad(PIECE - 5), b],
        [a, pad(PIECE - 5), b, pad(3 * PIECE - 70_000)],
        [a, pad(1), { length: PIECE - 6, attr: "p" }, b]
      ]
    ) {
      const metainfo = parse(document(hybrid(files), rest))
      assert.deepStrictEqual(metainfo.files.filter(({ padding }) => !padding).map(({ path }) => path[1]), ["a", "b"])
      assert.strictEqual(PieceTrees.of(metainfo, 3)?.length, 70_000 - 2 * PIECE)
    }
  })

  it("padding of one name keeps it, and takes it from no file", () => {
    const tree = { ".pad": { 5: file(5) }, a: file(PIECE - 5), b: file(PIECE - 5) }
    const files = [
      { length: 5, path: [".pad", "5"] },
      pad(PIECE - 5),
      { length: PIECE - 5, path: ["a"] },
      pad(5),
      { length: PIECE - 5, path: ["b"] },
      { length: 5, attr: "p", path: ["..", "5"] }
    ]
    const metainfo = parse(document({ ...hybrid(files, 3), "file tree": tree }))
    assert.deepStrictEqual(metainfo.files.map(({ path }) => path.join("/")), [
      "top/.pad/5",
      `top/.pad/${PIECE - 5}`,
      "top/a",
      "top/.pad/5",
      "top/b",
      "top/_/5"
    ])
  })

  it("compares a hybrid's names byte for byte, not as they are shown", () => {
    const bad = (byte: number) => Uint8Array.of(byte)
    const info = (name: Uint8Array) => ({
      ...withTree(new Map([[bad(0xff), file(5)]])),
      files: [{ length: 5, path: [name] }],
      pieces: new Uint8Array(20)
    })
    assert.isUndefined(failureOf(document(info(bad(0xff)))))
    assert.strictEqual(
      failureOf(document(info(bad(0xfe))))?.message,
      "info.files[0] has another name than \ufffd of info.file tree"
    )
  })

  describe("has limits", () => {
    /** A folder within folders, and files in the innermost. */
    const deep = (levels: number, leaves: number, folder = "d"): Bencode.Encodable => {
      let tree: Bencode.Encodable = Object.fromEntries(Array.from({ length: leaves }, (_, i) => [`f${i}`, file(0)]))
      for (let i = 0; i < levels; i++) tree = { [folder]: tree }
      return tree
    }

    it("counts a folder's name for every file below it", () => {
      const document_ = document(withTree({ a: file(5), b: deep(4, 100, "d".repeat(250)) }))
      assert.isUndefined(failureOf(document_))
      assert.deepInclude(failureOf(document_, { maxNameBytes: 10_000 }), {
        reason: "TooLarge",
        message: "the torrent file is too large: its names have more than 9995 bytes"
      })
    })

    it("takes no more names than the document has bytes", () => {
      const bytes = document(withTree({ a: file(5), b: deep(90, 1000) }))
      assert.deepInclude(failureOf(bytes), {
        reason: "TooLarge",
        message: `the torrent file is too large: its paths have more than ${bytes.length} names`
      })
    })

    it("neither links nor padding lead deeper than a file may lie", () => {
      const deep = Array.from({ length: 5000 }, () => "d")
      const link = { "": { attr: "l", "symlink path": deep } }
      const files = [
        { length: 5, path: ["a"] },
        { length: 0, path: ["link"], attr: "l", "symlink path": deep },
        { length: PIECE - 5, path: deep, attr: "p" }
      ]
      const metainfo = parse(document({ ...hybrid(files, 1), "file tree": { a: file(5), link } }))
      for (const path of [metainfo.files[1]!.symlink!, metainfo.files[2]!.path]) {
        assert.isBelow(path.join("/").length, SafePath.MAX_PATH)
      }
    })

    it("reads a tree as deep as bencode may be in one pass", () => {
      const { files } = parse(document(withTree({ a: file(5), b: deep(93, 1) })))
      assert.strictEqual(files[1]!.length, 0)
      assert.strictEqual(failureOf(document(withTree({ a: file(5), b: deep(96, 1) })))?.reason, "NotBencode")
    })

    it("files that share a layer cannot make more pieces than the document has room for", () => {
      const length = 1024 * PIECE
      const layer = new Uint8Array(1024 * Merkle.HASH)
      const root = Merkle.root(layer, 1024)
      const leaf = { "": { length, "pieces root": root } }
      const tree = Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`f${i}`, leaf]))
      const bytes = document(withTree(tree), { "piece layers": new Map([[root, layer]]) })
      assert.strictEqual(parse(bytes).layout.pieces, 65_536)
      assert.deepInclude(failureOf(bytes, { maxBytes: 1_000_000 }), {
        reason: "TooLarge",
        message: "the torrent file is too large: the hashes of its 65536 pieces have more than 1000000 bytes"
      })
    })
  })
})
