/** What goes wrong in swarms, one thing at a time. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Bitfield from "../../src/domain/Bitfield.ts"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import * as Message from "../../src/domain/wire/Message.ts"
import * as Payload from "../support/payload.ts"
import * as ScriptedPeer from "../support/scriptedPeer.ts"
import * as Swarm from "../support/swarm.ts"

const PIECE = 2 * PieceLayout.BLOCK

const torrent = Payload.torrent([{ length: 160 * PIECE - 5000 }], PIECE)

/** As long, in pieces of one block. */
const small = Payload.torrent([{ length: 320 * PieceLayout.BLOCK - 5000 }], PieceLayout.BLOCK)

const { pieces, totalLength } = torrent.metainfo.layout

const KB = 1000

const path = () => ({ latency: 40, rate: 2000 * KB })

const everything = Bitfield.full(pieces)

/** Pieces that at least one of the nodes has. */
const together = (nodes: ReadonlyArray<Swarm.Node>): number => {
  const union = Bitfield.make(nodes[0]!.torrent.swarm.layout.pieces)
  for (const { torrent } of nodes) Bitfield.forEach(torrent.swarm.have, (piece) => Bitfield.set(union, piece))
  return Bitfield.count(union)
}

describe("a swarm", () => {
  it.effect("outlives its seed once all pieces are out, which takes little more than one copy", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent: small, seed: 1, path, resolution: 5 })
      const source = yield* swarm.start({ number: 1, has: "All", up: 100 * KB })
      const leeches = yield* Effect.forEach(Swarm.range(2, 6), (number) => swarm.start({ number, up: 60 * KB }))
      yield* Swarm.until(300_000, () => together(leeches) === small.metainfo.layout.pieces, leeches)
      const { uploaded } = source.torrent.snapshot()
      yield* source.stop
      assert.isFalse(leeches.some(({ torrent }) => torrent.swarm.isDone))
      yield* Swarm.within(120_000, Swarm.allDone(leeches), leeches)
      for (const leech of leeches) assert.isTrue(Swarm.isWhole(small, leech))
      // Requests that all went out before the first answer overlap a little; picking at random takes 1.6 copies here.
      assert.isBelow(uploaded / totalLength, 1.5)
    }))

  it.effect("is not held up by more idle callers than it has room for", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 2, path, resolution: 5 })
      const leech = yield* swarm.start({ number: 1, peers: [2] })
      const idle = yield* Effect.forEach(Swarm.range(100, 230), (number) =>
        ScriptedPeer.start(swarm, {
          number,
          target: 1,
          after: 10 * (number - 100),
          greeting: (outbox) => {
            // Half of them pretend to be seeds, which never let anybody download; some want what we have.
            if (number % 2 === 0) outbox.bitfield(everything)
            if (number % 10 === 1) outbox.interested()
          }
        }))
      yield* TestClock.adjust("5 seconds")
      assert.isAbove(idle.filter((peer) => peer.isConnected()).length, 150)
      yield* swarm.start({ number: 2, has: "All", up: 500 * KB })
      const { took } = yield* Swarm.within(60_000, Swarm.allDone([leech]), [leech])
      assert.isTrue(Swarm.isWhole(torrent, leech))
      assert.isBelow(took, 30_000)
    }))

  it.effect("finishes soon with one very slow peer", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 3, path, resolution: 5 })
      yield* swarm.start({ number: 1, has: "All", up: 500 * KB })
      yield* swarm.start({ number: 2, has: "All", up: 2 * KB })
      const leech = yield* swarm.start({ number: 3, peers: [1, 2] })
      const { took } = yield* Swarm.within(120_000, Swarm.allDone([leech]), [leech])
      assert.isTrue(Swarm.isWhole(torrent, leech))
      assert.isBelow(took, 1.2 * totalLength / 500 + 2000)
    }))

  it.effect("goes on beside a peer that chokes for ever, and one that never answers", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 4, path, resolution: 5 })
      yield* swarm.start({ number: 1, has: "All", up: 500 * KB })
      const leech = yield* swarm.start({ number: 2, peers: [1] })
      const choker = yield* ScriptedPeer.start(swarm, {
        number: 3,
        target: 2,
        greeting: (outbox) => outbox.bitfield(everything)
      })
      const mute = yield* ScriptedPeer.start(swarm, {
        number: 4,
        target: 2,
        greeting: (outbox) => {
          outbox.bitfield(everything)
          outbox.unchoke()
        }
      })
      const { took } = yield* Swarm.within(120_000, Swarm.allDone([leech]), [leech])
      assert.isTrue(Swarm.isWhole(torrent, leech))
      assert.isBelow(took, 1.2 * totalLength / 500 + 2000)
      assert.isFalse(choker.frames.some(({ id }) => id === Message.REQUEST))
      assert.isTrue(mute.frames.some(({ id }) => id === Message.REQUEST))
    }))

  for (const minutes of [1, 10]) {
    it.effect(`heals after being split for ${minutes} min`, () =>
      Effect.gen(function*() {
        const swarm = yield* Swarm.make({ torrent, seed: 5, path, resolution: 5 })
        const source = yield* swarm.start({ number: 1, has: "All", up: 300 * KB })
        const leeches = yield* Effect.forEach(Swarm.range(2, 6), (number) => swarm.start({ number, up: 300 * KB }))
        yield* TestClock.adjust("6 seconds")
        const cut = leeches.filter(({ number }) => number >= 5)
        swarm.network.split((address) => cut.some(({ number }) => Swarm.host(number) === address) ? 2 : 1)
        yield* TestClock.adjust(`${minutes} minutes`)
        const near = leeches.filter((leech) => !cut.includes(leech))
        assert.isTrue(near.every(({ torrent }) => torrent.swarm.isDone))
        assert.isFalse(cut.some(({ torrent }) => torrent.swarm.isDone))
        swarm.network.split(() => 0)
        yield* Swarm.within(600_000, Swarm.allDone(leeches), leeches)
        for (const leech of leeches) assert.isTrue(Swarm.isWhole(torrent, leech))
        for (const a of [source, ...leeches]) {
          for (const b of [source, ...leeches]) assert.isFalse(Swarm.bans(a, b))
        }
      }))
  }

  for (const seed of [1, 2, 3, 4]) {
    it.effect(`a leech that was killed goes on with its record and advertises only what it has (${seed})`, () =>
      Effect.gen(function*() {
        const swarm = yield* Swarm.make({ torrent, seed, path, resolution: 5 })
        yield* swarm.start({ number: 1, has: "All", up: 300 * KB })
        const first = yield* swarm.start({ number: 2, peers: [1] })
        yield* TestClock.adjust(5100 + 2000 * seed)
        const had = first.torrent.swarm.haveCount
        const { disk, records } = Swarm.leftovers(first)
        yield* first.stop
        const second = yield* swarm.start({ number: 3, peers: [1], disk, records })
        const kept = second.torrent.swarm.haveCount
        assert.isAbove(kept, 0)
        assert.isAtMost(kept, had)
        const lies: Array<number> = []
        const told = new Set<number>()
        yield* ScriptedPeer.start(swarm, {
          number: 4,
          target: 3,
          onFrame: (frame) => {
            for (const piece of ScriptedPeer.advertised(frame)) {
              told.add(piece)
              const at = piece * PIECE
              const right = Payload.piece(torrent, piece)
              const there = Swarm.contentOf(torrent, second).subarray(at, at + right.length)
              if (Buffer.compare(there, right) !== 0) lies.push(piece)
            }
          }
        })
        yield* Swarm.within(60_000, Swarm.allDone([second]), [second])
        yield* TestClock.adjust("1 second")
        assert.isTrue(Swarm.isWhole(torrent, second))
        assert.deepStrictEqual(lies, [])
        assert.strictEqual(told.size, pieces)
        assert.isAtMost(second.torrent.snapshot().downloaded, (pieces - kept) * PIECE)
      }))
  }

  it.effect("a leech that was stopped in order fetches nothing twice", () =>
    Effect.gen(function*() {
      const long = Payload.torrent([{ length: 20 * 16 * PIECE - 5000 }], 16 * PIECE)
      const swarm = yield* Swarm.make({ torrent: long, seed: 1, path, resolution: 5 })
      yield* Effect.forEach([1, 2, 3], (number) => swarm.start({ number, has: "All", up: 150 * KB }))
      const first = yield* swarm.start({ number: 4, peers: [1, 2, 3] })
      yield* TestClock.adjust(7300)
      yield* Swarm.within(5000, first.stop)
      const { downloaded } = first.torrent.snapshot()
      const second = yield* swarm.start({ number: 5, peers: [1, 2, 3], disk: first.disk, records: first.records })
      assert.strictEqual(second.torrent.swarm.haveCount, first.torrent.swarm.haveCount)
      assert.isAbove(downloaded, first.torrent.swarm.haveCount * 16 * PIECE)
      yield* Swarm.within(60_000, Swarm.allDone([second]), [second])
      assert.isTrue(Swarm.isWhole(long, second))
      assert.isAtMost(downloaded + second.torrent.snapshot().downloaded, long.metainfo.layout.totalLength)
    }))

  it.effect("a client that is cut off stops at once", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 1, path, resolution: 5 })
      yield* swarm.start({ number: 1, has: "All", up: 300 * KB })
      const leech = yield* swarm.start({ number: 2, peers: [1, 7, 8] })
      yield* TestClock.adjust("3 seconds")
      swarm.network.split((address) => address === Swarm.host(2) ? 2 : 1)
      yield* TestClock.adjust("5 seconds")
      const { took } = yield* Swarm.within(60_000, leech.stop)
      assert.isAtMost(took, 250)
    }))

  it.effect("a client that was cut off from everybody is back soon", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 1, path, resolution: 5 })
      yield* Effect.forEach([1, 2], (number) => swarm.start({ number, has: "All", up: 100 * KB }))
      const leech = yield* swarm.start({ number: 3 })
      yield* TestClock.adjust("5 seconds")
      swarm.network.split((address) => address === Swarm.host(3) ? 2 : 1)
      yield* TestClock.adjust("2 hours")
      assert.strictEqual(leech.torrent.swarm.peers.size, 0)
      swarm.network.split(() => 0)
      const { took } = yield* Swarm.within(7_200_000, Swarm.allDone([leech]), [leech])
      assert.isBelow(took, 120_000)
    }))

  it.effect("peers that call each other keep one connection, and find each other again when it breaks", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 1, path, resolution: 5 })
      const numbers = Swarm.range(1, 6)
      const nodes = yield* Effect.forEach(
        numbers,
        (number) => swarm.start({ number, has: new Set([number]), peers: numbers }),
        {
          concurrency: "unbounded"
        }
      )
      const meetings = () =>
        nodes.reduce((sum, { events }) => sum + events.filter(({ _tag }) => _tag === "PeerConnected").length, 0)
      yield* TestClock.adjust("2 hours")
      for (const { torrent } of nodes) assert.strictEqual(torrent.swarm.peers.size, numbers.length - 1)
      const before = meetings()
      // Calls that cross are two meetings for a moment.
      assert.isAtMost(before, 2 * numbers.length * (numbers.length - 1))
      swarm.network.reset(Swarm.host(1))
      yield* TestClock.adjust("30 seconds")
      for (const { torrent } of nodes) assert.strictEqual(torrent.swarm.peers.size, numbers.length - 1)
      assert.isAbove(meetings(), before)
    }))
})
