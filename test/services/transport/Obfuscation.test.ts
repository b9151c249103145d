import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Bytes from "../../../src/domain/Bytes.ts"
import * as PeerAddress from "../../../src/domain/PeerAddress.ts"
import * as Handshake from "../../../src/domain/wire/Handshake.ts"
import type { Cipher, Policy } from "../../../src/domain/wire/mse/Policy.ts"
import { PeerConnection } from "../../../src/services/PeerConnection.ts"
import type { Link } from "../../../src/services/Transport.ts"
import * as MemoryNetwork from "../../../src/services/transport/MemoryNetwork.ts"
import * as Obfuscation from "../../../src/services/transport/Obfuscation.ts"
import type { TransportError } from "../../../src/services/transport/TransportError.ts"
import { peerIdOf } from "../../domain/swarm/fakes.ts"
import { int, seed } from "../../domain/swarm/seeded.ts"
import { infoHash } from "../../domain/wire/mse/exchange.ts"
import { FakeLink } from "../../support/links.ts"
import { noise } from "../../support/payload.ts"

const A = "10.0.0.1"
const DOOR = PeerAddress.make("10.0.0.2", 6881)!

/** A side of a connection: what it has heard, and how it ended. */
const listen = Effect.fnUntraced(function*(link: Link) {
  const parts: Array<Uint8Array> = []
  const fiber = yield* Effect.forkChild(
    Effect.exit(link.receive((bytes, from, to) => void parts.push(bytes.slice(from, to)))),
    { startImmediately: true }
  )
  return { heard: () => Bytes.concat(parts), fiber }
})

/** A connection in memory, encrypted by a dialler and taken by a listener of these policies. */
const connected = Effect.fnUntraced(function*(
  dialler: Policy,
  listener: Policy,
  path: MemoryNetwork.NetworkOptions["path"] = () => ({ latency: 10, rate: 1_000_000 })
) {
  const network = yield* MemoryNetwork.make({ path })
  const door = yield* network.host({ addresses: [DOOR.host] }).listen({ port: DOOR.port })
  const dialling = yield* Effect.forkChild(
    network.host({ addresses: [A] }).dial(DOOR).pipe(Scope.provide(yield* Effect.scope))
  )
  yield* TestClock.adjust("1 second")
  const near = yield* Obfuscation.make(dialler)
  const far = yield* Obfuscation.make(listener)
  far.add([infoHash])
  return { near: near.dialled(yield* Fiber.join(dialling), infoHash), far: far.accepted(yield* door.accept) }
})

const detailOf = (exit: Exit.Exit<unknown, TransportError>): string | undefined => {
  const error = Exit.findErrorOption(exit)
  return error._tag === "Some" ? error.value.detail : undefined
}

const ENCRYPTED: ReadonlyArray<readonly [Policy, Policy, Exclude<Cipher, "none">]> = [
  ["require", "require", "rc4"],
  ["prefer", "allow", "rc4"],
  ["allow", "prefer", "rc4"],
  ["allow", "allow", "plaintext"]
]

