import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { InfoHash } from "../../../src/domain/InfoHash.ts"
import type { PeerId } from "../../../src/domain/PeerId.ts"
import type { Announcing, Answer } from "../../../src/domain/tracker/Announcing.ts"
import { AnnounceBatch } from "../../../src/services/tracker/AnnounceBatch.ts"

const announcing = (n: number): Announcing => ({
  infoHash: `${n}` as InfoHash,
  peerId: "" as PeerId,
  compact: new Uint8Array(6),
  role: "leech",
  event: undefined,
  numWant: 0,
  wants: "both",
  withIds: false
})

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
  return { batch, batches, told, times, pass: (ms: number) => now += ms }
}

/** Everything that this turn of the event loop has gathered is handed over by then. */
const nextTurn = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))

describe("AnnounceBatch", () => {
  it.effect("hands over what one turn gathers, at once, and answers in order", () =>
    Effect.gen(function*() {
      const { batch, batches, pass, times, told } = make()
      for (const n of [1, 2, 3]) batch.add(announcing(n), n)
      assert.strictEqual(batches.length, 0)
      yield* nextTurn
      batch.add(announcing(4), 4)
      yield* nextTurn
      assert.deepStrictEqual(batches.map(({ announces }) => announces.map(({ infoHash }) => infoHash as string)), [
        ["1", "2", "3"],
        ["4"]
      ])
      assert.strictEqual(batch.pending, 4)
      pass(7)
      batches[1]!.done(["TooManyTorrents"])
      batches[0]!.done(undefined)
      assert.deepStrictEqual(told, [[4, "TooManyTorrents"], [1, undefined], [2, undefined], [3, undefined]])
      assert.deepStrictEqual(times, [[1, 7], [3, 7]])
      assert.strictEqual(batch.pending, 0)
    }))

  it.effect("is full while too many wait for the store", () =>
    Effect.gen(function*() {
      const { batch, batches } = make(2)
      batch.add(announcing(1), 1)
      assert.isFalse(batch.isFull)
      batch.add(announcing(2), 2)
      assert.isTrue(batch.isFull)
      yield* nextTurn
      assert.isTrue(batch.isFull)
      batches[0]!.done(undefined)
      assert.isFalse(batch.isFull)
    }))
})
