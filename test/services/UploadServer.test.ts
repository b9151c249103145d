import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Bytes from "../../src/domain/Bytes.ts"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import { RateLimit } from "../../src/domain/swarm/RateLimit.ts"
import * as Message from "../../src/domain/wire/Message.ts"
import { LINE } from "../../src/services/ReadCache.ts"
import { type Shelf, UploadServer } from "../../src/services/UploadServer.ts"
import { type Far, far } from "../domain/swarm/fakes.ts"
import { below, int, randomOf, seed } from "../domain/swarm/seeded.ts"
import { FakeLink } from "../support/links.ts"
import { message, numbers } from "../support/messages.ts"
import { noise } from "../support/payload.ts"

type Request = readonly [piece: number, begin: number, length: number]

interface ShelfOptions {
  readonly totalLength: number
  readonly pieceLength: number
  /** Bytes/s. */
  readonly rate?: number
  /** Reads wait until the test lets them go. */
  readonly held?: boolean
}

const shelfOf = ({ held = false, pieceLength, rate = Infinity, totalLength }: ShelfOptions) => {
  const payload = noise(totalLength, totalLength)
  const layout = PieceLayout.make(totalLength, pieceLength)
  const reads: Array<number> = []
  const gates: Array<Deferred.Deferred<void, { readonly message: string }>> = []
  const faults: Array<string> = []
  const sent: Array<number> = []
  const shelf: Shelf = {
    key: "torrent",
    length: totalLength,
    layout,
    limit: new RateLimit(rate, 0),
    extent: (_at, from, to) => [from, to],
    read: (offset, into) =>
      Effect.suspend(() => {
        reads.push(offset)
        const gate = Deferred.makeUnsafe<void, { readonly message: string }>()
        gates.push(gate)
        const wait = held ? Deferred.await(gate) : Effect.void
        return Effect.map(wait, () => into.set(payload.subarray(offset, offset + into.length)))
      }),
    onSent: (_, bytes) => sent.push(bytes),
    onFault: (error) => faults.push(error.message)
  }
  const open = () => {
    for (const gate of gates.splice(0)) Deferred.doneUnsafe(gate, Exit.void)
  }
  const expected = (requests: ReadonlyArray<Request>): Uint8Array =>
    Bytes.concat(requests.map(([piece, begin, length]) => {
      const at = PieceLayout.pieceOffset(layout, piece) + begin
      return message(7, [piece, begin], payload.subarray(at, at + length))
    }))
  return { layout, shelf, reads, gates, faults, sent, open, expected }
}

const client = (key = 1, fast = false): Far & { readonly link: FakeLink } => {
  const member = far({ key, pieces: 8, fast })
  member.peer.amChoking = false
  return { ...member, link: new FakeLink(key) }
}

const ask = ({ peer }: Far, requests: ReadonlyArray<Request>) => {
  for (const request of requests) assert.isTrue(peer.asked.push(...request))
}

const same = (a: Uint8Array, b: Uint8Array) => {
  assert.strictEqual(a.length, b.length)
  assert.strictEqual(Buffer.compare(a, b), 0)
}

const { layer } = UploadServer

