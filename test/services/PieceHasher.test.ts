import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Arrangement from "../../src/domain/Arrangement.ts"
import * as Bitfield from "../../src/domain/Bitfield.ts"
import * as Merkle from "../../src/domain/Merkle.ts"
import type * as Metainfo from "../../src/domain/Metainfo.ts"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import { type Hashed, type HashJob, PieceHasher } from "../../src/services/PieceHasher.ts"
import { int } from "../domain/generators.ts"
import { noise, temporary } from "../support/payload.ts"

const KIB = 1024
const MIB = 1024 * KIB

interface Stored {
  readonly path: string
  readonly length: number
}

const jobOf = (stored: ReadonlyArray<Stored>, pieceLength: number, version: Metainfo.Version): HashJob => {
  const { files, layout } = Arrangement.arrange(stored, pieceLength, version)
  const widths = version === "1" ? undefined : Arrangement.widths({ files, layout })
  return {
    files: files.map(({ file, length, offset }) =>
      "padding" in file ? { path: "", offset, length, padding: true } : { path: file.path, offset, length }
    ),
    layout,
    sha1: version !== "2",
    merkle: widths && ((piece) => widths[piece]!),
    onMissing: "Fail"
  }
}

const put = (dir: string, lengths: ReadonlyArray<number>): Array<Stored> =>
  lengths.map((length, i) => {
    const file = path.join(dir, `${i}`)
    fs.writeFileSync(file, noise(length, i + 1))
    return { path: file, length }
  })

const hash = (job: HashJob) => PieceHasher.use((hasher) => hasher.hash(job))

const here = (job: HashJob) => Effect.provide(hash(job), PieceHasher.layerHere)

const onAllCores = (job: HashJob) => Effect.provide(hash(job), PieceHasher.layer)

/** By the definition: every piece is put together and hashed as a whole. */
const expected = ({ files, layout, merkle, sha1 }: HashJob): Pick<Hashed, "sha1" | "roots"> => {
  const first: Array<Uint8Array> = []
  const second: Array<Uint8Array> = []
  for (let piece = 0; piece < layout.pieces; piece++) {
    const parts = PieceLayout.spans(files, PieceLayout.pieceOffset(layout, piece), PieceLayout.pieceSize(layout, piece))
      .map(({ file, length, position }) =>
        files[file]!.padding
          ? { data: Buffer.alloc(0), padding: Buffer.alloc(length) }
          : {
            data: fs.readFileSync(Buffer.from(files[file]!.path)).subarray(position, position + length),
            padding: Buffer.alloc(0)
          }
      )
    first.push(createHash("sha1").update(Buffer.concat(parts.flatMap(({ data, padding }) => [data, padding]))).digest())
    if (merkle !== undefined) {
      second.push(Merkle.root(Merkle.leaves(Buffer.concat(parts.map(({ data }) => data))), merkle(piece)))
    }
  }
  return {
    sha1: sha1 ? new Uint8Array(Buffer.concat(first)) : new Uint8Array(0),
    roots: new Uint8Array(Buffer.concat(second))
  }
}

const VERSIONS = ["1", "2", "hybrid"] as const

const lengthsOf = Arbitrary.array(int(0, 200 * KIB), { minLength: 1, maxLength: 8 }).pipe(
  Arbitrary.filter((lengths) => lengths.some((length) => length > 0))
)

