import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as Bitfield from "../../src/domain/Bitfield.ts"
import * as InfoHash from "../../src/domain/InfoHash.ts"
import * as InfoHashV2 from "../../src/domain/InfoHashV2.ts"
import { Builder } from "../../src/domain/IpFilter.ts"
import type { Metainfo } from "../../src/domain/Metainfo.ts"
import * as PeerAddress from "../../src/domain/PeerAddress.ts"
import * as PeerId from "../../src/domain/PeerId.ts"
import * as PeerPriority from "../../src/domain/PeerPriority.ts"
import type { Remembered } from "../../src/domain/swarm/DialEntry.ts"
import { Extensions } from "../../src/domain/swarm/Extensions.ts"
import { PieceBuffers } from "../../src/domain/swarm/PieceBuffers.ts"
import { RateLimit } from "../../src/domain/swarm/RateLimit.ts"
import { Swarm } from "../../src/domain/swarm/Swarm.ts"
import * as ExtensionHandshake from "../../src/domain/wire/ExtensionHandshake.ts"
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
      extensions: new Extensions([], { own: () => ({}), onMet: (peer, theirs) => pool.introduced(peer, theirs) }),
      hooks: {
        onFull: () => {},
        onSpill: () => {},
        onAsked: () => {},
        onInterested: () => {},
        onNotInterested: () => {},
        onHashesAsked: () => {},
        onWrongBlocks: () => {},
        onBanned: () => {}
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
    const pool: PeerPool.PeerPool = yield* PeerPool.make({
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

/** The handshake of BEP 10 from a peer that listens on a port. */
const introduction = (port: number) => Uint8Array.of(0, ...ExtensionHandshake.encode({ messages: new Map(), port }))

const settle = TestClock.adjust(0)

/** Peer ids before and after any of ours. */
const SMALL = PeerId.fromBytes(new Uint8Array(20).fill(1))
const GREAT = PeerId.fromBytes(new Uint8Array(20).fill(0xfe))

describe("PeerPool", () => {
  it.effect("calls nobody whom the filter blocks, takes no call of theirs, and closes them when it changes", () =>
    withPool(Effect.fnUntraced(function*({ events, net, pool, session, swarm }) {
      const blocking = (...keys: ReadonlyArray<number>) => {
        const builder = new Builder()
        for (const key of keys) builder.add4(0x0a020000 + key, 0x0a020000 + key)
        return builder.build()
      }
      for (let key = 1; key <= 6; key++) net.listeners.set(nameOf(key), peerIdOf(key))
      session.setFilter(blocking(1, 2))
      pool.add([1, 3, 4].map(address), "tracker")
      pool.add([2, 5].map(address), "user")
      net.call(address(1), peerIdOf(1))
      net.call(address(6), peerIdOf(6))
      yield* settle
      assert.deepStrictEqual(net.dialled.toSorted(), [3, 4, 5].map(nameOf))
      assert.deepStrictEqual(Array.from(swarm.peers, ({ id }) => id).toSorted(), [3, 4, 5, 6].map(peerIdOf).toSorted())
      assert.strictEqual(session.addressFilter.refused, 2)
      const warnings = events.flatMap((event) => event._tag === "Warning" ? [event.message] : [])
      assert.deepStrictEqual(warnings, [`peer ${nameOf(2)} is on the blocklist, and is not called`])
      session.setFilter(blocking(3, 6))
      yield* settle
      assert.deepStrictEqual(net.ends, ["is on the blocklist", "is on the blocklist"])
      assert.deepStrictEqual(Array.from(swarm.peers, ({ id }) => id).toSorted(), [4, 5].map(peerIdOf).toSorted())
      session.setFilter(undefined)
      yield* TestClock.adjust("10 minutes")
      pool.dialMore()
      yield* settle
      assert.isTrue(net.dialled.includes(nameOf(2)), "what the user named is called once it may be")
      assert.isFalse(net.dialled.includes(nameOf(1)))
    })))

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

  it.effect("tells what peers call themselves, once, and calls a caller back where it says that it listens", () =>
    withPool(
      Effect.fnUntraced(function*({ events, net, pool }) {
        const caller = address(1)
        const home = PeerAddress.make(caller.host, 50_123)!
        net.call(caller, peerIdOf(1))
        yield* settle
        const { hangUp, peer } = net.connected[0]!
        const theirs = { messages: new Map(), port: home.port, version: "Example 1.2" }
        pool.introduced(peer, theirs)
        pool.introduced(peer, theirs)
        pool.introduced(peer, { ...theirs, version: "Example 1.3" })
        const clients = events.flatMap((event) => event._tag === "PeerIntroduced" ? [event.client] : [])
        assert.deepStrictEqual(clients, ["Example 1.2"])
        net.listeners.set(PeerAddress.format(home), peerIdOf(1))
        pool.dialMore()
        yield* TestClock.adjust("1 minute")
        pool.dialMore()
        yield* settle
        assert.deepStrictEqual(net.dialled, [])
        hangUp()
        yield* TestClock.adjust("1 minute")
        pool.dialMore()
        yield* settle
        assert.deepStrictEqual(net.dialled, [PeerAddress.format(home)])
      })
    ))

  it.effect("does not call back the callers of a private torrent", () =>
    withPool(
      Effect.fnUntraced(function*({ net, pool }) {
        net.call(address(1), peerIdOf(1))
        yield* settle
        const { hangUp, peer } = net.connected[0]!
        pool.introduced(peer, { messages: new Map(), port: 50_123 })
        hangUp()
        yield* TestClock.adjust("1 hour")
        pool.dialMore()
        yield* settle
        assert.deepStrictEqual(net.dialled, [])
      }),
      50,
      { ...metainfo, private: true }
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
        for (const { peer } of net.connected) if (peer.id === peerIdOf(2)) swarm.sent(peer, 16_384, 60_000, [])
        for (let key = 6; key <= 9; key++) net.call(address(key), peerIdOf(key))
        yield* settle
        const ids = [...swarm.peers].map(({ id }) => id)
        assert.sameMembers(ids, [1, 2, 6, 7, 8].map((key) => peerIdOf(key)))
        assert.lengthOf(net.ends.filter((end) => end === "idles while others wait"), 3)
        assert.strictEqual(net.ends.filter((end) => end === "finds no room").length, 2)
      }),
      5
    ))

  it.effect("gives the place of a caller that may ask and never does to another, but not of one that is served", () =>
    withPool(
      Effect.fnUntraced(function*({ net, swarm }) {
        for (let key = 1; key <= 4; key++) net.call(address(key), peerIdOf(key))
        yield* settle
        const of = (key: number) => net.connected.find(({ peer }) => peer.id === peerIdOf(key))!.peer
        // 1 and 2 sit silent through two spells of half a minute each, 3 is served, and 4 is choked all the time.
        for (let key = 1; key <= 4; key++) swarm.interested(of(key), 0)
        for (const now of [0, 40_000]) {
          for (const key of [1, 2, 3]) swarm.unchokePeer(of(key), now)
          yield* TestClock.adjust("30 seconds")
          swarm.sent(of(3), 16_384, now + 25_000, [])
          if (now === 0) net.call(address(9), peerIdOf(9))
          yield* settle
          for (const key of [1, 2, 3]) swarm.chokePeer(of(key), now + 30_000)
          yield* TestClock.adjust("10 seconds")
        }
        for (let key = 5; key <= 6; key++) net.call(address(key), peerIdOf(key))
        yield* settle
        const ids = [...swarm.peers].map(({ id }) => id)
        for (const key of [3, 5, 6]) assert.include(ids, peerIdOf(key))
        const silent = net.ends.filter((end) => end === "asks for nothing that it may have while others wait")
        assert.deepStrictEqual([net.ends[0], silent.length], ["finds no room", 2])
      }),
      5
    ))

  const own = "198.51.100.7"
  const priority = (key: number) => PeerPriority.between(PeerAddress.make(own, 6881)!, address(key))

  it.effect("full, keeps the callers of highest canonical priority, whoever calls when", () =>
    withPool(
      Effect.fnUntraced(function*({ net, pool, swarm }) {
        pool.seenAs(own, "http://tracker.test/")
        const keys = Array.from({ length: 40 }, (_, i) => 1 + 37 * i)
        for (const key of keys) {
          net.call(address(key), peerIdOf(key))
          yield* settle
          for (const { peer } of net.connected) if (peer.has === 0) swarm.bitfield(peer, Bitfield.full(layout.pieces))
          yield* TestClock.adjust("2 minutes")
        }
        const best = keys.toSorted((a, b) => priority(b) - priority(a)).slice(0, 8)
        assert.sameMembers([...swarm.peers].map(({ id }) => id), best.map(peerIdOf))
        assert.include(net.ends, "gives way to a peer of higher priority")
      }),
      10
    ))

  it.effect("keeps whoever exchanges something, has just come, or is the only one with a piece", () =>
    withPool(
      Effect.fnUntraced(function*({ net, pool, swarm }) {
        pool.seenAs(own, "http://tracker.test/")
        const keys = Array.from({ length: 40 }, (_, i) => 1 + 37 * i).sort((a, b) => priority(a) - priority(b))
        const [served, sole, giver, young] = keys as [number, number, number, number]
        for (const key of [served, sole, giver]) net.call(address(key), peerIdOf(key))
        yield* settle
        const of = (key: number) => net.connected.find(({ peer }) => peer.id === peerIdOf(key))!.peer
        for (const key of [served, sole, giver]) swarm.interested(of(key), 0)
        swarm.haveMessage(of(sole), 0)
        swarm.bitfield(of(giver), Bitfield.full(layout.pieces).map((byte, i) => i === 0 ? byte & 0x7f : byte))
        swarm.unchoke(of(giver))
        yield* TestClock.adjust("59 seconds")
        swarm.sent(of(served), 16_384, 59_000, [])
        net.call(address(young), peerIdOf(young))
        yield* TestClock.adjust("2 seconds")
        for (const key of keys.slice(-5)) net.call(address(key), peerIdOf(key))
        yield* settle
        assert.sameMembers([...swarm.peers].map(({ id }) => id), [served, sole, giver, young].map(peerIdOf))
        assert.lengthOf(net.ends.filter((end) => end === "finds no room"), 5)
      }),
      5
    ))

  it.effect("calls in the order of canonical priority, among equals", () =>
    withPool(Effect.fnUntraced(function*({ net, pool }) {
      pool.seenAs(own, "http://tracker.test/")
      const keys = Array.from({ length: 30 }, (_, i) => 1 + 37 * i)
      pool.add(keys.map(address), "tracker")
      yield* settle
      const called = net.dialled.map((name) => priority(keys.find((key) => nameOf(key) === name)!))
      assert.deepStrictEqual(called, keys.map(priority).sort((a, b) => b - a))
    })))

  it.effect("remembers whom it met, callers by the port they name, and calls them in the next run", () =>
    Effect.gen(function*() {
      let memory: ReadonlyArray<Remembered> = []
      yield* withPool(Effect.fnUntraced(function*({ net, pool, swarm }) {
        for (const key of [1, 2, 3]) net.listeners.set(nameOf(key), peerIdOf(key))
        pool.add([1, 2, 3, 4].map(address), "tracker")
        net.call(PeerAddress.make(address(5).host, 50_001)!, peerIdOf(5))
        net.call(PeerAddress.make(address(6).host, 50_002)!, peerIdOf(6))
        yield* settle
        const of = (key: number) => net.connected.find(({ peer }) => peer.id === peerIdOf(key))!.peer
        swarm.extended(of(5), introduction(6881), 0)
        of(5).received = 1
        pool.ban([of(3).identity], { _tag: "WrongBlocks" })
        yield* settle
        memory = pool.memory(10)
      }))
      assert.deepStrictEqual(memory[0]!.address, address(5))
      assert.sameDeepMembers(memory.map(({ address }) => address), [1, 2, 5].map(address))
      assert.deepStrictEqual(memory.map(({ source }) => source), ["incoming", "tracker", "tracker"])
      yield* withPool(Effect.fnUntraced(function*({ net, pool }) {
        pool.recall(memory)
        yield* settle
        assert.sameMembers(net.dialled, [1, 2, 5].map(nameOf))
        assert.strictEqual(net.dialled[0], nameOf(5))
      }))
    }))

  it.effect("of a private torrent remembers only whom its tracker named", () =>
    withPool(
      Effect.fnUntraced(function*({ net, pool, swarm }) {
        for (const key of [1, 2]) net.listeners.set(nameOf(key), peerIdOf(key))
        pool.add([address(1)], "tracker")
        pool.add([address(2)], "user")
        net.call(PeerAddress.make(address(5).host, 50_001)!, peerIdOf(5))
        yield* settle
        const caller = net.connected.find(({ peer }) => peer.inbound)!.peer
        swarm.extended(caller, introduction(6881), 0)
        assert.deepStrictEqual(pool.memory(10).map(({ address }) => address), [address(1)])
        pool.forgetAll("came from another tracker")
        yield* settle
        assert.isEmpty(pool.memory(10))
      }),
      50,
      { ...metainfo, private: true }
    ))

  it.effect("does not call a caller that is connected, and calls it again when it has gone", () =>
    withPool(Effect.fnUntraced(function*({ net, pool, swarm }) {
      net.call(PeerAddress.make(address(5).host, 50_001)!, peerIdOf(5))
      yield* settle
      swarm.extended(net.connected[0]!.peer, introduction(6881), 0)
      pool.told(net.connected[0]!.peer, { added: [{ address: address(5), flags: 0 }], dropped: [] }, 0)
      pool.add([address(5)], "tracker")
      yield* TestClock.adjust("1 hour")
      pool.dialMore()
      yield* settle
      assert.isEmpty(net.dialled)
      net.connected[0]!.hangUp()
      yield* TestClock.adjust("1 minute")
      pool.dialMore()
      yield* settle
      assert.deepStrictEqual(net.dialled, [nameOf(5)])
    })))

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
      pool.ban([liar.peer.identity], { _tag: "WrongBlocks" })
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
      pool.ban([peer.identity], { _tag: "WrongBlocks" })
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

  it.effect("calls a peer that refuses plain connections again encrypted, at once, and from then on like that first", () =>
    withPool(Effect.fnUntraced(function*({ events, net, pool }) {
      net.listeners.set(nameOf(1), peerIdOf(1))
      net.takes.set(nameOf(1), "encrypted")
      pool.add([address(1)], "tracker")
      yield* settle
      assert.deepStrictEqual(net.manners, ["plain", "encrypted"])
      assert.lengthOf(net.connected, 1)
      assert.strictEqual(events[0]!._tag, "PeerConnected")
      net.connected[0]!.hangUp()
      yield* TestClock.adjust("1 minute")
      pool.dialMore()
      yield* settle
      assert.deepStrictEqual(net.manners.splice(0), ["plain", "encrypted", "encrypted"])
      // It may change its mind as well.
      net.takes.set(nameOf(1), "plain")
      net.connected[0]!.hangUp()
      yield* TestClock.adjust("2 minutes")
      pool.dialMore()
      yield* settle
      assert.deepStrictEqual(net.manners, ["encrypted", "plain"])
      assert.lengthOf(net.connected, 1)
    })))

  it.effect("does not call again after both were refused, nor where nobody listens", () =>
    withPool(Effect.fnUntraced(function*({ net, pool }) {
      net.listeners.set(nameOf(1), peerIdOf(1))
      net.takes.set(nameOf(1), "neither")
      pool.add([1, 2].map(address), "tracker")
      yield* settle
      assert.deepStrictEqual(net.manners, ["plain", "encrypted"])
      assert.deepStrictEqual(net.dialled.toSorted(), [nameOf(1), nameOf(1), nameOf(2)])
      assert.lengthOf(net.connected, 0)
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
