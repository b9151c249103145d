/** Super-seeding (BEP 16) in whole swarms: how much the first seed sends until the others hold a copy between them. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Bitfield from "../../src/domain/Bitfield.ts"
import { BLOCK } from "../../src/domain/PieceLayout.ts"
import * as Message from "../../src/domain/wire/Message.ts"
import * as Payload from "../support/payload.ts"
import * as ScriptedPeer from "../support/scriptedPeer.ts"
import * as Swarm from "../support/swarm.ts"

const PIECE = 4 * BLOCK
const PIECES = 60

const torrent = Payload.torrent([{ length: PIECES * PIECE - 777 }], PIECE)
const size = torrent.payload.length

const KB = 1000

const path = () => ({ latency: 20, rate: 4000 * KB })

const isCopy = (leeches: ReadonlyArray<Swarm.Node>) => {
  const all = Bitfield.make(PIECES)
  for (const { torrent: { swarm: { have } } } of leeches) have.forEach((byte, i) => all[i]! |= byte)
  return Bitfield.isFull(all, PIECES)
}

const ends = ({ events }: Swarm.Node) => events.flatMap((event) => event._tag === "SuperSeedEnded" ? [event.end] : [])

/** A seed and equal leeches that know each other; what the seed has sent when they hold one copy, and when all are done. */
const spread = Effect.fnUntraced(function*(superSeed: boolean, count: number, seed: number, plain = false) {
  const swarm = yield* Swarm.make({ torrent, seed, path, resolution: 5 })
  const source = yield* swarm.start({
    number: 1,
    has: "All",
    up: 500 * KB,
    peers: [],
    plain,
    options: { superSeed, readOnly: true }
  })
  const numbers = Swarm.range(2, count)
  const leeches = yield* Effect.forEach(
    numbers,
    (number) =>
      swarm.start({ number, up: 500 * KB, down: 2000 * KB, plain, peers: [1, ...numbers.filter((n) => n < number)] })
  )
  const tookToCopy = yield* Swarm.until(300_000, () => isCopy(leeches), leeches)
  const sentForCopy = source.torrent.swarm.up.total / size
  const { took } = yield* Swarm.within(600_000, Swarm.allDone(leeches), leeches)
  for (const leech of leeches) assert.isTrue(Swarm.isWhole(torrent, leech))
  return { source, leeches, sentForCopy, tookToCopy, took: tookToCopy + took }
})

describe("super-seeding", () => {
  it.effect("sends 1.1 copies at most before twenty equal leeches hold one between them", () =>
    Effect.gen(function*() {
      const { sentForCopy, source } = yield* spread(true, 20, 1)
      assert.isAtMost(sentForCopy, 1.1)
      assert.lengthOf(ends(source), 1)
    }))

  it.effect("of which an ordinary seed sends far more, unless it can suggest what nobody has (BEP 6)", () =>
    Effect.gen(function*() {
      const plain = yield* Effect.scoped(spread(false, 20, 1, true))
      assert.isAbove(plain.sentForCopy, 1.4)
      assert.lengthOf(ends(plain.source), 0)
      const fast = yield* Effect.scoped(Effect.provide(spread(false, 20, 1), TestClock.layer()))
      assert.isAtMost(fast.sentForCopy, 1.2)
    }))

  it.effect("serves a single leech to the end, and two that exchange", () =>
    Effect.gen(function*() {
      const one = yield* Effect.scoped(spread(true, 1, 3))
      assert.deepStrictEqual(ends(one.source), ["AnotherSeed"])
      // One piece at a time, but as many ahead as the line takes: not much slower than an ordinary seed.
      assert.isBelow(one.took, 1.5 * size / (500 * KB) * 1000)
      const two = yield* Effect.scoped(Effect.provide(spread(true, 2, 4), TestClock.layer()))
      assert.isAtMost(two.sentForCopy, 1.1)
    }))

  it.effect(
    "serves two that cannot reach each other, and a leech that comes when another leaves with pieces",
    () =>
      Effect.gen(function*() {
        const swarm = yield* Swarm.make({ torrent, seed: 5, path, resolution: 5 })
        const options = { superSeed: true, readOnly: true }
        const source = yield* swarm.start({ number: 1, has: "All", up: 500 * KB, peers: [], options })
        const leaver = yield* swarm.start({ number: 2, peers: [1] })
        const stayer = yield* swarm.start({ number: 3, peers: [1] })
        yield* Swarm.until(60_000, () => leaver.torrent.swarm.haveCount > 3, [source, leaver])
        yield* Swarm.within(10_000, leaver.stop)
        const comer = yield* swarm.start({ number: 4, peers: [1] })
        yield* Swarm.within(3_600_000, Swarm.allDone([stayer, comer]), [source, stayer, comer])
      }),
    20_000
  )

  it.effect("says that it has nothing, and serves nothing but what it has shown", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 6, path })
      const source = yield* swarm.start({
        number: 1,
        has: "All",
        peers: [],
        options: { superSeed: true, readOnly: true }
      })
      const peer = yield* ScriptedPeer.start(swarm, { number: 9, target: 1 })
      yield* TestClock.adjust(3000)
      const shown = peer.frames.flatMap(ScriptedPeer.advertised)
      assert.lengthOf(shown, 1)
      assert.isFalse(peer.frames.some(({ id }) => id === Message.BITFIELD))
      peer.say((outbox) => outbox.interested())
      yield* TestClock.adjust(1000)
      peer.say((outbox) => {
        for (let piece = 0; piece < PIECES; piece++) outbox.request(piece, 0, BLOCK)
      })
      yield* TestClock.adjust(5000)
      assert.strictEqual(source.torrent.swarm.up.total, BLOCK)
      assert.isTrue(peer.isConnected())
      // A seed comes: there is nothing left to hide.
      yield* ScriptedPeer.start(swarm, {
        number: 10,
        target: 1,
        greeting: (outbox) => outbox.bitfield(Bitfield.full(PIECES))
      })
      yield* TestClock.adjust(3000)
      assert.deepStrictEqual(ends(source), ["AnotherSeed"])
      assert.deepStrictEqual(
        peer.frames.flatMap(ScriptedPeer.advertised).toSorted((a, b) => a - b),
        Array.from({ length: PIECES }, (_, piece) => piece)
      )
    }))
})
