import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as TestClock from "effect/testing/TestClock"
import * as Bytes from "../../src/domain/Bytes.ts"
import { HashTrees } from "../../src/domain/HashTrees.ts"
import * as Merkle from "../../src/domain/Merkle.ts"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import * as PieceTrees from "../../src/domain/PieceTrees.ts"
import { RateLimit } from "../../src/domain/swarm/RateLimit.ts"
import * as HashMessage from "../../src/domain/wire/HashMessage.ts"
import * as Message from "../../src/domain/wire/Message.ts"
import * as HashServer from "../../src/services/HashServer.ts"
import { LeafCache } from "../../src/services/LeafCache.ts"
import { type Far, far } from "../domain/swarm/fakes.ts"
import { below, randomOf, seed } from "../domain/swarm/seeded.ts"
import { FakeLink } from "../support/links.ts"
import { parse } from "../support/messages.ts"
import * as PayloadV2 from "../support/payloadV2.ts"

const { BLOCK } = PieceLayout

const MIB = 1 << 20

const torrent = PayloadV2.torrent([5 * 64 * BLOCK - 5000, 3 * BLOCK, 10 * 64 * BLOCK], 64 * BLOCK)

const { files, layout, pieceRoots } = torrent.metainfo

const shelfOf = (of = torrent) => {
  const payload = of.payload.slice()
  const state = {
    payload,
    reads: 0,
    faults: [] as Array<string>,
    lost: new Set<number>(),
    /** Reads wait for it. */
    gate: undefined as Deferred.Deferred<void, { readonly message: string }> | undefined
  }
  const shelf: HashServer.HashShelf = {
    key: "torrent",
    layout: of.metainfo.layout,
    limit: new RateLimit(Infinity, 0),
    trees: new HashTrees(of.metainfo, of.metainfo.pieceRoots!),
    treeOf: (piece) => PieceTrees.of(of.metainfo, piece)!,
    has: (piece) => !state.lost.has(piece),
    read: (offset, into) =>
      Effect.suspend(() => {
        state.reads += into.length
        const wait = state.gate === undefined ? Effect.void : Deferred.await(state.gate)
        return Effect.map(wait, () => into.set(payload.subarray(offset, offset + into.length)))
      }),
    onFault: ({ message }, pieces) => {
      state.faults.push(message)
      for (const piece of pieces) state.lost.add(piece)
    }
  }
  return { shelf, state }
}

interface Client extends Far {
  readonly link: FakeLink
}

const client = (key = 1): Client => ({ ...far({ key, pieces: layout.pieces, v2: true }), link: new FakeLink(key) })

const ask = (client: Client, file: number, fields: Partial<HashMessage.HashRange> = {}) => {
  const range = { root: files[file]!.piecesRoot!, base: 0, index: 0, length: 64, proofLayers: 0, ...fields }
  client.peer.askedHashes.push(range)
  return range
}

/** What the client has heard: the hashes of each answer, or `undefined` for a rejection. */
const heard = ({ inbox, link }: Client): Array<Uint8Array | undefined> =>
  [...parse(link.sent), ...inbox].map(({ id, payload }) => {
    assert.include([Message.HASHES, Message.HASH_REJECT], id)
    const range = HashMessage.readRange(payload, 0)
    if (id === Message.HASH_REJECT) return undefined
    assert.isTrue(HashMessage.isWhole(range, payload.length))
    return payload.subarray(HashMessage.RANGE)
  })

const settle = TestClock.adjust(0)

