/** A leech that is killed, or whose disk is full, goes on where it was and never claims what it has not. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Mounts from "../support/mounts.ts"
import * as Payload from "../support/payload.ts"
import * as Programs from "../support/programs.ts"
import { pieceOnDisk, publish, wrongFiles } from "../support/published.ts"
import * as RawPeer from "../support/rawPeer.ts"
import { leech, type Place, placeIn } from "../support/stage.ts"

const KIB = 1024
const MIB = 1024 * KIB

/** What of a round may be lost: a record is due after 16 MiB, and a few pieces come while it is written. */
const MAY_BE_LOST = 24 * MIB

const isRight = ({ dir, torrent }: Place, piece: number): boolean =>
  Buffer.compare(pieceOnDisk(torrent, dir, piece), Payload.piece(torrent, piece)) === 0

/** What the leech says it has when it starts without anybody to fetch from, after a look at all of that. */
const advertised = Effect.fnUntraced(function*(place: Place) {
  const { metainfo } = place.torrent
  // Nor may it know anybody from the run before.
  const records = path.join(place.state, "resume")
  for (const name of fs.readdirSync(records)) fs.rmSync(path.join(records, name, "peers"), { force: true })
  const peer = yield* RawPeer.listen(metainfo.infoHash, (wire) => {
    wire.send(RawPeer.bitfieldOf(metainfo.layout.pieces, () => false))
    wire.send(RawPeer.interested)
  })
  const running = yield* leech(place, [peer.address])
  const wire = yield* peer.wire
  yield* wire.next(RawPeer.Id.unchoke)
  const pieces = Array.from(wire.advertised).sort((a, b) => a - b)
  for (const piece of pieces) assert.isTrue(isRight(place, piece), `piece ${piece} on the disk`)
  for (const piece of pieces.filter((_, i) => i % 16 === 0)) {
    const right = Payload.piece(place.torrent, piece).subarray(0, 16 * KIB)
    const block = yield* RawPeer.fetchBlock(wire, piece, 0, right.length)
    assert.isTrue(Buffer.compare(block, right) === 0, `piece ${piece} as served`)
  }
  yield* running.kill("SIGTERM")
  const ended = yield* running.ended
  assert.strictEqual(ended.code, 7)
  assert.deepStrictEqual(ended.records.filter(({ type }) => type === "checking"), [])
  return pieces
}, Effect.scoped)

describe("a leech that is killed", () => {
  it.live("goes on without a recheck, loses little, and advertises right pieces alone", () =>
    Effect.gen(function*() {
      const root = yield* Mounts.quickFolder
      const torrent = publish([{ length: 50 * MIB + 77 }, { length: 3 }, { length: 99 * MIB + 1 }], 256 * KIB)
      const { metainfo } = torrent
      const place = placeIn(root, torrent)
      const source = yield* RawPeer.listen(metainfo.infoHash, RawPeer.seed(torrent))
      const chance = Payload.noise(8)
      let kept: Array<number> = []
      for (let round = 0; round < 3; round++) {
        const running = yield* leech(place, [source.address], "--max-download-limit=20M")
        yield* running.until(Programs.isLanded, 110 + (chance[round]! >> 2))
        yield* running.kill("SIGKILL")
        const { records, signal } = yield* running.ended
        assert.strictEqual(signal, "SIGKILL")
        const now = yield* advertised(place)
        assert.includeMembers(now, kept)
        const lost = Programs.landed(records).filter((piece) => !now.includes(piece))
        assert.isAtMost(lost.length * metainfo.layout.pieceLength, MAY_BE_LOST)
        kept = now
      }

      const wrong: Array<number> = []
      const watcher = yield* RawPeer.listen(metainfo.infoHash, (wire) => {
        wire.send(RawPeer.bitfieldOf(metainfo.layout.pieces, () => false))
        wire.onMessage(({ id, payload }) => {
          if (id !== RawPeer.Id.have) return
          const piece = Buffer.from(payload).readUInt32BE(0)
          if (!isRight(place, piece)) wrong.push(piece)
        })
      })
      const last = yield* (yield* leech(place, [watcher.address, source.address])).ended
      assert.strictEqual(last.code, 0)
      assert.deepStrictEqual(wrong, [], "announced before they were there")
      assert.deepStrictEqual(wrongFiles(torrent, place.dir), [])
      const missing = (metainfo.layout.pieces - kept.length) * metainfo.layout.pieceLength
      assert.isAtMost(Programs.summaryOf(last).downloaded, missing)
    }))
})

