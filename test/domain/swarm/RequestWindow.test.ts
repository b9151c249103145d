import { assert, describe, it } from "@effect/vitest"
import { BLOCK } from "../../../src/domain/PieceLayout.ts"
import { RequestWindow } from "../../../src/domain/swarm/RequestWindow.ts"
import { below, int, randomOf, seed } from "./seeded.ts"

/** A peer that answers after `latency` ms at `rate` bytes/s; returns when it had what window, sampled every ms. */
const download = (window: RequestWindow, rate: number, latency: number, duration: number): Array<number> => {
  const depths: Array<number> = []
  const arrivals: Array<number> = []
  let wireFree = 0
  for (let now = 0; now < duration; now++) {
    let count = 0
    while (arrivals.length > 0 && arrivals[0]! <= now) {
      arrivals.shift()
      count++
    }
    if (count > 0) window.onBlocks(count, count * BLOCK, now)
    if (window.needsRefill(arrivals.length)) {
      window.onRequested(arrivals.length, now)
      while (arrivals.length < window.depth()) {
        wireFree = Math.max(wireFree, now + latency) + BLOCK * 1000 / rate
        arrivals.push(wireFree)
      }
    }
    assert.isFalse(window.isTimedOut(arrivals.length, now))
    depths.push(window.depth())
  }
  return depths
}

describe("RequestWindow", () => {
  it("is fully open to a peer of 1 GB/s within 100 ms", () => {
    assert.strictEqual(download(new RequestWindow(), 1e9, 1, 100).at(-1), 500)
    const deep = new RequestWindow()
    deep.setReqq(5000)
    assert.strictEqual(download(deep, 1e9, 1, 100).at(-1), 2000)
  })

  it.prop("settles at three seconds of a steady peer's rate, whatever the latency", [int(50, 2000), int(1, 400)], (
    [kilobytes, latency]
  ) => {
    const window = new RequestWindow()
    const rate = kilobytes * 1000
    const settled = download(window, rate, latency, 30_000).slice(-5000)
    const ideal = Math.min(500, 3 * rate / BLOCK)
    for (const depth of settled) assert.approximately(depth, ideal, 2 + 0.1 * ideal)
  }, { arbitrary: { runs: 20 } })

  it.prop("keeps its bounds whatever happens", [seed, int(1, 3000)], ([seed, reqq]) => {
    const random = randomOf(seed)
    const window = new RequestWindow()
    window.setReqq(reqq)
    const cap = Math.min(reqq, 2000)
    let now = below(random, 1000)
    for (let step = 0; step < 300; step++) {
      now += random() < 0.1 ? below(random, 10_000) : random() * 50
      const dice = random()
      if (dice < 0.8) {
        const count = 1 + below(random, 64)
        window.onBlocks(count, count * BLOCK, now)
        assert.isFalse(window.snubbed)
      } else if (dice < 0.9) window.onRequested(below(random, 3), now)
      else if (dice < 0.95) window.onUnchoked()
      else window.onTimedOut(now)
      const depth = window.depth()
      assert.isTrue(Number.isInteger(depth))
      assert.isAtMost(depth, cap)
      assert.isAtLeast(depth, window.snubbed ? 1 : Math.min(2, cap))
      assert.isTrue(window.needsRefill(0))
      assert.isFalse(window.needsRefill(depth))
      assert.isAtLeast(window.timeout(), 2000)
      assert.isAtMost(window.timeout(), 60_000)
      assert.isFalse(window.isTimedOut(0, now + 1e9))
    }
  })

  it("starts at 8, adds one per block, and asks again below three quarters", () => {
    const window = new RequestWindow()
    assert.strictEqual(window.depth(), 8)
    assert.isFalse(window.needsRefill(6))
    assert.isTrue(window.needsRefill(5))
    window.onBlocks(8, 8 * BLOCK, 10)
    assert.strictEqual(window.depth(), 16)
    window.onUnchoked()
    assert.strictEqual(window.depth(), 8)
  })

  it("asks a slow peer for no more than a few seconds' worth, from its first blocks on", () => {
    const window = new RequestWindow()
    for (let second = 2; second <= 20; second += 2) {
      window.onBlocks(1, BLOCK, second * 1000)
      if (second > 2) assert.isAtMost(window.depth(), 3)
    }
  })

  it("knows how long it has waited", () => {
    const window = new RequestWindow()
    window.onRequested(0, 1000)
    assert.strictEqual(window.waited(4000), 3000)
    window.onBlocks(1, BLOCK, 5000)
    window.onRequested(1, 6000)
    assert.strictEqual(window.waited(7000), 2000)
  })

  it("asks a snubbing peer for one block at a time until it answers", () => {
    const window = new RequestWindow()
    window.onRequested(0, 0)
    assert.isFalse(window.isTimedOut(8, 20_000))
    assert.isTrue(window.isTimedOut(8, 20_001))
    window.onTimedOut(20_001)
    assert.isTrue(window.snubbed)
    assert.strictEqual(window.depth(), 1)
    assert.isTrue(window.needsRefill(0))
    assert.isFalse(window.needsRefill(1))
    assert.isFalse(window.isTimedOut(1, 30_000))
    window.onBlocks(1, BLOCK, 30_000)
    assert.isAtLeast(window.depth(), 2)
  })

  it("counts the wait from the first request of an empty queue, not of a full one", () => {
    const window = new RequestWindow()
    window.onRequested(0, 0)
    window.onBlocks(8, 8 * BLOCK, 100)
    window.onRequested(0, 100_000)
    assert.isFalse(window.isTimedOut(8, 102_000))
    window.onRequested(8, 102_000)
    assert.isTrue(window.isTimedOut(16, 102_001))
  })

  it("waits by the mean and the deviation of what the peer let us wait before", () => {
    const quick = new RequestWindow()
    const slow = new RequestWindow()
    for (let i = 0; i <= 100; i++) {
      quick.onBlocks(1, BLOCK, i * 10)
      slow.onBlocks(1, BLOCK, i * 5000)
    }
    assert.strictEqual(quick.timeout(), 2000)
    assert.approximately(slow.timeout(), 15_000, 10)
    const erratic = new RequestWindow()
    let now = 0
    for (let i = 0; i <= 100; i++) erratic.onBlocks(1, BLOCK, now += i % 2 === 0 ? 1000 : 9000)
    assert.approximately(erratic.timeout(), 5000 + 4 * 4000, 3000)
  })

  it("heeds the peer's reqq, and no nonsense", () => {
    const window = new RequestWindow()
    window.setReqq(4)
    assert.strictEqual(window.depth(), 4)
    for (const nonsense of [0, -1, Number.NaN]) window.setReqq(nonsense)
    window.onBlocks(100, 100 * BLOCK, 0)
    assert.strictEqual(window.depth(), 4)
    window.setReqq(1)
    assert.strictEqual(window.depth(), 1)
  })
})
