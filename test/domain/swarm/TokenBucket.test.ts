import { assert, describe, it } from "@effect/vitest"
import { defaultBurst, TokenBucket } from "../../../src/domain/swarm/TokenBucket.ts"
import { below, int, randomOf, seed } from "./seeded.ts"

describe("TokenBucket", () => {
  it.prop("never grants more than rate × time + burst over any stretch", [seed, int(1, 2_000_000), int(1, 100_000)], (
    [seed, rate, burst]
  ) => {
    const random = randomOf(seed)
    const bucket = new TokenBucket(rate, 1000, burst)
    const grants: Array<{ now: number; granted: number }> = []
    let now = 1000
    for (let step = 0; step < 120; step++) {
      const stepsBack = random() < 0.1
      if (!stepsBack && random() < 0.7) now += random() * 400
      const wanted = below(random, 200_000)
      const granted = bucket.take(wanted, stepsBack ? now - 500 : now)
      assert.isAtLeast(granted, 0)
      assert.isAtMost(granted, wanted)
      assert.isTrue(Number.isInteger(granted))
      grants.push({ now, granted })
      let sum = 0
      let excess = -Infinity
      for (const grant of grants.toReversed()) {
        sum += grant.granted
        excess = Math.max(excess, sum - rate * (now - grant.now) / 1000 - burst)
      }
      assert.isBelow(excess, 0.001)
    }
  })

  it.prop("gives all it may to whoever asks all the time", [int(1000, 10_000_000)], ([rate]) => {
    const bucket = new TokenBucket(rate, 0)
    let sum = 0
    for (let now = 0; now <= 10_000; now += 10) sum += bucket.take(rate, now)
    assert.approximately(sum, rate * 10 + defaultBurst(rate), 1)
  })

  it.prop("is right about the wait", [int(1, 1_000_000), int(1, 100_000), int(0, 100_000), int(1, 200_000)], (
    [rate, burst, spent, wanted]
  ) => {
    const bucket = new TokenBucket(rate, 0, burst)
    bucket.take(spent, 0)
    const wait = bucket.waitFor(wanted, 0)
    const full = Math.min(wanted, burst)
    if (wait > 0) assert.isBelow(new TokenBucket(rate, 0, burst).take(burst, 0) - Math.min(spent, burst), full)
    assert.strictEqual(bucket.take(wanted, wait + 0.001), full)
  })

  it("makes those after it wait for what was charged", () => {
    const bucket = new TokenBucket(1000, 0, 100)
    bucket.charge(1100, 0)
    assert.strictEqual(bucket.take(1, 500), 0)
    assert.strictEqual(bucket.waitFor(1, 500), 501)
    assert.strictEqual(bucket.take(50, 1050), 50)
    const full = new TokenBucket(1000, 0, 100)
    full.charge(50, 1000)
    full.charge(50, 2000)
    assert.strictEqual(full.take(100, 2000), 50)
  })

  it("loses nothing when time steps back", () => {
    const bucket = new TokenBucket(1000, 5000, 1000)
    assert.strictEqual(bucket.take(500, 0), 500)
    assert.strictEqual(bucket.take(1000, 5000), 500)
    assert.strictEqual(bucket.take(1000, 5100), 100)
  })

  it("has no limit at Infinity, stops at 0, and changes between them", () => {
    const bucket = new TokenBucket(Infinity, 0)
    assert.strictEqual(bucket.take(1e12, 0), 1e12)
    assert.strictEqual(bucket.waitFor(1e12, 0), 0)
    bucket.setRate(0, 10)
    assert.strictEqual(bucket.take(1, 1e9), 0)
    assert.strictEqual(bucket.waitFor(1, 1e9), Infinity)
    bucket.setRate(1000, 1e9)
    assert.strictEqual(bucket.take(10_000, 1e9), 0)
    assert.strictEqual(bucket.take(10_000, 1e9 + 2000), 2000)
    bucket.setRate(Infinity, 1e9 + 2000)
    assert.strictEqual(bucket.rate, Infinity)
    bucket.setRate(1000, 2e9)
    assert.isAtMost(bucket.take(1e6, 2e9 + 1000), 1000)
  })
})