describe("hashing", () => {
  it.live.prop(
    "is that of every piece by itself, whatever lies in it",
    [lengthsOf, int(0, 5), int(0, 2)],
    ([lengths, power, which]) =>
      Effect.gen(function*() {
        const version = VERSIONS[which]!
        // 48 KiB, too, where no tree forbids it.
        const pieceLength = version === "1" && power === 5 ? 48 * KIB : 16 * KIB * 2 ** power
        const job = jobOf(put(yield* temporary, lengths), pieceLength, version)
        const { roots, sha1, unread } = yield* here(job)
        assert.deepStrictEqual({ sha1, roots }, expected(job))
        assert.strictEqual(Bitfield.count(unread), 0)
      }).pipe(Effect.scoped)
  )

  it.live("is the same on all cores, and tells how far it is", () =>
    Effect.gen(function*() {
      const stored = put(yield* temporary, [12_345_678, 0, 20 * MIB, 7, 5 * MIB + 1, 300 * KIB])
      for (const version of VERSIONS) {
        for (const pieceLength of [16 * KIB, 256 * KIB, 8 * MIB]) {
          const job = jobOf(stored, pieceLength, version)
          const progress: Array<readonly [number, number]> = []
          const all = yield* onAllCores({ ...job, onProgress: (hashed, total) => progress.push([hashed, total]) })
          assert.deepStrictEqual(all, yield* here(job), `${version}, ${pieceLength}`)
          assert.isTrue(progress.every(([hashed], i) => i === 0 || hashed > progress[i - 1]![0]))
          assert.deepStrictEqual(progress.at(-1), [job.layout.dataLength, job.layout.dataLength])
        }
      }
    }).pipe(Effect.scoped))

  it.live("gives arrays of its own, that no thread shares", () =>
    Effect.gen(function*() {
      const { roots, sha1 } = yield* onAllCores(jobOf(put(yield* temporary, [40 * MIB]), MIB, "hybrid"))
      assert.isTrue(roots.buffer instanceof ArrayBuffer && sha1.buffer instanceof ArrayBuffer)
    }).pipe(Effect.scoped))
})

for (const [where, run] of [["here", here], ["on all cores", onAllCores]] as const) {
  describe(`what cannot be read, ${where}`, () => {
    const spoilt = Effect.gen(function*() {
      const stored = put(yield* temporary, [9 * MIB, 8 * MIB + 5, 7 * MIB, 16 * MIB])
      return { stored, job: jobOf(stored, 256 * KIB, "1") }
    })

    it.live("is left out where that is wanted, piece by piece", () =>
      Effect.gen(function*() {
        for (const pieceLength of [16 * KIB, 48 * KIB, 256 * KIB, MIB]) {
          const { stored } = yield* spoilt
          const job = jobOf(stored, pieceLength, "1")
          const whole = yield* run(job)
          fs.truncateSync(stored[1]!.path, 6 * MIB + 1)
          fs.rmSync(stored[2]!.path)
          const { sha1, unread } = yield* run({ ...job, onMissing: "Skip" })
          const [first, last] = [15 * MIB + 1, 24 * MIB + 4].map((at) => Math.floor(at / pieceLength))
          for (let piece = 0; piece < job.layout.pieces; piece++) {
            const isMissing = piece >= first! && piece <= last!
            assert.strictEqual(Bitfield.has(unread, piece), isMissing, `piece ${piece} of ${pieceLength}`)
            const at = (hashes: Uint8Array) => hashes.subarray(piece * 20, (piece + 1) * 20)
            assert.deepStrictEqual(at(sha1), isMissing ? new Uint8Array(20) : at(whole.sha1), `piece ${piece}`)
          }
        }
      }).pipe(Effect.scoped))

    it.live("ends the job where it is not, and is named", () =>
      Effect.gen(function*() {
        const { job, stored } = yield* spoilt
        const file = stored[3]!.path
        fs.truncateSync(file, 16 * MIB - 1)
        const short = yield* Effect.flip(run(job))
        assert.deepStrictEqual([short.reason, short.path, short.message], ["Shortened", file, `${file} is too short`])
        fs.rmSync(file)
        const gone = yield* Effect.flip(run(job))
        assert.deepStrictEqual([gone.reason, gone.path, gone.message], ["Disappeared", file, `${file} is not there`])
        const files = [...job.files.slice(0, 3), { ...job.files[3]!, path: "/proc/self/mem" }]
        const refused = yield* Effect.flip(run({ ...job, files, onMissing: "Skip" }))
        assert.deepStrictEqual([refused.reason, refused.message], ["Unreadable", "cannot read /proc/self/mem: EIO"])
      }).pipe(Effect.scoped))
  })

  it.live(`an interruption ends it at once, ${where}`, () =>
    Effect.gen(function*() {
      const file = path.join(yield* temporary, "holes")
      fs.writeFileSync(file, "")
      fs.truncateSync(file, 2 ** 40)
      const threads = () => process.getActiveResourcesInfo().filter((name) => name === "MessagePort").length
      const before = threads()
      const begun = yield* Deferred.make<void>()
      const job = jobOf([{ path: file, length: 2 ** 40 }], 16 * MIB, "1")
      const fiber = yield* Effect.forkChild(run({ ...job, onProgress: () => Deferred.doneUnsafe(begun, Effect.void) }))
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(threads(), before)
    }).pipe(Effect.scoped))
}
