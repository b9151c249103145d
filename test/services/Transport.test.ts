import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as PeerAddress from "../../src/domain/PeerAddress.ts"
import { Transport } from "../../src/services/Transport.ts"

const HOST = "127.0.0.1"

describe("Transport over TCP", () => {
  it.live("a listener that ends hangs up on whoever was not accepted", () =>
    Effect.gen(function*() {
      const transport = yield* Transport
      const scope = yield* Scope.make()
      const listener = yield* transport.listen({ host: HOST, port: 0 }).pipe(Scope.provide(scope))
      const { port } = listener
      const address = PeerAddress.make(HOST, port)!
      const links = [yield* transport.dial(address), yield* transport.dial(address), yield* transport.dial(address)]
      yield* listener.accept
      yield* Scope.close(scope, Exit.void)
      // Whether in order or with an error depends on how far the system had come with them.
      for (const link of links.slice(1)) yield* Effect.exit(link.receive(() => {}))
    }).pipe(Effect.provide(Transport.layerTcp)))

  it.live("what one connection has said before anybody listens is not lost to what another says", () =>
    Effect.gen(function*() {
      const transport = yield* Transport
      const { accept, port } = yield* transport.listen({ host: HOST, port: 0 })
      const address = PeerAddress.make(HOST, port)!
      const connect = Effect.gen(function*() {
        const caller = yield* transport.dial(address)
        return { caller, link: yield* accept }
      })
      const [first, second] = [yield* connect, yield* connect]
      const say = ({ caller }: typeof first, byte: number) =>
        Effect.callback<void>((resume) => caller.send([new Uint8Array(100).fill(byte)], () => resume(Effect.void)))
      const heard = Effect.fnUntraced(function*({ link }: typeof first) {
        const all: Array<number> = []
        const whole = yield* Deferred.make<void>()
        yield* Effect.forkScoped(link.receive((bytes, from, to) => {
          all.push(...bytes.subarray(from, to))
          if (all.length === 100) Deferred.doneUnsafe(whole, Exit.void)
        }))
        yield* Deferred.await(whole)
        return all
      })
      yield* say(first, 1)
      yield* say(second, 2)
      assert.deepStrictEqual(yield* heard(second), Array.from({ length: 100 }, () => 2))
      assert.deepStrictEqual(yield* heard(first), Array.from({ length: 100 }, () => 1))
    }).pipe(Effect.provide(Transport.layerTcp)))

  it.live("more callers than wait in line are hung up on", () =>
    Effect.gen(function*() {
      const transport = yield* Transport
      const { port } = yield* transport.listen({ host: HOST, port: 0 })
      const address = PeerAddress.make(HOST, port)!
      const links = yield* Effect.forEach(
        Array.from({ length: 129 }, () => address),
        (address) => transport.dial(address)
      )
      yield* Effect.raceAll(links.map((link) => link.receive(() => {})))
    }).pipe(Effect.provide(Transport.layerTcp)))
})
