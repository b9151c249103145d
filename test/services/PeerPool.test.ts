import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as Bitfield from "../../src/domain/Bitfield.ts"
import * as InfoHash from "../../src/domain/InfoHash.ts"
import * as InfoHashV2 from "../../src/domain/InfoHashV2.ts"
import type { Metainfo } from "../../src/domain/Metainfo.ts"
import * as PeerAddress from "../../src/domain/PeerAddress.ts"
import * as PeerId from "../../src/domain/PeerId.ts"
import { PieceBuffers } from "../../src/domain/swarm/PieceBuffers.ts"
import { RateLimit } from "../../src/domain/swarm/RateLimit.ts"
import { Swarm } from "../../src/domain/swarm/Swarm.ts"
import * as PeerPool from "../../src/services/PeerPool.ts"
import { Session } from "../../src/services/Session.ts"
import type { TorrentEvent } from "../../src/services/TorrentEvent.ts"
import { peerIdOf } from "../domain/swarm/fakes.ts"
import * as Support from "../support/payload.ts"
import { layerOf, type Network, network } from "./scriptedPeers.ts"

const { metainfo } = Support.torrent([{ length: 100_000 }], 16_384)
const { layout } = metainfo

const address = (key: number) => PeerAddress.make(`10.2.${key >> 8}.${key & 255}`, 6881)!

const nameOf = (key: number) => PeerAddress.format(address(key))

/** A pool over a scripted network, handed to `body` with its session. */
const withPool = Effect.fnUntraced(function*(
  body: (setting: {
    readonly net: Network
    readonly pool: PeerPool.PeerPool
    readonly swarm: Swarm
    readonly session: Session["Service"]
    readonly events: Array<TorrentEvent>
  }) => Effect.Effect<void>,
  maxPeers = 50,
  torrent = metainfo
) {
  const net = yield* network
  net.infoHash = metainfo.infoHash
  const layers = Session.layer({}).pipe(Layer.provideMerge(layerOf(net)))
  yield* Effect.gen(function*() {
    const session = yield* Session
    const swarm = new Swarm({
      layout,
      have: Bitfield.make(layout.pieces),
      wanted: Bitfield.full(layout.pieces),
      order: "Rarest",
      buffers: new PieceBuffers(1e9),
      random: () => 0,
      limit: new RateLimit(Infinity, 0),
      hooks: {
        onFull: () => {},
        onSpill: () => {},
        onAsked: () => {},
        onInterested: () => {},
        onNotInterested: () => {},
        onHashesAsked: () => {},
        onWrongBlocks: () => {},
        onLiars: () => {}
      }
    })
    const events: Array<TorrentEvent> = []
    const shelf = {
      key: "shelf",
      length: layout.totalLength,
      layout,
      limit: new RateLimit(Infinity, 0),
      extent: (_at: number, from: number, to: number) => [from, to] as const,
      read: () => Effect.void,
      onSent: () => {},
      onFault: () => {}
    }
    const pool = yield* PeerPool.make({
      metainfo: torrent,
      swarm,
      shelf,
      maxPeers,
      onEvent: (event) => events.push(event)
    })
    yield* session.enroll({ swarms: torrent.swarms, swarm, admit: pool.admit })
    yield* body({ net, pool, swarm, session, events })
  }).pipe(Effect.provide(layers))
})

const settle = TestClock.adjust(0)

/** Peer ids before and after any of ours. */
const SMALL = PeerId.fromBytes(new Uint8Array(20).fill(1))
const GREAT = PeerId.fromBytes(new Uint8Array(20).fill(0xfe))

