/** The programs between themselves: `seed` gives, `leech` takes, all of it or a part. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Metainfo from "../../src/domain/Metainfo.ts"
import * as HttpTracker from "../support/httpTracker.ts"
import * as Payload from "../support/payload.ts"
import * as Programs from "../support/programs.ts"
import { fileAt, placeAll, publish, wrongFiles } from "../support/published.ts"
import * as RawPeer from "../support/rawPeer.ts"
import { leech, local, placeIn } from "../support/stage.ts"

const SEED = new URL("../../dist/programs/seed.js", import.meta.url).pathname

const KIB = 1024
const PIECE = 32 * KIB

/** The last piece of each file is the first of the next. */
const torrent = publish([{ length: 4 * PIECE + 5 }, { length: 6 * PIECE }, { length: 2 * PIECE + 9 }], PIECE)

describe("--select-file", () => {
  it.live("leaves the other files alone, and a later run fetches no more than what is missing", () =>
    Effect.gen(function*() {
      const place = placeIn(yield* Payload.temporary, torrent)
      const source = yield* RawPeer.listen(torrent.metainfo.infoHash, RawPeer.seed(torrent))
      const part = yield* (yield* leech(place, [source.address], "--select-file=2")).ended
      assert.strictEqual(part.code, 0, part.err)
      assert.deepStrictEqual(wrongFiles(torrent, place.dir), [0, 2])
      assert.isFalse(fs.existsSync(fileAt(torrent, place.dir, 0)))
      assert.isFalse(fs.existsSync(fileAt(torrent, place.dir, 2)))
      const summary = Programs.summaryOf(part)
      assert.strictEqual(summary.downloaded, 7 * PIECE)
      assert.deepStrictEqual([summary.done, summary.total], [6 * PIECE, 6 * PIECE])
      const [records] = fs.readdirSync(path.join(place.state, "resume"))
      assert.sameMembers(fs.readdirSync(path.join(place.state, "resume", records!)), ["record", "peers", "part"])

      const again = yield* (yield* leech(place, [source.address], "--select-file=2")).ended
      assert.strictEqual(Programs.summaryOf(again).downloaded, 0)
      const told = yield* Programs.run("leech", [place.file, ...local(place), "--select-file=2"])
      assert.match(told.err, /^top: 1 of 3 files complete, /m)

      const rest = yield* (yield* leech(place, [source.address])).ended
      assert.strictEqual(rest.code, 0, rest.err)
      assert.deepStrictEqual(wrongFiles(torrent, place.dir), [])
      assert.isAtMost(Programs.summaryOf(rest).downloaded, torrent.payload.length - 5 * PIECE)
    }))
})

describe("a leech of some files that is killed", () => {
  it.live("goes on, and so does one of all files", () =>
    Effect.gen(function*() {
      const place = placeIn(yield* Payload.temporary, torrent)
      let left = 3 * 2
      const source = yield* RawPeer.listen(
        torrent.metainfo.infoHash,
        RawPeer.seed(torrent, { answer: (_piece, _begin, right) => --left < 0 ? undefined : right })
      )
      for (const more of [["--select-file=2"], []]) {
        left = 3 * 2
        const running = yield* leech(place, [source.address], ...more)
        yield* running.until(Programs.isLanded, 3)
        yield* running.kill("SIGKILL")
        yield* running.ended
      }
      left = Infinity
      const part = yield* (yield* leech(place, [source.address], "--select-file=1,3")).ended
      assert.strictEqual(part.code, 0, part.err)
      assert.deepStrictEqual(wrongFiles(torrent, place.dir).filter((file) => file !== 1), [])
      const rest = yield* (yield* leech(place, [source.address])).ended
      assert.strictEqual(rest.code, 0, rest.err)
      assert.deepStrictEqual(wrongFiles(torrent, place.dir), [])
    }))
})

describe("--show-files", () => {
  it.live("lists them and touches nothing", () =>
    Effect.gen(function*() {
      const place = placeIn(yield* Payload.temporary, torrent)
      const { code, err, out } = yield* Programs.run("leech", [place.file, ...local(place), "--show-files"])
      assert.deepStrictEqual([code, err], [0, ""])
      for (const { path } of torrent.metainfo.files) assert.include(out, path.slice(1).join("/"))
      assert.include(out, torrent.metainfo.infoHash)
      assert.isFalse(fs.existsSync(place.dir))
      assert.isFalse(fs.existsSync(place.state))
    }))
})

