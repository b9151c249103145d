import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Bitfield from "../../src/domain/Bitfield.ts"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import * as MemoryDisk from "../../src/services/storage/MemoryDisk.ts"
import { TorrentError } from "../../src/services/TorrentError.ts"
import * as Payload from "../support/payload.ts"
import * as Swarm from "../support/swarm.ts"

const PIECE = 2 * PieceLayout.BLOCK

const torrent = Payload.torrent([{ length: 10 * PIECE }, { length: 3 * PIECE + 5 }], PIECE)

const { pieces } = torrent.metainfo.layout

const readOnly = { readOnly: true }

/** The pieces that were there when it would not begin. */
const haveOf = (error: unknown): Bitfield.Bitfield => {
  assert.instanceOf(error, TorrentError)
  assert(error.reason._tag === "Incomplete")
  return error.reason.have
}

describe("a torrent that is only shared", () => {
  it.effect("does not begin unless all is there: nobody hears of it, and no record is left", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 1 })
      const records = new Map<string, Uint8Array>()
      const has = new Set(Swarm.range(0, 9))
      const error = yield* Effect.flip(swarm.start({ number: 1, has, records, options: readOnly }))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(Bitfield.count(haveOf(error)), 9)
      assert.strictEqual(swarm.tracker.heard.size, 0)
      assert.strictEqual(records.size, 0)
    }))

  it.effect("does not make somebody else's file ours for the next run", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 1 })
      const disk = MemoryDisk.make()
      const records = new Map<string, Uint8Array>()
      const foreign = new Uint8Array(10 * PIECE).fill(7)
      MemoryDisk.put(disk, Swarm.placeOf(torrent, 0), foreign)
      yield* Effect.flip(swarm.start({ number: 1, disk, records, options: readOnly }))
      const error = yield* Effect.flip(swarm.start({ number: 2, disk, records }))
      assert.propertyVal(error, "_tag", "CheckerError")
      assert.deepStrictEqual(MemoryDisk.contentOf(disk, Swarm.placeOf(torrent, 0)), foreign)
    }))

  it.effect("leaves the record of an unfinished download as it is", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 1 })
      const { disk, records, stop } = yield* swarm.start({ number: 1, has: new Set([1, 2]), peers: [] })
      yield* stop
      const before = new Map(records)
      yield* Effect.flip(swarm.start({ number: 2, disk, records, options: readOnly }))
      assert.deepStrictEqual(records, before)
    }))

  it.effect("is hashed anew by the next run where it has changed since it was made", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 1 })
      const options = { ...readOnly, isKnown: true }
      const { disk, records, stop } = yield* swarm.start({ number: 1, has: "All", options })
      yield* stop
      const place = Swarm.placeOf(torrent, 0)
      const content = MemoryDisk.contentOf(disk, place)!.slice()
      content[4 * PIECE]! ^= 1
      MemoryDisk.put(disk, place, content)
      const error = yield* Effect.flip(swarm.start({ number: 2, disk, records, options: readOnly }))
      assert.strictEqual(Bitfield.count(haveOf(error)), pieces - 1)
      assert.isFalse(Bitfield.has(haveOf(error), 4))
    }))

  it.effect("is not taken for known where its files are not what was hashed", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 1 })
      const options = { ...readOnly, isKnown: true }
      const error = yield* Effect.flip(swarm.start({ number: 1, has: new Set(Swarm.range(0, 9)), options }))
      assert.instanceOf(error, TorrentError)
    }))
})

describe("a torrent that is stopped", () => {
  it.effect("records what has landed when the rest finds no room", () =>
    Effect.gen(function*() {
      const large = Payload.torrent(Array.from({ length: 60 }, () => ({ length: 8 * PIECE })), 8 * PIECE)
      const swarm = yield* Swarm.make({ torrent: large, seed: 1, path: () => ({ latency: 10, rate: 500_000 }) })
      yield* swarm.start({ number: 1, has: "All" })
      const leech = yield* swarm.start({ number: 2, peers: [1], options: { order: "Sequential" } })
      const { board } = leech.torrent.swarm
      const isMidway = () => Array.from(board.open.values()).some(({ blocks, missing }) => missing < blocks)
      yield* Swarm.until(20_000, () => leech.torrent.swarm.haveCount > 20 && isMidway(), [leech])
      leech.disk.quota = 0
      for (const { length } of leech.disk.files.values()) leech.disk.quota += length
      const { haveCount } = leech.torrent.swarm
      yield* leech.stop
      assert.isTrue(leech.events.some((event) => event._tag === "Warning" && event.message.includes("ENOSPC")))
      leech.disk.quota = Infinity
      const again = yield* swarm.start({ number: 3, peers: [], disk: leech.disk, records: leech.records })
      assert.isAtLeast(again.torrent.swarm.haveCount, haveCount)
    }))
})

describe("a torrent that is served", () => {
  it.effect("tells once of a file that is gone, however many ask for it", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 1 })
      const source = yield* swarm.start({ number: 1, has: "All", options: readOnly })
      source.disk.files.clear()
      for (const number of [2, 3, 4]) yield* swarm.start({ number, peers: [1] })
      yield* TestClock.adjust("1 minute")
      const warnings = source.events.flatMap((event) => event._tag === "Warning" ? [event.message] : [])
      assert.isNotEmpty(warnings)
      assert.strictEqual(new Set(warnings).size, warnings.length)
    }))
})

describe("a torrent and its tracker", () => {
  it.effect("passes on what the tracker warns of", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 1 })
      swarm.tracker.warning = "your client is old"
      const { events } = yield* swarm.start({ number: 1 })
      yield* TestClock.adjust("1 second")
      const warnings = events.flatMap((event) => event._tag === "Warning" ? [event.message] : [])
      assert.deepStrictEqual(warnings, ["the tracker says: your client is old"])
      assert.isTrue(events.some(({ _tag }) => _tag === "TrackerAnswered"))
    }))

  it.effect("asks again before long while it has nobody to fetch from, and only then", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 1 })
      yield* swarm.start({ number: 1 })
      yield* TestClock.adjust("150 seconds")
      assert.deepStrictEqual(swarm.tracker.heard.get(Swarm.host(1)), ["started", ""])
      const half = { torrent: Payload.torrent([{ length: 7 * PIECE }], PIECE), seed: 1 }
      const busy = yield* Swarm.make(half)
      yield* busy.start({ number: 1, has: new Set([0, 1]) })
      yield* busy.start({ number: 2, has: new Set([0, 2]) })
      yield* TestClock.adjust("150 seconds")
      assert.deepStrictEqual(busy.tracker.heard.get(Swarm.host(2)), ["started"])
    }))
})
