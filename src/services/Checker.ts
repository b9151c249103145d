/**
 * What of a torrent is on disk already: by the resume record where there is one, else by hashing every piece whose files are
 * there. Refuses to touch files that cannot be this torrent's.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Runtime from "effect/Runtime"
import * as Bitfield from "../domain/Bitfield.ts"
import type * as Metainfo from "../domain/Metainfo.ts"
import * as PieceLayout from "../domain/PieceLayout.ts"
import * as Resume from "../domain/Resume.ts"
import * as PieceScan from "./checker/PieceScan.ts"
import type { FileStoreError, Storage } from "./FileStore.ts"
import type { PieceVerifier } from "./PieceVerifier.ts"
import type { TorrentError } from "./TorrentError.ts"

/** A file is in the way: longer than the torrent's, or without one right piece. */
export interface NotOurs {
  readonly _tag: "NotOurs"
  readonly path: string
  readonly why: "TooLong" | "NothingRight"
}

export class CheckerError extends Data.TaggedError("CheckerError")<{ readonly reason: NotOurs }> {
  override get message(): string {
    const { path, why } = this.reason
    const what = why === "TooLong" ? "is longer than the torrent says" : "has not one piece of this torrent"
    return `${path} exists and ${what}: move it away, choose another folder, or pass --allow-overwrite`
  }
  /** aria2's "file already existed". */
  override readonly [Runtime.errorExitCode] = 13
}

export interface CheckOptions {
  readonly metainfo: Metainfo.Metainfo
  readonly storage: Storage
  readonly verifier: PieceVerifier["Service"]
  readonly record: Resume.ResumeRecord | undefined
  /** Hash everything, whatever the record says. */
  readonly checkIntegrity: boolean
  /** Take files that are in the way for the torrent's own; those too long are cut. */
  readonly allowOverwrite: boolean
  /** Called after every run of pieces, with bytes. Not called when nothing needs to be hashed. */
  readonly onProgress?: ((checked: number, total: number) => void) | undefined
}

export interface Checked {
  readonly have: Bitfield.Bitfield
  /** Blocks in place of pieces that are not complete. No hash covers them: if the piece fails, blame no peer. */
  readonly masks: Map<number, Bitfield.Bitfield>
  readonly closed: Resume.Closed
  /** Whether every piece that could be there was hashed. */
  readonly rechecked: boolean
}

type Stats = ReadonlyArray<Resume.FileStat | undefined>

export const check = Effect.fnUntraced(function*(
  options: CheckOptions
): Effect.fn.Return<Checked, CheckerError | FileStoreError | TorrentError> {
  const { allowOverwrite, checkIntegrity, metainfo, record, storage } = options
  const stats = yield* cutToLength(options, yield* storage.stat)
  if (record !== undefined && !checkIntegrity) {
    const { have, masks } = yield* byRecord(options, record, stats)
    return { have, masks, closed: closedFiles(options, have, stats), rechecked: false }
  }
  const candidates = reachable(metainfo, stats, Bitfield.full(metainfo.layout.pieces))
  const have = yield* PieceScan.scan(options, candidates)
  if (record === undefined && !allowOverwrite) {
    const stranger = findStranger(options, stats, candidates, have)
    if (stranger !== undefined) return yield* notOurs(storage, stranger, "NothingRight")
  }
  return { have, masks: new Map(), closed: closedFiles(options, have, stats), rechecked: true }
})

/** For data that was hashed elsewhere a moment ago: all pieces, unless a file is missing or of another length. */
export const allThere = Effect.fnUntraced(function*(
  metainfo: Metainfo.Metainfo,
  storage: Storage
): Effect.fn.Return<Checked | undefined, FileStoreError> {
  const stats = yield* storage.stat
  const isThere = metainfo.files.every(({ length, padding }, file) =>
    padding || length === 0 || stats[file]?.length === length
  )
  if (!isThere) return undefined
  const have = Bitfield.full(metainfo.layout.pieces)
  return { have, masks: new Map(), closed: closedFiles({ metainfo, storage }, have, stats), rechecked: false }
})

const notOurs = (storage: Storage, file: number, why: NotOurs["why"]): CheckerError =>
  new CheckerError({ reason: { _tag: "NotOurs", path: storage.path(file), why } })

