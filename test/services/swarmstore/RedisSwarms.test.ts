import { assert } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { SwarmStore } from "../../../src/services/SwarmStore.ts"
import type { RedisSwarmsOptions } from "../../../src/services/swarmstore/RedisSwarms.ts"
import { describeWithRedis, RedisServer } from "../../support/redisServer.ts"
import { announceAll, hash, hosts, peer } from "./announcing.ts"
import { examples } from "./examples.ts"

let prefixes = 0

const layerOf = (options: Partial<RedisSwarmsOptions> = {}) =>
  Layer.unwrap(
    Effect.map(
      RedisServer,
      ({ url }) => SwarmStore.layerRedis({ url, prefix: `test${prefixes++}`, time: "caller", ...options })
    )
  )

/** A tracker of its own. */
const open = (options: Partial<RedisSwarmsOptions>) =>
  Effect.map(Layer.build(Layer.fresh(layerOf(options))), Context.get(SwarmStore))

describeWithRedis("SwarmStore in Redis", (it) => {
  examples(it, layerOf)

  it.effect("is one for all trackers, however they announce at once", () =>
    Effect.gen(function*() {
      const prefix = "shared"
      const stores = yield* Effect.all([open({ prefix }), open({ prefix })])
      assert.deepStrictEqual(yield* stores[0].connectionKey, yield* stores[1].connectionKey)
      // The same peers at both, finishing at both, the even ones then leaving at both.
      const rounds = [
        { event: undefined, role: "leech" as const },
        { event: "completed" as const, role: "seed" as const },
        { event: "stopped" as const, role: "seed" as const }
      ]
      for (const [round, fields] of rounds.entries()) {
        const peers = Array.from({ length: 200 }, (_, n) => n).filter((n) => round < 2 || n % 2 === 0)
        yield* Effect.forEach(stores, (store) => store.announce(peers.map((n) => peer(1 + n % 3, n, fields)), 0), {
          concurrency: 2
        })
      }
      for (const store of stores) {
        const expected = { torrents: 3, peers: 100, peers4: 100, peers6: 0, seeders: 100, leechers: 0, completed: 200 }
        assert.deepStrictEqual(yield* store.summary(0), expected)
        const counts = yield* store.scrape([1, 2, 3].map(hash), 0)
        assert.strictEqual(counts.reduce((sum, { completed }) => sum + completed, 0), 200)
      }
    }))

  it.effect("goes by the time of Redis, whatever the clocks of the trackers say", () =>
    Effect.gen(function*() {
      const shared = { prefix: "clocks", time: "redis", lifeMs: 60_000 } as const
      const [late, early] = yield* Effect.all([open(shared), open(shared)])
      const now = yield* Clock.currentTimeMillis
      const hour = 3_600_000
      yield* late.announce([peer(1, 1, { role: "seed" })], now - hour)
      const [answer] = yield* early.announce([peer(1, 2)], now + hour)
      assert.deepStrictEqual(hosts(answer!), ["203.0.113.1:6881"])
      assert.strictEqual((yield* early.summary(now + hour)).peers, 2)
      const [counts] = yield* early.scrape([hash(1)], now + hour)
      assert.closeTo(counts!.lastSeedAt!, now, 30_000)
    }).pipe(TestClock.withLive))

  it.effect("makes room where the peers of a torrent have expired by themselves", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer
      const store = yield* open({ prefix: "room", maxPeers: 3 })
      yield* store.announce([peer(1, 1), peer(2, 2), peer(3, 3)], 0)
      const loseAll = "for _, key in ipairs(redis.call('KEYS', 'room:*:z')) do redis.call('DEL', key) end"
      server.run("EVAL", loseAll, "0")
      yield* store.announce([peer(4, 4)], 0)
      const { peers, torrents } = yield* store.summary(0)
      assert.deepStrictEqual([peers, torrents], [3, 3])
    }))

  it.effect("answers the others of a batch when one call fails", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer
      const store = yield* open({ prefix: "one" })
      yield* store.announce([peer(1, 1), peer(2, 1)], 0)
      server.run("EVAL", "redis.call('SET', 'one:' .. string.rep('\\0', 19) .. '\\1:z', 'no sorted set')", "0")
      const answers = yield* store.announce([peer(2, 2), peer(1, 2), peer(2, 3)], 0)
      assert.isUndefined(answers[1])
      assert.deepStrictEqual([answers[0], answers[2]].map((answer) => hosts(answer!).length), [1, 2])
      assert.strictEqual((yield* Effect.flip(store.announce([peer(1, 2)], 0))).reason, "Unavailable")
    }))

  it.effect("takes thousands at once, however few come together", () =>
    Effect.gen(function*() {
      const store = yield* open({ prefix: "single" })
      const all = Effect.forEach(Array.from({ length: 1000 }, (_, n) => peer(1, n % 200)), (one) =>
        store.announce([one], 0), {
        concurrency: "unbounded"
      })
      assert.strictEqual((yield* all).flat().length, 1000)
      assert.strictEqual((yield* store.summary(0)).peers, 200)
    }))

  it.effect("fails soon while Redis is away, and comes back with it", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer
      const store = yield* open({ prefix: "outage" })
      const key = yield* store.connectionKey
      yield* store.announce([peer(1, 1)], 0)
      yield* server.stop
      const failed = yield* Effect.flip(store.announce([peer(1, 2)], 0))
      assert.strictEqual(failed.reason, "Unavailable")
      assert.match(failed.message, /^the swarm store is out of reach: Redis at 127\.0\.0\.1:\d+: /)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(store.summary(0))))
      yield* server.start
      // It connects again after a while; until then each attempt fails at once.
      const answers = yield* Effect.retry(store.announce([peer(1, 3)], 0), { while: () => Effect.as(turn, true) })
      assert.strictEqual(answers.length, 1)
      assert.strictEqual((yield* store.summary(0)).peers, 1)
      const other = yield* open({ prefix: "outage" })
      assert.deepStrictEqual(yield* other.connectionKey, key)
    }))

  it.effect("does not wait for a Redis that hangs", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer
      const store = yield* open({ prefix: "hanging" })
      yield* store.announce([peer(1, 1)], 0)
      yield* server.signal("SIGSTOP")
      const start = yield* Clock.currentTimeMillis
      const failed = yield* Effect.flip(store.announce([peer(1, 2)], 0)).pipe(Effect.ensuring(server.signal("SIGCONT")))
      assert.match(failed.message, /does not answer/)
      assert.isBelow((yield* Clock.currentTimeMillis) - start, 2000)
      assert.strictEqual((yield* store.summary(0)).peers, 2)
    }).pipe(TestClock.withLive))

  it.effect("says in one line what is wrong with a URL, without its password", () =>
    Effect.gen(function*() {
      const { port } = yield* RedisServer
      const wrong = (url: string) => Effect.map(Effect.flip(open({ url })), ({ message }) => message)
      for (
        const [url, reason] of [
          ["http://u:hunter2@localhost", /must be like redis:/],
          ["redis://u:hunter2@[", /must be like redis:/],
          ["redis://u:hunter2@127.0.0.1:1", /Redis at 127\.0\.0\.1:1: .*ECONNREFUSED/],
          [`redis://u:hunter2@127.0.0.1:${port}`, /WRONGPASS/]
        ] as const
      ) {
        const message = yield* wrong(url)
        assert.match(message, reason)
        assert.notMatch(message, /hunter2|\n/)
      }
    }))

  it.effect("answers 30 of many, each nearly as likely as any other", () =>
    Effect.gen(function*() {
      yield* announceAll(Array.from({ length: 60 }, (_, n) => peer(1, n, { role: n < 20 ? "seed" : "leech" })), 0)
      const asks = Array.from({ length: 2000 }, () => peer(1, 99, { numWant: 10 }))
      const seen = new Map<number, number>()
      for (const answer of yield* SwarmStore.use((store) => store.announce(asks, 0))) {
        if (answer === undefined || answer === "TooManyTorrents") return assert.fail(answer)
        for (let at = 3; at < answer.peers4.length; at += 6) {
          seen.set(answer.peers4[at]!, (seen.get(answer.peers4[at]!) ?? 0) + 1)
        }
      }
      assert.strictEqual(seen.size, 60)
      // 333 expected, standard deviation 17. Redis draws from buckets, and prefers a little who is alone in his.
      for (const [n, times] of seen) assert.isTrue(times > 200 && times < 500, `${n}: ${times}`)
    }).pipe(Effect.provide(layerOf())))
})

/** Lets the event loop turn, so that sockets are heard. */
const turn = Effect.callback<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})
