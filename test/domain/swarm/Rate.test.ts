import { assert, describe, it } from "@effect/vitest"
import { Rate } from "../../../src/domain/swarm/Rate.ts"
import { below, int, randomOf, seed } from "./seeded.ts"

describe("Rate", () => {
  it.prop("shows a steady flow as it is from the first quarter second on", [
    int(1, 50),
    int(1, 100_000),
    int(0, 10_000)
  ], (
    [every, bytes, start]
  ) => {
    const rate = new Rate()
    const perSecond = bytes * 1000 / every
    for (let now = start; now <= start + 8000; now += every) {
      rate.add(bytes, now)
      const age = now - start
      if (age < 250) continue
      const batches = bytes * 1000 / Math.min(age, 5000)
      assert.isAtLeast(rate.perSecond(now), perSecond * 0.999)
      assert.isAtMost(rate.perSecond(now), perSecond + batches * 1.001)
    }
  })

  it.prop("is the mean over a window between 5 and 5.5 s, and counts every byte", [seed], ([seed]) => {
    const random = randomOf(seed)
    const rate = new Rate()
    const added: Array<{ now: number; bytes: number }> = []
    const sum = (from: number) => added.filter(({ now }) => now >= from).reduce((total, { bytes }) => total + bytes, 0)
    let now = below(random, 1000)
    for (let step = 0; step < 200; step++) {
      now += random() < 0.1 ? below(random, 8000) : below(random, 700)
      const bytes = below(random, 100_000)
      if (random() < 0.7) {
        rate.add(bytes, now)
        added.push({ now, bytes })
      }
      const first = added[0]?.now ?? now
      const per = (from: number, length: number) => sum(from) * 1000 / Math.max(200, Math.min(length, now - first))
      assert.isAtLeast(rate.perSecond(now), per(now - 5000, 5500) * 0.999)
      assert.isAtMost(rate.perSecond(now), per(now - 5500, 5000) * 1.001)
      assert.strictEqual(rate.total, sum(-1))
    }
    assert.strictEqual(rate.perSecond(now + 5500), 0)
  })

  it("is 0 before the first byte and survives time that stands still or steps back", () => {
    const rate = new Rate()
    assert.strictEqual(rate.perSecond(12_345), 0)
    rate.add(1000, 20_000)
    rate.add(1000, 19_000)
    assert.strictEqual(rate.perSecond(20_000), 10_000)
    assert.strictEqual(rate.perSecond(18_000), 10_000)
    assert.strictEqual(rate.perSecond(21_000), 2000)
    assert.strictEqual(rate.total, 2000)
  })
})
