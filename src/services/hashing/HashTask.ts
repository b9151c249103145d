/** A job of hashing as plain data that all threads share: what to read, where the hashes go, and which run is next. */
import * as Digest from "../../domain/Digest.ts"
import * as PieceLayout from "../../domain/PieceLayout.ts"
import type { HashJob } from "../PieceHasher.ts"

/**
 * Bytes of neighbouring pieces that are handed out together, unless one piece is more: small, so that all threads end at
 * about the same time.
 */
const RUN = 1024 * 1024

interface TaskFile {
  /** A character for each byte: paths need not be UTF-8, and such texts are cheap to send. */
  readonly path: string
  readonly offset: number
  readonly length: number
  readonly padding: boolean
}

/** Survives a structured clone, in which the arrays stay shared. */
export interface HashTask {
  readonly files: ReadonlyArray<TaskFile>
  readonly layout: PieceLayout.PieceLayout
  readonly skipMissing: boolean
  /** 20 bytes for each piece, or none. */
  readonly sha1: Uint8Array<SharedArrayBuffer>
  /** 32 bytes for each piece, or none. */
  readonly roots: Uint8Array<SharedArrayBuffer>
  /** The height of the tree over each piece: the power of two that its width is. */
  readonly heights: Uint8Array<SharedArrayBuffer>
  readonly piecesPerRun: number
  readonly runs: number
  /** One number: the first run that nobody has taken. */
  readonly next: Int32Array<SharedArrayBuffer>
}

const shared = (length: number): Uint8Array<SharedArrayBuffer> => new Uint8Array(new SharedArrayBuffer(length))

export const make = ({ files, layout, merkle, onMissing, sha1 }: HashJob): HashTask => {
  const { pieceLength, pieces } = layout
  const piecesPerRun = Math.max(1, Math.floor(RUN / pieceLength))
  const heights = shared(merkle === undefined ? 0 : pieces)
  if (merkle !== undefined) { for (let piece = 0; piece < pieces; piece++) heights[piece] = Math.log2(merkle(piece)) }
  return {
    files: files.map(({ length, offset, padding, path }) => ({
      path: Buffer.from(path).toString("latin1"),
      offset,
      length,
      padding: padding ?? false
    })),
    layout,
    skipMissing: onMissing === "Skip",
    sha1: shared(sha1 ? pieces * Digest.SHA1_BYTES : 0),
    roots: shared(merkle === undefined ? 0 : pieces * Digest.SHA256_BYTES),
    heights,
    piecesPerRun,
    runs: Math.ceil(pieces / piecesPerRun),
    next: new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  }
}

/** The next run for whoever asks; `undefined` when all are taken. */
export const take = ({ next, runs }: HashTask): number | undefined => {
  const run = Atomics.add(next, 0, 1)
  return run < runs ? run : undefined
}

/** What a run is about, pieces from `first` up to `end`. */
export const piecesOf = (
  { layout, piecesPerRun }: HashTask,
  run: number
): { readonly first: number; readonly end: number } => ({
  first: run * piecesPerRun,
  end: Math.min(layout.pieces, (run + 1) * piecesPerRun)
})

/** Bytes of the pieces of a run. */
export const bytesOf = (task: HashTask, run: number): number => {
  const { end, first } = piecesOf(task, run)
  let bytes = 0
  for (let piece = first; piece < end; piece++) bytes += PieceLayout.pieceSize(task.layout, piece)
  return bytes
}
