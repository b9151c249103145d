import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Bitfield from "../../src/domain/Bitfield.ts"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import * as Resume from "../../src/domain/Resume.ts"
import * as Checker from "../../src/services/Checker.ts"
import { FileStore, FileStoreError, type OpenOptions, Reason } from "../../src/services/FileStore.ts"
import { PieceVerifier } from "../../src/services/PieceVerifier.ts"
import * as MemoryDisk from "../../src/services/storage/MemoryDisk.ts"
import * as Support from "../support/payload.ts"

const int = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))

const DIR = "/d"

/** What the tests may change of a check. */
type Given = Partial<Checker.CheckOptions> & Pick<OpenOptions, "selected" | "partFile">

/** Runs a check over a disk in memory; counts the bytes that were read. */
const check = Effect.fnUntraced(function*(torrent: Support.Torrent, disk: MemoryDisk.MemoryDisk, given: Given = {}) {
  const { partFile, selected, ...options } = given
  const { metainfo } = torrent
  const store = FileStore.use((store) => store.open({ metainfo, dir: DIR, partFile, selected }))
  const storage = yield* Effect.provide(store, FileStore.layerMemory(disk))
  const verifier = yield* PieceVerifier
  let read = 0
  const counting = {
    ...storage,
    read: (offset: number, into: Uint8Array) => {
      read += into.length
      return storage.read(offset, into)
    }
  }
  const defaults = {
    metainfo,
    storage: counting,
    verifier,
    record: undefined,
    checkIntegrity: false,
    allowOverwrite: false
  }
  const found = yield* Checker.check({ ...defaults, ...options })
  return { ...found, read, storage }
}, Effect.provide(PieceVerifier.layerNode))

const pathOf = (torrent: Support.Torrent, file: number): string =>
  [DIR, ...torrent.metainfo.files[file]!.path].join("/")

const put = (
  torrent: Support.Torrent,
  disk: MemoryDisk.MemoryDisk,
  file: number,
  bytes = Support.content(torrent, file)
) => MemoryDisk.put(disk, pathOf(torrent, file), bytes)

const bits = (...pieces: ReadonlyArray<number>): number => pieces.reduce((byte, piece) => byte | (0x80 >>> piece), 0)

const recordOf = (found: Checker.Checked, inPart: Bitfield.Bitfield): Resume.ResumeRecord => ({
  have: found.have,
  masks: found.masks,
  closed: found.closed,
  inPart,
  uploaded: 0,
  downloaded: 0
})

