import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Headers from "effect/http/Headers"
import type * as HttpServerError from "effect/http/HttpServerError"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { LIMITS, Uploads } from "../../../src/services/tracker/Uploads.ts"

const KIB = 1024
const MAX = 8 * KIB * KIB

type Body = Stream.Stream<Uint8Array, HttpServerError.HttpServerError>

const request = (stream: Body, length?: number) => ({
  headers: Headers.fromInput(length === undefined ? {} : { "content-length": `${length}` }),
  stream
})

const chunk = (bytes: number): Uint8Array => new Uint8Array(bytes).map((_, i) => i % 251)

const stalled = (bytes: number): Body => Stream.concat(Stream.make(chunk(bytes)), Stream.never)

/** `bytes` now and after every so many seconds, without an end. */
const steady = (bytes: number, seconds: number): Body =>
  Stream.concat(
    Stream.make(chunk(bytes)),
    Stream.forever(Stream.fromEffect(Effect.as(Effect.sleep(`${seconds} seconds`), chunk(bytes))))
  )

/** After so many seconds of a body. */
const after = (body: Body, seconds: number) =>
  Effect.gen(function*() {
    const reading = yield* Effect.forkChild(Effect.scoped(new Uploads().read(request(body), MAX)))
    yield* TestClock.adjust(`${seconds} seconds`)
    const ended = reading.pollUnsafe()
    return ended === undefined ? "reading" : yield* Fiber.join(reading)
  })

describe("a body", () => {
  it.effect("is put together from chunks of any size, and takes memory only while it is in use", () =>
    Effect.gen(function*() {
      const uploads = new Uploads()
      const whole = chunk(100_000)
      for (const size of [1, 999, 70_000, 100_000]) {
        const parts = Array.from(
          { length: Math.ceil(whole.length / size) },
          (_, n) => whole.subarray(n * size, (n + 1) * size)
        )
        yield* Effect.gen(function*() {
          assert.deepStrictEqual(yield* uploads.read(request(Stream.fromIterable(parts)), MAX), whole)
          assert.isAtLeast(uploads.taken, whole.length)
          assert.isAtMost(uploads.taken, 2 * whole.length)
        }).pipe(Effect.scoped)
        assert.strictEqual(uploads.taken, 0)
      }
    }))

  it.effect("may have so many bytes, and not one more", () =>
    Effect.gen(function*() {
      const uploads = new Uploads()
      const read = (body: Body, length?: number) => Effect.scoped(uploads.read(request(body, length), 100_000))
      assert.strictEqual((yield* read(Stream.make(chunk(100_000)))).length, 100_000)
      assert.strictEqual(yield* read(Stream.make(chunk(60_000), chunk(40_001))), "TooLarge")
      assert.strictEqual(yield* read(Stream.never, 100_001), "TooLarge")
      assert.strictEqual(uploads.taken, 0)
    }))

  it.effect("is cut when it stalls, however fast it began", () =>
    Effect.gen(function*() {
      for (const body of [Stream.never, stalled(1), steady(1, 1)]) {
        assert.deepStrictEqual([yield* after(body, 9), yield* after(body, 10)], ["reading", "TooSlow"])
      }
      assert.deepStrictEqual([yield* after(stalled(MAX - 1), 19), yield* after(stalled(MAX), 20)], [
        "reading",
        "TooSlow"
      ])
    }))

  it.effect("has a minute", () =>
    Effect.gen(function*() {
      const slow = steady(5 * KIB, 1)
      assert.deepStrictEqual([yield* after(slow, 59), yield* after(slow, 60)], ["reading", "TooSlow"])
    }))
})

describe("all bodies", () => {
  it.effect("share their memory, and get it back when one goes", () =>
    Effect.gen(function*() {
      const uploads = new Uploads()
      const stall = Effect.scoped(Effect.asVoid(uploads.read(request(stalled(MAX)), MAX)))
      const many = yield* Effect.forEach(Array.from({ length: 60 }), () => Effect.forkChild(stall))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(uploads.taken, LIMITS.maxTotalBytes)
      assert.strictEqual(many.filter((fiber) => fiber.pollUnsafe() === undefined).length, 8)
      const one = Effect.scoped(uploads.read(request(Stream.make(chunk(9))), MAX))
      assert.strictEqual(yield* one, "Busy")
      assert.strictEqual(yield* Effect.scoped(uploads.read(request(Stream.never, 1), MAX)), "Busy")
      yield* Fiber.interrupt(many[0]!)
      assert.deepStrictEqual(yield* one, chunk(9))
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(uploads.taken, 0)
    }))
})
