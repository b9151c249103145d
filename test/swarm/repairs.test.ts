/** Corrupt pieces of version 2 in whole swarms: what is fetched again, and who is blamed. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Bitfield from "../../src/domain/Bitfield.ts"
import * as Bytes from "../../src/domain/Bytes.ts"
import { HashTrees } from "../../src/domain/HashTrees.ts"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import * as HashMessage from "../../src/domain/wire/HashMessage.ts"
import * as Message from "../../src/domain/wire/Message.ts"
import type { TorrentEvent } from "../../src/services/TorrentEvent.ts"
import { noise, type Torrent } from "../support/payload.ts"
import * as PayloadV2 from "../support/payloadV2.ts"
import * as ScriptedPeer from "../support/scriptedPeer.ts"
import * as Swarm from "../support/swarm.ts"

const { BLOCK } = PieceLayout

const PIECE = 8 * BLOCK

const KB = 1000

const path = () => ({ latency: 20, rate: 2000 * KB })

type Of<Tag> = Extract<TorrentEvent, { readonly _tag: Tag }>

const events = <Tag extends TorrentEvent["_tag"]>(node: Swarm.Node, tag: Tag): Array<Of<Tag>> =>
  node.events.flatMap((event) => event._tag === tag ? [event as Of<Tag>] : [])

const sizes = ({ metainfo: { layout } }: Torrent, blocks: ReadonlyArray<Of<"BlockCorrupt">>): number =>
  blocks.reduce((sum, { block, piece }) => sum + PieceLayout.blockSize(layout, piece, block), 0)

/** A seed without a client behind it. */
interface Seed {
  readonly number: number
  /** The leech to call. */
  readonly target: number
  /** What it makes of a block. */
  readonly spoil?: (piece: number, begin: number, right: Uint8Array) => Uint8Array
  /** Its answer to a hash request: `Reject` it, or say these hashes, or nothing. */
  readonly hashes?: (range: HashMessage.HashRange, trees: HashTrees) => "Reject" | Uint8Array | undefined
}

const seed = (swarm: Swarm.Swarm, { hashes, number, spoil, target }: Seed) => {
  const { metainfo, payload } = swarm.torrent
  const trees = new HashTrees(metainfo, metainfo.pieceRoots!)
  const peer: Effect.Effect<ScriptedPeer.ScriptedPeer, never, Scope.Scope> = ScriptedPeer.start(swarm, {
    number,
    target,
    infoHash: metainfo.swarms.at(-1)!,
    v2: true,
    greeting: (outbox) => {
      outbox.bitfield(Bitfield.full(metainfo.layout.pieces))
      outbox.unchoke()
    },
    onFrame: ({ id, payload: asked }, { say, send }) => {
      if (id === Message.REQUEST) {
        const [piece, begin, length] = [0, 4, 8].map((at) => Bytes.readUint32(asked, at)) as [number, number, number]
        const at = PieceLayout.pieceOffset(metainfo.layout, piece) + begin
        const right = payload.subarray(at, at + length)
        const header = new Uint8Array(Message.PIECE_HEADER)
        Message.writePieceHeader(header, 0, piece, begin, length)
        send(Bytes.concat([header, spoil?.(piece, begin, right) ?? right]))
      }
      if (id !== Message.HASH_REQUEST) return
      const range = HashMessage.readRange(asked, 0)
      const answer = hashes?.(range, trees)
      if (answer === "Reject") say((outbox) => outbox.hashReject(range))
      else if (answer !== undefined) send(Message.hashes(range, answer))
    }
  })
  return peer
}

/** Flips a bit of one block in five. */
const some = (piece: number, begin: number, right: Uint8Array): Uint8Array =>
  (piece * 8 + begin / BLOCK) % 5 === 2 ? right.map((byte, at) => at === 7 ? byte ^ 1 : byte) : right

const reject = () => "Reject" as const

