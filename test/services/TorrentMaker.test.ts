import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as os from "node:os"
import * as nodePath from "node:path"
import * as Glob from "../../src/domain/Glob.ts"
import * as Metainfo from "../../src/domain/Metainfo.ts"
import { type MakeOptions, type PlanOptions, TorrentMaker } from "../../src/services/TorrentMaker.ts"
import { int, textOf } from "../domain/generators.ts"

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
    "says of a program that it is one",
    inFolder(Effect.fnUntraced(function*(top) {
      for (const [name, mode] of [["all", 0o755], ["nobody", 0o644], ["others", 0o655], ["owner", 0o744]] as const) {
        write(nodePath.join(top, name), name)
        fs.chmodSync(nodePath.join(top, name), mode)
      }
      for (const version of ["1", "2", "hybrid"] as const) {
        const { files } = (yield* make({ path: top, version })).metainfo
        const told = files.flatMap(({ executable, padding, path }) => padding ? [] : [[path[1], executable]])
        assert.deepStrictEqual(told, [["all", true], ["nobody", false], ["others", false], ["owner", true]])
        const alone = yield* make({ path: nodePath.join(top, "owner"), version })
        assert.isTrue(alone.metainfo.files[0]!.executable)
      }
    }))
  )

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
    "makes version 2 of equal files, which share their hashes",
    inFolder(Effect.fnUntraced(function*(top) {
      const payload = noise(1024 * KIB, 1)
      for (const name of ["a", "b", "c"]) write(nodePath.join(top, name), payload)
      const { bytes, metainfo } = yield* make({ path: top, version: "2", pieceLength: 16 * KIB })
      const { length } = metainfo.pieceRoots!
      assert.strictEqual(length, 3 * 64 * 32)
      assert.isBelow(bytes.length, length)
      assert.deepStrictEqual(metainfo.files[0]!.piecesRoot, metainfo.files[2]!.piecesRoot)
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
      const { metainfo } = yield* make({ path })
      const paths = metainfo.files.map((file) => nodePath.join(top, ...file.path))
      assert.sameMembers(paths, names.map((name) => nodePath.join(path, name)))
      assert.isUndefined((yield* TorrentMaker.use((maker) => maker.plan({ path }))).unshareable)
    }))
  )

  it.effect(
    "keeps names as this disk has them",
    inFolder(Effect.fnUntraced(function*(top) {
      write(nodePath.join(top, "aux.c"), "x")
      write(nodePath.join(top, "Vol. 1."), "y")
      const raw = Buffer.concat([Buffer.from(`${top}/caf`), Buffer.of(0xe9)])
      fs.writeFileSync(raw, "z")
      const { bytes, metainfo } = yield* make({ path: top, name: "t" })
      assert.deepStrictEqual(metainfo.files.map((file) => file.path[1]), ["Vol. 1.", "aux.c", "caf\ufffd"])
      const { unshareable } = yield* TorrentMaker.use((maker) => maker.plan({ path: top }))
      assert.strictEqual(unshareable, raw.toString())
      assert.include(Buffer.from(bytes).toString("latin1"), "4:caf\xe9")
    }))
  )

  it.effect(
    "leaves out what nobody wants, and tells of it",
    inFolder(Effect.fnUntraced(function*(top) {
      const path = nodePath.join(top, "shared")
      const wanted = ["a", "deep/b", "deep/er/c.txt"]
      const unwanted = [
        ".DS_Store",
        ".git/config",
        "deep/.hidden",
        "deep/Thumbs.db",
        "deep/x.tmp",
        "cache/1",
        "cache/2"
      ]
      for (const name of [...wanted, ...unwanted]) write(nodePath.join(path, name), name)
      fs.symlinkSync("a", nodePath.join(path, "link"))
      execFileSync("mkfifo", [nodePath.join(path, "deep", "pipe")])
      const exclude = ["*.tmp", "/cache"].map((pattern) => Glob.compile(pattern)!)
      const plan = yield* TorrentMaker.use((maker) => maker.plan({ path, exclude }))
      assert.deepStrictEqual(plan.files.map(({ names }) => names.map(String).join("/")), wanted)
      assert.deepStrictEqual(plan.leftOut, [
        { path: ".DS_Store", why: "Junk" },
        { path: ".git", why: "Hidden" },
        { path: "cache", why: "Excluded" },
        { path: "deep/.hidden", why: "Hidden" },
        { path: "deep/Thumbs.db", why: "Junk" },
        { path: "deep/pipe", why: "Special" },
        { path: "deep/x.tmp", why: "Excluded" },
        { path: "link", why: "Link" }
      ])
      const hidden = yield* TorrentMaker.use((maker) => maker.plan({ path, exclude, includeHidden: true }))
      assert.deepStrictEqual(
        hidden.files.map(({ names }) => names.map(String).join("/")),
        [".git/config", "a", "deep/.hidden", "deep/b", "deep/er/c.txt"]
      )
      const junk = yield* TorrentMaker.use((maker) => maker.plan({ path: nodePath.join(path, ".DS_Store") }))
      assert.deepStrictEqual([junk.single, junk.totalLength], [true, 9])
    }))
  )

  it.effect(
    "sorts whole paths in version 1, and each folder's names in version 2",
    inFolder(Effect.fnUntraced(function*(top) {
      for (const name of ["a-b", "a/x", "a.txt", "Z"]) write(nodePath.join(top, name), name)
      const order = (version: Metainfo.Version) =>
        Effect.map(
          make({ path: top, version, name: "t" }),
          ({ metainfo }) => metainfo.files.flatMap(({ padding, path }) => padding ? [] : [path.slice(1).join("/")])
        )
      assert.deepStrictEqual(yield* order("1"), ["Z", "a-b", "a.txt", "a/x"])
      for (const version of ["2", "hybrid"] as const) {
        assert.deepStrictEqual(yield* order(version), ["Z", "a/x", "a-b", "a.txt"])
      }
    }))
  )

  it.effect.prop(
    "makes the same bytes of the same files, and info of nothing else",
    [
      Arbitrary.array(int(0, 40_000), { minLength: 1, maxLength: 5 }).pipe(
        Arbitrary.filter((lengths) => lengths.some((length) => length > 0))
      ),
      int(0, 2),
      textOf(["a", "é", " "], 0, 5)
    ],
    ([lengths, which, text]) =>
      inFolder(Effect.fnUntraced(function*(top) {
        const version = (["1", "2", "hybrid"] as const)[which]!
        const [one, two] = [nodePath.join(top, "one", "t"), nodePath.join(top, "two", "t")]
        const names = lengths.map((_, i) => `${i % 2}/${i}`)
        names.forEach((name, i) => write(nodePath.join(one, name), noise(lengths[i]!, i)))
        // Made in another order, at another time.
        names.forEach((_, i) =>
          write(nodePath.join(two, names.at(-1 - i)!), noise(lengths.at(-1 - i)!, lengths.length - 1 - i))
        )
        const options = {
          version,
          pieceLength: 16 * KIB,
          private: true,
          source: text,
          comment: text,
          trackers: [["http://t"]]
        }
        const first = yield* make({ ...options, path: one })
        assert.deepStrictEqual((yield* make({ ...options, path: two })).bytes, first.bytes)
        const other = yield* make({
          ...options,
          path: two,
          comment: "other",
          createdBy: "another",
          creationDate: 7,
          trackers: [["http://u"], ["http://v"]],
          webSeeds: ["http://w/"]
        })
        assert.deepStrictEqual(other.metainfo.info, first.metainfo.info)
        assert.deepStrictEqual([other.metainfo.infoHash, other.metainfo.version], [first.metainfo.infoHash, version])
        const elsewhere = yield* make({ ...options, path: two, source: `${text}!` })
        assert.notStrictEqual(elsewhere.metainfo.infoHash, first.metainfo.infoHash)
      }))()
  )

  it.effect(
    "writes all that it is told",
    inFolder(Effect.fnUntraced(function*(top) {
      const path = nodePath.join(top, "x")
      write(path, "x")
      const { metainfo } = yield* make({
        path,
        name: "y",
        pieceLength: 48 * KIB,
        private: true,
        source: "SITE",
        comment: "c",
        createdBy: "me",
        creationDate: 1_700_000_000,
        trackers: [["http://a", "http://b"], ["udp://c:1"]],
        webSeeds: ["http://w/x"]
      })
      const { comment, createdBy, creationDate, layout, name, private: isPrivate, source, trackers, webSeeds } =
        metainfo
      assert.deepStrictEqual(
        {
          comment,
          createdBy,
          creationDate,
          isPrivate,
          name,
          pieceLength: layout.pieceLength,
          source,
          trackers,
          webSeeds
        },
        {
          comment: "c",
          createdBy: "me",
          creationDate: 1_700_000_000,
          isPrivate: true,
          name: "y",
          pieceLength: 48 * KIB,
          source: "SITE",
          trackers: [["http://a", "http://b"], ["udp://c:1"]],
          webSeeds: ["http://w/x"]
        }
      )
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
      write(nodePath.join(top, ".hidden"), "x")
      write(nodePath.join(top, "Thumbs.db"), "x")
      assert.include((yield* failure({ path: top })).message, "at least one byte; left out: .hidden and 1 more")
      assert.strictEqual((yield* failure({ path: "" })).reason, "Invalid")
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
      for (const version of ["2", "hybrid"] as const) {
        const error = yield* failure({ path, pieceLength: 48 * KIB, version })
        assert.include(error.message, "piece length 49152 is not a power of two from 16384 up to 67108864")
      }
      fs.truncateSync(path, 2 ** 40)
      const many = yield* failure({ path, pieceLength: 16 * KIB })
      assert.strictEqual(many.message, "piece length 16384 makes too many pieces: choose a larger one")
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
