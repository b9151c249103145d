import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as Bitfield from "../../src/domain/Bitfield.ts"
import * as InfoHash from "../../src/domain/InfoHash.ts"
import * as PeerAddress from "../../src/domain/PeerAddress.ts"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import * as Proxy from "../../src/domain/Proxy.ts"
import { PieceBuffers } from "../../src/domain/swarm/PieceBuffers.ts"
import { RateLimit } from "../../src/domain/swarm/RateLimit.ts"
import { Swarm } from "../../src/domain/swarm/Swarm.ts"
import { Session, type SessionOptions } from "../../src/services/Session.ts"
import { far, peerIdOf } from "../domain/swarm/fakes.ts"
import { noise } from "../support/payload.ts"
import { layerOf, type Network, network } from "./scriptedPeers.ts"

const infoHash = InfoHash.fromBytes(noise(20))

const swarmOf = (): Swarm =>
  new Swarm({
    layout: PieceLayout.make(4 * PieceLayout.BLOCK, PieceLayout.BLOCK),
    have: Bitfield.full(4),
    wanted: Bitfield.full(4),
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
      onBanned: () => {}
    }
  })

const sessionOver = (net: Network, options: SessionOptions = {}) =>
  Session.layer(options).pipe(Layer.provide(layerOf(net)))

const failureOf = Effect.fnUntraced(function*(net: Network, options: SessionOptions) {
  return yield* Effect.flip(Effect.scoped(Layer.build(sessionOver(net, options))))
})

const address = (key: number) => PeerAddress.make("10.9.9.9", key)!

