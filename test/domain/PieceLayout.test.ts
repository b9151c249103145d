import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import { int } from "./generators.ts"

const layOut = (lengths: ReadonlyArray<number>) => {
  let offset = 0
  return lengths.map((length) => {
    const file = { offset, length }
    offset += length
    return file
  })
}

/** For every byte of the payload the file that holds it, and where. */
const owners = (lengths: ReadonlyArray<number>) =>
  lengths.flatMap((length, file) => Array.from({ length }, (_, position) => ({ file, position })))

const lengths = Arbitrary.array(int(0, 9), { maxLength: 12 })

describe("PieceLayout", () => {
  it.prop("spans agree with a walk byte by byte", [lengths, int(0, 100), int(0, 60)], ([lengths, from, size]) => {
    const all = owners(lengths)
    const wanted = all.slice(from, from + size)
    const spans = PieceLayout.spans(layOut(lengths), from, size)
    const covered = spans.flatMap(({ at, file, length, position }) =>
      Array.from({ length }, (_, i) => ({ file, position: position + i, at: at + i }))
    )
    assert.deepStrictEqual(covered, wanted.map(({ file, position }, at) => ({ file, position, at })))
    assert.isTrue(spans.every((span) => span.length > 0))
    assert.strictEqual(new Set(spans.map((span) => span.file)).size, spans.length)
  })

  it("cuts a piece that lies in five files, with empty ones between", () => {
    assert.deepStrictEqual(PieceLayout.spans(layOut([5, 0, 3, 0, 0, 2, 4, 9]), 3, 13), [
      { file: 0, position: 3, at: 0, length: 2 },
      { file: 2, position: 0, at: 2, length: 3 },
      { file: 5, position: 0, at: 5, length: 2 },
      { file: 6, position: 0, at: 7, length: 4 },
      { file: 7, position: 0, at: 11, length: 2 }
    ])
  })

  it.prop("pieces of a file are those that hold a byte of it", [lengths, int(1, 7)], ([lengths, pieceLength]) => {
    const all = owners(lengths)
    const layout = PieceLayout.make(all.length, pieceLength)
    for (const [index, file] of layOut(lengths).entries()) {
      const pieces = all.flatMap((owner, at) => owner.file === index ? [Math.floor(at / pieceLength)] : [])
      const expected = pieces.length === 0 ? undefined : { first: pieces[0]!, last: pieces.at(-1)! }
      assert.deepStrictEqual(PieceLayout.piecesOf(layout, file), expected)
    }
  })

  it.prop("pieces and blocks add up to the payload", [int(0, 4), int(1, 100_000), int(1, 100_000)], (
    [whole, pieceLength, rest]
  ) => {
    const total = whole * pieceLength + Math.min(rest, pieceLength)
    const layout = PieceLayout.make(total, pieceLength)
    assert.strictEqual(layout.pieces, whole + 1)
    let at = 0
    for (let piece = 0; piece < layout.pieces; piece++) {
      assert.strictEqual(PieceLayout.pieceOffset(layout, piece), at)
      const size = PieceLayout.pieceSize(layout, piece)
      assert.isTrue(size > 0 && size <= pieceLength)
      let inPiece = 0
      for (let block = 0; block < PieceLayout.blocksIn(layout, piece); block++) {
        const blockSize = PieceLayout.blockSize(layout, piece, block)
        assert.isTrue(blockSize > 0 && blockSize <= PieceLayout.BLOCK)
        assert.isTrue(PieceLayout.isInside(layout, piece, inPiece, blockSize))
        inPiece += blockSize
      }
      assert.strictEqual(inPiece, size)
      assert.isFalse(PieceLayout.isInside(layout, piece, 0, size + 1))
      assert.isFalse(PieceLayout.isInside(layout, piece, size, 1))
      assert.isFalse(PieceLayout.isInside(layout, piece, 0, 0))
      at += size
    }
    assert.strictEqual(at, total)
    assert.isFalse(PieceLayout.isInside(layout, layout.pieces, 0, 1))
  })

  /** Lengths of files, each of which starts with a piece of its own; the sizes of all pieces in order. */
  const aligned = Arbitrary.all([int(1, 4), Arbitrary.array(int(1, 300_000), { minLength: 1, maxLength: 8 })]).pipe(
    Arbitrary.map(([blocks, lengths]) => {
      const pieceLength = blocks * PieceLayout.BLOCK
      const short = new Map<number, number>()
      const sizes: Array<number> = []
      const files = lengths.map((length, i) => {
        const offset = sizes.length * pieceLength
        for (let left = length; left > 0; left -= pieceLength) sizes.push(Math.min(left, pieceLength))
        if (i < lengths.length - 1 && sizes.at(-1)! < pieceLength) short.set(sizes.length - 1, sizes.at(-1)!)
        return { offset, length }
      })
      const end = files.at(-1)!.offset + files.at(-1)!.length
      return { files, pieceLength, sizes, layout: PieceLayout.make(end, pieceLength, short) }
    })
  )

  it.prop("where each file starts a piece, pieces and blocks end with the file", [aligned], (
    [{ files, layout, pieceLength, sizes }]
  ) => {
    assert.deepStrictEqual(sizes.map((_, piece) => PieceLayout.pieceSize(layout, piece)), sizes)
    assert.strictEqual(layout.pieces, sizes.length)
    assert.strictEqual(layout.dataLength, files.reduce((sum, { length }) => sum + length, 0))
    for (const [piece, size] of sizes.entries()) {
      const blocks = PieceLayout.blocksIn(layout, piece)
      const blockSizes = Array.from({ length: blocks }, (_, block) => PieceLayout.blockSize(layout, piece, block))
      assert.isTrue(blockSizes.every((size) => size > 0 && size <= PieceLayout.BLOCK))
      assert.strictEqual(blockSizes.reduce((sum, size) => sum + size, 0), size)
      const spans = PieceLayout.spans(files, PieceLayout.pieceOffset(layout, piece), pieceLength)
      assert.deepStrictEqual(spans.map(({ at, length }) => [at, length]), [[0, size]])
      // Whole blocks beyond the end of the file may be asked for, other pieces may not.
      assert.isTrue(PieceLayout.isInside(layout, piece, (blocks - 1) * PieceLayout.BLOCK, PieceLayout.BLOCK))
      assert.isFalse(PieceLayout.isInside(layout, piece, 0, pieceLength + 1))
      assert.isFalse(PieceLayout.isInside(layout, piece, pieceLength, 1))
    }
    assert.isFalse(PieceLayout.isInside(layout, sizes.length, 0, 1))
  })

  it("without gaps a short piece is no longer than it is", () => {
    const layout = PieceLayout.make(20_000, 16_384)
    assert.isTrue(PieceLayout.isInside(layout, 1, 0, 3616))
    assert.isFalse(PieceLayout.isInside(layout, 1, 0, 3617))
    assert.strictEqual(layout.dataLength, 20_000)
  })
})
