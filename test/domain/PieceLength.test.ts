import { assert, describe, it } from "@effect/vitest"
import * as PieceLength from "../../src/domain/PieceLength.ts"
import { int } from "./generators.ts"

const KIB = 1024

describe("the piece length by itself", () => {
  it("is what libtorrent takes", () => {
    const expected: ReadonlyArray<readonly [size: number, kib: number]> = [
      [1, 16],
      [2_684_355, 16],
      [2_684_356, 32],
      [100 * KIB ** 2, 128],
      [KIB ** 3, 512],
      [50 * KIB ** 3, 4096],
      [703_687_441_777, 8192],
      [703_687_441_778, 16_384],
      [2 ** 50, 16_384]
    ]
    assert.deepStrictEqual(expected.map(([size]) => PieceLength.choose(size)), expected.map(([, kib]) => kib * KIB))
  })

  it.prop("is possible in every version, and never shrinks", [int(1, 2 ** 50), int(1, 2 ** 50)], ([a, b]) => {
    const [less, more] = [PieceLength.choose(Math.min(a, b)), PieceLength.choose(Math.max(a, b))]
    assert.isAtMost(less, more)
    assert.isTrue(PieceLength.isPossible(less, true))
  })
})

describe("a piece length that is asked for", () => {
  it("is a multiple of 16 KiB, and a power of two under a hash tree", () => {
    const of = (hasTree: boolean) =>
      [0, 1, 8, 16, 24, 32, 48, 65_536, 65_552, 131_072].filter((kib) => PieceLength.isPossible(kib * KIB, hasTree))
    assert.deepStrictEqual(of(false), [16, 32, 48, 65_536])
    assert.deepStrictEqual(of(true), [16, 32, 65_536])
  })
})
