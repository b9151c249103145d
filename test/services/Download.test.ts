import { assert, describe, it } from "@effect/vitest"
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Bitfield from "../../src/domain/Bitfield.ts"
import * as Digest from "../../src/domain/Digest.ts"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import type { OpenPiece } from "../../src/domain/swarm/OpenPiece.ts"
import { PieceBuffers } from "../../src/domain/swarm/PieceBuffers.ts"
import { RateLimit } from "../../src/domain/swarm/RateLimit.ts"
import { Swarm } from "../../src/domain/swarm/Swarm.ts"
import { Download } from "../../src/services/Download.ts"
import { FileStoreError, Reason } from "../../src/services/FileStore.ts"
import { PieceVerifier } from "../../src/services/PieceVerifier.ts"
import { bitsOf, type Far, far } from "../domain/swarm/fakes.ts"
import { noise } from "../support/payload.ts"

const { BLOCK } = PieceLayout

interface Options {
  readonly pieces: number
  readonly blocks: number
  /** Pieces that the memory holds. */
  readonly room: number
}

/** A swarm whose full pieces go to `ready`, over a store in memory that a test can stop. */
const fixture = Effect.fnUntraced(function*({ blocks, pieces, room }: Options) {
  const layout = PieceLayout.make(pieces * blocks * BLOCK - 100, blocks * BLOCK)
  const payload = noise(layout.totalLength)
  const disk = new Uint8Array(layout.totalLength)
  const ready = yield* Queue.unbounded<OpenPiece, Cause.Done>()
  const buffers = new PieceBuffers(room * layout.pieceLength)
  const log: Array<string> = []
  const state = {
    gate: undefined as Deferred.Deferred<void> | undefined,
    error: undefined as FileStoreError | undefined,
    writing: 0
  }
  const swarm = new Swarm({
    layout,
    have: Bitfield.make(pieces),
    wanted: Bitfield.full(pieces),
    order: "Sequential",
    buffers,
    random: () => 0.5,
    limit: new RateLimit(Infinity, 0),
    hooks: {
      onFull: (piece) => Queue.offerUnsafe(ready, piece),
      onSpill: (piece) => Queue.offerUnsafe(ready, piece),
      onAsked: () => {},
      onInterested: () => {},
      onNotInterested: () => {},
      onHashesAsked: () => {},
      onWrongBlocks: () => {},
      onBanned: (liars) => void log.push(`liars [${liars.join()}]`)
    }
  })
  const storage = {
    read: (offset: number, into: Uint8Array) =>
      Effect.sync(() => into.set(disk.subarray(offset, offset + into.length))),
    write: Effect.fnUntraced(function*(offset: number, bytes: Uint8Array) {
      state.writing++
      if (state.gate !== undefined) yield* Deferred.await(state.gate)
      state.writing--
      if (state.error !== undefined) return yield* state.error
      log.push(`write ${offset / BLOCK} ${Math.ceil(bytes.length / BLOCK)}`)
      disk.set(bytes, offset)
    })
  }
  const pieceHashes = new Uint8Array(20 * pieces)
  for (let piece = 0; piece < pieces; piece++) {
    const at = PieceLayout.pieceOffset(layout, piece)
    pieceHashes.set(Digest.sha1(payload.subarray(at, at + PieceLayout.pieceSize(layout, piece))), 20 * piece)
  }
  const job = {
    swarm,
    storage,
    checkOf: (piece: number) => ({ sha1: pieceHashes.subarray(20 * piece, 20 * (piece + 1)), merkle: undefined }),
    ready,
    onCorrupt: (piece: number) => void log.push(`corrupt ${piece}`),
    onLanded: () => {},
    onSpilled: (bytes: number) => void log.push(`spilled ${bytes}`)
  }
  const { pieces: stream } = yield* Download
  const seed = (key: number): Far => {
    const member = far({ key, pieces })
    swarm.opened(member.peer)
    swarm.bitfield(member.peer, Bitfield.full(pieces))
    swarm.unchoke(member.peer)
    swarm.batchEnded(member.peer, 0)
    return member
  }
  const answer = (from: Far, count: number, lies = false) => {
    for (let i = 0; i < count; i++) {
      from.read()
      const request = from.requests.shift()
      if (request === undefined) return
      const [piece, begin, length] = request
      const at = PieceLayout.pieceOffset(layout, piece) + begin
      const bytes = payload.slice(at, at + length)
      if (lies) bytes[0]! ^= 1
      assert.isUndefined(swarm.block(from.peer, piece, begin, bytes, 0, length, 0))
      swarm.batchEnded(from.peer, 0)
    }
  }
  return { layout, payload, disk, buffers, ready, swarm, log, state, seed, answer, stream: stream(job) }
})

