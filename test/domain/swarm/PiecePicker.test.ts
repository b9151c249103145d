import { assert, describe, it } from "@effect/vitest"
import * as Bitfield from "../../../src/domain/Bitfield.ts"
import { type Order, PiecePicker } from "../../../src/domain/swarm/PiecePicker.ts"
import { bitsOf, listOf, watched } from "./fakes.ts"
import { below, int, randomOf, seed } from "./seeded.ts"

const some = (random: () => number, pieces: number, share: number): Bitfield.Bitfield =>
  bitsOf(pieces, Array.from({ length: pieces }, (_, piece) => piece).filter(() => random() < share))

describe("PiecePicker", () => {
  for (const order of ["Rarest", "Sequential"] satisfies Array<Order>) {
    it.prop(`${order}: picks what is listed and there, whenever there is such a piece`, [seed, int(1, 900)], (
      [seed, pieces]
    ) => {
      const random = randomOf(seed)
      const wanted = some(random, pieces, random())
      const picker = new PiecePicker(pieces, wanted, order, random)
      const listed = new Set(listOf(wanted))
      assert.strictEqual(picker.left, listed.size)
      for (let step = 0; step < 60; step++) {
        const bits = some(random, pieces, random() < 0.3 ? 0.01 : random())
        picker.availability.addAll(bits)
        const candidates = listOf(bits).filter((piece) => listed.has(piece))
        const found = picker.pick(bits, false)
        if (candidates.length === 0) assert.isUndefined(found)
        else assert.include(candidates, found)
        if (order === "Sequential") assert.strictEqual(found, candidates[0])
        const anything = picker.pick(Bitfield.full(pieces), true)
        assert.strictEqual(anything === undefined, listed.size === 0)
        if (anything !== undefined) assert.isTrue(listed.has(anything))
        if (order === "Sequential") assert.strictEqual(anything, [...listed].sort((a, b) => a - b)[0])
        if (found !== undefined && random() < 0.8) {
          picker.unlist(found)
          listed.delete(found)
        } else {
          const back = below(random, pieces)
          picker.list(back)
          listed.add(back)
        }
        assert.strictEqual(picker.left, listed.size)
        if (random() < 0.5) picker.availability.removeAll(bits)
      }
    }, { arbitrary: { runs: 40 } })
  }

  it.prop("takes the rarest of few pieces, and of a nearly empty peer's", [seed], ([seed]) => {
    const random = randomOf(seed)
    const pieces = 2000
    const picker = new PiecePicker(pieces, Bitfield.full(pieces), "Rarest", random)
    for (let i = 0; i < 5; i++) picker.availability.addAll(some(random, pieces, 0.5))
    const sparse = bitsOf(pieces, Array.from({ length: 20 }, () => below(random, pieces)))
    picker.availability.addAll(sparse)
    const rarest = Math.min(...listOf(sparse).map((piece) => picker.availability.of(piece)))
    assert.strictEqual(picker.availability.of(picker.pick(sparse, false)!), rarest)
  }, { arbitrary: { runs: 20 } })

  it("gives every client another order of equally rare pieces, also among leeches", () => {
    const pieces = 400
    const half = bitsOf(pieces, Array.from({ length: 200 }, (_, piece) => 2 * piece))
    const firsts = new Set<number>()
    for (let client = 0; client < 20; client++) {
      const picker = new PiecePicker(pieces, Bitfield.full(pieces), "Rarest", randomOf(client))
      picker.availability.addAll(half)
      firsts.add(picker.pick(half, false)!)
    }
    assert.isAtLeast(firsts.size, 10)
  })

  it("looks at a bounded number of candidates in a torrent of 200,000 pieces", () => {
    const pieces = 200_000
    const random = randomOf(7)
    const picker = new PiecePicker(pieces, Bitfield.full(pieces), "Rarest", random)
    const half = some(random, pieces, 0.5)
    picker.availability.addAll(half)
    let worst = 0
    for (let picks = 0; picks < 2000; picks++) {
      const { looked, proxy } = watched(half)
      picker.unlist(picker.pick(proxy, false)!)
      worst = Math.max(worst, looked.bytes)
    }
    assert.isAtMost(worst, 256)
  })
})
