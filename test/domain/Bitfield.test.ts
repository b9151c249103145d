import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Bitfield from "../../src/domain/Bitfield.ts"
import { bytes, int } from "./generators.ts"

/** A number of pieces, and pieces of it to set and clear in turn. */
const edits = int(1, 70).pipe(
  Arbitrary.flatMap((pieces) =>
    Arbitrary.all([
      Arbitrary.Constant(pieces),
      Arbitrary.array(Arbitrary.all([int(0, pieces - 1), int(0, 2)]), { maxLength: 60 })
    ])
  )
)

const build = ([pieces, steps]: readonly [number, ReadonlyArray<readonly [number, number]>]) => {
  const bits = Bitfield.make(pieces)
  const model = new Set<number>()
  for (const [piece, action] of steps) {
    if (action === 0) {
      Bitfield.clear(bits, piece)
      model.delete(piece)
    } else {
      Bitfield.set(bits, piece)
      model.add(piece)
    }
  }
  return { pieces, bits, model }
}

describe("Bitfield", () => {
  it("keeps the first piece in the highest bit and the spare bits clear", () => {
    assert.deepStrictEqual(Bitfield.full(10), Uint8Array.of(0xff, 0xc0))
    assert.isTrue(Bitfield.isValid(Bitfield.full(10), 10))
    assert.isFalse(Bitfield.isValid(Uint8Array.of(0xff, 0xe0), 10))
    assert.isFalse(Bitfield.isValid(Uint8Array.of(0xff), 10))
  })

  it.prop("is a set of pieces", [edits], ([input]) => {
    const { bits, model, pieces } = build(input)
    const visited: Array<number> = []
    Bitfield.forEach(bits, (piece) => visited.push(piece))
    assert.deepStrictEqual(visited, [...model].sort((a, b) => a - b))
    for (let piece = 0; piece < pieces; piece++) assert.strictEqual(Bitfield.has(bits, piece), model.has(piece))
    assert.isFalse(Bitfield.has(bits, bits.length * 8))
    assert.strictEqual(Bitfield.count(bits), model.size)
    assert.strictEqual(Bitfield.isFull(bits, pieces), model.size === pieces)
    assert.isTrue(Bitfield.isValid(bits, pieces))
  })

  it.prop("counts what two sets share", [edits, edits], ([one, other]) => {
    const a = build(one)
    const b = build([a.pieces, other[1].filter(([piece]) => piece < a.pieces)])
    assert.strictEqual(Bitfield.countBoth(a.bits, b.bits), [...a.model].filter((piece) => b.model.has(piece)).length)
  })

  it.prop("full has every piece", [int(0, 70)], ([pieces]) => {
    const bits = Bitfield.full(pieces)
    assert.strictEqual(bits.length, Bitfield.byteLength(pieces))
    assert.isTrue(Bitfield.isFull(bits, pieces) && Bitfield.isValid(bits, pieces))
  })

  it.prop("only the exact length without spare bits is valid", [bytes(0, 3), int(0, 24)], ([input, pieces]) => {
    let valid = input.length === Math.ceil(pieces / 8)
    for (let bit = pieces; bit < input.length * 8; bit++) {
      if (((input[bit >> 3]! >> (7 - (bit & 7))) & 1) === 1) valid = false
    }
    assert.strictEqual(Bitfield.isValid(input, pieces), valid)
  })
})
