/** Whole clients in virtual time with torrents of versions 2 and both, whose files end wherever they like. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Bytes from "../../src/domain/Bytes.ts"
import type * as InfoHash from "../../src/domain/InfoHash.ts"
import type { Metainfo } from "../../src/domain/Metainfo.ts"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import * as Message from "../../src/domain/wire/Message.ts"
import { TorrentError } from "../../src/services/TorrentError.ts"
import type * as Payload from "../support/payload.ts"
import * as PayloadV2 from "../support/payloadV2.ts"
import * as ScriptedPeer from "../support/scriptedPeer.ts"
import * as Swarm from "../support/swarm.ts"

const { BLOCK } = PieceLayout

const PIECE = 4 * BLOCK

const LENGTHS = [5, 0, BLOCK - 1, BLOCK, BLOCK + 1, PIECE - 1, 0, PIECE, PIECE + 1, 3 * PIECE + 7, 1, 20_000]

const filesOf = ({ metainfo }: Payload.Torrent): Array<number> =>
  metainfo.files.flatMap(({ padding }, file) => padding ? [] : [file])

const assertWhole = (torrent: Payload.Torrent, node: Swarm.Node, files = filesOf(torrent)) => {
  for (const file of files) assert.isTrue(Swarm.isWhole(torrent, node, file), `file ${file} of node ${node.number}`)
}

for (const version of ["2", "hybrid"] as const) {
  const torrent = PayloadV2.torrent(LENGTHS, PIECE, version)
  const { metainfo } = torrent

  describe(`a swarm of a ${version === "2" ? "version 2" : "hybrid"} torrent`, () => {
    it.effect("ends with equal files, whoever seeds, and knows when it is whole", () =>
      Effect.gen(function*() {
        const swarm = yield* Swarm.make({ torrent, seed: 1 })
        yield* swarm.start({ number: 1, has: "All", options: { readOnly: true } })
        const leeches = yield* Effect.forEach([2, 3], (number) => swarm.start({ number }))
        yield* Swarm.within(60_000, Swarm.allDone(leeches), leeches)
        for (const leech of leeches) {
          assertWhole(torrent, leech)
          const { done, downloaded, total } = leech.torrent.snapshot()
          const bytes = LENGTHS.reduce((sum, length) => sum + length, 0)
          assert.deepStrictEqual([done, total], [bytes, bytes])
          // Neither gaps nor padding were asked for.
          assert.strictEqual(downloaded, bytes)
        }
        const left = (event: string) => {
          const of = swarm.tracker.announces.filter((announce) =>
            announce.event === event && announce.host !== Swarm.host(1)
          )
          return new Set(of.map((announce) => announce.left))
        }
        assert.deepStrictEqual(left("completed"), new Set([0]))
        assert.deepStrictEqual(left("started"), new Set([LENGTHS.reduce((sum, length) => sum + length, 0)]))
        // All there at once for the next, and nothing to fetch again.
        const [first] = leeches
        yield* first!.stop
        const again = yield* swarm.start({ number: 4, disk: first!.disk, records: first!.records })
        assert.isTrue(again.torrent.swarm.isSeed)
      }))

    it.effect("fetches chosen files alone", () =>
      Effect.gen(function*() {
        const swarm = yield* Swarm.make({ torrent, seed: 2 })
        yield* swarm.start({ number: 1, has: "All" })
        const [, empty, , small, , , , , large] = filesOf(torrent)
        const chosen = [empty!, small!, large!]
        const leech = yield* swarm.start({ number: 2, options: { selected: new Set(chosen) } })
        yield* Swarm.within(60_000, leech.torrent.completed, [leech])
        assertWhole(torrent, leech, chosen)
        const bytes = chosen.reduce((sum, file) => sum + metainfo.files[file]!.length, 0)
        assert.strictEqual(leech.torrent.snapshot().done, bytes)
        assert.strictEqual(leech.disk.files.size, chosen.length)
      }))

    it.effect("goes on after a kill with what was there, at the cost of a sample a file", () =>
      Effect.gen(function*() {
        const swarm = yield* Swarm.make({ torrent, seed: 3 })
        const seed = yield* swarm.start({ number: 1, has: "All", up: 20_000 })
        const leech = yield* swarm.start({ number: 2 })
        yield* Swarm.until(60_000, () => leech.torrent.swarm.haveCount > 6)
        yield* TestClock.adjust("6 seconds")
        assert.isFalse(leech.torrent.swarm.isDone)
        const left = Swarm.leftovers(leech)
        yield* leech.stop
        const again = yield* swarm.start({ number: 3, ...left })
        assert.isAbove(again.torrent.swarm.haveCount, 6)
        yield* Swarm.within(60_000, again.torrent.completed, [again, seed])
        assertWhole(torrent, again)
      }))
  })
}

describe("a torrent of version 2", () => {
  const torrent = PayloadV2.torrent(LENGTHS, PIECE)
  const { layout } = torrent.metainfo

  it.effect("gives whole blocks beyond the end of any file, the last one too, for which libtorrent asks", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 9 })
      yield* swarm.start({ number: 1, has: "All", peers: [] })
      const lasts = Array.from({ length: layout.pieces }, (_, piece): [number, number] => [
        piece,
        (PieceLayout.blocksIn(layout, piece) - 1) * BLOCK
      ])
      const peer = yield* ScriptedPeer.start(swarm, {
        number: 2,
        target: 1,
        v2: true,
        greeting: (outbox) => outbox.interested(),
        onFrame: ({ id }, { say }) => {
          if (id === Message.UNCHOKE) say((outbox) => lasts.forEach((last) => outbox.request(...last, BLOCK)))
        }
      })
      const blocks = () => peer.frames.filter(({ id }) => id === Message.PIECE)
      yield* Swarm.until(60_000, () => blocks().length === lasts.length)
      const padded = new Uint8Array(layout.paddedLength)
      padded.set(torrent.payload)
      blocks().forEach(({ payload }, i) => {
        const [piece, begin] = lasts[i]!
        const at = PieceLayout.pieceOffset(layout, piece) + begin
        assert.deepStrictEqual([Bytes.readUint32(payload, 0), Bytes.readUint32(payload, 4)], [piece, begin])
        assert.isTrue(Bytes.equals(payload.subarray(8), padded.subarray(at, at + BLOCK)), `piece ${piece}`)
      })
    }))
})

describe("a hybrid torrent", () => {
  const torrent = PayloadV2.torrent(LENGTHS, PIECE, "hybrid")
  const { metainfo } = torrent
  const [v1, v2] = metainfo.swarms as [InfoHash.InfoHash, InfoHash.InfoHash]
  /** As a client sees it that knows version 1 alone, or version 2 alone. */
  const old: Metainfo = { ...metainfo, version: "1", infoHashV2: undefined, pieceRoots: undefined, swarms: [v1] }
  const young: Metainfo = { ...metainfo, version: "2", infoHashV1: undefined, pieceHashes: Bytes.empty, swarms: [v2] }

  it.effect("is fetched from one swarm and given to the other, with peers that speak what both can", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 4 })
      yield* swarm.start({ number: 1, has: "All", up: 100_000, options: { metainfo: old } })
      const both = yield* swarm.start({ number: 2, up: 100_000 })
      const second = yield* swarm.start({ number: 3, up: 100_000 })
      const leech = yield* swarm.start({ number: 4, options: { metainfo: young } })
      yield* Swarm.until(20_000, () => both.torrent.swarm.peers.size === 3)
      const speaks = new Map(Array.from(both.torrent.swarm.peers, (peer) => [peer.id, peer.v2]))
      const first = Array.from(both.torrent.swarm.peers).find(({ address }) => address.host === Swarm.host(1))
      assert.deepStrictEqual(
        [first!.v2, speaks.get(second.session.peerId), speaks.get(leech.session.peerId)],
        [false, true, true]
      )
      const nodes = [both, second, leech]
      yield* Swarm.within(60_000, Swarm.allDone(nodes), nodes)
      for (const node of nodes) assertWhole(torrent, node)
    }))

  it.effect("is announced in both swarms, from the start to the end", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 5 })
      yield* swarm.start({ number: 1, has: "All" })
      const leech = yield* swarm.start({ number: 2 })
      yield* Swarm.within(60_000, leech.torrent.completed, [leech])
      yield* leech.stop
      for (const hash of [v1, v2]) {
        const said = swarm.tracker.announces.filter(({ host, infoHash }) => host === Swarm.host(2) && infoHash === hash)
        assert.deepStrictEqual(said.map(({ event }) => event), ["started", "completed", "stopped"])
        assert.deepStrictEqual(said.map(({ left }) => left > 0), [true, false, false])
      }
    }))

  it.effect("that is private asks one tracker at a time, for both swarms", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 6 })
      const [first, second] = ["http://a.test/", "http://b.test/"] as const
      const options = { metainfo: { ...metainfo, private: true }, trackers: [[first], [second]] }
      yield* swarm.start({ number: 1, has: "All", options })
      const said = () => swarm.tracker.announces.map(({ event, infoHash, url }) => [infoHash, url, event])
      yield* Swarm.until(5000, () => said().length >= 2)
      assert.deepStrictEqual(said(), [[v1, first, "started"], [v2, first, "started"]])
      // To the same tracker again, which is no news for the second swarm.
      yield* Swarm.until(4_000_000, () => said().length >= 4)
      swarm.tracker.refuses = (url) => url === first
      yield* Swarm.until(4_000_000, () => said().some(([infoHash, url]) => infoHash === v2 && url === second))
      assert.deepStrictEqual(said().filter(([infoHash, _url, event]) => infoHash === v2 && event !== undefined), [
        [v2, first, "started"],
        [v2, first, "stopped"],
        [v2, second, "started"]
      ])
    }))

  it.effect("is announced without a word of failure to a tracker that knows one of its hashes only", () =>
    Effect.gen(function*() {
      for (const [known, isPrivate] of [[v1, false], [v2, false], [v1, true], [v2, true]] as const) {
        const swarm = yield* Swarm.make({ torrent, seed: 8 })
        swarm.tracker.refuses = (_url, { infoHash }) => infoHash !== known
        const options = { metainfo: { ...metainfo, private: isPrivate } }
        yield* swarm.start({ number: 1, has: "All", options })
        const leech = yield* swarm.start({ number: 2, options })
        yield* Swarm.within(60_000, leech.torrent.completed, [leech])
        assert.strictEqual(swarm.tracker.announces.filter(({ event }) => event === "completed").length, 1)
        const failures = leech.events.filter(({ _tag }) => _tag === "TrackerFailed")
        // Of the first swarm the answer may come before anybody knows of the second.
        assert.isAtMost(failures.length, known === v1 ? 0 : 1)
      }
    }))

  it.effect("has as many seeds and leeches as the larger of its swarms", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 10 })
      swarm.tracker.counts = (infoHash) => infoHash === v1 ? { seeders: 5, leechers: 1 } : { seeders: 2, leechers: 3 }
      const node = yield* swarm.start({ number: 1, has: "All" })
      const answers = () => node.events.flatMap((event) => event._tag === "TrackerAnswered" ? [event] : [])
      yield* Swarm.until(5000, () => answers().length >= 2)
      const { leeches, seeds } = answers().at(-1)!
      assert.deepStrictEqual([seeds, leeches], [5, 3])
    }))

  it.effect("that contradicts itself ends, whoever it is fetched from, and nobody is blamed", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 7 })
      const seed = yield* swarm.start({ number: 1, has: "All" })
      const pieceRoots = metainfo.pieceRoots!.slice()
      pieceRoots[3 * 32]! ^= 1
      const options = { metainfo: { ...metainfo, pieceRoots } }
      const leech = yield* swarm.start({ number: 2, options })
      const { value } = yield* Swarm.within(60_000, Effect.flip(leech.torrent.completed), [leech])
      const checked = yield* Effect.flip(swarm.start({ number: 3, has: "All", options }))
      for (const error of [value, checked]) {
        assert.instanceOf(error, TorrentError)
        assert.deepStrictEqual(error.reason, { _tag: "Inconsistent", piece: 3 })
      }
      assert.isFalse(Swarm.bans(leech, seed))
    }))
})
