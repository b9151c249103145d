import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Bytes from "../../../src/domain/Bytes.ts"
import * as InfoHash from "../../../src/domain/InfoHash.ts"
import type { Announcing, Sample } from "../../../src/domain/tracker/Announcing.ts"
import * as SwarmSnapshot from "../../../src/domain/tracker/SwarmSnapshot.ts"
import { SwarmTable } from "../../../src/domain/tracker/SwarmTable.ts"
import { below, randomOf, seed } from "../swarm/seeded.ts"

const BOUNDS = { maxTorrents: 100_000, maxPeersPerTorrent: 100_000, maxPeers: 1_000_000, lifeMs: 60_000 }
const NOW = 1_800_000_000_000

const hash = (n: number) => InfoHash.parse(n.toString(16).padStart(40, "0"))!

const peer = (torrent: number, n: number, fields: Partial<Announcing> = {}): Announcing => ({
  infoHash: InfoHash.toBytes(hash(torrent)),
  peerId: Bytes.fromLatin1(String(n).padStart(20, "x")),
  compact: Uint8Array.of(1, n >>> 16, n >>> 8, n, 1, 1),
  key: n % 5,
  role: n % 3 === 0 ? "seed" : "leech",
  event: undefined,
  numWant: 0,
  wants: "both",
  withIds: false,
  ...fields
})

const newTable = (bounds = BOUNDS) => new SwarmTable(bounds, randomOf(1), Int32Array.of(1, 2))

const announce = (table: SwarmTable, announcing: Announcing, now = NOW): Sample => {
  const answer = table.announce(announcing, now)
  return answer === "TooManyTorrents" ? assert.fail(answer) : answer
}

const KEY = Uint8Array.from({ length: 32 }, (_, n) => n)

/** What comes of a table when it is written and read again. */
const reread = (table: SwarmTable, between: () => void = () => {}): SwarmTable => {
  const read = newTable()
  let number = 0
  for (const frame of SwarmSnapshot.frames(table, { connectionKey: KEY })) {
    assert.strictEqual(SwarmSnapshot.frameLength(frame), frame.length)
    const content = SwarmSnapshot.open(frame, number++)
    if (content === undefined) return assert.fail("not whole")
    if (number > 1) assert.isTrue(SwarmSnapshot.restore(content, read, NOW))
    between()
  }
  read.settle()
  return read
}

describe("SwarmTable", () => {
  it("draws all peers alike, near and far in a large swarm", () => {
    const table = newTable()
    const peers = 200
    for (let n = 0; n < peers; n++) table.announce(peer(1, n), NOW)
    const times = new Float64Array(peers)
    const asks = 20_000
    for (let ask = 0; ask < asks; ask++) {
      // A leech of the swarm, so that its own place is passed over too.
      const { peers4 } = announce(table, peer(1, 1, { numWant: 20 }))
      assert.strictEqual(peers4.length, 120)
      for (let at = 3; at < peers4.length; at += 6) times[peers4[at]!]!++
    }
    assert.strictEqual(times[1], 0)
    const expected = 20 * asks / (peers - 1)
    const chiSquare = times.reduce((sum, n, peer) => peer === 1 ? sum : sum + (n - expected) ** 2 / expected, 0)
    // 198 degrees of freedom: one in a thousand is beyond 265; draws without putting back vary less still.
    assert.isBelow(chiSquare, 265)
  })

  it("gives each answer to keep", () => {
    const table = newTable()
    for (let n = 0; n < 50; n++) table.announce(peer(1, n), NOW)
    const first = announce(table, peer(1, 60, { numWant: 50, withIds: true }))
    const kept = [first.peers4.slice(), first.ids4!.slice()]
    for (let n = 0; n < 200; n++) announce(table, peer(1, 61, { numWant: 50, withIds: true }))
    assert.deepStrictEqual([first.peers4, first.ids4], kept)
  })

  it("forgets no more at a time than it is told to", () => {
    const table = newTable()
    for (let n = 0; n < 10; n++) table.announce(peer(n, n), NOW)
    assert.isTrue(table.sweep(NOW + 60_000, 4))
    assert.strictEqual(table.summary().peers, 6)
    assert.isTrue(table.sweep(NOW + 60_000, 6))
    assert.isFalse(table.sweep(NOW + 60_000, 1))
    assert.deepStrictEqual([table.summary().peers, table.summary().torrents], [0, 0])
  })

  it("is small, and no smaller when it is large", () => {
    const bytesPerPeer = (peers: number) => {
      const table = newTable()
      for (let n = 0; n < peers; n++) table.announce(peer(n % (peers / 50), n), NOW)
      return table.bytes / peers
    }
    for (const bytes of [20_000, 100_000].map(bytesPerPeer)) assert.isBelow(bytes, 130)
  })

  it("uses the room of who has gone for others", () => {
    const table = newTable()
    for (let n = 0; n < 20_000; n++) table.announce(peer(n % 100, n), NOW)
    const { bytes } = table
    for (let round = 1; round < 5; round++) {
      assert.isTrue(table.sweep(NOW + round * 60_000, 20_000))
      for (let n = 0; n < 20_000; n++) table.announce(peer(n % 100, round * 20_000 + n), NOW + round * 60_000)
    }
    assert.isBelow(table.bytes, 1.3 * bytes)
  })
})