describe("an obfuscated connection", () => {
  it.effect.prop(
    "brings all bytes in order both ways, and leaves those of the caller as they are",
    { seed, sends: int(1, 12), which: int(0, ENCRYPTED.length - 1) },
    ({ seed, sends, which }) =>
      Effect.scoped(Effect.gen(function*() {
        const [dialler, listener, cipher] = ENCRYPTED[which]!
        const { far, near } = yield* connected(
          dialler,
          listener,
          () => ({ latency: seed % 50, rate: 20_000 + seed % 5_000_000 })
        )
        const [here, there] = [yield* listen(near), yield* listen(far)]
        const wanted: Array<Uint8Array> = []
        let left = 0
        const say = (link: Link, bytes: Uint8Array) => {
          const own = bytes.slice()
          const cut = seed % bytes.length
          link.send([own.subarray(0, cut), own.subarray(cut)], () => {
            assert.isTrue(Bytes.equals(own, bytes))
            own.fill(0)
            left++
          })
        }
        const first = noise(68, seed)
        say(near, first)
        yield* TestClock.adjust("5 seconds")
        assert.isTrue(Bytes.equals(there.heard(), first))
        for (let i = 0; i < sends; i++) {
          const bytes = noise(1 + (seed >>> (i % 16)) % 200_000, seed + i)
          wanted.push(bytes)
          say(near, bytes)
          say(far, bytes)
          if (i % 3 === 0) yield* TestClock.adjust(i)
        }
        yield* TestClock.adjust("10 minutes")
        assert.deepStrictEqual([near.cipher, far.cipher], [cipher, cipher])
        assert.strictEqual(left, 2 * sends + 1)
        assert.deepStrictEqual([near.queued(), far.queued()], [0, 0])
        assert.isTrue(Bytes.equals(there.heard(), Bytes.concat([first, ...wanted])))
        assert.isTrue(Bytes.equals(here.heard(), Bytes.concat(wanted)))
      })).pipe(Random.withSeed(seed)),
    { arbitrary: { runs: 25 } }
  )

  for (const dialler of ["prefer", "require"] as const) {
    it.effect(`from ${dialler} is no handshake to those who have it off`, () =>
      Effect.scoped(Effect.gen(function*() {
        const { far, near } = yield* connected(dialler, "off")
        const [here, there] = [yield* listen(near), yield* listen(far)]
        yield* TestClock.adjust("1 second")
        assert.isUndefined(Handshake.decode(there.heard()))
        far.close()
        yield* TestClock.adjust("1 second")
        assert.isTrue(Exit.isSuccess(yield* Fiber.join(here.fiber)))
        assert.strictEqual(here.heard().length, 0)
      })))
  }

  it.effect("that ends before it is agreed on tells the sender that the bytes are no longer needed", () =>
    Effect.scoped(Effect.gen(function*() {
      const { far, near } = yield* connected("allow", "off")
      yield* listen(near)
      let told = 0
      near.send([noise(68)], () => void told++)
      assert.deepStrictEqual([near.queued() >= 68, told], [true, 0])
      near.close()
      assert.strictEqual(told, 1)
      near.send([noise(68)], () => void told++)
      assert.strictEqual(told, 2)
      far.close()
    })))
})

/** What has a caller under a policy that says these bytes, a read for each part. */
const caller = Effect.fnUntraced(function*(policy: Policy, ...parts: ReadonlyArray<Uint8Array>) {
  const obfuscation = yield* Obfuscation.make(policy)
  obfuscation.add([infoHash])
  const raw = new FakeLink()
  const link = obfuscation.accepted(raw)
  const { fiber, heard } = yield* listen(link)
  raw.push(...parts)
  return { raw, link, fiber, heard }
})

const plain = Bytes.concat([Handshake.PROTOCOL, noise(100)])

describe("a caller that does not encrypt", () => {
  it.effect.prop(
    "is heard as it speaks, wherever its bytes are cut",
    [int(1, 119), int(1, 119)],
    ([one, other]) =>
      Effect.gen(function*() {
        const [first, second] = [Math.min(one, other), Math.max(one, other)]
        const parts = [plain.slice(0, first), plain.slice(first, second), plain.slice(second)]
        const { heard, link, raw } = yield* caller("allow", ...parts.filter(({ length }) => length > 0))
        assert.deepStrictEqual(heard(), plain)
        assert.strictEqual(link.cipher, "none")
        const answer = noise(50)
        link.send([answer])
        assert.deepStrictEqual(raw.sent, answer)
        assert.strictEqual(raw.writes.length, 1)
      }),
    { arbitrary: { runs: 60 } }
  )

  it.effect("is refused where encryption is required, as soon as that is clear", () =>
    Effect.gen(function*() {
      const { fiber, heard, raw } = yield* caller("require", plain.slice(0, 20))
      assert.strictEqual(detailOf(yield* Fiber.join(fiber)), "does not encrypt")
      assert.deepStrictEqual([heard().length, raw.isClosed, raw.writes.length], [0, true, 0])
    }))

  it.effect("costs nothing where encryption is off", () =>
    Effect.gen(function*() {
      const obfuscation = yield* Obfuscation.make("off")
      const raw = new FakeLink()
      assert.strictEqual(obfuscation.accepted(raw), raw)
    }))
})

