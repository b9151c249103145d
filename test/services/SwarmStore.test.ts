import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as InfoHash from "../../src/domain/InfoHash.ts"
import * as PeerAddress from "../../src/domain/PeerAddress.ts"
import type { PeerId } from "../../src/domain/PeerId.ts"
import { type Announcing, SwarmStore } from "../../src/services/SwarmStore.ts"

const hash = (n: number) => InfoHash.parse(n.toString(16).padStart(40, "0"))!
const peer = (n: number, fields: Partial<Announcing> = {}): Announcing => ({
  address: PeerAddress.make(`192.0.2.${n}`, 6881)!,
  peerId: `-FR0100-${String(n).padStart(12, "0")}` as PeerId,
  left: 1,
  event: undefined,
  numWant: 50,
  lifeMs: 1000,
  ...fields
})

const announce = (torrent: number, announcing: Announcing, now: number) =>
  SwarmStore.use((store) => store.announce(hash(torrent), announcing, now))
const summary = (now: number) => SwarmStore.use((store) => store.summary(now))
const memory = (options = {}) => Effect.provide(SwarmStore.layerMemory(options))

describe("SwarmStore in memory", () => {
  it.effect("forgets peers and torrents that are silent", () =>
    Effect.gen(function*() {
      yield* announce(1, peer(1), 0)
      yield* announce(1, peer(2, { left: 0 }), 600)
      yield* announce(2, peer(3), 0)
      assert.deepStrictEqual(yield* summary(999), { torrents: 2, seeders: 1, leechers: 2, completed: 0 })
      const { peers } = yield* announce(1, peer(4), 1000)
      assert.deepStrictEqual(peers.map((other) => other.address.host), ["192.0.2.2"])
      assert.deepStrictEqual(yield* summary(1700), { torrents: 1, seeders: 0, leechers: 1, completed: 0 })
      assert.deepStrictEqual(yield* summary(2000), { torrents: 0, seeders: 0, leechers: 0, completed: 0 })
    }).pipe(memory()))

  it.effect("takes a peer that does not say what is left for a leech", () =>
    Effect.gen(function*() {
      const { leechers, seeders } = yield* announce(1, peer(1, { left: undefined }), 0)
      assert.deepStrictEqual([seeders, leechers], [0, 1])
    }).pipe(memory()))

  it.effect("answers a peer that stops with nobody", () =>
    Effect.gen(function*() {
      yield* announce(1, peer(1), 0)
      yield* announce(1, peer(2), 0)
      const { leechers, peers } = yield* announce(1, peer(2, { event: "stopped" }), 0)
      assert.deepStrictEqual([peers.length, leechers], [0, 1])
    }).pipe(memory()))

  it.effect("keeps the torrents and peers that were heard last when it is full", () =>
    Effect.gen(function*() {
      for (const torrent of [1, 2, 3, 1, 4]) yield* announce(torrent, peer(1), 0)
      const known = yield* Effect.forEach([1, 2, 3, 4], (torrent) =>
        SwarmStore.use((store) => store.scrape(hash(torrent), 0)))
      assert.deepStrictEqual(
        known.map((counts) =>
          counts.leechers
        ),
        [1, 0, 1, 1]
      )
      for (const n of [1, 2, 3, 4, 5]) yield* announce(9, peer(n), 0)
      assert.strictEqual((yield* announce(9, peer(5), 0)).leechers, 4)
    }).pipe(memory({ maxTorrents: 3, maxPeersPerTorrent: 4 })))

  it.effect("does not grow with torrents that nobody asks for again", () =>
    Effect.gen(function*() {
      const finished = { left: 0, event: "completed" as const }
      for (let n = 0; n < 500; n++) yield* announce(n, peer(1, finished), 10 * n)
      // A torrent's count of completed goes with the torrent, so it tells how many are still kept.
      assert.deepStrictEqual(yield* summary(4990), { torrents: 100, seeders: 100, leechers: 0, completed: 100 })
    }).pipe(memory()))

  it.effect("draws by the Random service", () =>
    Effect.gen(function*() {
      const draw = Effect.gen(function*() {
        for (let n = 1; n < 100; n++) yield* announce(1, peer(n), 0)
        return (yield* announce(1, peer(200, { numWant: 5 }), 0)).peers.map((other) => other.address.host)
      })
      const seeded = (seed: string) => draw.pipe(memory(), Random.withSeed(seed))
      assert.deepStrictEqual(yield* seeded("a"), yield* seeded("a"))
      assert.notDeepEqual(yield* seeded("a"), yield* seeded("b"))
    }))
})
