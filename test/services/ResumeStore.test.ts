import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Bitfield from "../../src/domain/Bitfield.ts"
import * as Resume from "../../src/domain/Resume.ts"
import type * as ProcessLock from "../../src/services/resume/ProcessLock.ts"
import * as ResumeStore from "../../src/services/ResumeStore.ts"
import * as Support from "../support/payload.ts"

const { metainfo } = Support.torrent([{ length: 70_000 }, { length: 30_000 }], 32_768)

const record = (pieces: number): Resume.ResumeRecord => {
  const have = Bitfield.make(metainfo.layout.pieces)
  for (let piece = 0; piece < pieces; piece++) Bitfield.set(have, piece)
  return {
    have,
    masks: new Map([[3, Uint8Array.of(0b1000_0000)]]),
    closed: Resume.noneClosed(2),
    inPart: Bitfield.make(2),
    uploaded: 12,
    downloaded: 34
  }
}

const on = (stateDir: string, owner?: ProcessLock.Owner) =>
  Effect.provide(ResumeStore.ResumeStore.layerDisk(owner === undefined ? { stateDir } : { stateDir, owner }))

const open = (dir: string) =>
  Effect.flatMap(ResumeStore.ResumeStore, (store) => store.open({ infoHash: metainfo.infoHash, dir }))

/** The one folder of records. */
const folderIn = (stateDir: string): string => {
  const [name] = fs.readdirSync(path.join(stateDir, "resume"))
  return path.join(stateDir, "resume", name!)
}

const startOf = (pid: number): string => {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1")
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]!
}

/** A live process that does nothing. */
const bystander = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => spawn("sleep", ["1000"], { stdio: "ignore" })),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  ),
  (child): ProcessLock.Owner => ({ pid: child.pid!, start: startOf(child.pid!) })
)

/** Writes until the disk is full. */
const fillUp = (file: string): void => {
  try {
    for (;;) fs.appendFileSync(file, Buffer.alloc(4096))
  } catch (cause) {
    assert.include(String(cause), "ENOSPC")
  }
}

const deadPid = (): number => spawnSync("true").pid

