import { assert, describe, it } from "@effect/vitest"
import { PieceBuffers } from "../../../src/domain/swarm/PieceBuffers.ts"
import { below, randomOf, seed } from "./seeded.ts"

describe("PieceBuffers", () => {
  it.prop("lends every buffer to one borrower, and keeps no more than the budget alive", [seed], ([seed]) => {
    const random = randomOf(seed)
    const limit = 1000
    const buffers = new PieceBuffers(limit)
    const lent: Array<Uint8Array> = []
    let used = 0
    for (let step = 0; step < 500; step++) {
      if (random() < 0.5) {
        const length = 50 * (1 + below(random, 6))
        assert.strictEqual(buffers.fits(length), used + length <= limit)
        if (!buffers.fits(length)) continue
        const buffer = buffers.take(length)
        assert.strictEqual(buffer.length, length)
        assert.notInclude(lent, buffer)
        lent.push(buffer)
        used += length
      } else if (lent.length > 0) {
        const [buffer] = lent.splice(below(random, lent.length), 1)
        buffers.give(buffer!)
        used -= buffer!.length
      }
      assert.strictEqual(buffers.used, used)
      assert.isAtMost(used + buffers.idle, limit)
    }
  }, { arbitrary: { runs: 30 } })

  it("lends one piece over the budget, and lets its memory go", () => {
    const buffers = new PieceBuffers(100)
    assert.isFalse(buffers.fits(101))
    const large = buffers.take(300)
    assert.strictEqual(buffers.used, 300)
    assert.isFalse(buffers.fits(1))
    buffers.give(large)
    assert.strictEqual(buffers.used, 0)
    assert.strictEqual(buffers.idle, 0)
    assert.isTrue(buffers.fits(100))
  })

  it("lends again the buffer that came back last", () => {
    const buffers = new PieceBuffers(100)
    const [a, b] = [buffers.take(50), buffers.take(50)]
    buffers.give(a)
    buffers.give(b)
    assert.strictEqual(buffers.idle, 100)
    assert.strictEqual(buffers.take(50), b)
    assert.strictEqual(buffers.take(50), a)
    assert.strictEqual(buffers.idle, 0)
  })

  it("gives up idle buffers of another length before it takes memory over the budget", () => {
    const buffers = new PieceBuffers(100)
    buffers.give(buffers.take(80))
    assert.strictEqual(buffers.idle, 80)
    buffers.take(60)
    assert.isAtMost(buffers.used + buffers.idle, 100)
  })
})
