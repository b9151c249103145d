import { assert, describe, it } from "@effect/vitest"
import * as Padding from "../../src/domain/Padding.ts"

const PIECE = 32_768

describe("Padding", () => {
  it("puts padding where libtorrent has it", () => {
    const lengths = [5, PIECE, 0, PIECE + 1].map((length) => ({ length }))
    assert.deepStrictEqual(Padding.insert(lengths, PIECE).map(({ length }) => length), [
      5,
      PIECE - 5,
      PIECE,
      0,
      PIECE + 1,
      PIECE - 1
    ])
    assert.deepStrictEqual(Padding.insert([{ length: 5 }], PIECE), [{ length: 5 }])
  })
})
