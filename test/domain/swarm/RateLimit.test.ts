import { assert, describe, it } from "@effect/vitest"
import { BLOCK } from "../../../src/domain/PieceLayout.ts"
import { RateLimit } from "../../../src/domain/swarm/RateLimit.ts"
import { below, int, randomOf, seed } from "./seeded.ts"
import { SwarmModel } from "./swarmModel.ts"

/** 10 KB/s to 500 MB/s, evenly over the decades. */
const rateOf = (random: () => number): number => 10_000 * 50_000 ** random()

/** Blocks that somebody takes who comes by every now and then, `late` ms apart at the most: the times and the bytes. */
const taken = (limit: RateLimit, random: () => number, from: number, ms: number, late: number) => {
  const grants: Array<{ readonly at: number; readonly bytes: number }> = []
  for (let at = from; at < from + ms; at += late * random()) {
    const bytes = Math.floor(limit.allowance(at) / BLOCK) * BLOCK
    limit.spend(bytes, at)
    if (bytes > 0) grants.push({ at, bytes })
  }
  return grants
}

const sum = (grants: ReadonlyArray<{ readonly bytes: number }>): number =>
  grants.reduce((sum, { bytes }) => sum + bytes, 0)

describe("RateLimit", () => {
  it.prop("is exact within 5 % and a block over 10 s, however late its loop comes", [seed], ([seed]) => {
    const random = randomOf(seed)
    const rate = rateOf(random)
    const limit = new RateLimit(rate, 500)
    assert.approximately(sum(taken(limit, random, 500, 10_000, 100)), 10 * rate, 0.05 * 10 * rate + BLOCK)
  }, { arbitrary: { runs: 30 } })

  it.prop("loses little when its loop stands still for a fifth of a second every two seconds", [seed], ([seed]) => {
    const random = randomOf(seed)
    const rate = rateOf(random)
    const limit = new RateLimit(rate, 0)
    let bytes = 0
    for (let from = 200; from < 10_000; from += 2000) bytes += sum(taken(limit, random, from, 1800, 20))
    assert.approximately(bytes, 10 * rate, 0.05 * 10 * rate + BLOCK)
  }, { arbitrary: { runs: 30 } })

  it.prop("lets no 100 ms carry more than twice their share and a block", [seed, int(1, 2000)], ([seed, late]) => {
    const random = randomOf(seed)
    const rate = rateOf(random)
    const limit = new RateLimit(rate, 0)
    const grants = taken(limit, random, 0, 5000, late)
    let first = 0
    let within = 0
    for (const { at, bytes } of grants) {
      within += bytes
      while (at - grants[first]!.at > 100) within -= grants[first++]!.bytes
      assert.isAtMost(within, 2 * rate / 10 + BLOCK)
    }
  }, { arbitrary: { runs: 30 } })

  it.prop(
    "of a torrent never exceeds its own nor that of the session, and counts a byte once in each",
    [seed],
    ([seed]) => {
      const random = randomOf(seed)
      const session = new RateLimit(rateOf(random), 0)
      const torrents = Array.from({ length: 3 }, () => {
        const rate = random() < 0.3 ? Infinity : rateOf(random)
        return { rate, limit: new RateLimit(rate, 0, session), bytes: 0 }
      })
      for (let at = 0; at < 10_000; at += 40 * random()) {
        const one = torrents[below(random, 3)]!
        const bytes = Math.floor(one.limit.allowance(at) / BLOCK) * BLOCK
        one.limit.spend(bytes, at)
        one.bytes += bytes
      }
      for (const { bytes, rate } of torrents) assert.isAtMost(bytes, 10.25 * rate + BLOCK)
      const all = torrents.reduce((sum, { bytes }) => sum + bytes, 0)
      assert.isAtMost(all, 10.25 * session.rate + BLOCK)
      const most = Math.min(session.rate, torrents.reduce((sum, { rate }) => sum + rate, 0))
      // Visitors come to each torrent every 60 ms in the mean, and 100 ms can be saved up.
      assert.isAtLeast(all, 5 * most - 3 * BLOCK)
    },
    { arbitrary: { runs: 30 } }
  )

  it("gives to others what was spent and did not move, even more than it can save up", () => {
    const limit = new RateLimit(BLOCK, 0)
    limit.spend(10 * BLOCK, 0)
    assert.strictEqual(limit.waitFor(BLOCK, 0), 11_000)
    limit.spend(-10 * BLOCK, 5000)
    assert.strictEqual(limit.allowance(5000), 5 * BLOCK)
  })

  it("changes at any time, from and to no limit, and forgets what was owed before a time without", () => {
    const session = new RateLimit(Infinity, 0)
    const limit = new RateLimit(Infinity, 0, session)
    assert.isFalse(limit.isLimited)
    assert.strictEqual(limit.allowance(0), Infinity)
    session.setRate(1e6, 1000)
    assert.isTrue(limit.isLimited)
    assert.strictEqual(limit.allowance(1000), 0)
    assert.strictEqual(limit.allowance(1050), 50_000)
    limit.setRate(1000, 1050)
    assert.strictEqual(limit.rate, 1000)
    limit.spend(1e6, 1050)
    assert.isAbove(limit.waitForOwn(1, 1050), 900_000)
    limit.setRate(Infinity, 2000)
    session.setRate(Infinity, 2000)
    assert.strictEqual(limit.waitFor(1e9, 2000), 0)
    limit.setRate(10_000, 60_000)
    assert.strictEqual(limit.allowance(61_000), 10_000)
    limit.setRate(0, 61_000)
    assert.strictEqual(limit.waitFor(1, 61_000), Infinity)
    for (const nonsense of [-1, Number.NaN]) assert.throws(() => limit.setRate(nonsense, 0), RangeError)
  })
})

describe("torrents under one limit", () => {
  /** What three torrents with so many peers each get of 40 blocks/s, when some answer at once and some late. */
  const shares = (peers: ReadonlyArray<number>): ReadonlyArray<number> => {
    const session = new RateLimit(40 * BLOCK, 0)
    const models = peers.map((_, i) => {
      const limit = new RateLimit(Infinity, 0, session)
      return new SwarmModel({ random: randomOf(i + 1), pieces: 400, pieceLength: BLOCK, limit })
    })
    models.forEach((model, i) => {
      for (let peer = 0; peer < peers[i]!; peer++) model.joinSeed()
    })
    for (let now = 0; now <= 20_000; now += 10) {
      models.forEach((model, i) => {
        model.now = now
        if (now % 50 === 0) model.swarm.feed(now)
        // Those of the first torrent answer within 10 ms, those of the last within 90.
        if (now % (10 + 40 * i) === 0) {
          for (const member of model.members) model.answer(member, 400)
        }
        while (model.settle());
      })
    }
    return models.map(({ swarm }) => swarm.down.total / BLOCK)
  }

  for (const peers of [[1, 1, 1], [8, 1, 1], [1, 1, 8]]) {
    it(`get equal shares of it with ${peers.join(", ")} peers`, () => {
      const got = shares(peers)
      assert.approximately(got[0]! + got[1]! + got[2]!, 20 * 40, 0.05 * 20 * 40)
      for (const blocks of got) assert.approximately(blocks, 20 * 40 / 3, 0.1 * 20 * 40 / 3)
    })
  }
})
