import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { ExitCode } from "../../../src/programs/cli/ExitCode.ts"
import * as SaveTorrent from "../../../src/programs/cli/SaveTorrent.ts"
import * as Mounts from "../../support/mounts.ts"
import { temporary } from "../../support/payload.ts"
import { versioned } from "../../support/versions.ts"

const { document } = versioned("1", [{ path: ["a"], length: 1 }], 16_384)

const OVER: ReadonlyArray<SaveTorrent.Rules["over"]> = ["Nothing", "Torrent", "File"]

const write = (file: string, over: SaveTorrent.Rules["over"], source?: string) =>
  Effect.flatMap(
    SaveTorrent.prepare(file, { over, option: "--output", source }),
    (place) => SaveTorrent.save(place, document)
  )

/** The exit codes for all rules; a place where nothing may be written has the same after it. */
const codesAt = (file: string, source?: string) =>
  Effect.forEach(OVER, (over) => Effect.map(Effect.flip(write(file, over, source)), ({ code }) => code))

describe("SaveTorrent", () => {
  it.live("writes over no more than it may", () =>
    Effect.gen(function*() {
      const dir = yield* temporary
      const file = path.join(dir, "x.torrent")
      yield* write(file, "Nothing")
      assert.deepStrictEqual(fs.readFileSync(file), Buffer.from(document))
      assert.strictEqual((yield* Effect.flip(write(file, "Nothing"))).code, ExitCode.fileExists)
      fs.chmodSync(file, 0o640)
      yield* write(file, "Torrent")
      fs.writeFileSync(file, "a letter")
      assert.strictEqual((yield* Effect.flip(write(file, "Torrent"))).code, ExitCode.fileExists)
      assert.strictEqual(fs.readFileSync(file, "utf8"), "a letter")
      yield* write(file, "File")
      assert.deepStrictEqual(fs.readFileSync(file), Buffer.from(document))
      assert.strictEqual(fs.statSync(file).mode & 0o777, 0o640)
      assert.deepStrictEqual(fs.readdirSync(dir), ["x.torrent"])
    }).pipe(Effect.scoped))

  it.live("puts no file in the place of a device, a pipe, a folder or a link that leads nowhere", () =>
    Effect.gen(function*() {
      const dir = yield* temporary
      execFileSync("mkfifo", [path.join(dir, "pipe")])
      fs.mkdirSync(path.join(dir, "folder"))
      fs.symlinkSync("/dev/null", path.join(dir, "device"))
      fs.symlinkSync("absent", path.join(dir, "astray"))
      fs.symlinkSync("circle", path.join(dir, "circle"))
      const before = fs.readdirSync(dir, { withFileTypes: true })
      for (const name of ["pipe", "folder", "device", "astray", "circle"]) {
        const codes = yield* codesAt(path.join(dir, name))
        assert.deepStrictEqual(codes, OVER.map(() => ExitCode.cannotCreate), name)
      }
      assert.deepStrictEqual(fs.readdirSync(dir, { withFileTypes: true }), before)
      assert.isTrue(fs.statSync("/dev/null").isCharacterDevice())
    }).pipe(Effect.scoped))

  it.live("writes where a link leads, and leaves the link", () =>
    Effect.gen(function*() {
      const dir = yield* temporary
      fs.writeFileSync(path.join(dir, "real"), document)
      fs.symlinkSync("real", path.join(dir, "link"))
      fs.writeFileSync(path.join(dir, "real"), "old")
      yield* write(path.join(dir, "link"), "File")
      assert.strictEqual(fs.readlinkSync(path.join(dir, "link")), "real")
      assert.deepStrictEqual(fs.readFileSync(path.join(dir, "real")), Buffer.from(document))
    }).pipe(Effect.scoped))

  it.live("never writes into what the torrent is made of, by whatever way that is reached", () =>
    Effect.gen(function*() {
      const dir = yield* temporary
      const source = path.join(dir, "source")
      fs.mkdirSync(path.join(source, "deep"), { recursive: true })
      fs.writeFileSync(path.join(source, "file"), document)
      fs.symlinkSync("source/deep", path.join(dir, "way"))
      fs.symlinkSync("source/file", path.join(dir, "x.torrent"))
      fs.symlinkSync("source", path.join(dir, "other"))
      for (const from of [source, path.join(dir, "other")]) {
        for (const name of ["source", "source/new", "source/file", "way/new", "x.torrent", "other/deep/new"]) {
          assert.deepStrictEqual(yield* codesAt(path.join(dir, name), from), OVER.map(() => ExitCode.usage), name)
        }
      }
      assert.strictEqual(fs.readFileSync(path.join(source, "file")).compare(document), 0)
      assert.deepStrictEqual(fs.readdirSync(path.join(source, "deep")), [])
      yield* write(path.join(dir, "source.torrent"), "Nothing", source)
    }).pipe(Effect.scoped))

  it.live("says beforehand where nothing can be written", () =>
    Effect.gen(function*() {
      const dir = yield* temporary
      fs.writeFileSync(path.join(dir, "file"), "")
      for (
        const [name, why] of [
          ["no/x", "its folder does not exist"],
          ["file/x", "no folder"],
          ["x".repeat(300), "the name is too long"]
        ] as const
      ) {
        const error = yield* Effect.flip(SaveTorrent.prepare(path.join(dir, name), { over: "File", option: "-o" }))
        assert.strictEqual(error.code, ExitCode.cannotCreate)
        assert.include(error.message, why)
      }
    }).pipe(Effect.scoped))

  it.live.skipIf(Mounts.missing !== undefined)(
    Mounts.title("says beforehand that a disk is read only"),
    () =>
      Effect.gen(function*() {
        const dir = path.join(yield* temporary, "disk")
        yield* Mounts.tmpfs(dir, 65_536)
        Mounts.remount(dir, "ro")
        const error = yield* Effect.flip(SaveTorrent.prepare(path.join(dir, "x"), { over: "File", option: "-o" }))
        assert.strictEqual(error.code, ExitCode.cannotCreate)
        assert.include(error.message, "EROFS")
      }).pipe(Effect.scoped)
  )

  it.live("leaves alone what came there in the meantime", () =>
    Effect.gen(function*() {
      const dir = yield* temporary
      const file = path.join(dir, "x.torrent")
      const place = yield* SaveTorrent.prepare(file, { over: "File", option: "-o" })
      fs.writeFileSync(file, "a letter")
      assert.strictEqual((yield* Effect.flip(SaveTorrent.save(place, document))).code, ExitCode.fileExists)
      assert.strictEqual(fs.readFileSync(file, "utf8"), "a letter")
      assert.deepStrictEqual(fs.readdirSync(dir), ["x.torrent"])
    }).pipe(Effect.scoped))
})