describe("UploadServer", () => {
  it.effect.prop(
    "answers all requests in order and to the byte",
    [seed, int(1, 400_000)],
    ([seed, pieceLength]) =>
      Effect.gen(function*() {
        const random = randomOf(seed)
        const uploads = yield* UploadServer
        const pieces = 1 + below(random, 8)
        const { expected, layout, sent, shelf } = shelfOf({
          pieceLength,
          totalLength: pieces * pieceLength - below(random, pieceLength)
        })
        const somebody = client()
        const requests = Array.from({ length: below(random, 80) }, (): Request => {
          const piece = below(random, pieces)
          const size = PieceLayout.pieceSize(layout, piece)
          const begin = below(random, size)
          return [piece, begin, 1 + below(random, Math.min(131_072, size - begin))]
        })
        for (let at = 0; at < requests.length;) {
          const some = requests.slice(at, at + 1 + below(random, 20))
          ask(somebody, some)
          uploads.serve(somebody.peer, somebody.link, shelf)
          at += some.length
        }
        same(somebody.link.sent, expected(requests))
        assert.strictEqual(somebody.peer.asked.length, 0)
        assert.strictEqual(sent.reduce((sum, bytes) => sum + bytes, 0), requests.reduce((sum, [, , n]) => sum + n, 0))
      }).pipe(Effect.provide(Layer.fresh(layer))),
    { arbitrary: { runs: 40 } }
  )

  it.effect("sends blocks that lie in order together, and reads ahead meanwhile", () =>
    Effect.gen(function*() {
      const uploads = yield* UploadServer
      const { expected, open, reads, shelf } = shelfOf({ pieceLength: LINE, totalLength: 8 * LINE, held: true })
      const somebody = client()
      const requests = Array.from({ length: 64 }, (_, i): Request => [i >> 4, (i & 15) * 16_384, 16_384])
      somebody.peer.up.add(1e6, 0)
      ask(somebody, requests)
      uploads.serve(somebody.peer, somebody.link, shelf)
      assert.deepStrictEqual(reads, [0, LINE, 2 * LINE, 3 * LINE])
      assert.lengthOf(somebody.link.writes, 0)
      open()
      yield* TestClock.adjust(0)
      assert.lengthOf(somebody.link.writes, 2)
      same(somebody.link.sent, expected(requests))
    }).pipe(Effect.provide(layer)))

  it.effect("writes a slow peer no more than half a second's worth at once, but a block in any case", () =>
    Effect.gen(function*() {
      const uploads = yield* UploadServer
      const { expected, shelf } = shelfOf({ pieceLength: LINE, totalLength: 2 * LINE })
      const requests = Array.from({ length: 8 }, (_, i): Request => [0, i * 16_384, 16_384])
      const [unknown, slow] = [client(1), client(2)]
      slow.peer.up.add(26_500, 0)
      assert.strictEqual(slow.peer.up.perSecond(0), 132_500)
      for (const each of [unknown, slow]) {
        each.link.stalled = true
        ask(each, requests)
        uploads.serve(each.peer, each.link, shelf)
      }
      same(unknown.link.sent, expected(requests.slice(0, 1)))
      same(slow.link.sent, expected(requests.slice(0, 4)))
    }).pipe(Effect.provide(layer)))

  it.effect("holds a few lines at most for one peer, however its requests are scattered", () =>
    Effect.gen(function*() {
      const uploads = yield* UploadServer
      const { gates, shelf } = shelfOf({ pieceLength: LINE, totalLength: 40 * LINE, held: true })
      const somebody = client()
      for (let i = 0; i < 2048; i++) somebody.peer.asked.push(i * 7 % 40, i, 1)
      uploads.serve(somebody.peer, somebody.link, shelf)
      assert.isAtMost(gates.length, 8)
    }).pipe(Effect.provide(layer)))

  it.effect("waits until the peer has taken what was sent", () =>
    Effect.gen(function*() {
      const uploads = yield* UploadServer
      const { expected, shelf } = shelfOf({ pieceLength: LINE, totalLength: 4 * LINE })
      const somebody = client()
      somebody.link.stalled = true
      const requests = [0, 1, 2].map((piece): Request => [piece, 0, 131_072])
        .flatMap((request) => [request, request])
      ask(somebody, requests)
      uploads.serve(somebody.peer, somebody.link, shelf)
      assert.lengthOf(somebody.link.writes, 1)
      yield* TestClock.adjust("1 minute")
      assert.lengthOf(somebody.link.writes, 1)
      somebody.link.drain()
      yield* TestClock.adjust(0)
      same(somebody.link.sent, expected(requests))
    }).pipe(Effect.provide(layer)))

  it.effect("does not write over a line that a slow peer has not taken", () =>
    Effect.gen(function*() {
      const uploads = yield* UploadServer
      const { shelf, expected } = shelfOf({ pieceLength: LINE, totalLength: 140 * LINE })
      const slow = client(1)
      const held: Array<{ readonly parts: ReadonlyArray<Uint8Array>; readonly sent: (() => void) | undefined }> = []
      const link = Object.assign(new FakeLink(1), {
        send: (parts: ReadonlyArray<Uint8Array>, sent?: () => void) => void held.push({ parts, sent })
      })
      ask(slow, [[0, 0, 16_384], [139, 5, 16_384]])
      uploads.serve(slow.peer, link, shelf)
      const fast = client(2)
      for (let piece = 1; piece < 139; piece++) {
        ask(fast, [[piece, 0, 16_384]])
        uploads.serve(fast.peer, fast.link, shelf)
        yield* TestClock.adjust(0)
      }
      uploads.drop(shelf)
      ask(fast, [[0, 0, 1], [1, 0, 1], [2, 0, 1]])
      uploads.serve(fast.peer, fast.link, shelf)
      yield* TestClock.adjust(0)
      same(Bytes.concat(held.flatMap(({ parts }) => parts)), expected([[0, 0, 16_384], [139, 5, 16_384]]))
      for (const { sent } of held) sent?.()
    }).pipe(Effect.provide(layer)))

  it.effect("sends nothing of what was asked before a choke, and all that is asked after it", () =>
    Effect.gen(function*() {
      const uploads = yield* UploadServer
      const { expected, open, shelf } = shelfOf({ pieceLength: LINE, totalLength: 2 * LINE, held: true })
      const somebody = client()
      ask(somebody, [[0, 0, 16_384], [1, 0, 16_384]])
      uploads.serve(somebody.peer, somebody.link, shelf)
      somebody.peer.amChoking = true
      somebody.peer.asked.clear()
      open()
      yield* TestClock.adjust(0)
      assert.lengthOf(somebody.link.writes, 0)
      somebody.peer.amChoking = false
      ask(somebody, [[1, 16_384, 16_384]])
      uploads.serve(somebody.peer, somebody.link, shelf)
      open()
      yield* TestClock.adjust(0)
      same(somebody.link.sent, expected([[1, 16_384, 16_384]]))
    }).pipe(Effect.provide(layer)))

  it.effect("sends what it was reading before a choke to a peer with the fast extension, which waits for an answer", () =>
    Effect.gen(function*() {
      const uploads = yield* UploadServer
      const { expected, open, shelf } = shelfOf({ pieceLength: LINE, totalLength: 2 * LINE, held: true })
      const somebody = client(1, true)
      ask(somebody, [[0, 0, 16_384], [1, 0, 16_384]])
      uploads.serve(somebody.peer, somebody.link, shelf)
      somebody.peer.amChoking = true
      open()
      yield* TestClock.adjust(0)
      same(somebody.link.sent, expected([[0, 0, 16_384], [1, 0, 16_384]]))
    }).pipe(Effect.provide(layer)))

  it.effect("refuses what cannot be read to a peer with the fast extension, and serves it on", () =>
    Effect.gen(function*() {
      const uploads = yield* UploadServer
      const { expected, faults, gates, open, shelf } = shelfOf({ pieceLength: LINE, totalLength: 4 * LINE, held: true })
      const somebody = client(1, true)
      somebody.peer.up.add(1e6, 0)
      ask(somebody, [[0, 0, 16_384], [0, 16_384, 16_384]])
      uploads.serve(somebody.peer, somebody.link, shelf)
      ask(somebody, [[2, 0, 16_384]])
      Deferred.doneUnsafe(gates.shift()!, Exit.fail({ message: "disk on fire" }))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(faults, ["disk on fire"])
      const said = somebody.read()
      assert.deepStrictEqual(said.map(({ id }) => id), [Message.REJECT, Message.REJECT])
      assert.deepStrictEqual(said.map(numbers), [[0, 0, 16_384], [0, 16_384, 16_384]])
      open()
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(somebody.closed, [])
      same(somebody.link.sent, expected([[2, 0, 16_384]]))
    }).pipe(Effect.provide(layer)))

  it.effect("serves every request that comes while it is busy, and none twice", () =>
    Effect.gen(function*() {
      const uploads = yield* UploadServer
      const { expected, open, shelf } = shelfOf({ pieceLength: LINE, totalLength: 8 * LINE, held: true })
      const somebody = client()
      const requests: Array<Request> = []
      for (let piece = 0; piece < 8; piece++) {
        const request: Request = [piece, 0, 16_384]
        requests.push(request)
        ask(somebody, [request])
        uploads.serve(somebody.peer, somebody.link, shelf)
        uploads.serve(somebody.peer, somebody.link, shelf)
        if (piece % 3 === 0) open()
        if (piece % 2 === 0) yield* TestClock.adjust(0)
      }
      for (let i = 0; i < 8; i++) {
        open()
        yield* TestClock.adjust(0)
      }
      same(somebody.link.sent, expected(requests))
    }).pipe(Effect.provide(layer)))

  it.effect("lets go of the peer whose read fails, and serves others on", () =>
    Effect.gen(function*() {
      const uploads = yield* UploadServer
      const { expected, faults, gates, open, shelf } = shelfOf({
        pieceLength: LINE,
        totalLength: 2 * LINE,
        held: true
      })
      const [unlucky, other] = [client(1), client(2)]
      ask(unlucky, [[0, 0, 16_384], [0, 16_384, 16_384]])
      uploads.serve(unlucky.peer, unlucky.link, shelf)
      Deferred.doneUnsafe(gates.shift()!, Exit.fail({ message: "disk on fire" }))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(faults, ["disk on fire"])
      assert.deepStrictEqual(unlucky.closed, ["cannot be served: disk on fire"])
      assert.strictEqual(unlucky.peer.asked.length, 0)
      assert.lengthOf(unlucky.link.writes, 0)
      ask(other, [[0, 0, 16_384]])
      uploads.serve(other.peer, other.link, shelf)
      open()
      yield* TestClock.adjust(0)
      same(other.link.sent, expected([[0, 0, 16_384]]))
    }).pipe(Effect.provide(layer)))

  it.effect("keeps to its rate over all peers together", () =>
    Effect.gen(function*() {
      const rate = 65_536
      const { sent, shelf } = shelfOf({ pieceLength: LINE, totalLength: 8 * LINE, rate })
      const uploads = yield* UploadServer
      const peers = [client(1), client(2), client(3)]
      for (const each of peers) {
        ask(each, Array.from({ length: 2000 }, (_, i): Request => [i & 7, 0, 16_384]))
        uploads.serve(each.peer, each.link, shelf)
      }
      const total = () => sent.reduce((sum, bytes) => sum + bytes, 0)
      const start = total()
      for (let second = 1; second <= 30; second++) {
        yield* TestClock.adjust("1 second")
        assert.isAtMost(total(), start + rate * (second + 1))
      }
      assert.isAtLeast(total(), 30 * rate)
      for (const { link } of peers) assert.isAtLeast(link.sent.length, 8 * rate)
    }).pipe(Effect.provide(layer)))

  it.effect("sends nothing at a rate of nothing", () =>
    Effect.gen(function*() {
      const uploads = yield* UploadServer
      const { shelf } = shelfOf({ pieceLength: LINE, totalLength: LINE, rate: 0 })
      const somebody = client()
      ask(somebody, [[0, 0, 16_384]])
      uploads.serve(somebody.peer, somebody.link, shelf)
      yield* TestClock.adjust("10 minutes")
      assert.lengthOf(somebody.link.writes, 0)
    }).pipe(Effect.provide(layer)))

  it.effect("ends with its scope in the middle of everything", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(layer, scope)
      const { shelf } = shelfOf({ pieceLength: LINE, totalLength: 2 * LINE, held: true })
      const somebody = client()
      yield* Effect.provide(
        Effect.gen(function*() {
          const uploads = yield* UploadServer
          ask(somebody, Array.from({ length: 40 }, (): Request => [0, 0, 16_384]))
          uploads.serve(somebody.peer, somebody.link, shelf)
          yield* Scope.close(scope, Exit.void)
          uploads.serve(somebody.peer, somebody.link, shelf)
        }),
        context
      )
      assert.lengthOf(somebody.link.writes, 0)
    }))
})
