import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as os from "node:os"
import * as nodePath from "node:path"
import * as Metainfo from "../../src/domain/Metainfo.ts"
import { type MakeOptions, type PlanOptions, TorrentMaker } from "../../src/services/TorrentMaker.ts"

const KIB = 1024

const folder: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(nodePath.join(os.tmpdir(), "freshet-maker-"))),
  (path) => Effect.sync(() => fs.rmSync(path, { recursive: true }))
)

const write = (path: string, content: Uint8Array | string) => {
  fs.mkdirSync(nodePath.dirname(path), { recursive: true })
  fs.writeFileSync(path, content)
}

/** Bytes that differ from each other everywhere. */
const noise = (length: number, seed: number): Buffer => {
  const bytes = Buffer.alloc(length)
  let state = seed
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    bytes[i] = state >>> 16
  }
  return bytes
}

const sha1 = (bytes: Uint8Array) => createHash("sha1").update(bytes).digest()

const hashesOf = (payload: Buffer, pieceLength: number) => {
  const hashes: Array<Buffer> = []
  for (let at = 0; at < payload.length; at += pieceLength) hashes.push(sha1(payload.subarray(at, at + pieceLength)))
  return Buffer.concat(hashes)
}

const make = (options: PlanOptions & MakeOptions) =>
  TorrentMaker.use((maker) => Effect.flatMap(maker.plan(options), (plan) => maker.make(plan, options)))

const failure = (options: PlanOptions & MakeOptions) => Effect.flip(make(options))

const inFolder = <A, E>(body: (path: string) => Effect.Effect<A, E, TorrentMaker | Scope.Scope>) => () =>
  Effect.flatMap(folder, body).pipe(Effect.provide(TorrentMaker.layer))

