import { assert, describe, it } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Bytes from "../../../src/domain/Bytes.ts"
import * as PeerAddress from "../../../src/domain/PeerAddress.ts"
import type { Link } from "../../../src/services/Transport.ts"
import * as MemoryNetwork from "../../../src/services/transport/MemoryNetwork.ts"
import { int, seed } from "../../domain/swarm/seeded.ts"
import { noise } from "../../support/payload.ts"

const A = "10.0.0.1"
const B = "10.0.0.2"
const DOOR = PeerAddress.make(B, 6881)!

/** A connection from A to B, opened in virtual time. */
const connected = Effect.fnUntraced(function*(
  options: MemoryNetwork.NetworkOptions & { readonly up?: number; readonly down?: number } = {}
) {
  const network = yield* MemoryNetwork.make(options)
  const near = network.host({ addresses: [A], up: options.up })
  const far = network.host({ addresses: [B], down: options.down })
  const listener = yield* far.listen({ port: DOOR.port })
  const dialling = yield* Effect.forkChild(near.dial(DOOR).pipe(Scope.provide(yield* Effect.scope)))
  yield* TestClock.adjust("1 second")
  return { network, near, far, listener, dialled: yield* Fiber.join(dialling), accepted: yield* listener.accept }
})

/** Everything that comes, copied as it comes, and how the receiving ended. */
const collect = Effect.fnUntraced(function*(link: Link) {
  const parts: Array<Uint8Array> = []
  const fiber = yield* Effect.forkChild(
    Effect.exit(link.receive((bytes, from, to) => void parts.push(bytes.slice(from, to)))),
    { startImmediately: true }
  )
  return { bytes: () => Bytes.concat(parts), parts, fiber }
})

const isOpen = (fiber: Fiber.Fiber<unknown, unknown>): boolean => fiber.pollUnsafe() === undefined

/** The code that an effect fails with, within `most` of virtual time. */
const codeOf = Effect.fnUntraced(
  function*<A>(most: Duration.Input, effect: Effect.Effect<A, { readonly code: string }, Scope.Scope>) {
    const fiber = yield* Effect.forkChild(Effect.flip(Effect.scoped(effect)))
    yield* TestClock.adjust(most)
    assert.isFalse(isOpen(fiber))
    return (yield* Fiber.join(fiber)).code
  }
)