describe("ResumeStore", () => {
  it.live("gives back the last record, to the same folder by whatever path", () =>
    Effect.gen(function*() {
      const dir = yield* Support.temporary
      const stateDir = path.join(dir, "state")
      fs.mkdirSync(path.join(dir, "real"))
      fs.symlinkSync("real", path.join(dir, "link"))
      yield* Effect.scoped(Effect.gen(function*() {
        const handle = yield* open(path.join(dir, "real"))
        assert.deepStrictEqual(yield* handle.load(metainfo), { record: undefined, warning: undefined })
        assert.isUndefined(yield* handle.save(metainfo, record(1)))
        assert.isUndefined(yield* handle.save(metainfo, record(2)))
      })).pipe(on(stateDir))
      yield* Effect.scoped(Effect.gen(function*() {
        const handle = yield* open(path.join(dir, "link"))
        assert.deepStrictEqual((yield* handle.load(metainfo)).record, record(2))
        const elsewhere = yield* open(path.join(dir, "not", "yet"))
        assert.isUndefined((yield* elsewhere.load(metainfo)).record)
        yield* handle.remove
      })).pipe(on(stateDir))
      assert.deepStrictEqual(fs.readdirSync(path.join(stateDir, "resume")), [])
    }))

  it.live.prop("moves a damaged record aside and goes on without it", {
    at: Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1000 }))),
    how: Arbitrary.schema(Schema.Literals(["flip", "cut", "grow"]))
  }, ({ at, how }) =>
    Effect.scoped(Effect.gen(function*() {
      const stateDir = yield* Support.temporary
      const handle = yield* open("/downloads").pipe(on(stateDir))
      yield* handle.save(metainfo, record(2))
      const file = path.join(folderIn(stateDir), "record")
      const bytes = fs.readFileSync(file)
      if (how === "flip") bytes[at % bytes.length]! ^= 0x10
      const spoiled = how === "cut" ? bytes.subarray(0, at % bytes.length) : bytes
      fs.writeFileSync(file, how === "grow" ? Buffer.alloc(2_000_000) : spoiled)
      const { record: loaded, warning } = yield* handle.load(metainfo)
      assert.isUndefined(loaded)
      assert.strictEqual(warning?._tag, "Damaged")
      assert.include(ResumeStore.explain(warning!), "record.damaged")
      assert.isTrue(fs.existsSync(path.join(folderIn(stateDir), "record.damaged")))
      assert.deepStrictEqual(yield* handle.load(metainfo), { record: undefined, warning: undefined })
      yield* handle.save(metainfo, record(3))
      assert.deepStrictEqual((yield* handle.load(metainfo)).record, record(3))
    })), { arbitrary: { runs: 30 } })

  it.live("a state folder that cannot be written is a warning, and the record before stands", () =>
    Effect.gen(function*() {
      const dir = yield* Support.temporary
      fs.writeFileSync(path.join(dir, "file"), "")
      const handle = yield* open("/downloads").pipe(on(path.join(dir, "file", "state")))
      assert.strictEqual(handle.warning?._tag, "Unwritable")
      assert.isUndefined(handle.partFile)
      assert.strictEqual((yield* handle.save(metainfo, record(1)))?._tag, "Unwritable")
      assert.deepStrictEqual(yield* handle.load(metainfo), { record: undefined, warning: undefined })
    }))

  it.live("a disk that fills up takes one more record, from the room that was kept", (context) =>
    Effect.gen(function*() {
      const stateDir = yield* Support.temporary
      if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", stateDir]).status !== 0) {
        return context.skip("mounting a small tmpfs is not permitted here")
      }
      yield* Effect.addFinalizer(() => Effect.sync(() => spawnSync("umount", [stateDir])))
      yield* Effect.scoped(Effect.gen(function*() {
        const handle = yield* open("/downloads")
        yield* handle.save(metainfo, record(1))
        fillUp(path.join(stateDir, "filler"))
        assert.isUndefined(yield* handle.save(metainfo, record(2)))
        assert.deepStrictEqual((yield* handle.load(metainfo)).record, record(2))
      })).pipe(on(stateDir))
      assert.deepStrictEqual(fs.readdirSync(folderIn(stateDir)), ["record"])
    }))

  it.live("a full state disk keeps the record before", (context) =>
    Effect.gen(function*() {
      const stateDir = yield* Support.temporary
      if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", stateDir]).status !== 0) {
        return context.skip("mounting a small tmpfs is not permitted here")
      }
      yield* Effect.addFinalizer(() => Effect.sync(() => spawnSync("umount", [stateDir])))
      yield* Effect.scoped(Effect.gen(function*() {
        const handle = yield* open("/downloads")
        yield* handle.save(metainfo, record(1))
        const filler = path.join(stateDir, "filler")
        fillUp(filler)
        const warning = yield* handle.save(metainfo, record(2))
        assert.strictEqual(warning?._tag === "Unwritable" && warning.code, "ENOSPC")
        assert.deepStrictEqual((yield* handle.load(metainfo)).record, record(1))
        fs.rmSync(filler)
        assert.isUndefined(yield* handle.save(metainfo, record(2)))
      })).pipe(on(stateDir))
    }))

  it.live("refuses what a live process holds, says who, and leaves its lock alone", () =>
    Effect.gen(function*() {
      const stateDir = yield* Support.temporary
      const other = yield* bystander
      yield* open("/downloads").pipe(on(stateDir, other))
      const error = yield* Effect.flip(open("/downloads").pipe(on(stateDir)))
      assert.strictEqual(error.reason.pid, other.pid)
      assert.include(error.message, String(other.pid))
      assert.deepStrictEqual(fs.readdirSync(folderIn(stateDir)), [`lock-${other.pid}-${other.start}`])
      yield* open("/elsewhere").pipe(on(stateDir))
    }))

  it.live("refuses a second time in the same process, until the first is closed", () =>
    Effect.gen(function*() {
      const stateDir = yield* Support.temporary
      yield* Effect.gen(function*() {
        yield* Effect.scoped(Effect.gen(function*() {
          yield* open("/downloads")
          const error = yield* Effect.flip(open("/downloads"))
          assert.strictEqual(error.reason.pid, process.pid)
        }))
        yield* open("/downloads")
      }).pipe(on(stateDir))
    }))

  it.live("takes over from a dead process, and from one whose number was given to another", () =>
    Effect.gen(function*() {
      const stateDir = yield* Support.temporary
      const other = yield* bystander
      yield* Effect.scoped(open("/downloads").pipe(Effect.flatMap((handle) => handle.save(metainfo, record(2))))).pipe(
        on(stateDir)
      )
      const folder = folderIn(stateDir)
      fs.writeFileSync(path.join(folder, `lock-${deadPid()}-12345`), "")
      fs.writeFileSync(path.join(folder, `lock-${other.pid}-${Number(other.start) - 1}`), "")
      const handle = yield* open("/downloads").pipe(on(stateDir))
      assert.deepStrictEqual((yield* handle.load(metainfo)).record, record(2))
      assert.deepStrictEqual(fs.readdirSync(folder).toSorted(), [
        `lock-${process.pid}-${startOf(process.pid)}`,
        "record"
      ])
    }))

  it.live("of many that take over at once, at most one has it, every time", () =>
    Effect.gen(function*() {
      const stateDir = yield* Support.temporary
      const owners = yield* Effect.all([bystander, bystander, bystander, bystander])
      let taken = 0
      for (let round = 0; round < 10; round++) {
        const dir = `/downloads${round}`
        fs.rmSync(path.join(stateDir, "resume"), { recursive: true, force: true })
        yield* Effect.scoped(open(dir).pipe(Effect.flatMap((handle) => handle.save(metainfo, record(1))))).pipe(
          on(stateDir)
        )
        fs.writeFileSync(path.join(folderIn(stateDir), `lock-${deadPid()}-1`), "")
        const claim = (owner: ProcessLock.Owner): Effect.Effect<number, never, Scope.Scope> =>
          open(dir).pipe(Effect.as(1), Effect.catchTag("ResumeError", () => Effect.succeed(0)), on(stateDir, owner))
        const wins = yield* Effect.scoped(Effect.forEach(owners, claim, { concurrency: "unbounded" }))
        const total = wins[0]! + wins[1]! + wins[2]! + wins[3]!
        assert.isAtMost(total, 1)
        taken += total
      }
      assert.isAtLeast(taken, 5)
    }))

  it("finds the state folder as the XDG specification says", () => {
    assert.strictEqual(ResumeStore.defaultStateDir({ XDG_STATE_HOME: "/s", HOME: "/h" }), "/s/freshet")
    assert.strictEqual(ResumeStore.defaultStateDir({ XDG_STATE_HOME: "s", HOME: "/h" }), "/h/.local/state/freshet")
    assert.strictEqual(ResumeStore.defaultStateDir({ XDG_STATE_HOME: "", HOME: "/h" }), "/h/.local/state/freshet")
  })

  it.effect("the memory layer keeps, locks and moves aside as the disk does", () => {
    const records = new Map<string, Uint8Array>()
    return Effect.gen(function*() {
      const handle = yield* open("/d")
      assert.strictEqual((yield* Effect.flip(open("/d"))).reason._tag, "Locked")
      yield* handle.save(metainfo, record(2))
      assert.deepStrictEqual((yield* handle.load(metainfo)).record, record(2))
      for (const bytes of records.values()) bytes[70]! ^= 1
      assert.strictEqual((yield* handle.load(metainfo)).warning?._tag, "Damaged")
      assert.isUndefined((yield* handle.load(metainfo)).record)
    }).pipe(Effect.provide(ResumeStore.ResumeStore.layerMemory(records) satisfies Layer.Layer<ResumeStore.ResumeStore>))
  })
})
