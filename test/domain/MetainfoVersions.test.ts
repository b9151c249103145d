import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import { createHash } from "node:crypto"
import * as Bytes from "../../src/domain/Bytes.ts"
import * as Merkle from "../../src/domain/Merkle.ts"
import * as Metainfo from "../../src/domain/Metainfo.ts"
import type * as MetainfoWriter from "../../src/domain/MetainfoWriter.ts"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import * as PieceTrees from "../../src/domain/PieceTrees.ts"
import { versioned, type VersionedFile } from "../support/versions.ts"
import { int, textOf } from "./generators.ts"

const word = textOf(["a", "b", "C", "é", "😀", "7", "-"], 1, 4)

/** Files with names that are safe and unlike each other, so that they must come back as they are. */
const specs = Arbitrary.array(Arbitrary.all([Arbitrary.array(word, { maxLength: 2 }), int(0, 4), int(0, 120_000)]), {
  maxLength: 6
}).pipe(Arbitrary.map((drawn) =>
  [[[], 4, 40_000] as const, ...drawn].map(([folders, kind, length], i) => ({
    path: [...folders.map((folder) => `d${folder}`), `f${i}`],
    length: kind <= 1 ? 0 : length,
    executable: kind === 2,
    symlink: kind === 0 ? ["f0"] : undefined
  }))
))

const versions = ["1", "2", "hybrid"] as const

/** What to make a torrent of: small enough to be shown when a property fails. */
const recipe = Arbitrary.all([int(0, 2), specs, int(0, 2), int(0, 3)])

const made = ([version, specs, layer, single]: readonly [number, ReadonlyArray<VersionedFile>, number, number]) =>
  versioned(versions[version]!, single === 0 ? specs.slice(0, 1) : specs, PieceLayout.BLOCK << layer, {
    single: single === 0,
    more: { source: "X", private: true, comment: "c" }
  })

const filesOf = (parts: MetainfoWriter.Parts): ReadonlyArray<MetainfoWriter.PartFile> =>
  "files" in parts ? parts.files : [{ ...parts, path: [] }]

describe("Metainfo, all versions", () => {
  it.prop("reads what the writer writes", [recipe], ([recipe]) => {
    const { document, metainfo, parts } = made(recipe)
    const files = filesOf(parts)
    const { pieceLength, version = "1" } = parts
    assert.strictEqual(metainfo.version, version)
    let end = 0
    const offsets = files.map(({ length }) => {
      const offset = version === "2" && length > 0 ? Math.ceil(end / pieceLength) * pieceLength : end
      end = offset + length
      return offset
    })
    // A tree of one file in a folder cannot be told from one that lies in none.
    const multiFile = "files" in parts && (version !== "2" || files.length > 1)
    assert.strictEqual(metainfo.multiFile, multiFile)
    assert.deepStrictEqual<unknown>(
      metainfo.files,
      files.map(({ executable, length, padding, path, piecesRoot, symlink }, i) => ({
        path: multiFile || path.length === 0 ? [parts.name, ...path] : path,
        length,
        offset: offsets[i],
        padding: padding ?? false,
        piecesRoot,
        symlink,
        executable: executable ?? false
      }))
    )
    assert.strictEqual(metainfo.layout.totalLength, end)
    assert.strictEqual(metainfo.layout.dataLength, files.reduce((sum, file) => sum + file.length, 0))
    assert.deepStrictEqual(metainfo.pieceHashes, version === "2" ? Bytes.empty : parts.pieceHashes)
    assert.deepStrictEqual([metainfo.source, metainfo.private, metainfo.comment], ["X", true, "c"])
    const at = Buffer.from(document).indexOf("4:infod") + 6
    assert.deepStrictEqual(metainfo.info, document.slice(at, at + metainfo.info.length))
  })

  it.prop("is known by the hashes of its versions", [recipe], ([recipe]) => {
    const { metainfo } = made(recipe)
    const { info, infoHash, infoHashV1, infoHashV2, swarms, version } = metainfo
    const sha1 = createHash("sha1").update(info).digest("hex")
    const sha256 = createHash("sha256").update(info).digest("hex")
    const short = sha256.slice(0, 40)
    const expected = {
      "1": [sha1, sha1, undefined, [sha1]],
      "2": [short, undefined, sha256, [short]],
      hybrid: [sha1, sha1, sha256, [sha1, short]]
    }
    assert.deepStrictEqual([infoHash, infoHashV1, infoHashV2, [...swarms]], expected[version])
  })

  it.prop("has for each piece the root of its own subtree", [recipe], ([recipe]) => {
    const { metainfo, payload } = made(recipe)
    const { files, layout } = metainfo
    for (let piece = 0; piece < layout.pieces; piece++) {
      const tree = PieceTrees.of(metainfo, piece)
      if (metainfo.version === "1") {
        assert.isUndefined(tree)
        continue
      }
      const { file, leaf, leaves, length, root, width } = tree!
      const entry = files[file]!
      const offset = PieceLayout.pieceOffset(layout, piece)
      assert.isTrue(entry.offset <= offset && offset < entry.offset + entry.length)
      assert.strictEqual(leaf * PieceLayout.BLOCK, offset - entry.offset)
      assert.strictEqual(length, Math.min(layout.pieceLength, entry.offset + entry.length - offset))
      const hashes = Merkle.leaves(payload.subarray(offset, offset + length))
      assert.strictEqual(hashes.length, leaves * Merkle.HASH)
      assert.deepStrictEqual(Merkle.root(hashes, width), root)
      if (metainfo.version === "2") assert.strictEqual(PieceLayout.pieceSize(layout, piece), length)
    }
  })

  it.prop("never throws on mutated documents", [recipe, int(0, 100_000), int(0, 255)], ([recipe, at, byte]) => {
    const { document } = made(recipe)
    document[at % document.length] = byte
    const parsed = Metainfo.parse(document)
    if (Result.isFailure(parsed)) assert.match(parsed.failure.message, /^[\x20-\x7e\u{80}-\u{10ffff}]+$/u)
    assert.isTrue(Result.isFailure(Metainfo.parse(document.subarray(0, at % document.length))))
  }, { arbitrary: { runs: 300 } })
})
