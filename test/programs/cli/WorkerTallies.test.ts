import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { Counters } from "../../../src/domain/tracker/Counters.ts"
import type { Tally } from "../../../src/domain/tracker/Tally.ts"
import { WorkerTallies } from "../../../src/programs/cli/WorkerTallies.ts"

/** Of a process that has answered so many connects, and has three connections. */
const tallyOf = (connects: number, startedAtMs = 1): Tally => {
  const counters = new Counters()
  counters.connects = connects
  counters.announces.udp4 = 2 * connects
  counters.troubles.busy = 1
  counters.took(0.1, connects)
  const usage = { residentBytes: 100, heapBytes: 10, cpuSeconds: 0.5 }
  return { ...counters, connections: 3, pending: 0, ...usage, startedAtMs }
}

/** Two workers, each of which answers with what `tallies` has for it; one that has nothing hangs. */
const make = (answers: Record<string, Tally | undefined>) => {
  const tallies: WorkerTallies<string> = new WorkerTallies((worker) => {
    const tally = answers[worker]
    if (tally !== undefined) tallies.said(worker, tally)
  })
  for (const worker of Object.keys(answers)) tallies.joined(worker)
  return tallies
}

describe("WorkerTallies", () => {
  it.effect("adds up what all say", () =>
    Effect.gen(function*() {
      const whole = yield* make({ a: tallyOf(1, 5), b: tallyOf(10, 4) }).gather
      assert.deepStrictEqual([whole?.connects, whole?.announces.udp4, whole?.troubles.busy], [11, 22, 2])
      assert.deepStrictEqual([whole?.connections, whole?.cpuSeconds, whole?.startedAtMs], [6, 1, 4])
      assert.deepStrictEqual([whole?.durations[0], whole?.durations[1], whole?.residentBytes], [11, 0, 200])
    }))

  it.effect("waits a bounded time, and takes what the slow one said before", () =>
    Effect.gen(function*() {
      const answers: Record<string, Tally | undefined> = { a: tallyOf(1), b: tallyOf(10) }
      const tallies = make(answers)
      yield* tallies.gather
      answers["a"] = tallyOf(2)
      answers["b"] = undefined
      const gathering = yield* Effect.forkChild(tallies.gather)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(gathering))?.connects, 12)
    }))

  it.effect("keeps what a worker that ended has done, not what it held", () =>
    Effect.gen(function*() {
      const tallies = make({ a: tallyOf(1), b: tallyOf(10) })
      yield* tallies.gather
      tallies.left("b")
      const whole = yield* tallies.gather
      assert.deepStrictEqual([whole?.connects, whole?.connections], [11, 3])
      tallies.left("a")
      assert.strictEqual((yield* tallies.gather)?.connections, 0)
    }))

  it.effect("does not wait for one that ends meanwhile", () =>
    Effect.gen(function*() {
      const tallies = make({ a: tallyOf(1), b: undefined })
      const gathering = yield* Effect.forkChild(tallies.gather, { startImmediately: true })
      tallies.left("b")
      assert.strictEqual((yield* Fiber.join(gathering))?.connects, 1)
    }))
})
