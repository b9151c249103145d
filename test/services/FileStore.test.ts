import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { FileStore, type FileStoreError } from "../../src/services/FileStore.ts"
import * as MemoryDisk from "../../src/services/storage/MemoryDisk.ts"
import * as Support from "../support/payload.ts"

const int = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))

/** A layout, with padding files or with gaps, which files are wanted, and what is done to the payload. */
const scenario = {
  gaps: Arbitrary.schema(Schema.Boolean),
  files: Arbitrary.array(Arbitrary.all({ length: int(0, 40), kind: int(0, 5) }), { minLength: 1, maxLength: 12 }),
  steps: Arbitrary.array(
    Arbitrary.all({ at: int(0, 1000), length: int(0, 90), write: Arbitrary.schema(Schema.Boolean) }),
    {
      minLength: 1,
      maxLength: 30
    }
  )
}
interface Scenario {
  readonly gaps: boolean
  readonly files: ReadonlyArray<{ readonly length: number; readonly kind: number }>
  readonly steps: ReadonlyArray<{ readonly at: number; readonly length: number; readonly write: boolean }>
}

/** With padding files; or without them, gaps in their place and one behind the last file. */
const torrentOf = ({ files, gaps }: Scenario) => {
  const { metainfo } = Support.torrent(files.map(({ kind, length }) => ({ length, padding: kind === 0 })), 16)
  const entries = metainfo.files.map((file, index) => ({
    ...file,
    symlink: file.length === 0 && files[index]!.kind === 2 ? ["elsewhere"] : undefined
  }))
  const kept = entries.map((_, index) => index).filter((index) => !gaps || !entries[index]!.padding)
  const layout = { ...metainfo.layout, paddedLength: metainfo.layout.totalLength + (gaps ? 9 : 0) }
  return {
    metainfo: { ...metainfo, layout, files: kept.map((index) => entries[index]!) },
    kindOf: (file: number) => files[kept[file]!]!.kind,
    padded: (offset: number) =>
      offset >= layout.totalLength ||
      entries.some((file) => file.padding && offset >= file.offset && offset < file.offset + file.length)
  }
}

/** Any sequence of reads and writes gives what one flat array of bytes gives. */
const behavesLikeBytes = Effect.fnUntraced(function*(scenario: Scenario, dir: string) {
  const store = yield* FileStore
  const { kindOf, metainfo, padded } = torrentOf(scenario)
  const total = metainfo.layout.paddedLength
  const options = {
    metainfo,
    dir,
    partFile: path.join(dir, "part"),
    selected: (file: number) => kindOf(file) !== 1
  }
  const storage = yield* store.open(options)
  const write = (offset: number, bytes: Uint8Array, model: Uint8Array) => {
    bytes.forEach((byte, index) => {
      model[offset + index] = padded(offset + index) ? 0 : byte
    })
    return storage.write(offset, bytes)
  }
  const model = new Uint8Array(total)
  yield* write(0, Support.noise(total, 7), model)
  for (const [index, step] of scenario.steps.entries()) {
    const offset = step.at % (total + 1)
    const length = Math.min(step.length, total - offset)
    if (step.write) yield* write(offset, Support.noise(length, index + 1), model)
    else {
      const into = new Uint8Array(length).fill(0xaa)
      yield* storage.read(offset, into)
      assert.deepStrictEqual(into, model.slice(offset, offset + length))
    }
  }
  yield* storage.sync
  const all = new Uint8Array(total)
  yield* storage.read(0, all)
  assert.deepStrictEqual(all, model)
  return { storage, metainfo, model, kindOf, stats: yield* storage.stat }
})

const reasonOf = (effect: Effect.Effect<unknown, FileStoreError, FileStore | Scope.Scope>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason._tag)

/** @param many from how many files on the small ones are dealt with in a thread */
const onDiskWith = (many: number) => <A, E>(effect: Effect.Effect<A, E, FileStore | Scope.Scope>, maxOpenFiles = 64) =>
  Effect.scoped(effect).pipe(Effect.provide(FileStore.layerDisk({ maxOpenFiles, many })))

