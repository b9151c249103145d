import { assert, describe, it } from "@effect/vitest"
import { Choker, type Decision, ROUND, type Row } from "../../../src/domain/swarm/Choker.ts"
import { below, int, randomOf, seed } from "./seeded.ts"

type Peer = { -readonly [K in keyof Row]: Row[K] }

const PIECE = 262_144
const LONG_AGO = -10_000_000

const peer = (id: number, fields: Partial<Row> = {}): Peer => ({
  id,
  seeding: false,
  interested: true,
  unchoked: false,
  downRate: 0,
  upRate: 0,
  unchokedAt: 0,
  waitingSince: LONG_AGO + id,
  uploadedSinceUnchoke: 0,
  pieceLength: PIECE,
  snubbed: false,
  connectedAt: LONG_AGO,
  ...fields
})

const peers = (from: number, count: number, fields: Partial<Row> = {}): Array<Peer> =>
  Array.from({ length: count }, (_, n) => peer(from + n, fields))

const unchoke = (row: Peer, now: number): void => {
  row.unchoked = true
  row.unchokedAt = now
  row.uploadedSinceUnchoke = 0
}

const choke = (row: Peer, now: number): void => {
  row.unchoked = false
  row.upRate = 0
  row.waitingSince = now
}

const apply = (rows: ReadonlyArray<Peer>, decision: Decision, now: number): Decision => {
  for (const row of rows) {
    if (decision.unchoke.includes(row.id)) unchoke(row, now)
    if (decision.choke.includes(row.id)) choke(row, now)
  }
  return decision
}

const idsOf = (rows: ReadonlyArray<Row>): Array<number> => rows.filter((row) => row.unchoked).map((row) => row.id)

/** Does something at random to one peer, and tells the choker what a session would tell it. */
const disturb = (random: () => number, choker: Choker, rows: Array<Peer>, now: number, nextId: number): void => {
  const dice = random()
  const row = rows[below(random, rows.length)]
  if (dice < 0.4 || row === undefined) {
    const connected = peer(nextId, { seeding: random() < 0.4, interested: false, connectedAt: now })
    rows.push(connected)
  } else if (dice < 0.5) {
    rows.splice(rows.indexOf(row), 1)
    choker.onReleased(row.id)
  } else if (dice < 0.6) {
    if (row.interested) choker.onReleased(row.id)
    row.interested = false
  } else {
    if (row.interested) return
    row.interested = true
    row.waitingSince = now
    const used = rows.filter(({ interested, unchoked }) => interested && unchoked).length
    const wasChoked = !row.unchoked
    const granted = choker.onInterested(row)
    assert.strictEqual(granted, wasChoked && used < choker.slots)
    if (granted) unchoke(row, now)
  }
}