describe("--peer", () => {
  it.live("takes the name of a host", () =>
    Effect.gen(function*() {
      const place = placeIn(yield* Payload.temporary, torrent)
      const source = yield* RawPeer.listen(torrent.metainfo.infoHash, RawPeer.seed(torrent))
      const { code, err } = yield* (yield* leech(place, [source.address.replace("127.0.0.1", "localhost")])).ended
      assert.strictEqual(code, 0, err)
      assert.deepStrictEqual(wrongFiles(torrent, place.dir), [])
      const lost = yield* (yield* leech(place, ["nowhere.invalid:6881"])).ended
      assert.strictEqual(lost.code, 19, lost.err)
      assert.match(lost.err, /^freshet: --peer: nowhere\.invalid has no address; check the name\n$/)
    }))
})

describe("--quiet", () => {
  it.live("says nothing when all goes well; without it there is a summary", () =>
    Effect.gen(function*() {
      const place = placeIn(yield* Payload.temporary, torrent)
      const source = yield* RawPeer.listen(torrent.metainfo.infoHash, RawPeer.seed(torrent))
      const args = [place.file, ...local(place), `--peer=${source.address}`]
      const quiet = yield* Programs.run("leech", [...args, "--quiet"])
      assert.deepStrictEqual([quiet.code, quiet.out, quiet.err], [0, "", ""])
      fs.rmSync(place.dir, { recursive: true })
      const loud = yield* Programs.run("leech", args)
      assert.deepStrictEqual([loud.code, loud.out], [0, ""])
      assert.include(loud.err, path.join(place.dir, torrent.metainfo.name))
      assert.notInclude(loud.err, "\x1b")
    }))
})