describe.each([
  { name: "FileStore, file by file", many: Infinity },
  { name: "FileStore, small files in one go", many: 1 }
])("$name", ({ many }) => {
  const onDisk = onDiskWith(many)

  it.live.prop("on disk behaves like one run of bytes", scenario, (input) =>
    Effect.scoped(Effect.gen(function*() {
      const dir = yield* Support.temporary
      const { kindOf, metainfo, model, stats, storage } = yield* onDisk(behavesLikeBytes(input, dir), 2)
      metainfo.files.forEach((file, index) => {
        const exists = fs.existsSync(storage.path(index))
        assert.strictEqual(
          exists,
          !file.padding && file.symlink === undefined && !storage.inPart(index) &&
            (file.length > 0 || kindOf(index) !== 1)
        )
        if (exists) {
          assert.deepStrictEqual(
            new Uint8Array(fs.readFileSync(storage.path(index))),
            model.slice(file.offset, file.offset + file.length)
          )
          assert.strictEqual(stats[index]?.length, file.length)
        }
      })
    })), { arbitrary: { runs: many === 1 ? 15 : 60 } })

  it.live("never follows a link, in the place of a file or of a folder", () =>
    Effect.gen(function*() {
      const dir = yield* Support.temporary
      const outside = yield* Support.temporary
      const { metainfo, payload } = Support.torrent([
        { length: 8, path: ["top", "linked"] },
        { length: 8, path: ["top", "dangling"] },
        { length: 8, path: ["top", "folder", "file"] },
        { length: 8, path: ["top", "fine"] }
      ], 8)
      fs.mkdirSync(path.join(dir, "top"))
      fs.writeFileSync(path.join(outside, "secret"), "12345678")
      fs.writeFileSync(path.join(outside, "file"), "12345678")
      fs.symlinkSync(path.join(outside, "secret"), path.join(dir, "top", "linked"))
      fs.symlinkSync(path.join(outside, "new"), path.join(dir, "top", "dangling"))
      fs.symlinkSync(outside, path.join(dir, "top", "folder"))
      yield* onDisk(Effect.gen(function*() {
        const storage = yield* (yield* FileStore).open({ metainfo, dir })
        for (const file of [0, 1, 2]) {
          const bytes = payload.slice(file * 8, file * 8 + 8)
          assert.strictEqual(yield* reasonOf(storage.write(file * 8, bytes)), "Link")
          assert.strictEqual(yield* reasonOf(storage.read(file * 8, bytes)), "Link")
          assert.strictEqual(yield* reasonOf(storage.statFiles([file])), "Link")
        }
        yield* storage.write(24, payload.slice(24))
      }))
      assert.deepStrictEqual(fs.readdirSync(outside).toSorted(), ["file", "secret"])
      assert.strictEqual(fs.readFileSync(path.join(outside, "secret"), "utf8"), "12345678")
    }))

  it.live("refuses a link in the place of an empty file, and a pipe in the place of any", () =>
    Effect.gen(function*() {
      const dir = yield* Support.temporary
      const { metainfo } = Support.torrent([{ length: 0, path: ["empty"] }, { length: 4, path: ["pipe"] }], 4)
      spawnSync("mkfifo", [path.join(dir, "pipe")])
      const open = Effect.flatMap(FileStore, (store) => store.open({ metainfo, dir }))
      const read = Effect.flatMap(open, (storage) => storage.read(0, new Uint8Array(4)))
      assert.strictEqual(yield* onDisk(reasonOf(read)), "NotAFile")
      fs.rmSync(path.join(dir, "empty"))
      fs.symlinkSync("/etc/passwd", path.join(dir, "empty"))
      assert.strictEqual(yield* onDisk(reasonOf(open)), "Link")
    }))

  it.live("accepts a download folder that is itself a link", () =>
    Effect.gen(function*() {
      const dir = yield* Support.temporary
      fs.mkdirSync(path.join(dir, "real"))
      fs.symlinkSync("real", path.join(dir, "link"))
      const { metainfo, payload } = Support.torrent([{ length: 8, path: ["file"] }], 8)
      yield* onDisk(Effect.flatMap(FileStore, (store) =>
        Effect.flatMap(store.open({ metainfo, dir: path.join(dir, "link") }), (storage) =>
          storage.write(0, payload))))
      assert.deepStrictEqual(new Uint8Array(fs.readFileSync(path.join(dir, "real", "file"))), payload)
    }))

  it.live("a file that was cut, deleted or never there has a name for it", () =>
    Effect.gen(function*() {
      const dir = yield* Support.temporary
      const torrent = Support.torrent([{ length: 30, path: ["a"] }, { length: 30, path: ["b"] }], 16)
      const place = Support.place(torrent, dir, 0)
      fs.truncateSync(place, 20)
      yield* onDisk(Effect.gen(function*() {
        const storage = yield* (yield* FileStore).open({ metainfo: torrent.metainfo, dir })
        yield* storage.read(0, new Uint8Array(20))
        assert.strictEqual(yield* reasonOf(storage.read(10, new Uint8Array(16))), "ShortRead")
        assert.strictEqual(yield* reasonOf(storage.read(40, new Uint8Array(1))), "Missing")
        assert.isFalse(fs.existsSync(path.join(dir, "b")))
        yield* storage.write(0, Support.content(torrent, 0))
        fs.rmSync(place)
        assert.strictEqual(yield* reasonOf(storage.sync), "Missing")
        assert.strictEqual(yield* reasonOf(storage.sync), "Missing")
      }))
    }))

  it.live("a read-only storage creates and changes nothing", () =>
    Effect.gen(function*() {
      const dir = yield* Support.temporary
      const torrent = Support.torrent([{ length: 0, path: ["empty"] }, { length: 8, path: ["f", "a"] }, {
        length: 8,
        path: ["b"]
      }], 8)
      Support.place(torrent, dir, 2)
      yield* onDisk(Effect.gen(function*() {
        const storage = yield* (yield* FileStore).open({ metainfo: torrent.metainfo, dir, readOnly: true })
        assert.strictEqual(yield* reasonOf(storage.write(0, new Uint8Array(8))), "ReadOnly")
        assert.strictEqual(yield* reasonOf(storage.trim(2)), "ReadOnly")
        const into = new Uint8Array(8)
        yield* storage.read(8, into)
        assert.deepStrictEqual(into, Support.content(torrent, 2).slice())
      }))
      assert.deepStrictEqual(fs.readdirSync(dir), ["b"])
    }))

  it.live("an unwanted file that exists keeps its own bytes; the part file holds the others", () =>
    Effect.gen(function*() {
      const dir = yield* Support.temporary
      const torrent = Support.torrent([
        { length: 10, path: ["wanted"] },
        { length: 10, path: ["there"] },
        { length: 10, path: ["away"] }
      ], 32)
      Support.place(torrent, dir, 1, new Uint8Array(10))
      fs.symlinkSync("/etc/passwd", path.join(dir, "away"))
      const partFile = path.join(dir, "state", "part")
      fs.mkdirSync(path.dirname(partFile))
      yield* onDisk(Effect.gen(function*() {
        const options = { metainfo: torrent.metainfo, dir, partFile, selected: (file: number) => file === 0 }
        const storage = yield* (yield* FileStore).open(options)
        assert.deepStrictEqual([0, 1, 2].map(storage.inPart), [false, false, true])
        yield* storage.write(0, torrent.payload)
        assert.deepStrictEqual((yield* storage.stat).map((stat) => stat?.length), [10, 10, 10])
      }))
      assert.deepStrictEqual(
        new Uint8Array(fs.readFileSync(path.join(dir, "there"))),
        Support.content(torrent, 1).slice()
      )
      assert.strictEqual(fs.readlinkSync(path.join(dir, "away")), "/etc/passwd")
      assert.deepStrictEqual(
        new Uint8Array(fs.readFileSync(partFile).subarray(20)),
        Support.content(torrent, 2).slice()
      )
    }))

  it.live("a full disk is NoSpace, and what was written stays readable", (context) =>
    Effect.gen(function*() {
      const dir = yield* Support.temporary
      const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", dir]).status === 0
      if (!mounted) return context.skip("mounting a small tmpfs is not permitted here")
      yield* Effect.addFinalizer(() => Effect.sync(() => spawnSync("umount", [dir])))
      const torrent = Support.torrent([{ length: 100_000 }, { length: 300_000 }], 65_536)
      yield* onDisk(Effect.gen(function*() {
        const storage = yield* (yield* FileStore).open({ metainfo: torrent.metainfo, dir })
        yield* storage.write(0, torrent.payload.subarray(0, 131_072))
        const error = yield* Effect.flip(storage.write(131_072, torrent.payload.subarray(131_072)))
        assert.strictEqual(error.reason._tag, "NoSpace")
        assert.include(error.message, storage.path(1))
        const into = new Uint8Array(131_072)
        yield* storage.read(0, into)
        assert.deepStrictEqual(into, torrent.payload.slice(0, 131_072))
      }))
    }))

  it.live("a file system mounted read only, or a folder that is a file, is named at once", (context) =>
    Effect.gen(function*() {
      const dir = yield* Support.temporary
      const { metainfo } = Support.torrent([{ length: 8, path: ["top", "file"] }], 8)
      const write = (folder: string) =>
        onDisk(
          reasonOf(Effect.flatMap(FileStore, (store) =>
            Effect.flatMap(store.open({ metainfo, dir: folder }), (storage) =>
              storage.write(0, new Uint8Array(8)))))
        )
      fs.writeFileSync(path.join(dir, "file"), "")
      assert.strictEqual(yield* write(path.join(dir, "file")), "NoFolder")
      fs.mkdirSync(path.join(dir, "mount"))
      const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "ro", "tmpfs", path.join(dir, "mount")]).status === 0
      if (!mounted) return context.skip("mounting a tmpfs is not permitted here")
      yield* Effect.addFinalizer(() => Effect.sync(() => spawnSync("umount", [path.join(dir, "mount")])))
      assert.strictEqual(yield* write(path.join(dir, "mount")), "ReadOnly")
      assert.strictEqual(yield* write(path.join(dir, "mount", "below")), "ReadOnly")
    }))
})