describe("HashServer", () => {
  it.effect.prop(
    "answers with hashes that prove themselves, from the disk or not",
    [seed],
    ([seed]) =>
      Effect.scoped(Effect.gen(function*() {
        const random = randomOf(seed)
        const { shelf, state } = shelfOf()
        const hashes = yield* HashServer.make()
        const one = client()
        const asked = Array.from({ length: 1 + below(random, 8) }, () => {
          const file = below(random, 3)
          const leaves = Merkle.widthOf(files[file]!.length, Infinity)
          const base = file === 1 ? 0 : [0, 6][below(random, 2)]!
          const own = 1 + below(random, Math.log2(leaves) - base)
          const length = 2 ** own
          const index = below(random, leaves / 2 ** base / length) * length
          return { ...ask(one, file, { base, index, length, proofLayers: Math.log2(leaves) - base - 1 }), leaves }
        })
        hashes.serve(one.peer, one.link, shelf)
        for (let seconds = 0; heard(one).length < asked.length; seconds++) {
          assert.isBelow(seconds, 100)
          yield* TestClock.adjust("1 second")
        }
        const rejected = one.inbox.map(({ payload }) => HashMessage.readRange(payload, 0))
        const answers = parse(one.link.sent).map(({ payload }) => payload)
        for (const { leaves, ...range } of asked) {
          if (range.length > 512) {
            assert.isTrue(rejected.some((other) => HashMessage.same(range, other)))
            continue
          }
          const answer = answers.find((payload) => HashMessage.same(range, HashMessage.readRange(payload, 0)))!
          const nodes = answer.subarray(48, 48 + 32 * range.length)
          const uncles = answer.subarray(48 + 32 * range.length)
          assert.isTrue(Merkle.verifyProof(range.root, leaves / 2 ** range.base, range.index, nodes, uncles))
        }
        assert.deepStrictEqual(state.faults, [])
      })),
    { arbitrary: { runs: 25 } }
  )

  it.effect("answers a choked peer, and hashes a piece once for all who ask", () =>
    Effect.scoped(Effect.gen(function*() {
      const { shelf, state } = shelfOf()
      const hashes = yield* HashServer.make()
      state.gate = Deferred.makeUnsafe()
      const clients = [1, 2, 3].map(client)
      for (const one of clients) {
        ask(one, 0, { index: 64 })
        hashes.serve(one.peer, one.link, shelf)
      }
      yield* settle
      Deferred.doneUnsafe(state.gate, Exit.void)
      state.gate = undefined
      yield* settle
      const late = client(4)
      ask(late, 0, { index: 64 })
      ask(late, 0, { index: 64 + 32, length: 32, proofLayers: 5 })
      hashes.serve(late.peer, late.link, shelf)
      yield* settle
      const expected = PayloadV2.leavesOf(torrent, 1)
      for (const one of [...clients, late]) assert.deepStrictEqual(heard(one)[0], expected)
      assert.strictEqual(state.reads, 64 * BLOCK)
      hashes.drop(shelf)
      const again = shelfOf()
      ask(late, 0, { index: 64 })
      hashes.serve(late.peer, late.link, again.shelf)
      yield* settle
      assert.strictEqual(again.state.reads, 64 * BLOCK)
    })))

  it.effect("rejects what is not there, what makes no sense, and everything without trees or uploads", () =>
    Effect.scoped(Effect.gen(function*() {
      const { shelf, state } = shelfOf()
      const hashes = yield* HashServer.make()
      state.lost.add(2)
      const one = client()
      ask(one, 0, { index: 2 * 64 })
      ask(one, 0, { length: 3 })
      ask(one, 0, { index: 2 ** 31 })
      ask(one, 0, { base: 3, length: 2 })
      ask(one, 0, { root: new Uint8Array(32) })
      ask(one, 0, { length: 512 })
      hashes.serve(one.peer, one.link, shelf)
      yield* settle
      assert.deepStrictEqual(heard(one), Array.from({ length: 6 }, () => undefined))
      assert.strictEqual(state.reads, 2 * 64 * BLOCK)
      const [plain, mute] = [client(2), client(3)]
      ask(plain, 0)
      hashes.serve(plain.peer, plain.link, undefined)
      ask(mute, 0)
      hashes.serve(mute.peer, mute.link, { ...shelf, limit: new RateLimit(0, 0) })
      yield* settle
      assert.deepStrictEqual([...heard(plain), ...heard(mute)], [undefined, undefined])
    })))

  it.effect("sends no hashes of a piece that is not what was verified, or cannot be read, and tells of it", () =>
    Effect.scoped(Effect.gen(function*() {
      const { shelf, state } = shelfOf()
      const hashes = yield* HashServer.make()
      state.payload[5] = state.payload[5]! ^ 1
      const one = client()
      ask(one, 0)
      ask(one, 0, { index: 64 })
      hashes.serve(one.peer, one.link, shelf)
      yield* settle
      assert.deepStrictEqual(heard(one).map((hashes) => hashes?.length), [64 * 32, undefined])
      assert.deepStrictEqual(state.faults, ["piece 0 is no longer what was verified"])
      const broken = client(2)
      state.gate = Deferred.makeUnsafe()
      Deferred.doneUnsafe(state.gate, Exit.fail({ message: "the disk is gone" }))
      ask(broken, 0, { index: 128 })
      hashes.serve(broken.peer, broken.link, shelf)
      yield* settle
      assert.deepStrictEqual(heard(broken), [undefined])
      assert.deepStrictEqual(state.faults.slice(1), ["the disk is gone"])
      assert.deepStrictEqual(state.lost, new Set([0, 2]))
    })))

  it.effect("gives a peer that asks for everything no more than its share, and others theirs at once", () =>
    Effect.scoped(Effect.gen(function*() {
      const big = PayloadV2.torrent([150 * MIB], MIB)
      const { shelf, state } = shelfOf(big)
      const hashes = yield* HashServer.make()
      const [greedy, modest] = [client(1), client(2)]
      const range = (index: number) => ({
        root: big.metainfo.files[0]!.piecesRoot!,
        base: 0,
        index: 64 * index,
        length: 64,
        proofLayers: 0
      })
      for (let piece = 0; piece < 149; piece++) greedy.peer.askedHashes.push(range(piece))
      hashes.serve(greedy.peer, greedy.link, shelf)
      yield* TestClock.adjust("10 seconds")
      // What it may have at once, and 4 MiB for every second.
      assert.isAtMost(state.reads, (32 + 10 * 4 + 2) * MIB)
      assert.isAtLeast(state.reads, (32 + 8 * 4) * MIB)
      modest.peer.askedHashes.push(range(149))
      hashes.serve(modest.peer, modest.link, shelf)
      yield* settle
      assert.lengthOf(heard(modest), 1)
    })))

  it.effect("reads nothing for peers that ask and go, however many, and answers those who wait behind them", () =>
    Effect.scoped(Effect.gen(function*() {
      const { shelf, state } = shelfOf()
      const hashes = yield* HashServer.make()
      const gate = state.gate = Deferred.makeUnsafe()
      const passers = Array.from({ length: 300 }, (_, i) => client(i + 1))
      const one = client(301)
      for (const each of [...passers, one]) {
        ask(each, 2, { index: 64 * ((each.peer.key - 1) % 10) })
        hashes.serve(each.peer, each.link, shelf)
      }
      yield* settle
      for (const { peer } of passers) peer.isGone = true
      Deferred.doneUnsafe(gate, Exit.void)
      state.gate = undefined
      for (let seconds = 0; heard(one).length === 0; seconds++) {
        assert.isBelow(seconds, 1000)
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual(heard(one).map((hashes) => hashes?.length), [64 * 32])
      // Four had begun.
      assert.strictEqual(state.reads, 4 * 64 * BLOCK)
    })))

  it.effect("stops reading a torrent that is dropped, and finds no fault with it", () =>
    Effect.scoped(Effect.gen(function*() {
      const { shelf, state } = shelfOf()
      const hashes = yield* HashServer.make()
      const gate = state.gate = Deferred.makeUnsafe()
      const clients = [client(1), client(2)]
      clients.forEach((one, piece) => {
        ask(one, 0, { index: 64 * piece })
        hashes.serve(one.peer, one.link, shelf)
      })
      yield* settle
      hashes.drop(shelf)
      Deferred.doneUnsafe(gate, Exit.fail({ message: "the file is closed" }))
      yield* settle
      assert.deepStrictEqual(clients.flatMap(heard), [undefined, undefined])
      assert.deepStrictEqual(state.faults, [])
      const { reads } = state
      state.gate = undefined
      ask(clients[0]!, 0, { index: 128 })
      hashes.serve(clients[0]!.peer, clients[0]!.link, shelf)
      yield* settle
      assert.deepStrictEqual(heard(clients[0]!), [undefined, undefined])
      assert.strictEqual(state.reads, reads)
    })))

  it.effect("counts what a proof within a large piece costs, though it is neither read nor sent", () =>
    Effect.scoped(Effect.gen(function*() {
      const large = PayloadV2.torrent([16 * MIB], 16 * MIB)
      const { shelf, state } = shelfOf(large)
      const hashes = yield* HashServer.make()
      const one = client()
      const root = large.metainfo.files[0]!.piecesRoot!
      for (let i = 0; i < 400; i++) {
        one.peer.askedHashes.push({ root, base: 0, index: 2 * i, length: 2, proofLayers: 9 })
      }
      hashes.serve(one.peer, one.link, shelf)
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual(state.reads, 16 * MIB)
      // Some 100 kB each: what is left of the burst, and what four seconds bring.
      assert.isAtLeast(heard(one).length, 250)
      assert.isBelow(heard(one).length, 350)
    })))

  it.effect("does not send to a peer that does not read", () =>
    Effect.scoped(Effect.gen(function*() {
      const { shelf } = shelfOf()
      const hashes = yield* HashServer.make()
      const one = client()
      one.link.stalled = true
      for (let i = 0; i < 3; i++) ask(one, 0)
      hashes.serve(one.peer, one.link, shelf)
      yield* settle
      assert.lengthOf(heard(one), 1)
      one.link.drain()
      yield* settle
      assert.lengthOf(heard(one), 3)
    })))

  it("LeafCache keeps what was used last within its bytes", () => {
    const cache = new LeafCache(100)
    const leaves = (size: number) => new Uint8Array(size)
    cache.set("a", 1, leaves(40))
    cache.set("a", 2, leaves(40))
    assert.isDefined(cache.get("a", 1))
    cache.set("b", 1, leaves(40))
    assert.isUndefined(cache.get("a", 2))
    assert.isDefined(cache.get("a", 1))
    assert.strictEqual(cache.bytes, 80)
    cache.set("a", 1, leaves(10))
    assert.strictEqual(cache.bytes, 50)
    cache.drop("a")
    assert.deepStrictEqual([cache.bytes, cache.get("a", 1)], [40, undefined])
    assert.isDefined(cache.get("b", 1))
    cache.set("c", 1, leaves(200))
    assert.strictEqual(cache.bytes, 0)
  })

  it("the made-up torrent has a short last piece and a file shorter than a piece", () => {
    assert.strictEqual(pieceRoots!.length, 16 * 32)
    assert.isTrue(Bytes.equals(pieceRoots!.subarray(5 * 32, 6 * 32), files[1]!.piecesRoot!))
  })
})