describe("Choker", () => {
  it.prop("fills its slots, chokes nobody needlessly, and rewards the best givers", [seed, int(0, 12)], (
    [seed, maxUploads]
  ) => {
    const random = randomOf(seed)
    const choker = new Choker(randomOf(seed + 1), maxUploads)
    const rows: Array<Peer> = []
    for (let round = 1, id = 0; round < 40; round++) {
      for (let event = below(random, 12); event > 0; event--) disturb(random, choker, rows, round * ROUND - event, id++)
      for (const row of rows) {
        row.downRate = row.seeding || random() < 0.3 ? 0 : below(random, 1000)
        row.snubbed = random() < 0.1
        row.upRate = row.unchoked ? below(random, 1000) : 0
        row.uploadedSinceUnchoke += row.upRate * 10_000
      }
      const before = new Set(idsOf(rows))
      const enough = rows.filter((row) => row.interested).length <= choker.slots
      const decision = apply(rows, choker.round(rows, round * ROUND), round * ROUND)
      for (const id of decision.unchoke) assert.isFalse(before.has(id))
      for (const id of decision.choke) {
        assert.isTrue(before.has(id))
        assert.isFalse(enough && rows.some((row) => row.id === id && row.interested))
      }
      const wanting = rows.filter((row) => row.interested)
      assert.strictEqual(wanting.filter((row) => row.unchoked).length, Math.min(choker.slots, wanting.length))
      assert.isAtMost(idsOf(rows).length, choker.slots)
      assert.isAtLeast(choker.slots, maxUploads)
      assert.isAtMost(choker.slots, 64)
      const earned = choker.slots - Math.max(1, Math.floor(choker.slots * 0.2)) - 1
      const givers = wanting.filter((row) => !row.seeding && !row.snubbed && row.downRate > 0)
      const best = givers.sort((a, b) => b.downRate - a.downRate).slice(0, Math.max(0, earned))
      for (const row of best) assert.isTrue(row.unchoked || row.downRate === best.at(-1)!.downRate)
    }
  })

  it.prop("does the same for the same seed", [seed], ([seed]) => {
    const run = () => {
      const choker = new Choker(randomOf(seed))
      const rows = peers(0, 50)
      return Array.from({ length: 10 }, (_, n) => apply(rows, choker.round(rows, n * ROUND), n * ROUND))
    }
    assert.deepStrictEqual(run(), run())
  })

  it("leaves everybody alone while the slots suffice", () => {
    const choker = new Choker(randomOf(1))
    const rows = [...peers(0, 5), ...peers(5, 3, { seeding: true })]
    assert.deepStrictEqual(choker.round(rows, 0).unchoke, [0, 1, 2, 3, 4, 5, 6, 7])
    for (const row of rows) unchoke(row, 0)
    for (let now = 0; now < 600_000; now += ROUND) {
      rows[3]!.snubbed = true
      rows[4]!.interested = now > 300_000
      rows[5]!.uploadedSinceUnchoke += 100 * PIECE
      assert.deepStrictEqual(choker.round(rows, now), { unchoke: [], choke: [] })
    }
  })

  it("gives a free slot at once, and the slot of a peer that left or lost interest", () => {
    const choker = new Choker(randomOf(1), 2)
    assert.isTrue(choker.onInterested(peer(1)))
    assert.isTrue(choker.onInterested(peer(2)))
    assert.isFalse(choker.onInterested(peer(3)))
    choker.onReleased(2)
    assert.isFalse(choker.onInterested(peer(4, { unchoked: true })))
    assert.isFalse(choker.onInterested(peer(3)))
    choker.onReleased(4)
    assert.isTrue(choker.onInterested(peer(3)))
  })

  it("takes the slots of peers that want nothing when others want them", () => {
    const choker = new Choker(randomOf(1), 4)
    const rows = [...peers(0, 4, { interested: false, unchoked: true }), ...peers(4, 3)]
    assert.deepStrictEqual(choker.round(rows, 0), { unchoke: [4, 5, 6], choke: [1, 2, 3] })
  })

  it("rotates the optimistic slot every 30 s and keeps the best givers", () => {
    const choker = new Choker(randomOf(1))
    const rows = [...peers(0, 7, { downRate: 1000 }), ...peers(7, 30)]
    const lucky: Array<number> = []
    for (let now = 0; now < 900_000; now += ROUND) {
      apply(rows, choker.round(rows, now), now)
      const now8 = idsOf(rows)
      assert.deepStrictEqual(now8.slice(0, 7), [0, 1, 2, 3, 4, 5, 6])
      lucky.push(now8[7]!)
    }
    for (let n = 0; n < lucky.length; n += 3) {
      assert.isTrue(lucky[n] === lucky[n + 1] && lucky[n] === lucky[n + 2])
      assert.notStrictEqual(lucky[n], lucky[n + 3])
    }
    assert.isAbove(new Set(lucky).size, 10)
  })

  it("draws newcomers three times as often", () => {
    let newcomers = 0
    for (let n = 0; n < 2000; n++) {
      const rows = [...peers(0, 7, { downRate: 1 }), ...peers(7, 10), ...peers(17, 10, { connectedAt: 0 })]
      if (new Choker(randomOf(n)).round(rows, 59_999).unchoke.at(-1)! >= 17) newcomers++
    }
    assert.approximately(newcomers / 2000, 0.75, 0.04)
  })

  it("lets a peer that gives its best earn the slot of one that snubs", () => {
    const choker = new Choker(randomOf(1))
    const rows = [...peers(0, 7, { downRate: 1000 }), ...peers(7, 3, { downRate: 10 })]
    apply(rows, choker.round(rows, 0), 0)
    assert.deepStrictEqual(idsOf(rows).slice(0, 7), [0, 1, 2, 3, 4, 5, 6])
    rows[2]!.snubbed = true
    apply(rows, choker.round(rows, 60_000), 60_000)
    assert.isFalse(rows[2]!.unchoked)
  })

  it("serves the peers of a seed in turns of 20 pieces and a minute, the longest waiting next", () => {
    const choker = new Choker(randomOf(1))
    const rows = peers(0, 40, { seeding: true })
    const regular = (now: number) => {
      apply(rows, choker.round(rows, now), now)
      return rows.filter((row) => row.unchoked && row.unchokedAt === now).map((row) => row.id)
    }
    assert.deepStrictEqual(regular(0).slice(0, 7), [0, 1, 2, 3, 4, 5, 6])
    const served = (row: Peer, pieces: number) => {
      row.upRate = 1
      row.uploadedSinceUnchoke = pieces * PIECE
    }
    for (const row of rows.slice(0, 7)) served(row, 20)
    const onTrial = rows.findIndex((row) => row.id > 6 && row.unchoked)
    for (let now = ROUND; now < 60_000; now += ROUND) {
      regular(now)
      assert.isTrue(rows.slice(0, 7).every((row) => row.unchoked))
    }
    served(rows[3]!, 19)
    const next = rows.filter((row) => row.id > 6 && !row.unchoked && row.id !== onTrial).slice(0, 6 + choker.slots - 8)
    const third = regular(60_000)
    for (const row of next.slice(0, 5)) assert.include(third, row.id)
    assert.deepStrictEqual(rows.slice(0, 7).filter((row) => row.unchoked), [rows[3]!])
  })

  it.prop("gives a turn that ended to the longest waiting, not to whoever is there by chance", [seed], ([seed]) => {
    const choker = new Choker(randomOf(seed), 2)
    const rows = peers(0, 10, { seeding: true, uploadedSinceUnchoke: PIECE, upRate: 1 })
    apply(rows, choker.round(rows, 0, 1), 0)
    apply(rows, choker.round(rows, 60_000, 1), 60_000)
    rows[0]!.uploadedSinceUnchoke = 20 * PIECE
    const longest = rows.filter((row) => !row.unchoked).sort((a, b) => a.waitingSince - b.waitingSince)[0]!
    const byChance = idsOf(rows).filter((id) => id !== 0)
    const decision = choker.round(rows, 70_000, 1)
    assert.deepStrictEqual(decision, { unchoke: [longest.id], choke: [0] })
    assert.lengthOf(byChance, 1)
  })

  it("leaves the slots where they are among equal givers", () => {
    const choker = new Choker(randomOf(1))
    const rows = [...peers(0, 20, { downRate: 5 }), ...peers(20, 7, { downRate: 5, unchoked: true })]
    const decision = choker.round(rows, 100_000)
    assert.isEmpty(decision.choke)
    assert.lengthOf(decision.unchoke, 1)
  })

  it("ends the turn of a peer that takes nothing", () => {
    const choker = new Choker(randomOf(1), 2)
    const rows = peers(0, 10, { seeding: true })
    apply(rows, choker.round(rows, 0), 0)
    assert.isTrue(rows[0]!.unchoked)
    apply(rows, choker.round(rows, 50_000), 50_000)
    assert.isTrue(rows[0]!.unchoked)
    apply(rows, choker.round(rows, 60_000), 60_000)
    assert.isFalse(rows[0]!.unchoked)
  })

  it("never leaves a seeding torrent without a slot, however many give us elsewhere", () => {
    const choker = new Choker(randomOf(1))
    const rows = [...peers(0, 30, { downRate: 1000 }), ...peers(30, 5, { seeding: true })]
    for (let now = 0; now < 300_000; now += ROUND) {
      apply(rows, choker.round(rows, now), now)
      assert.isTrue(rows.some((row) => row.seeding && row.unchoked))
    }
  })
})

