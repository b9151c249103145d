/** Peers that find each other through peers (BEP 11). */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as PeerAddress from "../../src/domain/PeerAddress.ts"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import * as ExtensionHandshake from "../../src/domain/wire/ExtensionHandshake.ts"
import * as Message from "../../src/domain/wire/Message.ts"
import * as PexMessage from "../../src/domain/wire/PexMessage.ts"
import * as MemoryTracker from "../support/memoryTracker.ts"
import * as Payload from "../support/payload.ts"
import * as ScriptedPeer from "../support/scriptedPeer.ts"
import * as Swarm from "../support/swarm.ts"

const PIECE = 2 * PieceLayout.BLOCK

const torrent = Payload.torrent([{ length: 64 * PIECE }], PIECE)

const secret: Payload.Torrent = { ...torrent, metainfo: { ...torrent.metainfo, private: true } }

const MINUTE = 60_000

/** The nodes that a node is connected to. */
const neighbours = (node: Swarm.Node, nodes: ReadonlyArray<Swarm.Node>): Array<number> =>
  nodes.filter(({ session }) => Array.from(node.torrent.swarm.peers).some(({ id }) => id === session.peerId)).map((
    { number }
  ) => number)

const greeting = ExtensionHandshake.encode({ messages: new Map([[PexMessage.NAME, 1]]) })

/** By which numbers a node knows its extensions, if the frame says so. */
const numbersIn = ({ id, payload }: ScriptedPeer.Frame) =>
  id === Message.EXTENDED && payload[0] === 0 ? ExtensionHandshake.decode(payload.subarray(1))!.messages : undefined

/** One that gives nothing away fast, so that the others have to find each other. */
const SLOW = 20_000

/** A hub that knows the seed, and leeches that know the hub alone. */
const star = Effect.fnUntraced(function*(
  swarm: Swarm.Swarm,
  leeches: number,
  options?: Swarm.NodeOptions["options"]
) {
  const seed = yield* swarm.start({ number: 1, has: "All", peers: [], up: SLOW, options })
  const hub = yield* swarm.start({ number: 2, peers: [1], up: SLOW, options })
  const others = yield* Effect.forEach(
    Swarm.range(3, leeches),
    (number) => swarm.start({ number, peers: [2], up: SLOW, options })
  )
  return [seed, hub, ...others] as const
})

