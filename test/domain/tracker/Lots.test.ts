import { assert, describe, it } from "@effect/vitest"
import { Lots } from "../../../src/domain/tracker/Lots.ts"
import { randomOf } from "../swarm/seeded.ts"

describe("Lots", () => {
  it("draws every number of a range alike, and every pair", () => {
    const lots = new Lots(randomOf(1))
    const out = new Int32Array(4)
    const times = new Map<string, number>()
    const rounds = 20_000
    for (let round = 0; round < rounds; round++) {
      lots.draw(6, 3, 1, out)
      out[3] = lots.more(6)
      const drawn = Array.from(out).sort()
      assert.strictEqual(new Set(drawn).size, 4)
      assert.isTrue(drawn.every((lot) => lot >= 0 && lot < 6))
      const name = drawn.join("")
      times.set(name, (times.get(name) ?? 0) + 1)
    }
    const expected = rounds / 15
    assert.strictEqual(times.size, 15)
    const chiSquare = [...times.values()].reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0)
    // 14 degrees of freedom: one in a thousand is beyond 36.1.
    assert.isBelow(chiSquare, 36.1)
  })
})