describe("a stranger", () => {
  it.effect("is told nothing before it has sent a whole key, and waits for whoever runs the connection", () =>
    Effect.gen(function*() {
      const { fiber, raw } = yield* caller("allow", noise(95))
      assert.deepStrictEqual([raw.writes.length, raw.isClosed], [0, false])
      raw.push(noise(1))
      assert.strictEqual(raw.writes.length, 1)
      yield* Fiber.interrupt(fiber)
      assert.isTrue(raw.isClosed)
    }))

  it.effect("that stops in the midst of the key exchange has no more time than any other", () =>
    Effect.gen(function*() {
      const obfuscation = yield* Obfuscation.make("allow")
      const raw = new FakeLink()
      const { run } = yield* PeerConnection
      const running = yield* Effect.forkChild(
        run(obfuscation.accepted(raw), { ourId: peerIdOf(1), admit: () => "has said who it is" }),
        { startImmediately: true }
      )
      raw.push(noise(96))
      assert.strictEqual(raw.writes.length, 1)
      yield* TestClock.adjust("9 seconds")
      assert.isFalse(raw.isClosed)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([yield* Fiber.join(running), raw.isClosed], ["did not shake hands in time", true])
    }).pipe(Effect.provide(PeerConnection.layer)))

  it.effect("that is refused has its reason in the log", () =>
    Effect.gen(function*() {
      const obfuscation = yield* Obfuscation.make("require")
      const raw = new FakeLink()
      const { run } = yield* PeerConnection
      const running = yield* Effect.forkChild(
        run(obfuscation.accepted(raw), { ourId: peerIdOf(1), admit: () => "has said who it is" }),
        { startImmediately: true }
      )
      raw.push(Handshake.encode(infoHash, peerIdOf(2)))
      assert.strictEqual(yield* Fiber.join(running), "does not encrypt")
    }).pipe(Effect.provide(PeerConnection.layer)))

  it.effect("that sends noise is hung up on after the longest padding", () =>
    Effect.gen(function*() {
      const { fiber, heard } = yield* caller("allow", noise(96), noise(532, 2))
      assert.strictEqual(detailOf(yield* Fiber.join(fiber)), "speaks another protocol")
      assert.strictEqual(heard().length, 0)
    }))

  it.effect("is hung up on when too many have wanted to encrypt, until time has passed; plain callers are not", () =>
    Effect.gen(function*() {
      const obfuscation = yield* Obfuscation.make("allow")
      const call = Effect.fnUntraced(function*(bytes: Uint8Array) {
        const raw = new FakeLink()
        const { fiber } = yield* listen(obfuscation.accepted(raw))
        raw.push(bytes)
        yield* Fiber.interrupt(fiber)
        return raw.writes.length > 0
      })
      const answered = Effect.fnUntraced(function*(calls: number) {
        let count = 0
        for (let i = 0; i < calls; i++) if (yield* call(noise(96, i + 1))) count++
        return count
      })
      assert.strictEqual(yield* answered(130), 100)
      const { link } = yield* caller("allow", plain)
      assert.strictEqual(link.cipher, "none")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* answered(130), 50)
    }))
})

describe("back-pressure of an obfuscated connection", () => {
  /** A far end that takes nothing, behind an agreed connection. */
  const stalled = Effect.gen(function*() {
    const near = yield* Obfuscation.make("require")
    const far = yield* Obfuscation.make("require")
    far.add([infoHash])
    const [here, there] = [new FakeLink(1), new FakeLink(2)]
    const link = near.dialled(here, infoHash)
    yield* listen(far.accepted(there))
    yield* listen(link)
    there.push(here.writes[0]!)
    here.push(...there.writes)
    const answered = there.writes.length
    there.push(here.writes[1]!)
    here.push(...there.writes.slice(answered))
    assert.strictEqual(link.cipher, "rc4")
    here.stalled = true
    return { link, raw: here }
  })

  it.effect("is that of the connection below", () =>
    Effect.gen(function*() {
      const { link, raw } = yield* stalled
      let sent = 0
      const before = raw.writes.length
      const bytes = noise(300_000)
      link.send([bytes.subarray(0, 7), bytes.subarray(7)], () => void sent++)
      link.send([noise(10)], () => void sent++)
      raw.unread = 4711
      assert.deepStrictEqual([sent, link.queued(), raw.writes.length - before], [0, 4711, 2])
      const waiting = yield* Effect.forkChild(link.drained, { startImmediately: true })
      assert.isUndefined(waiting.pollUnsafe())
      raw.drain()
      yield* Fiber.join(waiting)
      assert.strictEqual(sent, 2)
      assert.strictEqual(raw.writes[before]!.length, 300_000)
      assert.isFalse(Bytes.equals(raw.writes[before]!, bytes))
    }))
})
