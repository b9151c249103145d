/** The fast extension (BEP 6) in whole swarms, of which some members do not speak it. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Bytes from "../../src/domain/Bytes.ts"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import * as Message from "../../src/domain/wire/Message.ts"
import { below, randomOf } from "../domain/swarm/seeded.ts"
import * as Payload from "../support/payload.ts"
import * as ScriptedPeer from "../support/scriptedPeer.ts"
import * as Swarm from "../support/swarm.ts"

const { BLOCK } = PieceLayout

const PIECE = 2 * BLOCK

const torrent = Payload.torrent([{ length: 80 * PIECE - 5000 }], PIECE)

const path = () => ({ latency: 40, rate: 2_000_000 })

describe("a swarm in which not all speak the fast extension", () => {
  for (const seed of [1, 2]) {
    it.effect(`ends with equal files, and nobody sends what nobody asked for (seed ${seed})`, () =>
      Effect.gen(function*() {
        const random = randomOf(seed)
        const swarm = yield* Swarm.make({ torrent, seed, path, resolution: 5 })
        // Few slots, so that peers are choked in the middle of their requests all the time.
        const session = { maxUploads: 2 }
        const source = yield* swarm.start({ number: 1, has: "All", up: 150_000, session })
        const leeches = yield* Effect.forEach(
          Swarm.range(2, 8),
          (number) => swarm.start({ number, up: 40_000 + below(random, 100_000), plain: number % 2 === 0, session })
        )
        yield* TestClock.adjust("15 seconds")
        const peers = leeches.flatMap(({ torrent }) => Array.from(torrent.swarm.peers))
        assert.isTrue(peers.some(({ fast }) => fast))
        assert.isTrue(peers.some(({ fast }) => !fast))
        yield* Swarm.within(600_000, Swarm.allDone(leeches), leeches)
        for (const leech of leeches) assert.isTrue(Swarm.isWhole(torrent, leech))
        const why = [source, ...leeches].flatMap(({ events }) =>
          events.flatMap((event) => event._tag === "PeerDisconnected" ? [event.reason] : [])
        )
        assert.deepStrictEqual(
          why.filter((reason) => /nobody asked|without its bit|nothing after|keeps/.test(reason)),
          []
        )
        for (const { unasked } of peers) assert.strictEqual(unasked, 0)
      }))
  }

  it.effect("starts from what it is allowed though nobody unchokes it", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 3, path })
      // It has all, and sends a block for each request, but never unchokes.
      const payload = Payload.content(torrent, 0)
      const miser = yield* ScriptedPeer.start(swarm, {
        number: 2,
        target: 1,
        fast: true,
        after: 100,
        greeting: (outbox) => {
          outbox.haveAll()
          for (const piece of [5, 17, 63]) outbox.allowedFast(piece)
        },
        onFrame: ({ id, payload: request }, { say, send }) => {
          if (id !== Message.REQUEST) return
          const [piece, begin, length] = [0, 4, 8].map((at) => Bytes.readUint32(request, at)) as [
            number,
            number,
            number
          ]
          if (piece === 63) return say((outbox) => outbox.reject(piece, begin, length))
          const header = new Uint8Array(Message.PIECE_HEADER)
          Message.writePieceHeader(header, 0, piece, begin, length)
          const at = piece * PIECE + begin
          send(Bytes.concat([header, payload.subarray(at, at + length)]))
        }
      })
      const leech = yield* swarm.start({ number: 1, peers: [] })
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(leech.torrent.swarm.haveCount, 2)
      const asked = miser.frames.filter(({ id }) => id === Message.REQUEST).map(({ payload }) =>
        Bytes.readUint32(payload, 0)
      )
      assert.deepStrictEqual([...new Set(asked)].sort(), [17, 5, 63])
      assert.lengthOf(asked.filter((piece) => piece === 63), 2)
      assert.isTrue(miser.isConnected())
    }))

  it.effect("tells of a lost piece whoever understands it, and refuses it to whoever asks", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 4, path })
      const source = yield* swarm.start({ number: 1, has: "All", peers: [] })
      const peer = yield* ScriptedPeer.start(swarm, {
        number: 2,
        target: 1,
        fast: true,
        extended: true,
        greeting: (outbox) => {
          outbox.haveNone()
          outbox.extended(0, new TextEncoder().encode("d1:md11:lt_donthavei7eee"))
          outbox.interested()
        }
      })
      yield* TestClock.adjust("2 seconds")
      assert.include(peer.frames.map(({ id }) => id), Message.HAVE_ALL)
      assert.include(peer.frames.map(({ id }) => id), Message.UNCHOKE)
      // The file is cut, which is found out when it is read.
      Swarm.truncate(torrent, source)
      peer.say((outbox) => outbox.request(70, 0, BLOCK))
      yield* TestClock.adjust("5 seconds")
      const rejected = peer.frames.filter(({ id }) => id === Message.REJECT)
      assert.lengthOf(rejected, 1)
      assert.strictEqual(Bytes.readUint32(rejected[0]!.payload, 0), 70)
      const lost = peer.frames.filter(({ id, payload }) => id === Message.EXTENDED && payload[0] === 7)
      assert.include(lost.map(({ payload }) => Bytes.readUint32(payload, 1)), 70)
      assert.isTrue(peer.isConnected())
      peer.say((outbox) => outbox.request(70, BLOCK, BLOCK))
      yield* TestClock.adjust("1 second")
      assert.lengthOf(peer.frames.filter(({ id }) => id === Message.REJECT), 2)
    }))
})
