import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/testing/TestClock"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { SwarmStore } from "../../../src/services/SwarmStore.ts"
import { announceAll, compact, hosts, id, named, peer, scrape, summary } from "./announcing.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "freshet-swarms-"))),
  (dir) => Effect.sync(() => fs.rmSync(dir, { recursive: true, force: true }))
)

const LIFE = 100_000

/** Its bytes: 8, and 44, and 20. */
const HEAD_FRAME = 72

/** A tracker's run: opens the store, does something, closes it. */
const run = <A, E>(snapshot: string, use: Effect.Effect<A, E, SwarmStore>, options = {}) =>
  Effect.provide(use, SwarmStore.layerMemory({ snapshot, lifeMs: LIFE, ...options }), { local: true })

const key = SwarmStore.use((store) => store.connectionKey)

/** Collects what is logged. */
const logged = Effect.fnUntraced(function*<A, E, R>(effect: Effect.Effect<A, E, R>) {
  const lines: Array<string> = []
  const logger = Logger.make(({ message }) => {
    lines.push(String(message))
  })
  const value = yield* Effect.provide(effect, Logger.layer([logger]))
  return { value, lines }
})

const populate = announceAll([
  peer(1, 1, { role: "seed", event: "completed" }),
  peer(1, 2, { role: "paused" }),
  peer(1, 3, { compact: compact("[2001:db8::3]:7000") }),
  peer(2, 4),
  peer(3, 5, { role: "seed", event: "completed" }),
  peer(3, 5, { role: "seed", event: "stopped" })
], 0)

describe("SwarmStore in memory, with a snapshot", () => {
  it.effect("is after a restart what it was before", () =>
    Effect.gen(function*() {
      const file = path.join(yield* folder, "new", "swarms")
      const before = yield* run(
        file,
        Effect.andThen(populate, Effect.all([key, summary(0), scrape(1, 0), scrape(3, 0)]))
      )
      assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600)
      assert.deepStrictEqual(fs.readdirSync(path.dirname(file)), ["swarms"])
      const { lines, value: after } = yield* logged(
        run(file, Effect.all([key, summary(0), scrape(1, 0), scrape(3, 0)]))
      )
      assert.deepStrictEqual(after, before)
      assert.deepStrictEqual(lines, [])
      yield* run(
        file,
        Effect.gen(function*() {
          const answer = yield* announceAll([peer(1, 9, { withIds: true })], 0)
          const others = [`203.0.113.1:6881 ${id(1)}`, `203.0.113.2:6881 ${id(2)}`, `[2001:db8::3]:7000 ${id(3)}`]
          assert.deepStrictEqual(named(answer).sort(), others)
          yield* announceAll([peer(1, 1, { role: "seed", event: "completed" })], 0)
          assert.strictEqual((yield* scrape(1, 0)).completed, 1)
        })
      )
    }))

  it.effect("leaves out who has gone since, and keeps the order of silence", () =>
    Effect.gen(function*() {
      const file = path.join(yield* folder, "swarms")
      yield* run(
        file,
        Effect.gen(function*() {
          yield* announceAll([peer(1, 1)], 0)
          yield* announceAll([peer(2, 2)], 30_000)
          yield* announceAll([peer(1, 3)], 10_000)
        })
      )
      yield* TestClock.adjust(LIFE + 5000)
      yield* run(
        file,
        Effect.gen(function*() {
          assert.strictEqual((yield* summary(0)).peers, 2)
          yield* announceAll([peer(3, 4)], LIFE + 5000)
          assert.deepStrictEqual([(yield* scrape(1, 0)).leechers, (yield* scrape(2, 0)).leechers], [0, 1])
        }),
        { maxPeers: 2 }
      )
    }))

  it.effect("is written every minute", () =>
    Effect.gen(function*() {
      const file = path.join(yield* folder, "swarms")
      const written = Effect.callback<void>((resume) => {
        const watcher = fs.watch(path.dirname(file), (_, name) => {
          if (name !== "swarms" || !fs.existsSync(file)) return
          watcher.close()
          resume(Effect.void)
        })
      })
      yield* run(
        file,
        Effect.gen(function*() {
          yield* populate
          yield* Effect.all([written, TestClock.adjust("1 minute")], { concurrency: 2 })
          fs.copyFileSync(file, `${file}.copy`)
        })
      )
      const copied = yield* run(`${file}.copy`, summary(0))
      assert.deepStrictEqual([copied.peers, copied.torrents], [4, 2])
    }))

  it.effect("takes what is good of a damaged file, and keeps that aside", () =>
    Effect.gen(function*() {
      const dir = yield* folder
      const file = path.join(dir, "swarms")
      const before = yield* run(file, Effect.andThen(populate, key))
      const whole = fs.readFileSync(file)
      for (let at = 0; at < whole.length; at += 7) {
        const [cut, changed] = [whole.subarray(0, at), Buffer.from(whole)]
        changed[at]! ^= 0x40
        for (const bytes of [cut, changed]) {
          fs.writeFileSync(file, bytes)
          const { lines, value } = yield* logged(run(file, Effect.all([summary(0), key])))
          assert.strictEqual(lines.length, 1)
          assert.match(lines[0]!, /swarms is damaged or cut short; it is kept as .*\.damaged, and [04] peers/)
          assert.deepStrictEqual(fs.readFileSync(`${file}.damaged`), bytes)
          assert.isTrue(value[0].peers === 0 || value[0].peers === 4)
          if (at >= HEAD_FRAME) assert.deepStrictEqual(value[1], before)
          else assert.notDeepEqual(value[1], before)
        }
      }
    }))

  it.effect("says what it cannot read or write, and runs without", () =>
    Effect.gen(function*() {
      const dir = yield* folder
      const { lines, value } = yield* logged(run(dir, Effect.map(populate, hosts)))
      assert.deepStrictEqual(value, [])
      assert.strictEqual(lines.length, 2)
      assert.match(lines[0]!, /cannot read .*EISDIR/)
      assert.match(lines[1]!, /cannot write .*EISDIR/)
      assert.isFalse(fs.existsSync(`${dir}.new`))
    }))
})
