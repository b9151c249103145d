/**
 * The way of a piece: from the Board, where the peers' fibers filled it, through the hash to the disk. It is one Stream;
 * its demand is what frees the memory for new pieces, so a slow disk slows the requests and nothing piles up.
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as Bitfield from "../domain/Bitfield.ts"
import type { PieceCheck } from "../domain/PieceCheck.ts"
import * as PieceLayout from "../domain/PieceLayout.ts"
import type { OpenPiece } from "../domain/swarm/OpenPiece.ts"
import type { Swarm } from "../domain/swarm/Swarm.ts"
import type { FileStoreError, Storage } from "./FileStore.ts"
import * as Monotonic from "./Monotonic.ts"
import { PieceVerifier } from "./PieceVerifier.ts"
import { TorrentError } from "./TorrentError.ts"

/** Where the payload is kept. */
type Pieces = Pick<Storage, "read" | "write">

/** One torrent's download. */
export interface Job {
  readonly swarm: Swarm
  readonly storage: Pieces
  /** What a piece must be. */
  readonly checkOf: (piece: number) => PieceCheck
  /** Pieces that are full or have to give way; it ends when no more will come. */
  readonly ready: Queue.Dequeue<OpenPiece, Cause.Done>
  /** A piece is on the disk and announced. */
  readonly onLanded: (piece: OpenPiece) => void
  /** A piece failed its hash. */
  readonly onCorrupt: (piece: number) => void
  /** So many bytes of an unfinished piece are on the disk. */
  readonly onSpilled: (bytes: number) => void
}

export class Download extends Context.Service<Download, {
  /** Pieces in the order in which they come to the disk, verified. Fails when the torrent contradicts itself, too. */
  readonly pieces: (job: Job) => Stream.Stream<OpenPiece, FileStoreError | TorrentError>
}>()("freshet/services/Download") {
  static readonly layer: Layer.Layer<Download, never, PieceVerifier> = Layer.effect(
    Download,
    Effect.gen(function*() {
      const verifier = yield* PieceVerifier
      const clock = yield* Clock.Clock
      return Download.of({ pieces: (job) => pieces(verifier, clock, job) })
    })
  )
}

/** Pieces being written at once: the file system lets one in at a time, the second stands ready. */
const WRITERS = 2

const pieces = (
  verifier: Context.Service.Shape<typeof PieceVerifier>,
  clock: Clock.Clock,
  job: Job
): Stream.Stream<OpenPiece, FileStoreError | TorrentError> => {
  const { checkOf, storage, swarm } = job
  const offsetOf = (piece: OpenPiece) => PieceLayout.pieceOffset(swarm.layout, piece.index)

  const isRight = Effect.fnUntraced(function*(piece: OpenPiece) {
    if (piece.onDisk !== undefined) yield* readBack(storage, offsetOf(piece), piece, piece.onDisk)
    const verdict = yield* verifier.verify(piece.bytes, checkOf(piece.index))
    if (verdict === "Verified") return true
    if (verdict === "Inconsistent") {
      return yield* new TorrentError({ reason: { _tag: "Inconsistent", piece: piece.index } })
    }
    job.onCorrupt(piece.index)
    swarm.corrupt(piece, Monotonic.millis(clock))
    return false
  })

  const spill = Effect.fnUntraced(function*(piece: OpenPiece) {
    yield* writeBlocks(storage, offsetOf(piece), piece)
    swarm.spilled(piece, Monotonic.millis(clock))
    job.onSpilled(piece.bytes.length)
  })

  const land = (piece: OpenPiece) => {
    swarm.landed(piece, Monotonic.millis(clock))
    job.onLanded(piece)
  }

  /** Whether the piece is on the disk, whole and right. */
  const store = Effect.fnUntraced(function*(piece: OpenPiece) {
    if (piece.frozen) yield* spill(piece)
    else if (yield* isRight(piece)) {
      // In one: what is on the disk is known to be there, even when another piece's trouble ends the stream.
      yield* Effect.uninterruptible(
        Effect.andThen(storage.write(offsetOf(piece), piece.bytes), Effect.sync(() => land(piece)))
      )
      return true
    }
    return false
  })

  return Stream.fromQueue(job.ready).pipe(
    Stream.mapEffect((piece) => Effect.map(store(piece), (stored) => ({ piece, stored })), {
      concurrency: WRITERS,
      unordered: true
    }),
    Stream.filter(({ stored }) => stored),
    Stream.map(({ piece }) => piece)
  )
}

/** Runs of blocks whose bit is set, as byte ranges of the piece. */
const runs = (piece: OpenPiece, mask: Bitfield.Bitfield): Array<{ readonly from: number; readonly to: number }> => {
  const out: Array<{ from: number; to: number }> = []
  Bitfield.forEach(mask, (block) => {
    const from = block * PieceLayout.BLOCK
    const to = Math.min(from + PieceLayout.BLOCK, piece.bytes.length)
    const last = out[out.length - 1]
    if (last?.to === from) last.to = to
    else out.push({ from, to })
  })
  return out
}

const readBack = (storage: Pieces, offset: number, piece: OpenPiece, mask: Bitfield.Bitfield) =>
  Effect.forEach(
    runs(piece, mask),
    ({ from, to }) => storage.read(offset + from, piece.bytes.subarray(from, to)),
    { discard: true }
  )

/** Writes the blocks of an unfinished piece in their place. Blocks that were on the disk before are there already. */
export const writeBlocks = (
  storage: Pieces,
  offset: number,
  piece: OpenPiece
): Effect.Effect<void, FileStoreError> => {
  const mask = piece.received()
  if (piece.onDisk !== undefined) {
    for (let i = 0; i < mask.length; i++) mask[i]! &= ~piece.onDisk[i]!
  }
  return Effect.forEach(
    runs(piece, mask),
    ({ from, to }) => storage.write(offset + from, piece.bytes.subarray(from, to)),
    { discard: true }
  )
}