describe("seed", () => {
  it.live("names the pieces that are missing, and fetches nothing", () =>
    Effect.gen(function*() {
      const place = placeIn(yield* Payload.temporary, torrent)
      const source = yield* RawPeer.listen(torrent.metainfo.infoHash, RawPeer.seed(torrent))
      const run = (...more: ReadonlyArray<string>) =>
        Programs.run("seed", [place.file, ...local(place), `--peer=${source.address}`, "--quiet", ...more])
      placeAll(torrent, place.dir)
      const file = fileAt(torrent, place.dir, 1)
      const bytes = fs.readFileSync(file)
      bytes[2 * PIECE]! ^= 1
      fs.writeFileSync(file, bytes)
      fs.rmSync(fileAt(torrent, place.dir, 2))
      for (const ended of [yield* run(), yield* run("--check-integrity"), yield* run("--json")]) {
        assert.strictEqual(ended.code, 32, ended.err)
        assert.match(ended.err, Programs.ONE_LINE)
        assert.include(ended.err, "6, 10-12;")
      }
      assert.isFalse(fs.existsSync(fileAt(torrent, place.dir, 2)))
      const nothing = yield* Programs.run("seed", [place.file, ...local({ ...place, dir: place.state }), "--quiet"])
      assert.strictEqual(nothing.code, 32)
      assert.match(nothing.err, Programs.ONE_LINE)
    }))

  it.live("makes a torrent of a folder, from which others fetch the same files", () =>
    Effect.gen(function*() {
      const root = yield* Payload.temporary
      const tracker = yield* HttpTracker.make()
      const from = path.join(root, "from")
      placeAll(torrent, from)
      fs.writeFileSync(path.join(from, "top", "empty"), "")
      const saved = path.join(root, "saved.torrent")
      const state = path.join(root, "seed-state")
      const seed = yield* Programs.start("seed", [
        path.join(from, "top"),
        ...local({ dir: from, state }),
        `--tracker=${tracker.url}`,
        `--save-torrent=${saved}`,
        "--json",
        "--quiet"
      ])
      const port = (yield* tracker.heard("started")).query.get("port")
      const place = { torrent, file: saved, dir: path.join(root, "to"), state: path.join(root, "state") }
      const ended = yield* (yield* leech(place, [`127.0.0.1:${port}`], "--no-tracker")).ended
      assert.strictEqual(ended.code, 0, ended.err)
      assert.deepStrictEqual(wrongFiles(torrent, place.dir), [])
      assert.strictEqual(fs.statSync(path.join(place.dir, "top", "empty")).size, 0)
      yield* seed.kill("SIGTERM")
      const over = yield* seed.ended
      assert.deepStrictEqual([over.code, over.err], [0, ""])
      assert.isAtLeast(Programs.summaryOf(over).uploaded, torrent.payload.length)
      assert.deepStrictEqual(tracker.announces.map(({ event }) => event), ["started", "stopped"])
    }))

  it.live("prints the info hash of the torrent that it makes, and then a link to it", () =>
    Effect.gen(function*() {
      const root = yield* Payload.temporary
      const from = path.join(root, "from")
      placeAll(torrent, from)
      const saved = path.join(root, "saved.torrent")
      const ended = yield* Programs.run("seed", [
        path.join(from, "top"),
        ...local({ dir: from, state: path.join(root, "state") }),
        `--save-torrent=${saved}`,
        "--tracker=http://127.0.0.1:1/announce",
        "--seed-time=0.001",
        "--quiet"
      ])
      const { infoHash } = Result.getOrThrow(Metainfo.parse(fs.readFileSync(saved)))
      assert.strictEqual(
        ended.out,
        `${infoHash}\nmagnet:?xt=urn:btih:${infoHash}&dn=top&tr=http%3A%2F%2F127.0.0.1%3A1%2Fannounce\n`
      )
      assert.strictEqual(ended.code, 0, ended.err)
    }))

  it.live("has done nothing when it is stopped while it hashes", () =>
    Effect.gen(function*() {
      const dir = yield* Payload.temporary
      fs.writeFileSync(path.join(dir, "large"), "")
      fs.truncateSync(path.join(dir, "large"), 2 ** 40)
      const code = yield* Effect.callback<number | null>((resume) => {
        const child = spawn(process.execPath, [SEED, "large", "--save-torrent=x", "--summary-interval=1"], {
          cwd: dir,
          stdio: ["ignore", "ignore", "pipe"]
        })
        // The progress of the hashing.
        child.stderr.once("data", () => child.kill("SIGINT"))
        child.on("close", (code) => resume(Effect.succeed(code)))
        return Effect.sync(() => child.kill("SIGKILL"))
      })
      assert.strictEqual(code, 7)
      assert.deepStrictEqual(fs.readdirSync(dir), ["large"])
    }))

  it.live("takes hidden files and leaves others out, as it is told", () =>
    Effect.gen(function*() {
      const root = yield* Payload.temporary
      const from = path.join(root, "from")
      fs.mkdirSync(from)
      for (const name of [".hidden", "a", "b.part"]) fs.writeFileSync(path.join(from, name), name)
      const filesWith = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
        const saved = path.join(root, "saved.torrent")
        const ended = yield* Programs.run("seed", [
          from,
          ...local({ dir: from, state: path.join(root, "state") }),
          `--save-torrent=${saved}`,
          "--seed-time=0.001",
          ...args
        ])
        assert.strictEqual(ended.code, 0, ended.err)
        return Result.getOrThrow(Metainfo.parse(fs.readFileSync(saved))).files.map((file) => file.path[1])
      })
      assert.deepStrictEqual(yield* filesWith(), ["a", "b.part"])
      assert.deepStrictEqual(yield* filesWith("--include-hidden", "--exclude", "*.part"), [".hidden", "a"])
    }))

  it.live("shares a folder whose names other systems could not tell apart, or would not take", () =>
    Effect.gen(function*() {
      const root = yield* Payload.temporary
      const tracker = yield* HttpTracker.make()
      const folder = path.join(root, "odd\\folder")
      fs.mkdirSync(folder)
      const names = ["README", "Readme", "back\\slash", "bell\u0007"]
      names.forEach((name, i) => fs.writeFileSync(path.join(folder, name), Payload.noise(1000, i)))
      const seed = yield* Programs.start("seed", [
        folder,
        ...local({ dir: root, state: path.join(root, "state") }),
        `--tracker=${tracker.url}`,
        "--json",
        "--quiet"
      ])
      yield* tracker.heard("started")
      yield* seed.kill("SIGTERM")
      const over = yield* seed.ended
      assert.deepStrictEqual([over.code, over.err], [0, ""])
    }))

  it.live("shares what it may not write", () =>
    Effect.gen(function*() {
      const place = placeIn(yield* Payload.temporary, torrent)
      placeAll(torrent, place.dir)
      const before = fs.statSync(fileAt(torrent, place.dir, 0)).mtimeMs
      const args = [place.file, ...local(place), "--seed-time=0.001", "--quiet"]
      const ended = yield* Programs.run("seed", args)
      assert.deepStrictEqual([ended.code, ended.out, ended.err], [0, "", ""])
      assert.strictEqual(fs.statSync(fileAt(torrent, place.dir, 0)).mtimeMs, before)
    }))
})