describe("PeerPool", () => {
  it.effect("dials what it is told of, once, as long as there is room", () =>
    withPool(
      Effect.fnUntraced(function*({ net, pool, swarm }) {
        for (let key = 1; key <= 8; key++) net.listeners.set(nameOf(key), peerIdOf(key))
        pool.add([1, 2, 3, 4, 5, 6, 7, 8, 1, 2].map(address), "tracker")
        yield* settle
        assert.lengthOf(net.dialled, 5)
        assert.strictEqual(swarm.peers.size, 5)
        pool.dialMore()
        net.connected[0]!.hangUp()
        yield* settle
        assert.strictEqual(swarm.peers.size, 4)
        pool.dialMore()
        yield* settle
        assert.strictEqual(swarm.peers.size, 5)
        assert.strictEqual(new Set(net.dialled).size, 6)
      }),
      5
    ))

  it.effect("calls peers of a hybrid in the swarm they were met in, and those of both in the first", () => {
    const infoHashV2 = InfoHashV2.fromBytes(Support.noise(32, 5))
    const v2 = InfoHash.truncate(infoHashV2)
    const hybrid: Metainfo = { ...metainfo, version: "hybrid", infoHashV2, swarms: [metainfo.infoHash, v2] }
    return withPool(
      Effect.fnUntraced(function*({ net, pool, session, swarm }) {
        net.listeners.set(nameOf(1), SMALL)
        net.listeners.set(nameOf(2), peerIdOf(2))
        session.bans.ban(peerIdOf(9), address(9))
        pool.add([address(1)], "tracker")
        pool.add([1, 2].map(address), "tracker", 1)
        yield* settle
        const askedFor = (key: number) => net.hellos.get(address(key).host)
        assert.deepStrictEqual(askedFor(1), { infoHash: metainfo.infoHash, v2 })
        assert.deepStrictEqual(askedFor(2), { infoHash: v2, v2 })
        // The same peer by another hash is the same peer, and a banned one is banned in both.
        net.call(address(4), SMALL, v2)
        net.call(address(9), peerIdOf(9), v2)
        net.call(address(5), peerIdOf(5), v2)
        yield* settle
        assert.deepStrictEqual(net.ends, ["is connected already", "is banned"])
        assert.strictEqual(swarm.peers.size, 3)
      }),
      50,
      hybrid
    )
  })

  it.effect("lets callers in until it is full", () =>
    withPool(
      Effect.fnUntraced(function*({ events, net, swarm }) {
        for (let key = 1; key <= 3; key++) net.call(address(key), peerIdOf(key))
        yield* settle
        assert.strictEqual(swarm.peers.size, 2)
        assert.deepStrictEqual(net.ends, ["finds no room"])
        net.connected[0]!.hangUp()
        yield* settle
        net.call(address(4), peerIdOf(4))
        yield* settle
        assert.strictEqual(swarm.peers.size, 2)
        assert.deepStrictEqual(events.map(({ _tag }) => _tag), [
          "PeerConnected",
          "PeerConnected",
          "PeerDisconnected",
          "PeerConnected"
        ])
      }),
      2
    ))

  it.effect("gives the place of a caller that has long wanted nothing to another, when it is full", () =>
    withPool(
      Effect.fnUntraced(function*({ net, pool, swarm }) {
        net.listeners.set(nameOf(1), peerIdOf(1))
        pool.add([address(1)], "user")
        yield* settle
        for (let key = 2; key <= 5; key++) net.call(address(key), peerIdOf(key))
        yield* settle
        for (const { peer } of net.connected) if (peer.id === peerIdOf(2)) swarm.interested(peer, 0)
        net.call(address(6), peerIdOf(6))
        yield* settle
        assert.deepStrictEqual(net.ends, ["finds no room"])
        yield* TestClock.adjust("1 minute")
        for (let key = 6; key <= 9; key++) net.call(address(key), peerIdOf(key))
        yield* settle
        const ids = [...swarm.peers].map(({ id }) => id)
        assert.sameMembers(ids, [1, 2, 6, 7, 8].map((key) => peerIdOf(key)))
        assert.lengthOf(net.ends.filter((end) => end === "idles while others wait"), 3)
        assert.strictEqual(net.ends.filter((end) => end === "finds no room").length, 2)
      }),
      5
    ))

  it.effect("keeps to its number when callers come while it dials, and still tells twins apart", () =>
    withPool(
      Effect.fnUntraced(function*({ net, pool, swarm }) {
        net.latency = 1000
        net.listeners.set(nameOf(1), peerIdOf(1))
        net.listeners.set(nameOf(2), GREAT)
        pool.add([address(1), address(2)], "tracker")
        net.call(address(3), peerIdOf(3))
        net.call(address(4), GREAT)
        yield* settle
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual([...swarm.peers].map((peer) => peer.id), [peerIdOf(3), GREAT])
        assert.sameMembers(net.ends, ["finds no room", "is connected already"])
      }),
      2
    ))

  it.effect("never keeps a connection to itself, and does not dial there again", () =>
    withPool(Effect.fnUntraced(function*({ net, pool, session, swarm }) {
      net.listeners.set(nameOf(1), session.peerId)
      pool.add([address(1)], "tracker")
      yield* settle
      assert.strictEqual(swarm.peers.size, 0)
      assert.deepStrictEqual(net.ends, ["is ourselves"])
      yield* TestClock.adjust("2 hours")
      pool.add([address(1)], "tracker")
      pool.dialMore()
      yield* settle
      assert.lengthOf(net.dialled, 1)
    })))

  for (
    const [name, id, dialledWins] of [["greater", GREAT, false], ["smaller", SMALL, true]] as const
  ) {
    it.effect(`of two connections keeps the one that the greater id dialled; the other id is ${name}`, () =>
      Effect.gen(function*() {
        for (const calledFirst of [true, false]) {
          yield* withPool(Effect.fnUntraced(function*({ net, pool, swarm }) {
            net.listeners.set(nameOf(1), id)
            const steps = [
              () => net.call(address(77), id),
              () => pool.add([address(1)], "tracker")
            ]
            for (const step of calledFirst ? steps : steps.toReversed()) {
              step()
              yield* settle
            }
            assert.lengthOf(net.connected, 1)
            assert.strictEqual(net.connected[0]!.peer.inbound, !dialledWins)
            assert.strictEqual(swarm.peers.size, 1)
            pool.serve(net.connected[0]!.peer)
            assert.deepStrictEqual(net.served, [net.connected[0]!.peer])
            net.call(address(78), id)
            yield* settle
            assert.lengthOf(net.connected, 1)
            assert.strictEqual(net.ends.at(-1), "is connected already")
          }))
        }
      }))
  }

  it.effect("lets a peer in again after it has gone", () =>
    withPool(Effect.fnUntraced(function*({ net, swarm }) {
      for (let i = 0; i < 3; i++) {
        net.call(address(1), peerIdOf(1))
        yield* settle
        assert.strictEqual(swarm.peers.size, 1)
        net.connected[0]!.hangUp()
        yield* settle
        assert.strictEqual(swarm.peers.size, 0)
      }
    })))

  it.effect("throws a liar out for good, wherever it comes from, and not its neighbours", () =>
    withPool(Effect.fnUntraced(function*({ events, net, pool, swarm }) {
      net.listeners.set(nameOf(1), peerIdOf(1))
      net.listeners.set(nameOf(2), peerIdOf(1))
      pool.add([address(1)], "tracker")
      net.call(address(3), peerIdOf(3))
      yield* settle
      const liar = net.connected.find(({ peer }) => peer.id === peerIdOf(1))!
      pool.ban([liar.peer.identity], "sent wrong blocks")
      yield* settle
      assert.deepStrictEqual([...swarm.peers].map((peer) => peer.id), [peerIdOf(3)])
      assert.include(events.map(({ _tag }) => _tag), "PeerBanned")
      net.call(address(4), peerIdOf(1))
      pool.add([address(1), address(2)], "tracker")
      yield* TestClock.adjust("1 hour")
      pool.dialMore()
      yield* settle
      assert.strictEqual(swarm.peers.size, 1)
      assert.lengthOf(net.dialled.filter((name) => name === nameOf(1)), 1)
      net.call(address(1), peerIdOf(9))
      yield* settle
      assert.strictEqual(net.ends.at(-1), "is banned")
      net.call(PeerAddress.make("10.2.0.1", 7000)!, peerIdOf(9))
      yield* settle
      assert.strictEqual(swarm.peers.size, 2)
    })))

  it.effect("bans a liar that was gone before it was proven", () =>
    withPool(Effect.fnUntraced(function*({ net, pool, swarm }) {
      net.call(address(1), peerIdOf(1))
      yield* settle
      const { hangUp, peer } = net.connected[0]!
      peer.received = 16_384
      hangUp()
      yield* settle
      pool.ban([peer.identity], "sent wrong blocks")
      net.call(address(1), peerIdOf(1))
      yield* settle
      assert.strictEqual(swarm.peers.size, 0)
      assert.strictEqual(net.ends.at(-1), "is banned")
    })))

  it.effect("tries an address that does not answer less and less often", () =>
    withPool(Effect.fnUntraced(function*({ net, pool }) {
      pool.add([address(1)], "tracker")
      const counts: Array<number> = []
      for (let hour = 0; hour < 3; hour++) {
        for (let minute = 0; minute < 60; minute++) {
          yield* TestClock.adjust("1 minute")
          pool.dialMore()
        }
        counts.push(net.dialled.length)
      }
      assert.isAtLeast(counts[0]!, 3)
      assert.isAtMost(counts[2]!, 8)
      net.listeners.set(nameOf(1), peerIdOf(1))
      yield* TestClock.adjust("1 hour")
      pool.add([address(1)], "tracker")
      yield* settle
      assert.lengthOf(net.connected, 1)
    })))

  it.effect("forgets whom the tracker named: who is connected, being dialled, or known", () =>
    withPool(
      Effect.fnUntraced(function*({ events, net, pool, swarm }) {
        for (let key = 1; key <= 9; key++) net.listeners.set(nameOf(key), peerIdOf(key))
        pool.add([address(1)], "user")
        pool.add([2, 3].map(address), "tracker")
        net.call(address(50), peerIdOf(50))
        yield* settle
        net.latency = 1000
        pool.add([4, 5, 6, 7, 8, 9].map(address), "tracker")
        yield* settle
        assert.deepStrictEqual([swarm.peers.size, net.dialled.length], [4, 6])
        pool.forgetAll("the end")
        yield* TestClock.adjust("1 second")
        assert.strictEqual(swarm.peers.size, 0)
        assert.lengthOf(events.filter((event) => event._tag === "PeerDisconnected" && event.reason === "the end"), 4)
        net.dialled.length = 0
        for (let minute = 0; minute < 60; minute++) {
          yield* TestClock.adjust("1 minute")
          pool.dialMore()
        }
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(net.dialled, [nameOf(1)])
        pool.add([address(2)], "tracker")
        yield* TestClock.adjust("1 second")
        assert.sameMembers([...swarm.peers].map(({ id }) => id), [peerIdOf(1), peerIdOf(2)])
      }),
      7
    ))

  it.effect("leaves nothing of its torrent in the cache when it ends", () =>
    Effect.gen(function*() {
      let dropped: ReadonlyArray<string> = []
      yield* Effect.scoped(withPool(({ net }) =>
        Effect.sync(() => {
          dropped = net.dropped
          assert.isEmpty(dropped)
        })
      ))
      assert.deepStrictEqual(dropped, ["shelf"])
    }))
})