describe("a leech that checks its files", () => {
  it.live("stops when it is asked to, and forgets nothing", () =>
    Effect.gen(function*() {
      const torrent = publish([{ length: 100 * MIB }], 256 * KIB)
      const place = placeIn(yield* Mounts.quickFolder, torrent)
      const source = yield* RawPeer.listen(torrent.metainfo.infoHash, RawPeer.seed(torrent))
      assert.strictEqual((yield* (yield* leech(place, [source.address])).ended).code, 0)
      const running = yield* leech(place, [], "--check-integrity", "--keep-seeding")
      yield* running.until(({ type }) => type === "metadata")
      yield* running.kill("SIGTERM")
      const ended = yield* running.ended
      assert.include([0, 7], ended.code)
      const next = yield* (yield* leech(place, [])).ended
      assert.strictEqual(next.code, 0, next.err)
      assert.deepStrictEqual(next.records.filter(({ type }) => type === "checking"), [])
    }))
})

describe.skipIf(Mounts.missing !== undefined)(Mounts.title("a leech whose disk is full"), () => {
  const torrent = publish([{ length: 15 * MIB + 5 }, { length: 25 * MIB }], 64 * KIB)
  const { layout } = torrent.metainfo

  for (const [what, together] of [["the files", false], ["files and records", true]] as const) {
    it.live(`says so and keeps what is verified: ${what}`, () =>
      Effect.gen(function*() {
        const root = yield* Payload.temporary
        const disk = path.join(root, "disk")
        yield* Mounts.tmpfs(disk, 20 * MIB)
        const files = path.join(disk, "files")
        const place = { ...placeIn(root, torrent), dir: files, ...together && { state: path.join(disk, "state") } }
        const source = yield* RawPeer.listen(torrent.metainfo.infoHash, RawPeer.seed(torrent))

        const full = yield* (yield* leech(place, [source.address])).ended
        assert.strictEqual(full.code, 9, full.err)
        assert.match(full.err, Programs.ONE_LINE)
        assert.include(full.err, files)
        assert.include(full.err, "ENOSPC")
        const landed = Programs.landed(full.records)
        assert.isAbove(landed.length, 100)
        if (!together) assert.includeMembers(yield* advertised(place), landed)

        Mounts.remount(disk, `size=${80 * MIB}`)
        const next = yield* (yield* leech(place, [source.address])).ended
        assert.strictEqual(next.code, 0, next.err)
        assert.deepStrictEqual(wrongFiles(torrent, files), [])
        assert.deepStrictEqual(next.records.filter(({ type }) => type === "checking"), [])
        const most = (layout.pieces - landed.length) * layout.pieceLength
        assert.isAtMost(Programs.summaryOf(next).downloaded, most)
      }))
  }

  it.live("tells so when it is stopped, too", () =>
    Effect.gen(function*() {
      const root = yield* Payload.temporary
      const disk = path.join(root, "disk")
      yield* Mounts.tmpfs(disk, 4 * MIB)
      const place = { ...placeIn(root, torrent), dir: path.join(disk, "files") }
      let isOpen = true
      const answer = (_piece: number, begin: number, right: Uint8Array) => isOpen || begin === 0 ? right : undefined
      const source = yield* RawPeer.listen(torrent.metainfo.infoHash, RawPeer.seed(torrent, { answer }))
      const running = yield* leech(place, [source.address], "--max-download-limit=2M")
      yield* running.until(Programs.isLanded, 8)
      isOpen = false
      Mounts.fillUp(path.join(disk, "hog"))
      yield* running.kill("SIGTERM")
      const ended = yield* running.ended
      assert.include([7, 9], ended.code)
      const landed = Programs.landed(ended.records)
      fs.rmSync(path.join(disk, "hog"))
      assert.includeMembers(yield* advertised(place), landed)
    }))
})
