import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Arrangement from "../../src/domain/Arrangement.ts"
import * as Merkle from "../../src/domain/Merkle.ts"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import { int } from "./generators.ts"

const PIECE = 32_768

const filesOf = Arbitrary.array(int(0, 3 * PIECE), { minLength: 1, maxLength: 12 }).pipe(
  Arbitrary.map((lengths) => lengths.map((length) => ({ length }))),
  Arbitrary.filter((files) => files.some(({ length }) => length > 0))
)

const dataOf = (files: ReadonlyArray<{ readonly length: number }>): number =>
  files.reduce((sum, { length }) => sum + length, 0)

describe("version 1", () => {
  it.prop("lays files end to end", [filesOf], ([files]) => {
    const made = Arrangement.arrange(files, PIECE, "1")
    let at = 0
    for (const { length, offset } of made.files) {
      assert.strictEqual(offset, at)
      at += length
    }
    assert.deepStrictEqual(made.files.map(({ file }) => file), files)
    assert.strictEqual(made.layout.totalLength, dataOf(files))
    assert.strictEqual(made.layout.pieces, Arrangement.countPieces(files, PIECE, "1"))
  })
})

for (const version of ["2", "hybrid"] as const) {
  describe(`version ${version}`, () => {
    it.prop("starts every file with a piece, which no other file is in", [filesOf], ([files]) => {
      const made = Arrangement.arrange(files, PIECE, version)
      const { layout } = made
      assert.strictEqual(layout.pieces, Arrangement.countPieces(files, PIECE, version))
      const owners = Array.from(
        { length: layout.pieces },
        (_, piece) =>
          PieceLayout.spans(made.files, PieceLayout.pieceOffset(layout, piece), PieceLayout.pieceSize(layout, piece))
            .filter(({ file }) => !("padding" in made.files[file]!.file))
      )
      assert.isTrue(owners.every((spans) => spans.length === 1))
      const data = owners.flat().reduce((sum, { length }) => sum + length, 0)
      assert.strictEqual(data, dataOf(files))
      const widths = Arrangement.widths(made)
      owners.forEach(([span], piece) =>
        assert.strictEqual(widths[piece], Merkle.widthOf(made.files[span!.file]!.length, PIECE))
      )
    })
  })
}

describe("padding", () => {
  it.prop("is all that hybrids add, and version 2 has none", [filesOf], ([files]) => {
    const two = Arrangement.arrange(files, PIECE, "2")
    assert.deepStrictEqual(two.files.map(({ file }) => file), files)
    assert.strictEqual(two.layout.dataLength, dataOf(files))
    const both = Arrangement.arrange(files, PIECE, "hybrid")
    assert.strictEqual(both.layout.dataLength, both.layout.totalLength)
    assert.isTrue(files.length === 1 || both.layout.totalLength % PIECE === 0)
    assert.deepStrictEqual(both.files.flatMap(({ file }) => "padding" in file ? [] : [file]), files)
  })
})
