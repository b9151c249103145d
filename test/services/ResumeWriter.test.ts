import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Bitfield from "../../src/domain/Bitfield.ts"
import * as Resume from "../../src/domain/Resume.ts"
import { FileStore, FileStoreError, Reason } from "../../src/services/FileStore.ts"
import { ResumeStore, ResumeWarning } from "../../src/services/ResumeStore.ts"
import * as ResumeWriter from "../../src/services/ResumeWriter.ts"
import * as Support from "../support/payload.ts"

const torrent = Support.torrent([{ length: 40 }, { length: 24 }], 16)
const { metainfo } = torrent
const MIB = 1024 * 1024

/** A writer over memory layers, and a log of what it did, in order. */
const scene = Effect.fnUntraced(function*() {
  const storage = yield* FileStore.use((store) => store.open({ metainfo, dir: "/d" }))
  const handle = yield* ResumeStore.use((store) => store.open({ infoHash: metainfo.infoHash, dir: "/d" }))
  const log: Array<string> = []
  const saved: Array<Resume.ResumeRecord> = []
  const warnings: Array<ResumeWarning> = []
  const masks = new Map<number, Uint8Array>()
  /** What the next syncs and saves do, besides being logged. */
  const during = {
    sync: Effect.void as Effect.Effect<void, FileStoreError>,
    save: undefined as ResumeWarning | undefined
  }
  const writer = yield* ResumeWriter.make({
    metainfo,
    start: { have: Bitfield.make(metainfo.layout.pieces), closed: Resume.noneClosed(2) },
    storage: {
      ...storage,
      sync: Effect.suspend(() => {
        log.push("sync")
        return during.sync
      }).pipe(Effect.andThen(Effect.sync(() => log.push("synced"))), Effect.asVoid)
    },
    handle: {
      ...handle,
      save: (metainfo, record) =>
        Effect.suspend(() => {
          log.push("save")
          saved.push({
            ...record,
            closed: { files: record.closed.files.slice(), mtimes: record.closed.mtimes.slice() }
          })
          return during.save === undefined ? handle.save(metainfo, record) : Effect.succeed(during.save)
        })
    },
    snapshot: () => ({ masks, uploaded: 1, downloaded: 2 }),
    onWarning: (warning) => warnings.push(warning)
  })
  const written = (piece: number, bytes = 16) =>
    Effect.andThen(
      storage.write(piece * 16, Support.piece(torrent, piece)),
      Effect.sync(() => writer.noteWritten(piece, bytes))
    )
  return { writer, storage, handle, log, saved, warnings, masks, during, written }
})

const layers = Effect.provide(Layer.mergeAll(FileStore.layerMemory(), ResumeStore.layerMemory()))

