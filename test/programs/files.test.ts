/** What a leech makes of files, folders and records that are not as they should be. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Mounts from "../support/mounts.ts"
import * as Payload from "../support/payload.ts"
import * as Programs from "../support/programs.ts"
import { fileAt, publish, wrongFiles } from "../support/published.ts"
import * as RawPeer from "../support/rawPeer.ts"
import { leech, local, type Place, placeIn } from "../support/stage.ts"

const KIB = 1024

const PIECE = 32 * KIB

/** Five pieces, then a file that shares its first with the one before, then one of whole pieces. */
const torrent = publish([{ length: 5 * PIECE - 7 }, { length: 3 * PIECE + 7 }, { length: 4 * PIECE }], PIECE)

const TOTAL = torrent.payload.length

/** A place for the torrent, and a seed. */
const stage = Effect.gen(function*() {
  const root = yield* Payload.temporary
  const place = placeIn(root, torrent)
  const source = yield* RawPeer.listen(torrent.metainfo.infoHash, RawPeer.seed(torrent))
  const run = (...more: ReadonlyArray<string>) =>
    Effect.scoped(Effect.flatMap(leech(place, [source.address], ...more), ({ ended }) => ended))
  return { root, place, source, run }
})

/** Ends well, with everything right, and so many bytes fetched. */
const assertComplete = (place: Place, ended: Programs.Ended, downloaded: number): void => {
  assert.strictEqual(ended.code, 0, ended.err)
  assert.strictEqual(ended.err, "")
  assert.deepStrictEqual(wrongFiles(place.torrent, place.dir), [])
  assert.strictEqual(Programs.summaryOf(ended).downloaded, downloaded)
}

const assertRefused = (ended: Programs.Ended, code: number, ...parts: ReadonlyArray<string>): void => {
  assert.strictEqual(ended.code, code, ended.err)
  assert.match(ended.err, Programs.ONE_LINE)
  for (const part of parts) assert.include(ended.err, part)
}

const warnings = ({ records }: Programs.Ended): Array<string> =>
  records.flatMap((record) => record.type === "warning" ? [record.message] : [])

const isChecked = ({ records }: Programs.Ended): boolean => records.some(({ type }) => type === "checking")

/** The folder with the record. */
const recordsOf = ({ state }: Place): string => {
  const [name] = fs.readdirSync(path.join(state, "resume"))
  return path.join(state, "resume", name!)
}

describe("the resume record", () => {
  it.live("is not needed: a state folder that cannot be written is a warning", () =>
    Effect.gen(function*() {
      const { place, run } = yield* stage
      fs.writeFileSync(place.state, "a file where the folder should be")
      const ended = yield* run()
      assertComplete(place, ended, TOTAL)
      assert.strictEqual(warnings(ended).length, 1, warnings(ended).join("\n"))
      assert.include(warnings(ended)[0], "--state-dir")
      const again = yield* run()
      assertComplete(place, again, 0)
      assert.isTrue(isChecked(again))
    }))

  it.live("is put aside when it is damaged, and the files are checked", () =>
    Effect.gen(function*() {
      const { place, run } = yield* stage
      assertComplete(place, yield* run(), TOTAL)
      const record = path.join(recordsOf(place), "record")
      const bytes = fs.readFileSync(record)
      bytes[70]! ^= 1
      fs.writeFileSync(record, bytes)
      const ended = yield* run()
      assertComplete(place, ended, 0)
      assert.isTrue(isChecked(ended))
      assert.strictEqual(warnings(ended).length, 1)
      assert.include(warnings(ended)[0], `${record}.damaged`)
      assert.deepStrictEqual(fs.readFileSync(`${record}.damaged`), bytes)
      assert.isFalse(isChecked(yield* run()), "the new record counts")
    }))

  it.live("leaves nothing else behind", () =>
    Effect.gen(function*() {
      const { place, run } = yield* stage
      assertComplete(place, yield* run(), TOTAL)
      assert.sameMembers(fs.readdirSync(recordsOf(place)), ["record", "peers"])
    }))
})