describe("Checker without a record", () => {
  it.effect.prop("finds exactly the pieces that are right, and remembers them unread", {
    files: Arbitrary.array(Arbitrary.all({ length: int(0, 50), kind: int(0, 6) }), { minLength: 1, maxLength: 8 }),
    spoil: Arbitrary.array(int(0, 10_000), { maxLength: 3 })
  }, ({ files, spoil }) =>
    Effect.gen(function*() {
      const torrent = Support.torrent(files.map(({ kind, length }) => ({ length, padding: kind === 0 })), 16)
      const { metainfo, payload } = torrent
      const disk = MemoryDisk.make()
      const present = payload.slice()
      metainfo.files.forEach((file, index) => {
        if (file.padding || files[index]!.kind === 1) return
        for (const at of spoil) if (file.length > 0 && at % 3 === 0) present[file.offset + at % file.length]! ^= 1
        put(torrent, disk, index, present.subarray(file.offset, file.offset + file.length))
      })
      const found = yield* check(torrent, disk, { allowOverwrite: true })
      for (let piece = 0; piece < metainfo.layout.pieces; piece++) {
        const right = Resume.storedFilesOf(metainfo, piece).every(({ at, file, length }) => {
          const offset = PieceLayout.pieceOffset(metainfo.layout, piece) + at
          return files[file]!.kind !== 1 &&
            present.subarray(offset, offset + length).every((byte, index) => byte === payload[offset + index])
        })
        assert.strictEqual(Bitfield.has(found.have, piece), right)
      }
      assert.isTrue(found.rechecked)
      const record = recordOf(found, Bitfield.make(files.length))
      const again = yield* check(torrent, disk, { record })
      assert.deepStrictEqual(again.have, found.have)
      assert.deepStrictEqual(again.closed, found.closed)
      const open = metainfo.files.filter((file, index) =>
        !file.padding && file.length > 0 && !Bitfield.has(found.closed.files, index)
      )
      assert.isAtMost(again.read, open.length * 16)
      assert.isFalse(again.rechecked)
    }), { arbitrary: { runs: 150 } })

  it.effect("reports its progress in bytes, up to the end", () =>
    Effect.gen(function*() {
      const torrent = Support.torrent([{ length: 3_000_000 }, { length: 1_000_000 }], 65_536)
      const disk = MemoryDisk.make()
      put(torrent, disk, 0)
      const seen: Array<readonly [number, number]> = []
      const onProgress = (checked: number, total: number) => {
        seen.push([checked, total])
      }
      yield* check(torrent, disk, { onProgress })
      const reachable = 45 * 65_536
      assert.isAbove(seen.length, 2)
      assert.deepStrictEqual(seen.at(-1), [reachable, reachable])
    }))

  it.effect("refuses files that cannot be ours, unless told otherwise", () =>
    Effect.gen(function*() {
      const torrent = Support.torrent([{ length: 40 }, { length: 42 }, { length: 4 }], 16)
      const refused = (file: number, bytes: Uint8Array, given: Given = {}) => {
        const disk = MemoryDisk.make()
        put(torrent, disk, 0)
        put(torrent, disk, file, bytes)
        return Effect.match(check(torrent, disk, given), {
          onSuccess: () => "fine",
          onFailure: (error) => error._tag === "CheckerError" ? error.reason.why : error.message
        })
      }
      const longer = new Uint8Array(43)
      assert.strictEqual(yield* refused(1, longer), "TooLong")
      assert.strictEqual(yield* refused(1, Support.noise(42, 9)), "NothingRight")
      assert.strictEqual(yield* refused(1, Support.noise(3, 9)), "NothingRight")
      assert.strictEqual(yield* refused(1, new Uint8Array(0)), "fine")
      assert.strictEqual(yield* refused(1, Support.content(torrent, 1)), "fine")
      // The last file shares its only piece with the file before it, which is absent: nobody can tell.
      assert.strictEqual(yield* refused(2, new Uint8Array(4)), "fine")
      assert.strictEqual(yield* refused(2, new Uint8Array(5)), "TooLong")
      assert.strictEqual(yield* refused(1, longer, { allowOverwrite: true }), "fine")
      assert.strictEqual(yield* refused(1, Support.noise(42, 9), { allowOverwrite: true }), "fine")
    }))

  it.effect("a small stranger alone in the folder is told by its length", () =>
    Effect.gen(function*() {
      const torrent = Support.torrent([{ length: 6 }, { length: 40 }], 16)
      const disk = MemoryDisk.make()
      put(torrent, disk, 0, Support.noise(5, 9))
      const error = yield* Effect.flip(check(torrent, disk))
      assert.strictEqual(error._tag, "CheckerError")
      assert.include(error.message, pathOf(torrent, 0))
      put(torrent, disk, 0)
      assert.deepStrictEqual((yield* check(torrent, disk)).have, Bitfield.make(3))
    }))

  it.effect("cuts a file that is too long, if allowed", () =>
    Effect.gen(function*() {
      const torrent = Support.torrent([{ length: 40 }], 16)
      const disk = MemoryDisk.make()
      const longer = new Uint8Array(50)
      longer.set(torrent.payload)
      put(torrent, disk, 0, longer)
      const found = yield* check(torrent, disk, { allowOverwrite: true })
      assert.isTrue(Bitfield.isFull(found.have, 3))
      assert.strictEqual(MemoryDisk.contentOf(disk, pathOf(torrent, 0))?.length, 40)
      assert.isTrue(Bitfield.has(found.closed.files, 0))
    }))

  it.effect("a disk that fails to read is an error, not a missing piece", () =>
    Effect.gen(function*() {
      const torrent = Support.torrent([{ length: 40 }], 16)
      const disk = MemoryDisk.make()
      put(torrent, disk, 0)
      const { storage } = yield* check(torrent, disk)
      const reason = Reason.Io({ path: "x", code: "EIO", operation: "reading" })
      const broken = { ...storage, read: () => Effect.fail(new FileStoreError({ reason })) }
      const error = yield* Effect.flip(check(torrent, disk, { storage: broken }))
      assert.strictEqual(error._tag === "FileStoreError" && error.reason._tag, "Io")
    }))
})