describe("ResumeWriter", () => {
  it.effect("saves a first record, then one 5 s after the first change and none without a change", () =>
    Effect.gen(function*() {
      const { handle, saved, written } = yield* scene()
      assert.deepStrictEqual(saved.map(({ have }) => have[0]), [0])
      yield* TestClock.adjust("1 minute")
      assert.lengthOf(saved, 1)
      yield* written(0)
      yield* TestClock.adjust("3 seconds")
      yield* written(1)
      yield* TestClock.adjust("1999 millis")
      assert.lengthOf(saved, 1)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(saved.map(({ have }) => have[0]), [0, 0b1100_0000])
      yield* TestClock.adjust("1 minute")
      assert.lengthOf(saved, 2)
      assert.deepStrictEqual((yield* handle.load(metainfo)).record, saved[1])
    }).pipe(layers))

  it.effect("saves at once after 16 MiB, and only after the sync", () =>
    Effect.gen(function*() {
      const { log, saved, written } = yield* scene()
      yield* written(0, 15 * MIB)
      yield* TestClock.adjust("0 millis")
      assert.lengthOf(saved, 1)
      yield* written(1, MIB)
      yield* TestClock.adjust("0 millis")
      assert.lengthOf(saved, 2)
      assert.deepStrictEqual(log, ["sync", "synced", "save", "sync", "synced", "save"])
    }).pipe(layers))

  it.effect("rests before the next record, however much is written meanwhile", () =>
    Effect.gen(function*() {
      const { saved, writer, written } = yield* scene()
      yield* written(0, 16 * MIB)
      yield* TestClock.adjust("0 millis")
      yield* written(1, 64 * MIB)
      yield* TestClock.adjust(ResumeWriter.REST_MILLIS - 1)
      assert.lengthOf(saved, 2)
      yield* TestClock.adjust("1 millis")
      assert.lengthOf(saved, 3)
      yield* written(2, 16 * MIB)
      yield* writer.flush
      assert.lengthOf(saved, 4)
    }).pipe(layers))

  it.effect("what is written during a sync waits for the next record, one at a time", () =>
    Effect.gen(function*() {
      const { during, log, masks, saved, writer, written } = yield* scene()
      const gate = yield* Deferred.make<void>()
      during.sync = Deferred.await(gate)
      masks.set(3, Uint8Array.of(0x80))
      yield* written(0, 16 * MIB)
      yield* TestClock.adjust("0 millis")
      yield* written(1, 16 * MIB)
      masks.set(2, Uint8Array.of(0x80))
      masks.get(3)![0] = 0xc0
      const flushing = yield* Effect.forkChild(writer.flush, { startImmediately: true })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(log.slice(3), ["sync"])
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(flushing)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(saved[1]!.have, Uint8Array.of(0b1000_0000))
      assert.deepStrictEqual(saved[1]!.masks, new Map([[3, Uint8Array.of(0x80)]]))
      assert.deepStrictEqual(saved[2]!.have, Uint8Array.of(0b1100_0000))
      assert.deepStrictEqual(saved[2]!.masks, new Map([[3, Uint8Array.of(0xc0)], [2, Uint8Array.of(0x80)]]))
      assert.deepStrictEqual(log.slice(3, 9), ["sync", "synced", "save", "sync", "synced", "save"])
    }).pipe(layers))

  it.effect("a file is closed by the first sync that begins after its last piece, and opened when one is lost", () =>
    Effect.gen(function*() {
      const { during, saved, storage, writer, written } = yield* scene()
      yield* written(0)
      yield* written(1)
      during.sync = Effect.suspend(() => {
        during.sync = Effect.void
        // The last piece of the first file comes while the sync runs.
        return written(2)
      })
      yield* writer.flush
      assert.deepStrictEqual(saved[1]!.closed.files, Uint8Array.of(0))
      yield* writer.flush
      const [stat] = yield* storage.statFiles([0])
      assert.deepStrictEqual(saved[2]!.closed.files, Uint8Array.of(0b1000_0000))
      assert.strictEqual(saved[2]!.closed.mtimes[0], stat?.mtimeNs)
      writer.noteLost(1)
      yield* writer.flush
      assert.deepStrictEqual(saved[3]!.closed.files, Uint8Array.of(0))
      assert.deepStrictEqual(saved[3]!.have, Uint8Array.of(0b1010_0000))
    }).pipe(layers))

  it.effect("a record that cannot be saved is a warning, once, and is tried again", () =>
    Effect.gen(function*() {
      const { during, saved, warnings, written } = yield* scene()
      during.save = ResumeWarning.Unwritable({ path: "/s", code: "ENOSPC" })
      yield* written(0)
      yield* TestClock.adjust("16 seconds")
      assert.lengthOf(saved, 4)
      assert.lengthOf(warnings, 1)
      during.save = undefined
      yield* TestClock.adjust("1 minute")
      assert.lengthOf(saved, 5)
      assert.lengthOf(warnings, 1)
    }).pipe(layers))

  it.effect("data that cannot be synced is never recorded", () =>
    Effect.gen(function*() {
      const { during, saved, writer, written } = yield* scene()
      during.sync = Effect.fail(
        new FileStoreError({ reason: Reason.Io({ path: "/d/x", code: "EIO", operation: "syncing" }) })
      )
      yield* written(0)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Effect.flip(writer.failure)).reason._tag, "Io")
      assert.strictEqual((yield* Effect.flip(writer.flush)).reason._tag, "Io")
      assert.lengthOf(saved, 1)
    }).pipe(layers))

  it.effect("closing the scope waits for the record under way and starts no other", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { during, log, written } = yield* Effect.provideService(scene(), Scope.Scope, scope)
      const gate = yield* Deferred.make<void>()
      during.sync = Deferred.await(gate)
      yield* written(0, 16 * MIB)
      yield* TestClock.adjust("0 millis")
      yield* written(1, 16 * MIB)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(closing)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(log.slice(3), ["sync", "synced", "save"])
    }).pipe(layers))
})