describe("SwarmSnapshot", () => {
  it("is read as it was written, small torrents and one of many frames", () => {
    const table = newTable()
    for (let n = 0; n < 40_000; n++) table.announce(peer(n < 20_000 ? 0 : n % 1000, n), NOW)
    const read = reread(table)
    assert.deepStrictEqual(read.summary(), table.summary())
    for (let torrent = 0; torrent < 1000; torrent++) {
      assert.deepStrictEqual(read.scrape(hash(torrent)), table.scrape(hash(torrent)))
    }
  })

  it("keeps the keys by which peers are known when they move", () => {
    const table = newTable()
    for (let n = 0; n < 100; n++) table.announce(peer(n % 3, n), NOW)
    const read = reread(table)
    // Peers without a key are others at another place.
    for (let n = 0; n < 100; n++) {
      read.announce(peer(n % 3, n, { compact: Uint8Array.of(2, 0, 0, n, 1, 1) }), NOW)
    }
    assert.strictEqual(read.summary().peers, 120)
  })

  it("is read as the version before it had keys wrote it", () => {
    const table = newTable()
    for (let n = 0; n < 100; n++) table.announce(peer(n % 3, n, { key: 0 }), NOW)
    const [head, content] = [...SwarmSnapshot.frames(table, { connectionKey: KEY })]
    const old = SwarmSnapshot.open(head!, 0)!.slice()
    old[11] = 1
    assert.deepStrictEqual(Result.getOrThrow(SwarmSnapshot.decodeHead(old)).connectionKey, KEY)
    old[11] = 3
    assert.isTrue(Result.isFailure(SwarmSnapshot.decodeHead(old)))
    assert.strictEqual(SwarmSnapshot.open(content!, 1)!.length, 3 * 36 + 100 * 31)
  })

  it("may be written while the table changes", () => {
    const table = newTable()
    for (let n = 0; n < 30_000; n++) table.announce(peer(n < 20_000 ? 0 : n % 1000, n), NOW)
    let next = 0
    const read = reread(table, () => {
      for (let end = next + 1000; next < end; next++) table.announce(peer(next % 1000, next, { event: "stopped" }), NOW)
      for (let n = 0; n < 1000; n++) table.announce(peer(5000 + next + n, 100_000 + next + n), NOW)
    })
    // Nobody is where they were not: each that is known says so by leaving it as one that the table knows.
    const before = read.summary().peers
    assert.isAbove(before, 29_000)
    for (let n = 0; n < 30_000; n++) read.announce(peer(n < 20_000 ? 0 : n % 1000, n, { event: "stopped" }), NOW)
    for (let n = 0; n < next + 1000; n++) read.announce(peer(5000 + n, 100_000 + n, { event: "stopped" }), NOW)
    assert.strictEqual(read.summary().peers, 0)
  })

  it("knows a frame that is damaged, cut or out of its order", () => {
    const table = newTable()
    for (let n = 0; n < 20; n++) table.announce(peer(n, n), NOW)
    const [head, content] = [...SwarmSnapshot.frames(table, { connectionKey: KEY })]
    assert.isDefined(SwarmSnapshot.open(head!, 0))
    assert.isUndefined(SwarmSnapshot.open(content!, 2))
    for (let at = 0; at < content!.length; at++) {
      const changed = content!.slice()
      changed[at]! ^= 1
      assert.isUndefined(SwarmSnapshot.open(changed, 1))
      assert.isUndefined(SwarmSnapshot.open(content!.subarray(0, at), 1))
    }
    assert.isUndefined(SwarmSnapshot.frameLength(Uint8Array.of(0xff, 0, 0, 0)))
  })

  it.prop("takes any content without harm", { seed }, ({ seed }) => {
    const random = randomOf(seed)
    const noise = Uint8Array.from({ length: below(random, 400) }, () => below(random, 3) === 0 ? below(random, 256) : 0)
    const table = newTable()
    SwarmSnapshot.restore(noise, table, NOW)
    SwarmSnapshot.decodeHead(noise)
    table.settle()
    assert.isAtMost(table.summary().peers, noise.length / 31)
  })
})