describe("Checker with a record", () => {
  /** Two files of three pieces; the second is still being written, its last piece is not there. */
  const scene = Effect.fnUntraced(function*() {
    const torrent = Support.torrent([{ length: 48 }, { length: 48 }], 16)
    const disk = MemoryDisk.make()
    put(torrent, disk, 0)
    put(torrent, disk, 1, Support.content(torrent, 1).subarray(0, 32))
    const found = yield* check(torrent, disk)
    assert.deepStrictEqual(found.have, Uint8Array.of(bits(0, 1, 2, 3, 4)))
    return { torrent, disk, record: recordOf(found, Bitfield.make(2)) }
  })
  const spoil = (disk: MemoryDisk.MemoryDisk, path: string, at: number) => {
    MemoryDisk.contentOf(disk, path)![at]! ^= 1
  }

  it.effect("reads one sample of the open file and nothing of the closed one", () =>
    Effect.gen(function*() {
      const { disk, record, torrent } = yield* scene()
      const again = yield* check(torrent, disk, { record })
      assert.strictEqual(again.read, 16)
      assert.deepStrictEqual(again.have, record.have)
    }))

  it.effect("a closed file that changed is hashed", () =>
    Effect.gen(function*() {
      const { disk, record, torrent } = yield* scene()
      const changed = Support.content(torrent, 0).slice()
      changed[20]! ^= 1
      put(torrent, disk, 0, changed)
      const again = yield* check(torrent, disk, { record })
      assert.deepStrictEqual(again.have, Uint8Array.of(bits(0, 2, 3, 4)))
      assert.isFalse(Bitfield.has(again.closed.files, 0))
    }))

  it.effect("an open file whose sample is wrong is hashed", () =>
    Effect.gen(function*() {
      const { disk, record, torrent } = yield* scene()
      const have = record.have.slice()
      Bitfield.clear(have, 4)
      spoil(disk, pathOf(torrent, 1), 0)
      const again = yield* check(torrent, disk, { record: { ...record, have } })
      assert.deepStrictEqual(again.have, Uint8Array.of(bits(0, 1, 2)))
    }))

  it.effect("pieces past the record do not count, were they right", () =>
    Effect.gen(function*() {
      const { disk, record, torrent } = yield* scene()
      put(torrent, disk, 1)
      const again = yield* check(torrent, disk, { record })
      assert.deepStrictEqual(again.have, record.have)
      const all = yield* check(torrent, disk, { record, checkIntegrity: true })
      assert.isTrue(Bitfield.isFull(all.have, 6))
      assert.isTrue(all.rechecked)
    }))

  it.effect("a file that is gone takes its pieces with it; one cut short keeps those that verify", () =>
    Effect.gen(function*() {
      const { disk, record, torrent } = yield* scene()
      disk.files.delete(pathOf(torrent, 0))
      put(torrent, disk, 1, Support.content(torrent, 1).subarray(0, 20))
      const again = yield* check(torrent, disk, { record })
      assert.deepStrictEqual(again.have, Uint8Array.of(bits(3)))
    }))

  it.effect("bytes in the part file count, unless the file is wanted now", () =>
    Effect.gen(function*() {
      const torrent = Support.torrent([{ length: 24 }, { length: 24 }], 16)
      const disk = MemoryDisk.make()
      const given: Given = { partFile: "/s/part", selected: (file) => file === 0 }
      const { storage } = yield* check(torrent, disk, given)
      yield* storage.write(0, torrent.payload.slice(0, 32))
      const found = yield* check(torrent, disk, given)
      assert.deepStrictEqual(found.have, Uint8Array.of(bits(0, 1)))
      const record = recordOf(found, Uint8Array.of(bits(1)))
      assert.deepStrictEqual((yield* check(torrent, disk, { ...given, record })).have, found.have)
      assert.deepStrictEqual((yield* check(torrent, disk, { record })).have, Uint8Array.of(bits(0)))
    }))

  it.effect("masks stand while their files reach as far", () =>
    Effect.gen(function*() {
      const pieceLength = 4 * PieceLayout.BLOCK
      const torrent = Support.torrent([{ length: pieceLength }], pieceLength)
      const disk = MemoryDisk.make()
      const record = {
        ...recordOf(yield* check(torrent, disk), Bitfield.make(1)),
        masks: new Map([[0, Uint8Array.of(bits(0, 1))]])
      }
      put(torrent, disk, 0, torrent.payload.subarray(0, 2 * PieceLayout.BLOCK))
      assert.deepStrictEqual((yield* check(torrent, disk, { record })).masks, record.masks)
      put(torrent, disk, 0, torrent.payload.subarray(0, 2 * PieceLayout.BLOCK - 1))
      assert.strictEqual((yield* check(torrent, disk, { record })).masks.size, 0)
    }))
})

describe("Checker on disk", () => {
  it.live("sees a change by the modification time alone", () =>
    Effect.gen(function*() {
      const dir = yield* Support.temporary
      const torrent = Support.torrent([{ length: 100_000 }, { length: 50_000 }], 32_768)
      const { metainfo } = torrent
      Support.place(torrent, dir, 0)
      Support.place(torrent, dir, 1)
      const storage = yield* FileStore.use((store) => store.open({ metainfo, dir }))
      const verifier = yield* PieceVerifier
      const options = { metainfo, storage, verifier, checkIntegrity: false, allowOverwrite: false }
      const found = yield* Checker.check({ ...options, record: undefined })
      assert.isTrue(Bitfield.isFull(found.have, metainfo.layout.pieces))
      const record = recordOf(found, Bitfield.make(2))
      let hashed = 0
      const onProgress = (checked: number) => {
        hashed = checked
      }
      yield* Checker.check({ ...options, record, onProgress })
      assert.strictEqual(hashed, 0)
      const spoiled = Support.content(torrent, 1).slice()
      spoiled[49_999]! ^= 1
      Support.place(torrent, dir, 1, spoiled)
      const again = yield* Checker.check({ ...options, record, onProgress })
      assert.isFalse(Bitfield.has(again.have, metainfo.layout.pieces - 1))
      assert.strictEqual(Bitfield.count(again.have), metainfo.layout.pieces - 1)
      assert.isAbove(hashed, 0)
    }).pipe(Effect.provide(Layer.merge(FileStore.layerDisk(), PieceVerifier.layerWebCrypto))))
})