for (const version of ["2", "hybrid"] as const) {
  const torrent = PayloadV2.torrent([40 * PIECE - 3 * BLOCK - 5, 3 * BLOCK, 9 * PIECE + 1], PIECE, version)
  const total = torrent.metainfo.files.reduce((sum, { length, padding }) => padding ? sum : sum + length, 0)

  describe(`a corrupting peer among honest ones of a ${version} torrent`, () => {
    it.effect("costs its wrong blocks and nothing else, where others serve leaves", () =>
      Effect.gen(function*() {
        const swarm = yield* Swarm.make({ torrent, seed: 1, path, resolution: 5 })
        const honest = yield* Effect.forEach([1, 2], (number) => swarm.start({ number, has: "All", up: 300 * KB }))
        const leech = yield* swarm.start({ number: 4, peers: [1, 2] })
        const liar = yield* seed(swarm, { number: 5, target: 4, spoil: some, hashes: reject })
        yield* Swarm.within(120_000, Swarm.allDone([leech]), [leech])
        for (const file of torrent.metainfo.files.keys()) {
          if (!torrent.metainfo.files[file]!.padding) assert.isTrue(Swarm.isWhole(torrent, leech, file))
        }
        const blocks = events(leech, "BlockCorrupt")
        assert.isAbove(blocks.length, 0)
        for (const { address } of blocks) assert.strictEqual(address!.host, Swarm.host(5))
        const { wasted } = leech.torrent.swarm.board
        assert.isBelow(wasted, total / 20)
        assert.strictEqual(leech.torrent.snapshot().downloaded, total + sizes(torrent, blocks) + wasted)
        assert.isFalse(liar.isConnected())
        const banned = events(leech, "PeerBanned")
        assert.deepStrictEqual(banned.map(({ address, cause }) => [address.host, cause._tag]), [
          [Swarm.host(5), "WrongBlocks"]
        ])
        for (const node of honest) assert.isFalse(Swarm.bans(leech, node))
      }))

    it.effect("costs its wrong blocks, where peers reject but for a block that they were just asked for", () =>
      Effect.gen(function*() {
        const swarm = yield* Swarm.make({ torrent, seed: 2, path, resolution: 5 })
        const leech = yield* swarm.start({ number: 4, peers: [] })
        let again = 0
        const seedOf = (number: number, spoil?: Seed["spoil"]) => {
          let asked = 0
          return seed(swarm, {
            number,
            target: 4,
            ...(spoil === undefined ? {} : { spoil }),
            hashes: (range, trees) => {
              // The first question for a range is rejected; with the second comes a block.
              if (asked++ % 2 === 0) return "Reject"
              again++
              const plan = trees.plan(range)!
              return trees.compose(plan, (piece) => PayloadV2.leavesOf(torrent, piece))
            }
          })
        }
        yield* seedOf(5, some)
        yield* seedOf(6)
        yield* seedOf(7)
        yield* Swarm.within(120_000, Swarm.allDone([leech]), [leech])
        assert.isAbove(again, 0)
        const blocks = events(leech, "BlockCorrupt")
        assert.isAbove(blocks.length, 0)
        const { wasted } = leech.torrent.swarm.board
        assert.isBelow(wasted, total / 20)
        assert.strictEqual(leech.torrent.snapshot().downloaded, total + sizes(torrent, blocks) + wasted)
        assert.deepStrictEqual(events(leech, "PeerBanned").map(({ address }) => address.host), [Swarm.host(5)])
      }))

    it.effect("costs whole pieces where nobody serves leaves, and is found out all the same", () =>
      Effect.gen(function*() {
        const swarm = yield* Swarm.make({ torrent, seed: 3, path, resolution: 5 })
        const leech = yield* swarm.start({ number: 4, peers: [] })
        yield* seed(swarm, { number: 5, target: 4, spoil: some, hashes: reject })
        yield* seed(swarm, { number: 6, target: 4, hashes: reject })
        // Never answers about hashes.
        yield* seed(swarm, { number: 7, target: 4 })
        yield* Swarm.within(300_000, Swarm.allDone([leech]), [leech])
        assert.deepStrictEqual(events(leech, "BlockCorrupt"), [])
        assert.isAbove(events(leech, "PieceCorrupt").length, 0)
        assert.deepStrictEqual(events(leech, "PeerBanned").map(({ address }) => address.host), [Swarm.host(5)])
        const pieces = events(leech, "PieceCorrupt").length * PIECE
        const { wasted } = leech.torrent.swarm.board
        assert.isAtMost(leech.torrent.snapshot().downloaded, total + pieces + wasted)
      }))
  })
}

const torrent = PayloadV2.torrent([40 * PIECE], PIECE)

const root = torrent.metainfo.files[0]!.piecesRoot!