describe("TorrentMaker", () => {
  it.effect(
    "writes the document that one would write by hand",
    inFolder(Effect.fnUntraced(function*(top) {
      const path = nodePath.join(top, "hello.txt")
      write(path, "hello world\n")
      const { bytes, metainfo } = yield* make({
        path,
        trackers: [["http://t.example/announce"]],
        comment: "hi",
        createdBy: "me",
        creationDate: 7
      })
      const hash = sha1(Buffer.from("hello world\n"))
      const info = Buffer.concat([
        Buffer.from("d6:lengthi12e4:name9:hello.txt12:piece lengthi16384e6:pieces20:"),
        hash,
        Buffer.from("e")
      ])
      const expected = Buffer.concat([
        Buffer.from("d8:announce25:http://t.example/announce7:comment2:hi10:created by2:me"),
        Buffer.from("13:creation datei7e4:info"),
        info,
        Buffer.from("e")
      ])
      assert.strictEqual(Buffer.from(bytes).toString("latin1"), expected.toString("latin1"))
      assert.strictEqual(metainfo.infoHash, sha1(info).toString("hex"))
      assert.deepStrictEqual(Result.getOrThrow(Metainfo.parse(bytes)), metainfo)
    }))
  )

  it.effect(
    "takes all files of a folder in the order of their bytes, and hashes across them",
    inFolder(Effect.fnUntraced(function*(top) {
      const files: ReadonlyArray<readonly [path: string, length: number]> = [
        ["B", 0],
        ["a-b", 70_000],
        ["a.txt", 1],
        ["a/deep/er/x", 3 * 1024 * KIB + 5],
        ["a/z", 40_000],
        ["é", 7]
      ]
      for (const [i, [path, length]] of files.entries()) write(nodePath.join(top, path), noise(length, i))
      fs.symlinkSync(nodePath.join(top, "a"), nodePath.join(top, "linked-folder"))
      fs.symlinkSync(nodePath.join(top, "a.txt"), nodePath.join(top, "linked-file"))
      fs.mkdirSync(nodePath.join(top, "empty"))
      const payload = Buffer.concat(files.map(([, length], i) => noise(length, i)))
      const progress: Array<readonly [number, number]> = []
      const { metainfo } = yield* make({
        path: top,
        name: "it",
        private: true,
        onProgress: (hashed, total) => progress.push([hashed, total])
      })
      assert.deepStrictEqual(
        metainfo.files.map(({ length, path }) => [path.join("/"), length]),
        files.map(([path, length]) => [`it/${path}`, length])
      )
      assert.strictEqual(metainfo.layout.pieceLength, 32 * KIB)
      assert.deepStrictEqual(Buffer.from(metainfo.pieceHashes), hashesOf(payload, 32 * KIB))
      assert.isTrue(metainfo.private)
      assert.deepStrictEqual(progress.at(-1), [payload.length, payload.length])
      assert.isTrue(progress.every(([hashed], i) => i === 0 || hashed > progress[i - 1]![0]))
    }))
  )

  it.effect(
    "hashes the same whatever the piece length",
    inFolder(Effect.fnUntraced(function*(top) {
      const payload = noise(25 * 1024 * KIB + 12_345, 1)
      // Cut at odd places, so that runs, pieces and files never end together.
      write(nodePath.join(top, "1"), payload.subarray(0, 1_234_567))
      write(nodePath.join(top, "2"), payload.subarray(1_234_567, 8_000_001))
      write(nodePath.join(top, "3"), payload.subarray(8_000_001))
      for (const kib of [16, 128, 256, 1024, 2048, 4096, 16_384]) {
        const { metainfo } = yield* make({ path: top, pieceLength: kib * KIB })
        assert.deepStrictEqual(Buffer.from(metainfo.pieceHashes), hashesOf(payload, kib * KIB), `${kib} KiB`)
      }
    }))
  )

  it.effect(
    "follows a link at the top, and names the torrent after it",
    inFolder(Effect.fnUntraced(function*(top) {
      write(nodePath.join(top, "real", "x"), "x")
      fs.symlinkSync(nodePath.join(top, "real"), nodePath.join(top, "link"))
      const { metainfo } = yield* make({ path: `${nodePath.join(top, "link")}/`, createdBy: "me" })
      assert.deepStrictEqual(metainfo.files.map((file) => file.path), [["link", "x"]])
      assert.isUndefined(metainfo.creationDate)
      assert.strictEqual(metainfo.createdBy, "me")
      fs.symlinkSync(nodePath.join(top, "real/x"), nodePath.join(top, "y"))
      const single = yield* make({ path: nodePath.join(top, "y") })
      assert.deepStrictEqual([single.metainfo.name, single.metainfo.multiFile], ["y", false])
    }))
  )

  it.effect(
    "says where the files are on this disk, whatever their names are elsewhere",
    inFolder(Effect.fnUntraced(function*(top) {
      const path = nodePath.join(top, "odd\\folder")
      const names = ["README", "Readme", "back\\slash", "bell\u0007", "caf\u00e9", "cafe\u0301"]
      names.forEach((name, i) => write(nodePath.join(path, name), noise(100, i)))
      const { metainfo, unshareable } = yield* make({ path })
      const paths = metainfo.files.map((file) => nodePath.join(top, ...file.path))
      assert.sameMembers(paths, names.map((name) => nodePath.join(path, name)))
      assert.strictEqual(unshareable, undefined)
    }))
  )

  it.effect(
    "keeps names as this disk has them",
    inFolder(Effect.fnUntraced(function*(top) {
      write(nodePath.join(top, "aux.c"), "x")
      write(nodePath.join(top, "Vol. 1."), "y")
      const raw = Buffer.concat([Buffer.from(`${top}/caf`), Buffer.of(0xe9)])
      fs.writeFileSync(raw, "z")
      const { bytes, metainfo, unshareable } = yield* make({ path: top, name: "t" })
      assert.deepStrictEqual(metainfo.files.map((file) => file.path[1]), ["Vol. 1.", "aux.c", "caf\ufffd"])
      assert.strictEqual(unshareable, raw.toString())
      assert.include(Buffer.from(bytes).toString("latin1"), "4:caf\xe9")
    }))
  )

  it.effect(
    "refuses what has no data or is no file",
    inFolder(Effect.fnUntraced(function*(top) {
      const absent = yield* failure({ path: nodePath.join(top, "absent") })
      assert.strictEqual(absent.reason, "NotFound")
      assert.strictEqual(absent.message, `${nodePath.join(top, "absent")}: no such file or folder`)
      assert.strictEqual((yield* failure({ path: top })).reason, "Empty")
      write(nodePath.join(top, "zero"), "")
      assert.strictEqual((yield* failure({ path: nodePath.join(top, "zero") })).reason, "Empty")
      assert.strictEqual(
        (yield* failure({ path: top })).message,
        `${top} has no data: a torrent needs at least one byte`
      )
      assert.strictEqual((yield* failure({ path: "/dev/null" })).message, "/dev/null is neither a file nor a folder")
      fs.symlinkSync("loop", nodePath.join(top, "loop"))
      const loop = yield* failure({ path: nodePath.join(top, "loop") })
      assert.deepStrictEqual([loop.reason, loop.message], ["Unreadable", `cannot read ${top}/loop: ELOOP`])
    }))
  )

  it.effect(
    "refuses options that make no torrent",
    inFolder(Effect.fnUntraced(function*(top) {
      const path = nodePath.join(top, "x")
      write(path, "x")
      for (const pieceLength of [0, -16_384, 8 * KIB, 20_000, 1.5, Number.NaN, 128 * 1024 * KIB]) {
        const error = yield* failure({ path, pieceLength })
        assert.strictEqual(error.reason, "Invalid")
        assert.include(error.message, `piece length ${pieceLength} is not a multiple of 16384`)
      }
      for (const name of ["", ".", "..", "a/b", "a\0"]) {
        assert.strictEqual((yield* failure({ path, name })).reason, "Invalid")
      }
    }))
  )

  for (
    const [what, change] of [
      ["changed", (path: string) => fs.utimesSync(path, 1, 1)],
      ["changed", (path: string) => fs.appendFileSync(path, "more")],
      ["became shorter", (path: string) => fs.truncateSync(path, 9 * 1024 * KIB)],
      ["disappeared", (path: string) => fs.rmSync(path)]
    ] as const
  ) {
    it.effect(
      `notices that a file ${what}: ${change.toString().replace(/.*fs\.(\w+).*/s, "$1")}`,
      inFolder(Effect.fnUntraced(function*(top) {
        write(nodePath.join(top, "a"), "a")
        const path = nodePath.join(top, "b")
        write(path, Buffer.alloc(32 * 1024 * KIB))
        let calls = 0
        const error = yield* failure({
          path: top,
          onProgress: () => {
            if (calls++ === 0) change(path)
          }
        })
        assert.deepStrictEqual([error.reason, error.path], ["Changed", path])
        assert.strictEqual(
          error.message,
          `${path} ${what} while the torrent was made: make it again when nothing writes there`
        )
      }))
    )
  }
})
