import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Announcing, Answer } from "../../../src/domain/tracker/Announcing.ts"
import { AnnounceBatch } from "../../../src/services/tracker/AnnounceBatch.ts"

type Done = (answers: ReadonlyArray<Answer | undefined> | undefined) => void

/** A batch over a store that answers when the test says so. */
const make = (maxPending?: number) => {
  const batches: Array<{ readonly announces: ReadonlyArray<Announcing>; readonly done: Done }> = []
  const told: Array<readonly [number, Answer | undefined]> = []
  const times: Array<readonly [number, number]> = []
  let now = 0
  const batch = new AnnounceBatch<number>({
    submit: (announces, done) => batches.push({ announces, done }),
    answer: (to, _, answer) => told.push([to, answer]),
    answered: (count, ms) => times.push([count, ms]),
    elapsed: () => now,
    maxPending
  })
  const add = (n: number) => {
    batch.next.infoHash[0] = n
    batch.add(n)
  }
  return { add, batch, batches, told, times, pass: (ms: number) => now += ms }
}

/** Everything that this turn of the event loop has gathered is handed over by then. */
const nextTurn = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))

describe("AnnounceBatch", () => {
  it.effect("hands over what one turn gathers, at once, and answers in order", () =>
    Effect.gen(function*() {
      const { add, batch, batches, pass, times, told } = make()
      for (const n of [1, 2, 3]) add(n)
      assert.strictEqual(batches.length, 0)
      yield* nextTurn
      add(4)
      yield* nextTurn
      assert.deepStrictEqual(batches.map(({ announces }) => announces.map(({ infoHash }) => infoHash[0])), [[1, 2, 3], [
        4
      ]])
      assert.strictEqual(batch.pending, 4)
      pass(7)
      batches[1]!.done(["TooManyTorrents"])
      batches[0]!.done(undefined)
      assert.deepStrictEqual(told, [[4, "TooManyTorrents"], [1, undefined], [2, undefined], [3, undefined]])
      assert.deepStrictEqual(times, [[1, 7], [3, 7]])
      assert.strictEqual(batch.pending, 0)
    }))

  it.effect("lets nobody write over what is not answered", () =>
    Effect.gen(function*() {
      const { add, batches } = make()
      const first = () => batches[0]!.announces.map(({ infoHash }) => infoHash[0])
      add(1)
      yield* nextTurn
      for (let n = 2; n < 10; n++) add(n)
      yield* nextTurn
      batches[1]!.done(undefined)
      for (let n = 10; n < 20; n++) add(n)
      assert.deepStrictEqual(first(), [1])
    }))

  it.effect("is full while too many wait for the store", () =>
    Effect.gen(function*() {
      const { add, batch, batches } = make(2)
      add(1)
      assert.isFalse(batch.isFull)
      add(2)
      assert.isTrue(batch.isFull)
      yield* nextTurn
      assert.isTrue(batch.isFull)
      batches[0]!.done(undefined)
      assert.isFalse(batch.isFull)
    }))
})
