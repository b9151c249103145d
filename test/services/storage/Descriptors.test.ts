import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as fs from "node:fs"
import * as Descriptors from "../../../src/services/storage/Descriptors.ts"
import type * as FileStoreError from "../../../src/services/storage/FileStoreError.ts"

const opened = (): Descriptors.Opened => ({ fd: fs.openSync("/dev/null", "r"), refusal: undefined })

const failure = (code: string) => Promise.reject(Object.assign(new Error(code), { code }))

const acquire = (pool: Descriptors.Descriptors, slot: Descriptors.Slot, create = false) =>
  Effect.callback<Descriptors.Descriptor, FileStoreError.FileStoreError>((resume) =>
    pool.acquire(
      slot,
      create,
      (error, descriptor) => resume(descriptor === undefined ? Effect.fail(error!) : Effect.succeed(descriptor))
    )
  )

const use = (pool: Descriptors.Descriptors, slot: Descriptors.Slot, create = false) =>
  Effect.map(acquire(pool, slot, create), pool.release)

const close = (pool: Descriptors.Descriptors, slots: ReadonlyArray<Descriptors.Slot>) =>
  Effect.callback<void>((resume) => pool.close(slots, () => resume(Effect.void)))

const isClosed = (fd: number): boolean => {
  try {
    fs.fstatSync(fd)
    return false
  } catch {
    return true
  }
}

describe("Descriptors", () => {
  it.live("opens a file once for all who ask, and a file in use outlives its place", () =>
    Effect.gen(function*() {
      const pool = Descriptors.make(1)
      let opens = 0
      const first = Descriptors.slot("/first", async () => {
        opens++
        return opened()
      })
      const second = Descriptors.slot("/second", async () => opened())
      const [a, b] = yield* Effect.all([acquire(pool, first), acquire(pool, first, true)], { concurrency: 2 })
      assert.strictEqual(a, b)
      assert.strictEqual(opens, 1)
      const other = yield* Effect.forkChild(acquire(pool, second), { startImmediately: true })
      pool.release(a)
      assert.isUndefined(other.pollUnsafe())
      assert.isFalse(isClosed(a.fd))
      pool.release(b)
      const c = yield* Fiber.join(other)
      assert.isUndefined(first.descriptor)
      const closing = yield* Effect.forkChild(close(pool, [first, second]), { startImmediately: true })
      assert.isFalse(isClosed(c.fd))
      assert.isUndefined(closing.pollUnsafe())
      pool.release(c)
      yield* Fiber.join(closing)
    }))

  it.live("a reader of a missing file fails; a writer that came meanwhile creates it", () =>
    Effect.gen(function*() {
      const pool = Descriptors.make(4)
      const attempts: Array<boolean> = []
      const slot = Descriptors.slot("/missing", (create) => {
        attempts.push(create)
        return create ? Promise.resolve(opened()) : failure("ENOENT")
      })
      const [read, write] = yield* Effect.all([Effect.exit(use(pool, slot)), Effect.exit(use(pool, slot, true))], {
        concurrency: 2
      })
      assert.deepStrictEqual([read._tag, write._tag], ["Failure", "Success"])
      assert.deepStrictEqual(attempts, [false, true])
      yield* use(pool, slot)
      yield* close(pool, [slot])
    }))

  it.live("lives with fewer descriptors when the process has no more", () =>
    Effect.gen(function*() {
      const pool = Descriptors.make(64)
      let held = 0
      const slots = Array.from({ length: 20 }, (_, index) =>
        Descriptors.slot(`/${index}`, () => {
          const open = slots.filter((slot) => slot.descriptor !== undefined).length
          if (open >= 3) return failure("EMFILE")
          held = Math.max(held, open + 1)
          return Promise.resolve(opened())
        }))
      yield* Effect.forEach(slots, (slot) => use(pool, slot), { concurrency: 1, discard: true })
      assert.strictEqual(held, 3)
      yield* close(pool, slots)
      const error = yield* Effect.flip(use(Descriptors.make(4), Descriptors.slot("/x", () => failure("EMFILE"))))
      assert.strictEqual(error.reason._tag, "Io")
      assert.include(error.message, "EMFILE")
    }))
})
