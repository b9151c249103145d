import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Dns from "effect/net/Dns"
import * as NetAddress from "effect/net/NetAddress"
import * as TestClock from "effect/testing/TestClock"
import { Resolver } from "../../src/services/Resolver.ts"

const ADDRESSES = ["192.0.2.7", "2001:db8::7"].map(NetAddress.ipFromStringUnsafe)

const fixture = (answer: (host: string) => Effect.Effect<ReadonlyArray<NetAddress.IpAddress>, Dns.DnsError>) => {
  const seen = { asked: [] as Array<string>, now: 0, most: 0 }
  const dns = Dns.make({
    lookup: (host) =>
      Effect.suspend(() => {
        seen.asked.push(host)
        seen.most = Math.max(seen.most, ++seen.now)
        return Effect.ensuring(answer(host), Effect.sync(() => seen.now--))
      })
  })
  return { seen, layer: Resolver.layerNoDeps.pipe(Layer.provide(Layer.succeed(Dns.Dns, dns))) }
}

const lookup = (host: string) => Resolver.use((resolver) => resolver.lookup(host))

describe("Resolver", () => {
  it.effect("keeps answers and looks up one name at a time", () => {
    const { layer, seen } = fixture(() => Effect.delay(Effect.succeed(ADDRESSES), "1 second"))
    return Effect.gen(function*() {
      const hosts = ["a.example", "b.example", "A.example", "c.example"]
      const asking = yield* Effect.forkChild(Effect.forEach(hosts, lookup, { concurrency: "unbounded" }))
      yield* TestClock.adjust("3 seconds")
      const [first] = yield* Fiber.join(asking)
      assert.deepStrictEqual(first, [{ address: "192.0.2.7", family: 4 }, { address: "2001:db8::7", family: 6 }])
      assert.strictEqual(seen.most, 1)
      yield* lookup("b.example")
      assert.strictEqual(seen.asked.length, 3)
      yield* TestClock.adjust("6 minutes")
      const again = yield* Effect.forkChild(lookup("b.example"))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(again)
      assert.strictEqual(seen.asked.length, 4)
    }).pipe(Effect.provide(layer))
  })

  it.effect("gives up after ten seconds, yet starts no second look-up while one hangs", () => {
    const { layer, seen } = fixture(() => Effect.never)
    return Effect.gen(function*() {
      const errors = yield* Effect.forkChild(
        Effect.forEach(["a.example", "b.example"], (host) => Effect.flip(lookup(host)), { concurrency: "unbounded" })
      )
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual((yield* Fiber.join(errors)).map((error) => error.reason), ["TimedOut", "TimedOut"])
      assert.strictEqual(seen.asked.length, 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("remembers a missing name for a short while", () => {
    const { layer, seen } = fixture((host) =>
      Effect.fail(new Dns.DnsError({ reason: "NotFound", method: "lookup", hostname: host }))
    )
    return Effect.gen(function*() {
      const miss = Effect.flip(lookup("nowhere.example"))
      assert.strictEqual((yield* miss).reason, "NotFound")
      assert.match((yield* miss).message, /nowhere\.example has no address/)
      assert.strictEqual(seen.asked.length, 1)
      yield* TestClock.adjust("31 seconds")
      yield* miss
      assert.strictEqual(seen.asked.length, 2)
    }).pipe(Effect.provide(layer))
  })

  it.effect("takes addresses as they are", () => {
    const { layer, seen } = fixture(() => Effect.never)
    return Effect.gen(function*() {
      assert.deepStrictEqual(yield* lookup("192.0.2.1"), [{ address: "192.0.2.1", family: 4 }])
      assert.deepStrictEqual(yield* lookup("[2001:DB8::1]"), [{ address: "2001:db8::1", family: 6 }])
      assert.deepStrictEqual(yield* lookup("::ffff:192.0.2.1"), [{ address: "192.0.2.1", family: 4 }])
      assert.deepStrictEqual(seen.asked, [])
    }).pipe(Effect.provide(layer))
  })
})