describe("FileStore", () => {
  it.effect.prop("in memory behaves like one run of bytes", scenario, (input) => {
    const disk = MemoryDisk.make()
    return Effect.gen(function*() {
      const { metainfo, model, storage } = yield* behavesLikeBytes(input, "/downloads")
      metainfo.files.forEach((file, index) => {
        const found = MemoryDisk.contentOf(disk, storage.path(index))
        if (found !== undefined) assert.deepStrictEqual(found, model.subarray(file.offset, file.offset + file.length))
      })
    }).pipe(Effect.provide(FileStore.layerMemory(disk)))
  }, { arbitrary: { runs: 200 } })

  it.live("keeps to its bound of open files, and closes them all", () =>
    Effect.gen(function*() {
      const dir = yield* Support.temporary
      const torrent = Support.torrent(Array.from({ length: 500 }, () => ({ length: 10 })), 64)
      const { layout } = torrent.metainfo
      const openIn = () =>
        fs.readdirSync("/proc/self/fd").filter((fd) => {
          try {
            return fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith(dir)
          } catch {
            return false
          }
        }).length
      const seen: Array<number> = []
      yield* onDiskWith(Infinity)(
        Effect.gen(function*() {
          const storage = yield* (yield* FileStore).open({ metainfo: torrent.metainfo, dir })
          const pieces = Array.from({ length: layout.pieces }, (_, piece) => piece)
          yield* Effect.forEach(pieces, (piece) =>
            Effect.andThen(
              storage.write(piece * 64, Support.piece(torrent, piece)),
              Effect.sync(() => seen.push(openIn()))
            ), { concurrency: 40 })
          yield* storage.sync
          const all = new Uint8Array(layout.totalLength)
          yield* storage.read(0, all)
          assert.deepStrictEqual(all, torrent.payload)
        }),
        8
      )
      assert.isAtMost(Math.max(...seen), 8)
      assert.isAtLeast(Math.max(...seen), 4)
      assert.strictEqual(openIn(), 0)
    }))

  it.live("looks at a folder anew each time: one that became a link is not followed", () =>
    Effect.gen(function*() {
      const dir = yield* Support.temporary
      const outside = yield* Support.temporary
      const torrent = Support.torrent([{ length: 8, path: ["f", "a"] }, { length: 8, path: ["f", "b"] }], 8)
      yield* onDiskWith(1)(Effect.gen(function*() {
        const storage = yield* (yield* FileStore).open({ metainfo: torrent.metainfo, dir })
        yield* storage.write(0, Support.piece(torrent, 0))
        fs.renameSync(path.join(dir, "f"), path.join(outside, "f"))
        fs.symlinkSync(path.join(outside, "f"), path.join(dir, "f"))
        assert.strictEqual(yield* reasonOf(storage.write(8, Support.piece(torrent, 1))), "Link")
        assert.strictEqual(yield* reasonOf(storage.read(0, new Uint8Array(8))), "Link")
        assert.strictEqual(yield* reasonOf(storage.stat), "Link")
        assert.strictEqual(yield* reasonOf(storage.sync), "Link")
      }))
      assert.deepStrictEqual(fs.readdirSync(path.join(outside, "f")), ["a"])
    }))

  it.effect("the memory layer fills up and empties again", () => {
    const disk = MemoryDisk.make({ quota: 10 })
    return Effect.gen(function*() {
      const { metainfo, payload } = Support.torrent([{ length: 8 }, { length: 8 }], 8)
      const storage = yield* (yield* FileStore).open({ metainfo, dir: "/d" })
      yield* storage.write(0, payload.slice(0, 8))
      assert.strictEqual(yield* reasonOf(storage.write(8, payload.slice(8))), "NoSpace")
      disk.quota = 16
      yield* storage.write(8, payload.slice(8))
      assert.deepStrictEqual(MemoryDisk.contentOf(disk, storage.path(1)), payload.subarray(8))
    }).pipe(Effect.provide(FileStore.layerMemory(disk)))
  })

  it.effect("bytes outside the payload are a bug of the caller", () =>
    Effect.gen(function*() {
      const { metainfo } = Support.torrent([{ length: 8 }], 8)
      const storage = yield* (yield* FileStore).open({ metainfo, dir: "/d" })
      assert.isTrue(Exit.hasDies(yield* Effect.exit(storage.read(4, new Uint8Array(8)))))
    }).pipe(Effect.provide(FileStore.layerMemory())))
})