describe("peers tell each other of peers", () => {
  it.effect("all find each other when one knows the seed and the others know that one", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 1 })
      const nodes = yield* star(swarm, 8)
      const all = () => nodes.every((node) => neighbours(node, nodes).length === nodes.length - 1)
      const took = yield* Swarm.until(4 * MINUTE, all, nodes)
      assert.isAtMost(took, 2 * MINUTE)
    }))

  it.effect("nobody finds anybody when it is switched off, or when the torrent is private", () =>
    Effect.gen(function*() {
      for (const [payload, options] of [[torrent, { pex: false }], [secret, {}]] as const) {
        const swarm = yield* Swarm.make({ torrent: payload, seed: 1 })
        const nodes = yield* star(swarm, 4, options)
        yield* TestClock.adjust(1.5 * MINUTE)
        assert.deepStrictEqual(nodes.map((node) => neighbours(node, nodes).length), [1, 5, 1, 1, 1, 1])
        for (const { torrent: { swarm } } of nodes) {
          for (const { theirs } of swarm.peers) assert.isFalse(theirs!.messages.has(PexMessage.NAME))
        }
      }
    }))

  it.effect("a private torrent tells nobody of peers who asks for it, and heeds nobody who tells", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent: secret, seed: 1 })
      const [seed, hub] = yield* star(swarm, 2)
      const far = yield* swarm.start({ number: 9, peers: [] })
      const added = [{ address: Swarm.address(9), flags: 0 }]
      const spy = yield* ScriptedPeer.start(swarm, {
        number: 20,
        target: 2,
        extended: true,
        greeting: (outbox) => outbox.extended(0, greeting),
        onFrame: (frame, peer) => {
          const known = numbersIn(frame)
          if (known === undefined) return
          assert.isFalse(known.has(PexMessage.NAME))
          peer.say((outbox) => {
            for (let id = known.size + 1; id < 20; id++) outbox.extended(id, PexMessage.encode({ added, dropped: [] }))
          })
        }
      })
      yield* TestClock.adjust(1.5 * MINUTE)
      assert.isTrue(spy.isConnected())
      const messages = spy.frames.filter(({ id, payload }) => id === Message.EXTENDED && payload[0] === 1)
      assert.isEmpty(messages)
      assert.deepStrictEqual(neighbours(hub, [seed, far]), [1])
    }))

  it.effect("those of IPv6 and those of IPv4 each find their like through one that has both", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 3 })
      const v6 = (number: number) => `2001:db8::${number}`
      const hub = yield* swarm.start({
        number: 1,
        has: new Set([0]),
        hosts: [Swarm.host(1), v6(1)],
        peers: [],
        up: SLOW
      })
      const fours = yield* Effect.forEach([3, 4], (number) => swarm.start({ number, peers: [1], up: SLOW }))
      const sixes = yield* Effect.forEach([5, 6], (number) =>
        swarm.start({
          number,
          hosts: [v6(number)],
          up: SLOW,
          peers: [],
          options: { peers: [PeerAddress.make(v6(1), 6881)!] }
        }))
      const nodes = [hub, ...fours, ...sixes]
      const found = () => nodes.slice(1).every((node) => neighbours(node, nodes).length === 2)
      yield* Swarm.until(4 * MINUTE, found, nodes)
      assert.deepStrictEqual(nodes.map((node) => neighbours(node, nodes)), [
        [3, 4, 5, 6],
        [1, 4],
        [1, 3],
        [1, 6],
        [1, 5]
      ])
    }))

  it.effect("whoever floods with peers that do not exist keeps nobody from the real ones, and is dropped", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 4 })
      const seed = yield* swarm.start({ number: 1, has: "All", peers: [], up: SLOW })
      const hub = yield* swarm.start({ number: 2, peers: [1], up: SLOW })
      const victim = yield* swarm.start({ number: 3, peers: [] })
      const fake = (n: number) => ({ address: PeerAddress.make(`10.9.${n >> 8}.${n & 255}`, 6881)!, flags: 0x10 })
      let id = 0
      const flood = (from: number) =>
        PexMessage.encode({ added: Array.from({ length: 200 }, (_, i) => fake(200 * from + i)), dropped: [] })
      const liars = yield* Effect.forEach(Swarm.range(30, 10), (number) =>
        ScriptedPeer.start(swarm, {
          number,
          target: 3,
          extended: true,
          greeting: (outbox) => outbox.extended(0, greeting),
          onFrame: (frame, peer) => {
            id = numbersIn(frame)?.get(PexMessage.NAME) ?? id
            if (numbersIn(frame) !== undefined) peer.say((outbox) => outbox.extended(id, flood(number)))
          }
        }))
      yield* TestClock.adjust(5000)
      assert.strictEqual(victim.torrent.swarm.peers.size, 10)
      // Now the hub calls, and tells of the seed.
      const late = yield* swarm.start({ number: 4, peers: [2, 3] })
      yield* Swarm.until(3 * MINUTE, () => neighbours(victim, [seed, hub, late]).length === 3, [victim, late])
      for (let i = 0; i < 12; i++) liars[0]!.say((outbox) => outbox.extended(id, flood(30)))
      yield* TestClock.adjust(1000)
      assert.isFalse(liars[0]!.isConnected())
      assert.isTrue(liars[1]!.isConnected())
      const reasons = victim.events.flatMap((event) => event._tag === "PeerDisconnected" ? [event.reason] : [])
      assert.include(reasons, "sends lists of peers far too often")
    }))

  it.effect("a run that was killed is known to the next, which goes on though no tracker answers", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 5 })
      const seed = yield* swarm.start({ number: 1, has: "All", up: SLOW })
      const first = yield* swarm.start({ number: 2 })
      yield* TestClock.adjust(20_000)
      assert.deepStrictEqual(neighbours(first, [seed]), [1])
      const left = Swarm.leftovers(first)
      yield* first.stop
      swarm.tracker.refuses = () => true
      const second = yield* swarm.start({ number: 2, ...left })
      const stranger = yield* swarm.start({ number: 3 })
      assert.deepStrictEqual([second.torrent.recalled, stranger.torrent.recalled], [1, 0])
      yield* Swarm.within(4 * MINUTE, Swarm.allDone([second]), [second])
      assert.isTrue(Swarm.isWhole(torrent, second))
    }))

  it.effect("a private torrent remembers whom its tracker named for as long as it has that tracker, and nobody else", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent: secret, seed: 6 })
      yield* swarm.start({ number: 1, has: "All", up: SLOW })
      const user = yield* swarm.start({ number: 4, has: "All", peers: [], up: SLOW })
      const first = yield* swarm.start({ number: 2, options: { peers: [Swarm.address(4)] } })
      yield* swarm.start({ number: 5, peers: [2] })
      yield* TestClock.adjust(20_000)
      assert.strictEqual(first.torrent.swarm.peers.size, 3)
      const left = Swarm.leftovers(first)
      yield* first.stop
      swarm.tracker.refuses = () => true
      const recalled: Array<number> = []
      for (
        const trackers of [[[MemoryTracker.URL]], [["http://other.test/announce"]], [[
          MemoryTracker.URL,
          "http://b.test/"
        ]]]
      ) {
        const { disk, records } = left
        const again = yield* swarm.start({ number: 2, disk, records: new Map(records), options: { trackers } })
        recalled.push(again.torrent.recalled)
        yield* TestClock.adjust(5000)
        assert.deepStrictEqual(neighbours(again, [user]), [])
        yield* again.stop
      }
      assert.deepStrictEqual(recalled, [1, 0, 0])
    }))

  it.effect("forgets after two weeks whom it met", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 7 })
      const seed = yield* swarm.start({ number: 1, has: "All", up: SLOW })
      const first = yield* swarm.start({ number: 2 })
      yield* TestClock.adjust(20_000)
      const left = Swarm.leftovers(first)
      yield* first.stop
      yield* seed.stop
      for (const [days, known] of [[13, 1], [2, 0]] as const) {
        yield* TestClock.adjust(days * 24 * 60 * MINUTE)
        const again = yield* swarm.start({ number: 2, ...left, records: new Map(left.records), peers: [] })
        assert.strictEqual(again.torrent.recalled, known)
        yield* again.stop
      }
    }))
})