const layer = Download.layer.pipe(Layer.provide(PieceVerifier.layerNode))

const collect = <E>(stream: Stream.Stream<OpenPiece, E>) =>
  Stream.runFold(stream, () => [] as Array<number>, (indices, piece) => [...indices, piece.index])

describe("Download", () => {
  it.effect("brings every piece to the disk before anybody hears of it, and ends with its queue", () =>
    Effect.gen(function*() {
      const { answer, disk, log, payload, ready, seed, stream, swarm } = yield* fixture({
        pieces: 5,
        blocks: 2,
        room: 5
      })
      const peer = seed(1)
      const leech = far({ key: 2, pieces: 5 })
      swarm.opened(leech.peer)
      answer(peer, 100)
      assert.isTrue(log.length === 0)
      Queue.endUnsafe(ready)
      const landed = yield* collect(stream)
      assert.deepStrictEqual(landed, [0, 1, 2, 3, 4])
      assert.deepStrictEqual(log, ["write 0 2", "write 2 2", "write 4 2", "write 6 2", "write 8 2"])
      assert.lengthOf(leech.inbox, 5)
      assert.isTrue(swarm.isSeed)
      assert.strictEqual(Buffer.compare(disk, payload), 0)
    }).pipe(Effect.provide(layer)))

  it.effect("announces nothing while a write is under way", () =>
    Effect.gen(function*() {
      const { answer, seed, state, stream, swarm } = yield* fixture({ pieces: 2, blocks: 1, room: 2 })
      state.gate = Deferred.makeUnsafe()
      const leech = far({ key: 2, pieces: 2 })
      swarm.opened(leech.peer)
      answer(seed(1), 2)
      yield* Effect.forkChild(collect(stream))
      yield* TestClock.adjust(0)
      assert.strictEqual(state.writing, 2)
      assert.strictEqual(swarm.haveCount, 0)
      assert.lengthOf(leech.inbox, 0)
      Deferred.doneUnsafe(state.gate, Exit.void)
      yield* TestClock.adjust(0)
      assert.strictEqual(swarm.haveCount, 2)
      assert.lengthOf(leech.inbox, 2)
    }).pipe(Effect.provide(layer)))

  it.effect("asks for nothing more than the memory holds while the disk stands still, and goes on with it", () =>
    Effect.gen(function*() {
      const { answer, buffers, disk, layout, payload, ready, seed, state, stream, swarm } = yield* fixture({
        pieces: 30,
        blocks: 2,
        room: 8
      })
      state.gate = Deferred.makeUnsafe()
      const peer = seed(1)
      const fiber = yield* Effect.forkChild(collect(stream))
      for (let i = 0; i < 100; i++) {
        answer(peer, 1)
        yield* TestClock.adjust(0)
        assert.isAtMost(buffers.used, 8 * layout.pieceLength)
        assert.isAtMost(state.writing, 6)
      }
      assert.lengthOf(peer.requests, 0)
      assert.strictEqual(swarm.board.open.size, 8)
      const gate = state.gate
      state.gate = undefined
      Deferred.doneUnsafe(gate, Exit.void)
      for (let i = 0; i < 100 && !swarm.isDone; i++) {
        yield* TestClock.adjust(0)
        answer(peer, 4)
        assert.isAtMost(buffers.used, 8 * layout.pieceLength)
      }
      yield* TestClock.adjust(0)
      Queue.endUnsafe(ready)
      assert.lengthOf(yield* Fiber.join(fiber), 30)
      assert.strictEqual(Buffer.compare(disk, payload), 0)
      assert.strictEqual(buffers.used, 0)
    }).pipe(Effect.provide(layer)))

  it.effect("takes no more from the queue than its consumer asks for", () =>
    Effect.gen(function*() {
      const { answer, layout, seed, stream, swarm } = yield* fixture({ pieces: 40, blocks: 1, room: 4 })
      const peer = seed(1)
      const hold = Deferred.makeUnsafe<void>()
      yield* Effect.forkChild(Stream.runForEach(stream, () => Deferred.await(hold)))
      for (let i = 0; i < 100; i++) {
        answer(peer, 4)
        yield* TestClock.adjust(0)
      }
      assert.isBelow(swarm.haveCount, 40)
      assert.isAtMost(swarm.board.open.size * layout.pieceLength, 4 * layout.pieceLength)
    }).pipe(Effect.provide(layer)))

  it.effect("sends a corrupt piece back to the peers, and names the liar once it is proven", () =>
    Effect.gen(function*() {
      const { answer, log, ready, seed, stream, swarm } = yield* fixture({ pieces: 1, blocks: 4, room: 1 })
      const honest = seed(1)
      answer(honest, 2)
      swarm.choke(honest.peer, 0)
      honest.read()
      honest.requests.length = 0
      const liar = seed(2)
      answer(liar, 2, true)
      const fiber = yield* Effect.forkChild(collect(stream))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(log, ["corrupt 0"])
      swarm.closed(liar.peer, 0)
      swarm.unchoke(honest.peer)
      swarm.batchEnded(honest.peer, 0)
      answer(honest, 4)
      yield* TestClock.adjust(0)
      Queue.endUnsafe(ready)
      assert.deepStrictEqual(yield* Fiber.join(fiber), [0])
      assert.deepStrictEqual(log, ["corrupt 0", "write 0 4", "liars [2]"])
    }).pipe(Effect.provide(layer)))

  it.effect("fails when the files cannot be written, and tells nobody of the piece", () =>
    Effect.gen(function*() {
      const { answer, seed, state, stream, swarm } = yield* fixture({ pieces: 2, blocks: 1, room: 2 })
      state.error = new FileStoreError({ reason: Reason.NoSpace({ path: "/full" }) })
      answer(seed(1), 2)
      const error = yield* Effect.flip(collect(stream))
      assert.strictEqual(error.reason._tag, "NoSpace")
      assert.strictEqual(swarm.haveCount, 0)
    }).pipe(Effect.provide(layer)))

  it.effect("writes the blocks of a piece that gives way, and verifies it with them later", () =>
    Effect.gen(function*() {
      const { answer, disk, log, payload, ready, seed, stream, swarm } = yield* fixture({
        pieces: 1,
        blocks: 4,
        room: 1
      })
      const first = seed(1)
      answer(first, 2)
      swarm.closed(first.peer, 0)
      const fiber = yield* Effect.forkChild(collect(stream))
      swarm.tick(40_000)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(log, ["write 0 2", "spilled 65436"])
      assert.deepStrictEqual(swarm.board.remembered, new Map([[0, bitsOf(4, [0, 1])]]))
      const second = seed(2)
      answer(second, 4)
      yield* TestClock.adjust(0)
      Queue.endUnsafe(ready)
      assert.deepStrictEqual(yield* Fiber.join(fiber), [0])
      assert.deepStrictEqual(log.slice(2), ["write 0 4"])
      assert.strictEqual(second.peer.received, 65_436 - 2 * BLOCK)
      assert.strictEqual(Buffer.compare(disk, payload), 0)
    }).pipe(Effect.provide(layer)))

  it.effect("asks its verifier about every piece with the right hash, and believes it", () =>
    Effect.gen(function*() {
      const seen: Array<number> = []
      const mock = Layer.mock(PieceVerifier, {
        verify: (piece, { sha1 }) =>
          Effect.sync(() => {
            const isRight = Buffer.compare(Digest.sha1(piece), sha1!) === 0
            seen.push(piece.length)
            return isRight && seen.length > 1 ? "Verified" : "Corrupt"
          })
      })
      yield* Effect.gen(function*() {
        const { answer, log, ready, seed, stream } = yield* fixture({ pieces: 2, blocks: 1, room: 1 })
        const peers = [seed(1), seed(2)]
        const fiber = yield* Effect.forkChild(collect(stream))
        for (let i = 0; i < 5; i++) {
          for (const peer of peers) answer(peer, 1)
          yield* TestClock.adjust(0)
        }
        Queue.endUnsafe(ready)
        assert.deepStrictEqual(yield* Fiber.join(fiber), [0, 1])
        assert.deepStrictEqual(log, ["corrupt 0", "liars [1]", "write 0 1", "write 1 1"])
        assert.deepStrictEqual(seen, [BLOCK, BLOCK, BLOCK - 100])
      }).pipe(Effect.provide(Download.layer.pipe(Layer.provide(mock))))
    }))
})