describe("hostile hash traffic", () => {
  it.effect("false hashes ban their sender, and the piece is repaired with the help of others", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 1, path, resolution: 5 })
      yield* swarm.start({ number: 1, has: "All", up: 300 * KB })
      const leech = yield* swarm.start({ number: 4, peers: [1] })
      yield* seed(swarm, { number: 5, target: 4, spoil: some, hashes: reject })
      const lie = (range: HashMessage.HashRange) => noise(32 * HashMessage.count(range))
      yield* Effect.forEach([6, 7, 8], (number) => seed(swarm, { number, target: 4, hashes: lie }))
      yield* Swarm.within(120_000, Swarm.allDone([leech]), [leech])
      assert.isTrue(Swarm.isWhole(torrent, leech))
      const banned = events(leech, "PeerBanned")
      const reasons = new Map(banned.map(({ address, cause }) => [address.host, cause._tag]))
      assert.strictEqual(reasons.get(Swarm.host(5)), "WrongBlocks")
      const liars = [6, 7, 8].filter((number) => reasons.get(Swarm.host(number)) === "FalseHashes")
      assert.isAbove(liars.length, 0)
      assert.isUndefined(reasons.get(Swarm.host(1)))
    }))

  it.effect("hashes that nobody asked for end the connection, without a ban", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 2, path })
      const node = yield* swarm.start({ number: 1, has: "All", peers: [] })
      const range = { root, base: 0, index: 0, length: 8, proofLayers: 2 }
      const leaves = PayloadV2.leavesOf(torrent, 0)
      const v2 = { target: 1, infoHash: torrent.metainfo.infoHash, v2: true }
      const peer = yield* ScriptedPeer.start(swarm, { number: 2, ...v2 })
      yield* TestClock.adjust("1 second")
      assert.isTrue(peer.isConnected())
      peer.send(Message.hashes(range, leaves))
      yield* TestClock.adjust("1 second")
      assert.isFalse(peer.isConnected())
      assert.deepStrictEqual(events(node, "PeerDisconnected").map(({ reason }) => reason), [
        "sent hashes that nobody asked for"
      ])
      assert.deepStrictEqual(events(node, "PeerBanned"), [])
    }))

  it.effect("a flood of questions is answered or rejected one for one, and blocks are served meanwhile", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 3, path })
      const node = yield* swarm.start({ number: 1, has: "All", peers: [] })
      const v2 = { target: 1, infoHash: torrent.metainfo.infoHash, v2: true }
      const flood = 3000
      const peer = yield* ScriptedPeer.start(swarm, {
        number: 2,
        ...v2,
        greeting: (outbox) => {
          for (let i = 0; i < flood; i++) {
            const length = [8, 16, 64, 256, 3][i % 5]!
            outbox.hashRequest({ root, base: 0, index: i % 40 * 8 - i % 40 * 8 % length, length, proofLayers: i % 9 })
          }
        }
      })
      const leech = yield* swarm.start({ number: 3, peers: [1] })
      yield* Swarm.within(60_000, Swarm.allDone([leech]), [leech])
      yield* Swarm.until(120_000, () => peer.frames.filter(({ id }) => id >= 21).length === flood)
      assert.isTrue(peer.isConnected())
      const answered = peer.frames.filter(({ id }) => id === Message.HASHES)
      assert.isAbove(answered.length, 10)
      for (const { payload } of answered) {
        assert.isTrue(HashMessage.isWhole(HashMessage.readRange(payload, 0), payload.length))
      }
      assert.isFalse(Swarm.bans(node, leech))
    }))

  it.effect("a peer of version 1 that asks for hashes of a hybrid is let go", () =>
    Effect.gen(function*() {
      const hybrid = PayloadV2.torrent([4 * PIECE], PIECE, "hybrid")
      const swarm = yield* Swarm.make({ torrent: hybrid, seed: 4, path })
      const node = yield* swarm.start({ number: 1, has: "All", peers: [] })
      const peer = yield* ScriptedPeer.start(swarm, {
        number: 2,
        target: 1,
        greeting: (outbox) =>
          outbox.hashRequest({
            root: hybrid.metainfo.files[0]!.piecesRoot!,
            base: 0,
            index: 0,
            length: 8,
            proofLayers: 0
          })
      })
      yield* Swarm.until(5000, () => events(node, "PeerDisconnected").length > 0)
      assert.isFalse(peer.isConnected())
      assert.strictEqual(events(node, "PeerDisconnected")[0]!.reason, "asked for hashes on a connection of version 1")
    }))
})