interface Uplink {
  readonly capacity: number
  readonly limit?: number
}

/** Half an hour of each uplink in turn, with 200 interested peers that take at most `each`. */
const slotsAfter = (each: number, ...uplinks: ReadonlyArray<Uplink>): number => {
  const choker = new Choker(randomOf(1))
  const rows = peers(0, 200, { seeding: true })
  let now = 0
  for (const { capacity, limit = Infinity } of uplinks) {
    for (const end = now + 1_800_000; now < end; now += ROUND) {
      apply(rows, choker.round(rows, now, limit), now)
      const unchoked = rows.filter((row) => row.unchoked)
      for (const row of unchoked) {
        row.upRate = Math.min(each, Math.min(capacity, limit) / unchoked.length)
        row.uploadedSinceUnchoke += row.upRate * 10
      }
    }
  }
  return choker.slots
}

describe("Choker's slots", () => {
  it("grow while the uplink has room, up to 64", () => {
    assert.strictEqual(slotsAfter(50_000, { capacity: 1e9 }), 64)
  })

  it("stay near their number when the first ones fill the uplink", () => {
    assert.isAtMost(slotsAfter(1e6, { capacity: 1e6 }), 9)
  })

  it("become fewer when the uplink has become narrow", () => {
    assert.isAtMost(slotsAfter(50_000, { capacity: 1e9 }, { capacity: 1e6 }), 40)
  })

  it("are as many as the limit needs", () => {
    for (const before of [[], [{ capacity: 1e9 }]]) {
      const slots = slotsAfter(50_000, ...before, { capacity: 1e9, limit: 1e6 })
      assert.isAtLeast(slots, 17)
      assert.isAtMost(slots, 20)
    }
  })

  it("shrink back slowly when nobody waits, without choking anybody who wants", () => {
    const choker = new Choker(randomOf(1))
    const rows = peers(0, 100)
    for (let now = 0; now < 300_000; now += ROUND) {
      apply(rows, choker.round(rows, now), now)
      for (const row of rows) row.upRate = row.unchoked ? 1000 : 0
    }
    const grown = choker.slots
    assert.isAbove(grown, 30)
    const left = rows.slice(0, 20)
    for (let round = 0; round < 60; round++) {
      const decision = apply(left, choker.round(left, 300_000 + round * ROUND), 300_000 + round * ROUND)
      assert.isEmpty(decision.choke)
      assert.strictEqual(choker.slots, Math.max(20, grown - round - 1))
    }
  })
})