describe("two leeches in one folder", () => {
  it.live("are one too many: the second ends at once, the first goes on", () =>
    Effect.gen(function*() {
      const { place, run } = yield* stage
      const held = new Set<() => void>()
      const slow = yield* RawPeer.listen(
        torrent.metainfo.infoHash,
        (wire) => {
          wire.onMessage(({ id }) => {
            if (id === RawPeer.Id.request) held.forEach((tell) => tell())
          })
          RawPeer.seed(torrent, { answer: () => undefined })(wire)
        }
      )
      const first = yield* leech(place, [slow.address])
      yield* Effect.callback<void>((resume) => {
        held.add(() => resume(Effect.void))
      })
      assertRefused(yield* run(), 12, String(first.pid))
      yield* first.kill("SIGTERM")
      assert.strictEqual((yield* first.ended).code, 7)
      assertComplete(place, yield* run(), TOTAL)
    }))
})

describe("files that changed between runs", () => {
  for (
    const [what, spoil, bytes] of [
      ["gone", (file: string) => fs.rmSync(file), 4 * PIECE],
      ["truncated", (file: string) => fs.truncateSync(file, 2 * PIECE + 5), 2 * PIECE],
      ["emptied", (file: string) => fs.truncateSync(file, 0), 4 * PIECE]
    ] as const
  ) {
    it.live(`are fetched again as far as needed: ${what}`, () =>
      Effect.gen(function*() {
        const { place, run } = yield* stage
        assertComplete(place, yield* run(), TOTAL)
        spoil(fileAt(torrent, place.dir, 2))
        assertComplete(place, yield* run(), bytes)
      }))
  }

  it.live("are checked: one byte differs", () =>
    Effect.gen(function*() {
      const { place, run } = yield* stage
      assertComplete(place, yield* run(), TOTAL)
      const file = fileAt(torrent, place.dir, 2)
      const bytes = fs.readFileSync(file)
      bytes[PIECE + 3]! ^= 1
      fs.writeFileSync(file, bytes)
      assertComplete(place, yield* run(), PIECE)
    }))

  it.live("are gone altogether, the folder too", () =>
    Effect.gen(function*() {
      const { place, run } = yield* stage
      assertComplete(place, yield* run(), TOTAL)
      fs.rmSync(place.dir, { recursive: true })
      assertComplete(place, yield* run(), TOTAL)
    }))
})

describe("files that change under a program", () => {
  it.live("are noticed by a leech when they are gone, and the next run fetches them again", () =>
    Effect.gen(function*() {
      const { place, run } = yield* stage
      const file = fileAt(torrent, place.dir, 2)
      const source = yield* RawPeer.listen(
        torrent.metainfo.infoHash,
        RawPeer.seed(torrent, { answer: (piece, _begin, right) => piece === 11 ? undefined : right })
      )
      const running = yield* leech(place, [source.address])
      yield* running.until(Programs.isLanded, 11)
      fs.rmSync(file)
      yield* running.kill("SIGTERM")
      const ended = yield* running.ended
      assert.strictEqual(ended.code, 7)
      assert.isTrue(warnings(ended).some((warning) => warning.includes(file) && warning.includes("ENOENT")))
      const next = yield* run()
      assert.deepStrictEqual([next.code, next.err], [0, ""])
      assert.deepStrictEqual(wrongFiles(torrent, place.dir), [])
    }))

  it.live.each(
    [
      ["gone", (file: string) => fs.truncateSync(file, PIECE)],
      ["changed", (file: string) => fs.writeFileSync(file, Payload.noise(4 * PIECE, 99), { flag: "r+" })]
    ] as const
  )("are not served by a seed as far as they are %s", ([, spoil]) =>
    Effect.gen(function*() {
      const root = yield* Payload.temporary
      const place = placeIn(root, torrent)
      torrent.metainfo.files.forEach((_, file) => Payload.place(torrent, place.dir, file))
      const speak = (wire: RawPeer.Wire) => {
        wire.send(RawPeer.bitfieldOf(torrent.metainfo.layout.pieces, () => false))
        wire.send(RawPeer.interested)
      }
      const [greedy, modest] = [
        yield* RawPeer.listen(torrent.metainfo.infoHash, speak),
        yield* RawPeer.listen(torrent.metainfo.infoHash, speak)
      ]
      const seed = yield* Programs.start("seed", [
        place.file,
        ...local(place),
        `--peer=${greedy.address}`,
        `--peer=${modest.address}`,
        "--json",
        "--quiet"
      ])
      const wires = [yield* greedy.wire, yield* modest.wire] as const
      yield* Effect.all(wires.map((wire) => wire.next(RawPeer.Id.unchoke)), { concurrency: "unbounded" })
      spoil(fileAt(torrent, place.dir, 2))
      yield* Effect.flip(RawPeer.fetchBlock(wires[0], 10, 0, 16 * KIB))
      const right = Payload.piece(torrent, 1).subarray(0, 16 * KIB)
      assert.strictEqual(Buffer.compare(yield* RawPeer.fetchBlock(wires[1], 1, 0, right.length), right), 0)
      yield* seed.kill("SIGTERM")
      const ended = yield* seed.ended
      assert.deepStrictEqual([ended.code, ended.err], [0, ""])
      assert.isTrue(warnings(ended).some((warning) => warning.includes(fileAt(torrent, place.dir, 2))))
    }))
})