describe("Session", () => {
  it.effect("listens on the first port that is free", () =>
    Effect.gen(function*() {
      const net = yield* network
      net.takenPorts.add(6881).add(6882)
      const { port } = yield* Effect.provide(Session, sessionOver(net))
      assert.strictEqual(port, 6883)
      assert.deepStrictEqual(net.asked, [6881, 6882, 6883])
    }))

  it.effect("listens on one port in both families, and leaves no listener where only one could be had", () =>
    Effect.gen(function*() {
      const net = yield* network
      net.takenPlaces.add("::1:6881")
      const session = sessionOver(net, { bind: { v4: "127.0.0.1", v6: "::1" } })
      yield* Effect.gen(function*() {
        assert.strictEqual((yield* Session).port, 6882)
        assert.deepStrictEqual([...net.listening], ["127.0.0.1:6882", "::1:6882"])
      }).pipe(Effect.provide(session))
      assert.strictEqual(net.listening.size, 0)
    }))

  it.effect("with a proxy listens nowhere, dials either family, and tells of the proxy's trouble until it is over", () =>
    Effect.gen(function*() {
      const net = yield* network
      const proxy = Proxy.parse("socks5://127.0.0.1:1080")!
      const six = PeerAddress.make("2001:db8::1", 7)!
      const named = PeerAddress.named("peer.example", 7, 0)
      yield* Effect.gen(function*() {
        const session = yield* Session
        assert.deepStrictEqual([session.port, net.asked], [0, []])
        const dial = (address: PeerAddress.PeerAddress) => Effect.exit(Effect.scoped(session.dial(address)))
        net.code = "EPROXY"
        yield* dial(six)
        assert.strictEqual(session.proxyTrouble(), "the network refuses")
        net.code = "ECONNREFUSED"
        yield* dial(six)
        assert.isUndefined(session.proxyTrouble())
        net.code = "EPROXY"
        yield* dial(named)
        net.listeners.set("peer.example:7", peerIdOf(1))
        yield* dial(named)
        assert.isUndefined(session.proxyTrouble())
      }).pipe(Effect.provide(sessionOver(net, { proxy, bind: { v4: "127.0.0.1" } })))
      assert.deepStrictEqual(net.dialled, [six, six, named, named].map(PeerAddress.format))
    }))

  it.effect("waits longer for a dial through a proxy, but not for ever", () =>
    Effect.gen(function*() {
      const net = yield* network
      net.latency = 40_000
      const named = PeerAddress.named("peer.example", 7, 0)
      net.listeners.set(PeerAddress.format(named), peerIdOf(1))
      const endAfter = Effect.fnUntraced(function*(options: SessionOptions, millis: number) {
        const session = yield* Session
        const dialling = yield* Effect.forkChild(Effect.flip(Effect.scoped(session.dial(named))))
        yield* TestClock.adjust(millis - 1)
        assert.isUndefined(dialling.pollUnsafe(), JSON.stringify(options))
        yield* TestClock.adjust(1)
        return (yield* Fiber.join(dialling)).message
      }, (effect, options) => Effect.provide(effect, sessionOver(net, options)))
      const end = "cannot dial peer.example:7: ETIMEDOUT"
      assert.strictEqual(yield* endAfter({}, 10_000), end)
      assert.strictEqual(yield* endAfter({ proxy: Proxy.parse("socks5://h")! }, 30_000), end)
    }))

  it.effect("dials from no address that it is not bound to", () =>
    Effect.gen(function*() {
      const net = yield* network
      const four = PeerAddress.make("192.0.2.1", 7)!
      const six = PeerAddress.make("2001:db8::1", 7)!
      for (const peer of [four, six]) net.listeners.set(PeerAddress.format(peer), peerIdOf(1))
      const dialled = Effect.fnUntraced(function*(bind: SessionOptions["bind"]) {
        net.dialled.length = 0
        const dials = Effect.flatMap(Session, ({ dial }) => Effect.forEach([four, six], (to) => Effect.exit(dial(to))))
        yield* Effect.scoped(dials).pipe(Effect.provide(sessionOver(net, { ...bind && { bind } })))
        return [...net.dialled]
      })
      const names = [four, six].map(PeerAddress.format)
      assert.deepStrictEqual(yield* dialled({ v4: "127.0.0.1" }), [names[0]])
      assert.deepStrictEqual(yield* dialled({ v6: "::1" }), [names[1]])
      assert.deepStrictEqual(yield* dialled({ v4: "127.0.0.1", v6: "::1" }), names)
      assert.deepStrictEqual(yield* dialled(undefined), names)
    }))

  it.effect("says what to do when its port is taken, or none can be had", () =>
    Effect.gen(function*() {
      const net = yield* network
      for (let port = 6881; port <= 6889; port++) net.takenPorts.add(port)
      const all = yield* failureOf(net, {})
      assert.strictEqual(all.reason, "PortTaken")
      assert.include(all.message, "6881 to 6889")
      net.takenPorts.add(7000)
      const one = yield* failureOf(net, { listenPort: 7000 })
      assert.strictEqual(one.reason, "PortTaken")
      assert.include(one.message, "--listen-port")
      net.asked.length = 0
      net.refusal = "EACCES"
      const denied = yield* failureOf(net, {})
      assert.strictEqual(denied.reason, "CannotListen")
      assert.include(denied.message, "EACCES")
      assert.deepStrictEqual(net.asked, [6881])
    }))

  it.effect("runs a torrent once at a time", () =>
    Effect.gen(function*() {
      const net = yield* network
      yield* Effect.gen(function*() {
        const session = yield* Session
        const other = InfoHash.fromBytes(noise(20, 8))
        const member = { swarms: [infoHash, other], swarm: swarmOf(), admit: () => "no" }
        yield* Effect.scoped(Effect.gen(function*() {
          yield* session.enroll(member)
          const again = yield* Effect.flip(Effect.scoped(session.enroll(member)))
          assert.strictEqual(again.reason, "SameTorrent")
          const twin = yield* Effect.flip(Effect.scoped(session.enroll({ ...member, swarms: [other] })))
          assert.strictEqual(twin.reason, "SameTorrent")
          net.call(address(1), peerIdOf(1), infoHash)
          net.call(address(2), peerIdOf(2), other)
          yield* TestClock.adjust(0)
        }))
        assert.deepStrictEqual(net.ends, ["no", "no"])
        yield* Effect.scoped(session.enroll(member))
      }).pipe(Effect.provide(sessionOver(net)))
    }))

  it.effect("sends callers to their torrent, and itself, strangers and banned ones away", () =>
    Effect.gen(function*() {
      const net = yield* network
      yield* Effect.gen(function*() {
        const session = yield* Session
        yield* session.enroll({ swarms: [infoHash], swarm: swarmOf(), admit: ({ peerId }) => `met ${peerId}` })
        session.bans.ban(peerIdOf(3), address(3))
        net.call(address(1), peerIdOf(1), infoHash)
        net.call(address(2), session.peerId, infoHash)
        net.call(address(4), peerIdOf(3), infoHash)
        net.call(address(5), peerIdOf(5), InfoHash.fromBytes(noise(20, 7)))
        yield* TestClock.adjust(0)
        assert.deepStrictEqual(net.ends, [
          `met ${peerIdOf(1)}`,
          "is ourselves",
          "is banned",
          "asks for a torrent that is not here"
        ])
      }).pipe(Effect.provide(sessionOver(net)))
    }))

  it.effect("unchokes whoever is interested while there are slots, and lets the others take turns", () =>
    Effect.gen(function*() {
      const net = yield* network
      yield* Effect.gen(function*() {
        const session = yield* Session
        const swarm = swarmOf()
        yield* session.enroll({ swarms: [infoHash], swarm, admit: () => "no" })
        const peers = [1, 2, 3].map((key) => far({ key, pieces: 4 }).peer)
        for (const peer of peers) {
          swarm.opened(peer)
          swarm.interested(peer, 0)
          session.interested(swarm, peer, 0)
        }
        assert.deepStrictEqual(peers.map((peer) => peer.amChoking), [false, true, true])
        swarm.closed(peers[0]!, 0)
        session.released(peers[0]!)
        const served = new Set<number>()
        for (let round = 0; round < 60; round++) {
          yield* TestClock.adjust("10 seconds")
          const unchoked = peers.slice(1).filter((peer) => !peer.amChoking)
          assert.lengthOf(unchoked, 1)
          served.add(unchoked[0]!.key)
        }
        assert.strictEqual(served.size, 2)
      }).pipe(Effect.provide(sessionOver(net, { maxUploads: 1 })))
    }))

  it.effect("knows a peer again by its id, and gives every connection a number of its own", () =>
    Effect.gen(function*() {
      const net = yield* network
      const session = yield* Effect.provide(Session, sessionOver(net))
      const first = session.identityOf(peerIdOf(1))
      for (let key = 2; key <= 9000; key++) assert.notStrictEqual(session.identityOf(peerIdOf(key)), first)
      assert.strictEqual(session.identityOf(peerIdOf(1)), first)
      assert.notStrictEqual(session.nextKey(), session.nextKey())
    }))
})
