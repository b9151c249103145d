import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as InfoHash from "../../src/domain/InfoHash.ts"
import * as PeerAddress from "../../src/domain/PeerAddress.ts"
import type { PeerId } from "../../src/domain/PeerId.ts"
import type { AnnounceReply, AnnounceRequest } from "../../src/domain/tracker/Announce.ts"
import * as Announcer from "../../src/services/Announcer.ts"
import { Tracker, TrackerError } from "../../src/services/Tracker.ts"
import { Refused, Unreachable } from "../../src/services/tracker/TrackerError.ts"

interface Call extends AnnounceRequest {
  readonly url: string
  readonly at: number
}

const reply = (fields: Partial<AnnounceReply> = {}): AnnounceReply => ({
  peers: [],
  intervalMs: 1_800_000,
  minIntervalMs: undefined,
  seeders: undefined,
  leechers: undefined,
  trackerId: undefined,
  warning: undefined,
  externalIp: undefined,
  ...fields
})
const ok = (fields: Partial<AnnounceReply> = {}) => Effect.succeed(reply(fields))
const down = Effect.fail(new TrackerError({ tracker: "t", reason: new Unreachable({ detail: "refused" }) }))
const refused = (retryInMs: number | undefined) =>
  Effect.fail(new TrackerError({ tracker: "t", reason: new Refused({ detail: "no", retryInMs }) }))

type Answer = (call: Call, index: number) => Effect.Effect<AnnounceReply, TrackerError>

/** A torrent with its trackers; `left` may be changed while it runs. */
const start = Effect.fnUntraced(
  function*(
    tiers: ReadonlyArray<ReadonlyArray<string>>,
    answer: Answer,
    options: Partial<Announcer.AnnouncerOptions> = {}
  ) {
    const calls: Array<Call> = []
    const statuses: Array<Announcer.AnnounceStatus> = []
    const completed = yield* Deferred.make<void>()
    const state = { left: 100 }
    const scope = yield* Scope.make()
    const tracker = Tracker.layerMock((url, request) =>
      Effect.flatMap(Clock.currentTimeMillis, (at) => {
        const call = { ...request, url, at }
        return answer(call, calls.push(call) - 1)
      })
    )
    const running = yield* Announcer.run({
      infoHash: InfoHash.parse("12".repeat(20))!,
      peerId: "-FR0100-000000000000" as PeerId,
      key: 7,
      tiers,
      private: false,
      numWant: () => 50,
      port: () => 6881,
      stats: () => ({ uploaded: 1, downloaded: 2, left: state.left }),
      onPeers: () => {},
      onStatus: (status) => statuses.push(status),
      completed: Deferred.await(completed),
      ...options
    }).pipe(Effect.forkIn(scope), Scope.provide(scope), Effect.provide(tracker), Random.withSeed("announcer"))
    yield* TestClock.adjust(0)
    const finish = Effect.suspend(() => {
      state.left = 0
      return Effect.andThen(Deferred.succeed(completed, undefined), TestClock.adjust(0))
    })
    const close = Scope.close(scope, Exit.void)
    yield* Effect.addFinalizer(() => close)
    return { calls, statuses, state, running, finish, close }
  }
)

const seen = (calls: ReadonlyArray<Call>) => calls.map((call) => [call.at / 1000, call.url, call.event])

