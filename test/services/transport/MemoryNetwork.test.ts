import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
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

const codeOf = (exit: Exit.Exit<unknown, { readonly code: string }> | undefined): string =>
  exit === undefined ? "open" : Exit.isSuccess(exit) ? "ended" : String(Exit.findError(exit))

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
})