describe("MemoryNetwork", () => {
  it.effect.prop(
    "brings all bytes in order, whatever the sends and the cuts",
    { seed, sends: int(1, 40), rate: int(10_000, 10_000_000) },
    ({ rate, seed, sends }) =>
      Effect.scoped(Effect.gen(function*() {
        const { accepted, dialled } = yield* connected({ path: () => ({ latency: seed % 50, rate }) })
        const received = yield* collect(accepted)
        const wanted: Array<Uint8Array> = []
        let left = 0
        for (let i = 0; i < sends; i++) {
          const bytes = noise(1 + (seed >>> (i % 16)) % 90_000, seed + i)
          const own = bytes.slice()
          wanted.push(bytes)
          // Once they have left, the bytes are the sender's again.
          dialled.send([own.subarray(0, 5), own.subarray(5)], () => {
            own.fill(0)
            left++
          })
          if (i % 3 === 0) yield* TestClock.adjust(i)
        }
        yield* TestClock.adjust("10 minutes")
        assert.strictEqual(left, sends)
        assert.strictEqual(dialled.queued(), 0)
        assert.isTrue(Bytes.equals(received.bytes(), Bytes.concat(wanted)))
      })).pipe(Random.withSeed(seed)),
    { arbitrary: { runs: 40 } }
  )

  it.effect("a close drops what is queued, lets arrive what is under way, and ends both sides in order", () =>
    Effect.gen(function*() {
      const { accepted, dialled } = yield* connected({ path: () => ({ latency: 100, rate: 100_000 }) })
      const here = yield* collect(dialled)
      const there = yield* collect(accepted)
      let released = false
      dialled.send([new Uint8Array(100_000).fill(7)], () => {
        released = true
      })
      yield* TestClock.adjust(500)
      const before = there.bytes().length
      dialled.close()
      dialled.close()
      yield* TestClock.adjust(10)
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(here.fiber)))
      assert.isTrue(released)
      assert.strictEqual(dialled.queued(), 0)
      assert.isTrue(isOpen(there.fiber))
      yield* TestClock.adjust(200)
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(there.fiber)))
      assert.isAbove(there.bytes().length, before)
      assert.isBelow(there.bytes().length, 60_000)
      let late = false
      accepted.send([new Uint8Array(5)], () => {
        late = true
      })
      assert.isTrue(late)
    }))

  it.effect("keeps what comes before anybody receives, and no more than a window of it", () =>
    Effect.gen(function*() {
      const { accepted, dialled } = yield* connected()
      const bytes = noise(1_000_000)
      let drained = false
      yield* dialled.drained
      dialled.send([bytes])
      const waiting = yield* Effect.forkChild(Effect.andThen(
        dialled.drained,
        Effect.sync(() => {
          drained = true
        })
      ))
      yield* TestClock.adjust("1 minute")
      assert.isFalse(drained)
      assert.isAbove(dialled.queued(), 700_000)
      const received = yield* collect(accepted)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(waiting)
      assert.isTrue(Bytes.equals(received.bytes(), bytes))
    }))

  it.effect("a close frees whoever waits for the queue", () =>
    Effect.gen(function*() {
      const { dialled } = yield* connected()
      dialled.send([new Uint8Array(1_000_000)])
      const waiting = yield* Effect.forkChild(dialled.drained)
      yield* TestClock.adjust("1 second")
      assert.isTrue(isOpen(waiting))
      dialled.close()
      yield* TestClock.adjust(2)
      yield* Fiber.join(waiting)
    }))

  it.effect("carries no more than the cables do, shared fairly, after the latency", () =>
    Effect.gen(function*() {
      const { accepted, dialled, listener, near } = yield* connected({
        path: () => ({ latency: 100, rate: Infinity }),
        up: 50_000
      })
      const dialling = yield* Effect.forkChild(near.dial(DOOR).pipe(Scope.provide(yield* Effect.scope)))
      yield* TestClock.adjust("1 second")
      const second = yield* Fiber.join(dialling)
      const first = yield* collect(accepted)
      const other = yield* collect(yield* listener.accept)
      dialled.send([new Uint8Array(1_000_000)])
      second.send([new Uint8Array(1_000_000)])
      yield* TestClock.adjust(100)
      assert.strictEqual(first.bytes().length, 0)
      yield* TestClock.adjust(10_000)
      const [a, b] = [first.bytes().length, other.bytes().length]
      assert.approximately(a + b, 500_000, 10_000)
      assert.approximately(a, b, 50_000)
    }))

  it.effect("an accident breaks both ends with an error", () =>
    Effect.gen(function*() {
      const { accepted, dialled, network } = yield* connected()
      const ends = [yield* collect(dialled), yield* collect(accepted)]
      network.reset(B)
      yield* TestClock.adjust(10)
      for (const { fiber } of ends) {
        const exit = yield* Fiber.join(fiber)
        assert.isTrue(Exit.isFailure(exit) && Exit.hasFails(exit))
      }
    }))

  it.effect("holds what crosses a split, and delivers it when the split heals", () =>
    Effect.gen(function*() {
      const { accepted, dialled, near, network } = yield* connected()
      const received = yield* collect(accepted)
      dialled.send([noise(100)])
      network.split((address) => address === A ? 1 : 2)
      dialled.send([noise(100)])
      const dialling = yield* Effect.forkChild(near.dial(DOOR))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(received.bytes().length, 0)
      assert.isTrue(isOpen(dialling))
      network.split(() => 0)
      yield* TestClock.adjust("1 second")
      assert.isTrue(Bytes.equals(received.bytes(), Bytes.concat([noise(100), noise(100)])))
    }))

  it.effect("refuses as a system does", () =>
    Effect.gen(function*() {
      const { far, near } = yield* connected()
      assert.strictEqual(yield* codeOf("1 second", near.dial(PeerAddress.make(B, 1)!)), "ECONNREFUSED")
      assert.strictEqual(yield* codeOf("1 second", near.dial(PeerAddress.make("fd00::1", 1)!)), "ENETUNREACH")
      assert.strictEqual(yield* codeOf("1 second", far.listen({ port: DOOR.port })), "EADDRINUSE")
      assert.strictEqual(yield* codeOf("1 second", far.listen({ port: 1, host: A })), "EADDRNOTAVAIL")
      const { port } = yield* Effect.scoped(far.listen({ port: 0 }))
      assert.strictEqual(yield* codeOf("1 second", near.dial(PeerAddress.make(B, port)!)), "ECONNREFUSED")
    }))

  it.effect("closes a dialled connection with its scope, and one whose dialler gave up", () =>
    Effect.gen(function*() {
      const { listener, near } = yield* connected({ path: () => ({ latency: 100, rate: Infinity }) })
      const scope = yield* Scope.make()
      const dialling = yield* Effect.forkChild(near.dial(DOOR).pipe(Scope.provide(scope)))
      yield* TestClock.adjust(200)
      yield* Fiber.join(dialling)
      const first = yield* collect(yield* listener.accept)
      const impatient = yield* Effect.forkChild(Effect.scoped(near.dial(DOOR)))
      yield* TestClock.adjust(150)
      yield* Fiber.interrupt(impatient)
      const second = yield* collect(yield* listener.accept)
      assert.isTrue(isOpen(first.fiber))
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust(200)
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(first.fiber)))
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(second.fiber)))
    }))

  it.effect("a receiver that throws ends its connection with the defect", () =>
    Effect.gen(function*() {
      const { accepted, dialled } = yield* connected()
      const other = yield* collect(dialled)
      const receiving = yield* Effect.forkChild(Effect.exit(accepted.receive(() => {
        throw new Error("a bug")
      })))
      dialled.send([noise(10)])
      yield* TestClock.adjust("1 second")
      const exit = yield* Fiber.join(receiving)
      assert.isTrue(Exit.isFailure(exit) && Exit.hasDies(exit))
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(other.fiber)))
    }))

  it.effect("a listener that ends hangs up on whoever was not accepted", () =>
    Effect.gen(function*() {
      const { near, network } = yield* connected()
      const third = "10.0.0.3"
      const scope = yield* Scope.make()
      yield* network.host({ addresses: [third] }).listen({ port: 1 }).pipe(Scope.provide(scope))
      const dialling = yield* Effect.forkChild(near.dial(PeerAddress.make(third, 1)!))
      yield* TestClock.adjust("1 second")
      const { fiber } = yield* collect(yield* Fiber.join(dialling))
      assert.isTrue(isOpen(fiber))
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(fiber)))
    }))
})