describe("files in the way", () => {
  for (
    const [what, bytes] of [
      ["longer than it should be", new Uint8Array([...Payload.content(torrent, 2), 1])],
      ["of something else", Payload.noise(4 * PIECE, 99)],
      ["short, and of something else", Payload.noise(3 * PIECE, 99)]
    ] as const
  ) {
    it.live(`are not touched unless that is asked for: a file ${what}`, () =>
      Effect.gen(function*() {
        const { place, run } = yield* stage
        const file = Payload.place(torrent, place.dir, 2, bytes)
        assertRefused(yield* run(), 13, file, "--allow-overwrite")
        assert.deepStrictEqual(new Uint8Array(fs.readFileSync(file)), bytes)
        const ended = yield* run("--allow-overwrite")
        assert.strictEqual(ended.code, 0, ended.err)
        assert.deepStrictEqual(wrongFiles(torrent, place.dir), [])
      }))
  }

  it.live("are not followed when they are links, to files or to folders", () =>
    Effect.gen(function*() {
      const { place, root, run } = yield* stage
      const outside = path.join(root, "outside")
      fs.mkdirSync(outside)
      fs.writeFileSync(path.join(outside, "file2"), "precious")
      const file = fileAt(torrent, place.dir, 2)
      fs.mkdirSync(path.dirname(file), { recursive: true })
      fs.symlinkSync(path.join(outside, "file2"), file)
      assertRefused(yield* run(), 15, file, "link")
      assertRefused(yield* run("--allow-overwrite"), 15, file, "link")
      fs.rmSync(path.dirname(file), { recursive: true })
      fs.symlinkSync(outside, path.dirname(file))
      assertRefused(yield* run("--allow-overwrite"), 15, path.dirname(file), "link")
      assert.deepStrictEqual(fs.readdirSync(outside), ["file2"])
      assert.strictEqual(fs.readFileSync(path.join(outside, "file2"), "utf8"), "precious")
    }))

  it.live("are folders where files should be, and files where folders should be", () =>
    Effect.gen(function*() {
      const { place, run } = yield* stage
      const file = fileAt(torrent, place.dir, 2)
      fs.mkdirSync(file, { recursive: true })
      assertRefused(yield* run(), 15, file)
      fs.rmSync(path.dirname(file), { recursive: true })
      fs.writeFileSync(path.dirname(file), "a file")
      assertRefused(yield* run(), 15, path.dirname(file))
    }))
})

describe("a folder that cannot be used", () => {
  it.live("is a file", () =>
    Effect.gen(function*() {
      const { place, run } = yield* stage
      fs.writeFileSync(place.dir, "a file")
      assertRefused(yield* run(), 18, place.dir, "ENOTDIR")
    }))

  it.live.skipIf(Mounts.missing !== undefined)(
    Mounts.title("is on a file system that takes no writes"),
    () =>
      Effect.gen(function*() {
        const { place, root, source } = yield* stage
        const disk = path.join(root, "disk")
        yield* Mounts.tmpfs(disk, 64 * KIB)
        fs.mkdirSync(path.join(disk, "there"))
        Mounts.remount(disk, "ro")
        for (const name of ["there", "not"]) {
          const dir = path.join(disk, name)
          const ended = yield* (yield* leech({ ...place, dir }, [source.address])).ended
          assertRefused(ended, 16, dir, "EROFS")
        }
      })
  )
})
