/** What every layer of the swarm store does, by example. */
import { assert, type Vitest } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { SwarmStore, type SwarmStoreError } from "../../../src/services/SwarmStore.ts"
import type { SwarmsOptions } from "../../../src/services/swarmstore/Swarms.ts"
import { seed } from "../../domain/swarm/seeded.ts"
import { announce, announceAll, compact, hash, hosts, id, named, peer, scrape, summary } from "./announcing.ts"
import { agrees, BOUNDS } from "./model.ts"

export type LayerOf<R> = (options?: SwarmsOptions) => Layer.Layer<SwarmStore, SwarmStoreError, R>

const LIFE = 100_000

export const examples = <R>(it: Vitest.MethodsNonLive<R>, layerOf: LayerOf<R>): void => {
  const store = (options: SwarmsOptions = {}) => Effect.provide(layerOf({ lifeMs: LIFE, ...options }))

  it.effect("forgets peers that are silent, and torrents that nobody asks for", () =>
    Effect.gen(function*() {
      yield* announce(peer(1, 1), 0)
      yield* announce(peer(1, 2, { role: "seed" }), 60_000)
      yield* announce(peer(2, 3), 0)
      const all = { torrents: 2, peers: 3, peers4: 3, peers6: 0, seeders: 1, leechers: 2, completed: 0 }
      assert.deepStrictEqual(yield* summary(99_000), all)
      assert.deepStrictEqual(hosts(yield* announce(peer(1, 4), LIFE)), ["203.0.113.2:6881"])
      assert.strictEqual((yield* summary(170_000)).torrents, 1)
      assert.strictEqual((yield* summary(200_000)).peers, 0)
    }).pipe(store()))

  it.effect("answers a whole batch in its order", () =>
    Effect.gen(function*() {
      const answers = yield* SwarmStore.use((store) => store.announce([peer(1, 1), peer(2, 2), peer(1, 3)], 0))
      assert.deepStrictEqual(answers.map((answer) => hosts(answer!)), [[], [], ["203.0.113.1:6881"]])
      assert.deepStrictEqual(yield* SwarmStore.use((store) => store.announce([], 0)), [])
    }).pipe(store()))

  it.effect("gives seeds and paused peers to leeches only, and nobody itself", () =>
    Effect.gen(function*() {
      const twin = peer(1, 9, { peerId: id(4) })
      yield* announceAll(
        [peer(1, 1, { role: "seed" }), peer(1, 2, { role: "paused" }), peer(1, 3), peer(1, 4), twin],
        0
      )
      const leeches = ["203.0.113.3:6881", "203.0.113.4:6881", "203.0.113.9:6881"]
      assert.deepStrictEqual(hosts(yield* announce(peer(1, 1, { role: "seed" }), 0)), leeches)
      assert.deepStrictEqual(hosts(yield* announce(peer(1, 2, { role: "paused" }), 0)), leeches)
      assert.strictEqual(hosts(yield* announce(twin, 0)).length, 3)
      assert.deepStrictEqual(yield* scrape(1, 0), {
        seeders: 1,
        leechers: 4,
        downloaders: 3,
        completed: 0,
        lastSeedAt: 0
      })
    }).pipe(store()))

  it.effect("counts completed once per peer, and only of a seed", () =>
    Effect.gen(function*() {
      const event = "completed"
      yield* announceAll([
        peer(1, 1, { event }),
        peer(1, 1, { event, role: "seed" }),
        peer(1, 1, { event, role: "seed" }),
        peer(1, 1, { role: "seed" }),
        peer(1, 1, { event, role: "seed" })
      ], 0)
      const { completed, leechers, seeders } = yield* announceAll([peer(1, 1, { role: "seed" })], 0)
      assert.deepStrictEqual([seeders, leechers, completed], [1, 0, 1])
    }).pipe(store()))

  it.effect("lets only the peer itself stop, and answers it with nobody", () =>
    Effect.gen(function*() {
      yield* announceAll([peer(1, 1), peer(1, 2), peer(1, 1, { event: "stopped", peerId: id(7) })], 0)
      assert.strictEqual((yield* scrape(1, 0)).leechers, 2)
      const answer = yield* announceAll([peer(1, 1, { event: "stopped", withIds: true })], 0)
      assert.deepStrictEqual([hosts(answer), answer.leechers, answer.ids4?.length], [[], 1, 0])
      assert.deepStrictEqual(hosts(yield* announce(peer(5, 1, { event: "stopped" }), 0)), [])
      assert.strictEqual((yield* summary(0)).torrents, 1)
    }).pipe(store()))

  it.effect("knows a peer by its key when its address has changed", () =>
    Effect.gen(function*() {
      const at = (n: number, fields: Parameters<typeof peer>[2] = {}) =>
        peer(1, n, { peerId: id(1), key: 7, ...fields })
      const seen = Effect.map(announce(peer(1, 99), 0), hosts)
      yield* announceAll([at(1, { role: "seed", event: "completed" }), at(2, { role: "seed", event: "completed" })], 0)
      assert.deepStrictEqual(yield* seen, ["203.0.113.2:6881"])
      // It was counted at its old address.
      assert.strictEqual((yield* scrape(1, 0)).completed, 1)
      // Who has seen its id cannot know its key: neither drives it out, nor stops it.
      yield* announceAll([at(3, { key: 8 }), at(4, { key: 0 }), at(5, { key: 8, event: "stopped" })], 0)
      assert.deepStrictEqual(yield* seen, ["203.0.113.2:6881", "203.0.113.4:6881"])
      // Neither does its address of the other family, nor another torrent.
      yield* announceAll([at(6, { compact: compact("[2001:db8::6]:6881") }), peer(2, 6, { peerId: id(1), key: 7 })], 0)
      assert.strictEqual((yield* seen).length, 3)
      yield* announce(at(7, { event: "stopped" }), 0)
      assert.deepStrictEqual(yield* seen, ["203.0.113.4:6881", "[2001:db8::6]:6881"])
    }).pipe(store()))

  it.effect("gives a peer that has moved the place of who was there, and counts it once", () =>
    Effect.gen(function*() {
      const moved = { peerId: id(1), key: 7 }
      yield* announceAll([peer(1, 1, moved), peer(1, 2, { key: 3 }), peer(1, 2, moved)], 0)
      assert.strictEqual((yield* scrape(1, 0)).leechers, 1)
      // At its own place with another key it may still have come from elsewhere.
      yield* announceAll([peer(1, 3, { ...moved, key: 9 }), peer(1, 2, { ...moved, key: 9 })], 0)
      assert.strictEqual((yield* scrape(1, 0)).leechers, 1)
      assert.deepStrictEqual(hosts(yield* announce(peer(1, 99), 0)), ["203.0.113.2:6881"])
      yield* announce(peer(1, 2, { ...moved, event: "stopped" }), 0)
      yield* announce(peer(1, 99, { event: "stopped" }), 0)
      assert.strictEqual((yield* summary(0)).peers, 0)
    }).pipe(store()))

  it.effect("remembers what was completed, and when a seed was last heard, when all have gone", () =>
    Effect.gen(function*() {
      yield* announce(peer(1, 1, { role: "seed", event: "completed" }), 1000)
      yield* announce(peer(1, 1, { role: "seed", event: "stopped" }), 5000)
      yield* announce(peer(2, 1, { role: "seed" }), 7000)
      const counts = { seeders: 0, leechers: 0, downloaders: 0 }
      assert.deepStrictEqual(yield* scrape(1, 9000), { ...counts, completed: 1, lastSeedAt: 5000 })
      assert.deepStrictEqual(yield* scrape(2, 2 * LIFE), { ...counts, completed: 0, lastSeedAt: 7000 })
      assert.deepStrictEqual(yield* scrape(3, 9000), { ...counts, completed: 0, lastSeedAt: undefined })
    }).pipe(store()))

  it.effect("gives the families that are wanted, with ids for those who want them", () =>
    Effect.gen(function*() {
      yield* announceAll([peer(1, 1), peer(1, 2, { compact: compact("[2001:db8::2]:7000") })], 0)
      const asks = (wants: "v4" | "v6" | "both") => Effect.map(announce(peer(1, 3, { wants }), 0), hosts)
      assert.deepStrictEqual(yield* asks("v4"), ["203.0.113.1:6881"])
      assert.deepStrictEqual(yield* asks("v6"), ["[2001:db8::2]:7000"])
      assert.deepStrictEqual(yield* asks("both"), ["203.0.113.1:6881", "[2001:db8::2]:7000"])
      const answer = yield* announceAll([peer(1, 3, { withIds: true })], 0)
      assert.deepStrictEqual(named(answer), [`203.0.113.1:6881 ${id(1)}`, `[2001:db8::2]:7000 ${id(2)}`])
    }).pipe(store()))

  it.effect("sends nobody to an address that it cannot reach", () =>
    Effect.gen(function*() {
      const places = ["203.0.113.1:1", "192.168.0.1:1", "127.0.0.1:1", "[2001:db8::1]:1", "[fe80::1]:1", "[::1]:1"]
      yield* announceAll(places.map((text, n) => peer(1, n, { compact: compact(text) })), 0)
      const from = (text: string) => Effect.map(announce(peer(1, 99, { compact: compact(text) }), 0), hosts)
      const leave = (text: string) => announce(peer(1, 99, { compact: compact(text), event: "stopped" }), 0)
      const heard: Array<Array<string>> = []
      for (const text of ["198.51.100.1:9", "10.0.0.1:9", "127.9.9.9:9"]) {
        heard.push(yield* from(text))
        yield* leave(text)
      }
      assert.deepStrictEqual(heard[0], ["203.0.113.1:1", "[2001:db8::1]:1"])
      assert.deepStrictEqual(heard[1], ["192.168.0.1:1", "203.0.113.1:1", "[2001:db8::1]:1", "[fe80::1]:1"])
      assert.deepStrictEqual(heard[2], places.toSorted())
    }).pipe(store()))

  it.effect("lets the torrent that has had no peers for longest make room, and no other", () =>
    Effect.gen(function*() {
      for (const torrent of [1, 2, 3]) yield* announce(peer(torrent, 1, { role: "seed", event: "completed" }), 0)
      assert.strictEqual(yield* announce(peer(4, 1), 0), "TooManyTorrents")
      assert.deepStrictEqual(hosts(yield* announce(peer(1, 2), 0)), ["203.0.113.1:6881"])
      yield* announce(peer(2, 1, { event: "stopped" }), 1000)
      yield* announce(peer(3, 1, { event: "stopped" }), 2000)
      assert.deepStrictEqual(hosts(yield* announce(peer(4, 1), 3000)), [])
      const counts = yield* SwarmStore.use((store) => store.scrape([1, 2, 3, 4].map(hash), 3000))
      assert.deepStrictEqual(counts.map(({ completed }) => completed), [1, 0, 1, 0])
    }).pipe(store({ maxTorrents: 3 })))

  it.effect("lets the peer that has been silent longest make room", () =>
    Effect.gen(function*() {
      for (const [n, at] of [[1, 0], [2, 1000], [3, 2000], [1, 3000], [4, 4000]] as const) {
        yield* announce(peer(1, n), at)
      }
      const others = ["203.0.113.1:6881", "203.0.113.3:6881"]
      assert.deepStrictEqual(hosts(yield* announce(peer(1, 4), 5000)), others)
    }).pipe(store({ maxPeersPerTorrent: 3 })))

  it.effect("is bounded in peers of all torrents", () =>
    Effect.gen(function*() {
      for (let n = 1; n <= 6; n++) yield* announce(peer(n, n), 1000 * n)
      assert.strictEqual((yield* summary(6000)).peers, 4)
      assert.deepStrictEqual([(yield* scrape(2, 6000)).leechers, (yield* scrape(3, 6000)).leechers], [0, 1])
    }).pipe(store({ maxPeers: 4 })))

  it.effect("has a key", () =>
    Effect.gen(function*() {
      const key = SwarmStore.use((store) => store.connectionKey)
      assert.strictEqual((yield* key).length, 32)
      assert.deepStrictEqual(yield* key, yield* key)
      assert.notDeepEqual(yield* key, new Uint8Array(32))
    }).pipe(store()))

  it.effect.prop("agrees with the reference", { seed }, ({ seed }) => Effect.provide(agrees(seed), layerOf(BOUNDS)), {
    arbitrary: { runs: 10 }
  })
}