describe("Announcer", () => {
  it.effect("starts, repeats at the tracker's interval and carries the tracker's id", () =>
    Effect.gen(function*() {
      const { calls } = yield* start([["a"]], () => ok({ intervalMs: 600_000, trackerId: "id" }))
      yield* TestClock.adjust("20 minutes")
      assert.deepStrictEqual(seen(calls), [[0, "a", "started"], [600, "a", undefined], [1200, "a", undefined]])
      assert.deepStrictEqual(calls.map((call) => call.trackerId), [undefined, "id", "id"])
      assert.deepStrictEqual([calls[0]!.left, calls[0]!.port, calls[0]!.numWant, calls[0]!.key], [100, 6881, 50, 7])
    }))

  it.effect("names port 1 where nobody can call us, since trackers refuse none at all", () =>
    Effect.gen(function*() {
      const { calls } = yield* start([["a"]], () => ok(), { port: () => 0 })
      assert.deepStrictEqual(calls.map(({ port }) => port), [1])
    }))

  it.effect("asks all tiers of a public torrent, and a dead one delays none", () =>
    Effect.gen(function*() {
      const { calls } = yield* start(
        [["dead"], ["hanging"], ["b"]],
        ({ url }) => url === "dead" ? down : url === "hanging" ? Effect.never : ok({ intervalMs: 60_000 })
      )
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(seen(calls.filter((call) => call.url === "b")), [[0, "b", "started"], [
        60,
        "b",
        undefined
      ]])
      assert.strictEqual(calls.filter((call) => call.url === "hanging").length, 1)
    }))

  it.effect("asks the next of a tier when one fails, and then stays with it", () =>
    Effect.gen(function*() {
      const { calls, statuses } = yield* start(
        [["a", "b", "c"]],
        (_, index) => index === 0 ? down : ok({ intervalMs: 600_000 })
      )
      yield* TestClock.adjust("20 minutes")
      const [first, second] = calls.map((call) => call.url)
      assert.notStrictEqual(first, second)
      assert.deepStrictEqual(seen(calls), [
        [0, first, "started"],
        [0, second, "started"],
        [600, second, undefined],
        [1200, second, undefined]
      ])
      assert.deepStrictEqual(statuses.map((status) => status.result), ["error", "ok", "ok", "ok"])
    }))

  it.effect("backs off further each time, with jitter, up to half an hour", () =>
    Effect.gen(function*() {
      const { calls, statuses } = yield* start([["a"]], () => down)
      yield* TestClock.adjust("6 hours")
      const waits = calls.slice(1).map((call, index) => call.at - calls[index]!.at)
      assert.isAtLeast(waits.length, 12)
      waits.forEach((wait, index) => {
        const middle = 10_000 * 2 ** index
        assert.isAtMost(wait, Math.min(1_800_000, 1.25 * middle) + 1)
        assert.isAtLeast(wait, Math.min(1_800_000, 0.75 * middle) - 1)
      })
      assert.isAbove(new Set(waits.slice(0, 6).map((wait, index) => wait / 2 ** index)).size, 3)
      assert.isTrue(calls.every((call) => call.event === "started"))
      assert.deepStrictEqual(statuses.slice(0, -1).map((status) => status.nextInMs), waits)
    }))

  it.effect("forgets failures after a success", () =>
    Effect.gen(function*() {
      const { calls } = yield* start([["a"]], (_, index) => index === 5 ? ok({ intervalMs: 30_000 }) : down)
      yield* TestClock.adjust("1 hour")
      assert.isAtMost(calls[7]!.at - calls[6]!.at, 12_500)
    }))

  it.effect("obeys retry in, and never means never", () =>
    Effect.gen(function*() {
      const { calls } = yield* start([["a"], ["b"]], ({ url }) => refused(url === "a" ? 3_600_000 : Infinity))
      yield* TestClock.adjust("65 minutes")
      assert.deepStrictEqual(seen(calls.filter((call) => call.url === "a")), [[0, "a", "started"], [
        3600,
        "a",
        "started"
      ]])
      assert.strictEqual(calls.filter((call) => call.url === "b").length, 1)
    }))

  it.effect("lives with intervals that make no sense", () =>
    Effect.gen(function*() {
      const intervals: Record<string, number | undefined> = { tiny: 1, nan: NaN, huge: 2 ** 60, none: undefined }
      const { calls, statuses } = yield* start(
        Object.keys(intervals).map((url) => [url]),
        ({ url }) => ok({ intervalMs: intervals[url], minIntervalMs: url === "tiny" ? 45_000 : undefined })
      )
      assert.deepStrictEqual(
        Object.fromEntries(statuses.map((status) => [status.url, status.nextInMs])),
        { tiny: 45_000, nan: 1_800_000, huge: 86_400_000, none: 1_800_000 }
      )
      yield* TestClock.adjust("44 seconds")
      assert.strictEqual(calls.length, 4)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(calls.length, 5)
    }))

  it.effect("comes early when more peers are wanted, but not earlier than the tracker allows", () =>
    Effect.gen(function*() {
      const hungry = yield* Latch.make(false)
      const { calls } = yield* start([["a"]], () => ok({ minIntervalMs: 300_000 }), { wake: hungry.await })
      yield* TestClock.adjust("1 minute")
      yield* hungry.open
      yield* TestClock.adjust("239 seconds")
      assert.strictEqual(calls.length, 1)
      yield* TestClock.adjust("1 second")
      yield* hungry.close
      assert.strictEqual(calls.length, 2)
      yield* TestClock.adjust("10 minutes")
      yield* hungry.open
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(seen(calls).map(([at]) => at), [0, 300, 900])
    }))

  it.effect("says completed once, at once, to those that know us as a leech", () =>
    Effect.gen(function*() {
      const { calls, finish } = yield* start([["a"], ["b"], ["dead"]], ({ url }) => url === "dead" ? down : ok())
      yield* TestClock.adjust("45 seconds")
      yield* finish
      yield* TestClock.adjust("40 minutes")
      for (const url of ["a", "b"]) {
        assert.deepStrictEqual(seen(calls.filter((call) => call.url === url)), [
          [0, url, "started"],
          [45, url, "completed"],
          [1845, url, undefined]
        ])
      }
      assert.isTrue(calls.filter((call) => call.url === "dead").every((call) => call.event === "started"))
    }))

  it.effect("still says completed when the end comes while started is under way", () =>
    Effect.gen(function*() {
      const { calls, finish } = yield* start(
        [["a"]],
        (_, index) => index === 0 ? Effect.delay(ok(), "5 seconds") : ok()
      )
      yield* finish
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(seen(calls), [[0, "a", "started"], [5, "a", "completed"]])
    }))

  it.effect("never says completed of a torrent that was complete from the start", () =>
    Effect.gen(function*() {
      const { calls, finish } = yield* start([["a"]], () => ok({ intervalMs: 60_000 }), {
        stats: () => ({ uploaded: 0, downloaded: 0, left: 0 }),
        completed: Effect.void
      })
      yield* finish
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(seen(calls), [[0, "a", "started"], [60, "a", undefined], [120, "a", undefined]])
    }))

  it.effect("never says completed while something is left", () =>
    Effect.gen(function*() {
      const { calls } = yield* start([["a"]], () => ok({ intervalMs: 60_000 }), {
        completed: Effect.sleep("10 seconds")
      })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(seen(calls), [[0, "a", "started"], [60, "a", undefined]])
    }))

  it.effect("says with every announce that it is a partial seed, as long as it is one, and stopped at the end", () =>
    Effect.gen(function*() {
      let isPartialSeed = false
      const { calls, close } = yield* start([["a"]], () => ok({ intervalMs: 60_000 }), {
        isPartialSeed: () => isPartialSeed
      })
      isPartialSeed = true
      yield* TestClock.adjust("2 minutes")
      isPartialSeed = false
      yield* TestClock.adjust("1 minute")
      isPartialSeed = true
      yield* close
      assert.deepStrictEqual(calls.map(({ event }) => event), ["started", "paused", "paused", undefined, "stopped"])
      const other = yield* start([["a"]], () => ok({ intervalMs: 60_000 }), { isPartialSeed: () => true })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(other.calls.map(({ event }) => event), ["paused", "paused"])
    }))

  it.effect("keeps a private torrent to one tracker, and drops its peers when that changes", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const peer = PeerAddress.make("192.0.2.1", 6881)!
      let isDown = false
      const { calls } = yield* start(
        [["a"], ["b"], ["c"]],
        ({ url }) => url === "a" && isDown ? down : ok({ peers: [peer], intervalMs: 600_000 }),
        {
          private: true,
          onPeers: (peers, url) => log.push(`${peers.length} from ${url}`),
          onSwitch: () => log.push("switch")
        }
      )
      isDown = true
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(seen(calls), [[0, "a", "started"], [600, "a", undefined], [600, "b", "started"]])
      assert.deepStrictEqual(log, ["1 from a", "switch", "1 from b"])
      isDown = false
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(seen(calls).slice(3), [[1200, "a", undefined]])
      assert.deepStrictEqual(log.slice(3), ["switch", "1 from a"])
    }))

  it.effect("says completed to the tracker that it is about, though a better one is back", () =>
    Effect.gen(function*() {
      let isDown = true
      const { calls, finish } = yield* start([["a"], ["b"]], ({ url }) => url === "a" && isDown ? down : ok(), {
        private: true
      })
      isDown = false
      yield* TestClock.adjust("1 minute")
      yield* finish
      assert.deepStrictEqual(seen(calls), [[0, "a", "started"], [0, "b", "started"], [60, "b", "completed"]])
    }))

  it.effect("ends with the fiber that runs it, and then waits for its scope to say goodbye", () =>
    Effect.gen(function*() {
      const { calls, close, running } = yield* start(
        [["a"]],
        ({ event }) => event === "stopped" ? Effect.never : ok({ intervalMs: 60_000 })
      )
      yield* Fiber.interrupt(running)
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(calls.length, 1)
      const closing = yield* Effect.forkChild(Effect.uninterruptible(close), { startImmediately: true })
      yield* TestClock.adjust("2 seconds")
      assert.isDefined(closing.pollUnsafe())
      assert.deepStrictEqual(calls.map((call) => call.event), ["started", "stopped"])
    }))

  it.effect("says stopped to those that counted us in, all at once, and waits two seconds at most", () =>
    Effect.gen(function*() {
      const { calls, close } = yield* start(
        [["a"], ["b"], ["c"], ["dead"]],
        ({ event, url }) => url === "dead" ? down : event === "stopped" && url !== "a" ? Effect.never : ok()
      )
      yield* TestClock.adjust("1 minute")
      const before = calls.length
      const closing = yield* Effect.forkChild(close, { startImmediately: true })
      yield* TestClock.adjust("1999 millis")
      const stops = calls.slice(before)
      assert.deepStrictEqual(stops.map((call) => call.url).sort(), ["a", "b", "c"])
      assert.isTrue(stops.every((call) => call.event === "stopped" && call.numWant === 0))
      assert.isUndefined(closing.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.isDefined(closing.pollUnsafe())
      yield* TestClock.adjust("2 hours")
      assert.strictEqual(calls.length, before + 3)
    }))

  it.effect("stops at once when no tracker ever answered", () =>
    Effect.gen(function*() {
      const { calls, close } = yield* start([["hanging"]], () => Effect.never)
      yield* close
      assert.strictEqual(calls.length, 1)
    }))
})