/** Cuts files that are too long, if that is allowed, and looks at them again. */
const cutToLength = Effect.fnUntraced(function*({ allowOverwrite, metainfo, storage }: CheckOptions, stats: Stats) {
  const out = stats.slice()
  for (const [file, { length }] of metainfo.files.entries()) {
    if ((out[file]?.length ?? 0) <= length) continue
    if (!allowOverwrite) return yield* notOurs(storage, file, "TooLong")
    if (storage.readOnly) continue
    yield* storage.trim(file)
    out[file] = (yield* storage.statFiles([file]))[0]
  }
  return out
})

const byRecord = Effect.fnUntraced(function*(options: CheckOptions, record: Resume.ResumeRecord, stats: Stats) {
  const { metainfo, storage } = options
  const present = { stats, inPart: storage.inPart }
  const plan = Resume.plan(metainfo, record, present, yield* Random.next)
  const sampled = Bitfield.make(metainfo.layout.pieces)
  for (const { piece } of plan.samples) Bitfield.set(sampled, piece)
  const right = yield* PieceScan.scan({ ...options, onProgress: undefined }, sampled)
  const samples = new Map(plan.samples.map(({ file, piece }) => [file, piece]))
  const verified = (file: number) => Bitfield.has(right, samples.get(file)!)
  const { have, masks, recheck } = Resume.settle(metainfo, record, plan, present, verified)
  const found = yield* PieceScan.scan(options, reachable(metainfo, stats, recheck))
  Bitfield.forEach(found, (piece) => Bitfield.set(have, piece))
  return { have, masks }
})

/** Of these pieces, the ones all of whose files are there and long enough. */
const reachable = (metainfo: Metainfo.Metainfo, stats: Stats, pieces: Bitfield.Bitfield): Bitfield.Bitfield => {
  const bits = Bitfield.make(metainfo.layout.pieces)
  Bitfield.forEach(pieces, (piece) => {
    const spans = Resume.storedFilesOf(metainfo, piece)
    if (spans.every(({ file, length, position }) => (stats[file]?.length ?? 0) >= position + length)) {
      Bitfield.set(bits, piece)
    }
  })
  return bits
}

const closedFiles = (
  { metainfo, storage }: Pick<CheckOptions, "metainfo" | "storage">,
  have: Bitfield.Bitfield,
  stats: Stats
): Resume.Closed => {
  const closed = Resume.noneClosed(metainfo.files.length)
  metainfo.files.forEach((file, index) => {
    const stat = stats[index]
    const range = PieceLayout.piecesOf(metainfo.layout, file)
    if (range === undefined || stat?.length !== file.length || storage.inPart(index)) return
    if (count(have, range) < range.last - range.first + 1) return
    Bitfield.set(closed.files, index)
    closed.mtimes[index] = stat.mtimeNs
  })
  return closed
}

interface Range {
  readonly first: number
  readonly last: number
}

const count = (bits: Bitfield.Bitfield, { first, last }: Range): number => {
  let total = 0
  for (let piece = first; piece <= last; piece++) if (Bitfield.has(bits, piece)) total++
  return total
}

/**
 * The first existing, non-empty file that has nothing right in it. A file without a piece of its own can only be judged
 * by its neighbours: it passes when they are absent and its length is right, or the folder is evidently ours.
 */
const findStranger = (
  { metainfo, storage }: CheckOptions,
  stats: Stats,
  hashed: Bitfield.Bitfield,
  have: Bitfield.Bitfield
): number | undefined => {
  const evident = have.some((byte) => byte !== 0)
  const index = metainfo.files.findIndex((file, index) => {
    const range = PieceLayout.piecesOf(metainfo.layout, file)
    const length = stats[index]?.length ?? 0
    if (file.padding || length === 0 || range === undefined || storage.inPart(index)) return false
    if (count(have, range) > 0) return false
    if (hasOwnPiece(metainfo, range) || count(hashed, range) === range.last - range.first + 1) return true
    return !evident && length !== file.length
  })
  return index === -1 ? undefined : index
}

/** Whether a piece lies in this file alone: the inner ones do. */
const hasOwnPiece = (metainfo: Metainfo.Metainfo, { first, last }: Range): boolean =>
  last - first > 1 || [first, last].some((piece) => Resume.storedFilesOf(metainfo, piece).length === 1)
