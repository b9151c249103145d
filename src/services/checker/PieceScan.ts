/** Hashes many pieces from disk: large reads, a few at a time, in a bounded amount of memory. */
import * as Effect from "effect/Effect"
import * as Bitfield from "../../domain/Bitfield.ts"
import * as Digest from "../../domain/Digest.ts"
import type * as Metainfo from "../../domain/Metainfo.ts"
import * as PieceLayout from "../../domain/PieceLayout.ts"
import type { FileStoreError, Storage } from "../FileStore.ts"
import type { PieceVerifier } from "../PieceVerifier.ts"

/** Small pieces are read together up to this size: a read costs a thread hop, whatever its length. */
const RUN_BYTES = 1024 * 1024
/** For all buffers together, unless one piece alone is larger. */
const MEMORY_BYTES = 32 * 1024 * 1024
/** One thread of libuv's four is left for the rest. */
const MAX_WORKERS = 3
export interface ScanOptions {
  readonly metainfo: Metainfo.Metainfo
  readonly storage: Storage
  readonly verifier: PieceVerifier["Service"]
  readonly onProgress?: ((checked: number, total: number) => void) | undefined
}

/** Neighbouring pieces that are read at once. */
interface Run {
  readonly first: number
  readonly last: number
}

/** The pieces of `wanted` that are on disk and right; one that cannot be read because its file is short is not. */
export const scan = (
  options: ScanOptions,
  wanted: Bitfield.Bitfield
): Effect.Effect<Bitfield.Bitfield, FileStoreError> =>
  Effect.suspend(() => {
    const { metainfo: { layout }, onProgress } = options
    const right = Bitfield.make(layout.pieces)
    const room = Math.max(RUN_BYTES, layout.pieceLength)
    const workers = Math.max(1, Math.min(MAX_WORKERS, Math.floor(MEMORY_BYTES / room)))
    const next = runs(wanted, layout.pieces, Math.max(1, Math.floor(room / layout.pieceLength)))
    let total = 0
    let checked = 0
    Bitfield.forEach(wanted, (piece) => {
      total += PieceLayout.pieceSize(layout, piece)
    })
    const done = (bytes: number) => {
      checked += bytes
      onProgress?.(checked, total)
    }
    const worker = work(options, next, right, done, Math.min(room, total))
    return Effect.as(Effect.all(Array.from({ length: workers }, () => worker), { concurrency: workers }), right)
  })

const work = Effect.fnUntraced(function*(
  { metainfo, storage, verifier }: ScanOptions,
  next: () => Run | undefined,
  right: Bitfield.Bitfield,
  done: (bytes: number) => void,
  room: number
) {
  const { layout, pieceHashes } = metainfo
  let run = next()
  const buffer = new Uint8Array(run === undefined ? 0 : room)
  for (; run !== undefined; run = next()) {
    const start = PieceLayout.pieceOffset(layout, run.first)
    const end = PieceLayout.pieceOffset(layout, run.last) + PieceLayout.pieceSize(layout, run.last)
    const bytes = buffer.subarray(0, end - start)
    const last = (yield* fill(storage, start, bytes)) ? run.last : -1
    for (let piece = run.first; piece <= last; piece++) {
      const at = PieceLayout.pieceOffset(layout, piece) - start
      const verdict = yield* verifier.verify(
        bytes.subarray(at, at + PieceLayout.pieceSize(layout, piece)),
        pieceHashes.subarray(piece * Digest.SHA1_BYTES, (piece + 1) * Digest.SHA1_BYTES)
      )
      if (verdict === "Verified") Bitfield.set(right, piece)
    }
    done(bytes.length)
  }
})

/** False when the bytes are not there, which is an answer here. */
const fill = (storage: Storage, offset: number, into: Uint8Array): Effect.Effect<boolean, FileStoreError> =>
  storage.read(offset, into).pipe(
    Effect.as(true),
    Effect.catchIf(isGone, () => Effect.succeed(false))
  )

const isGone = ({ reason }: FileStoreError): boolean => reason._tag === "ShortRead" || reason._tag === "Missing"

/** Gives one run of set bits after the other. */
const runs = (wanted: Bitfield.Bitfield, pieces: number, longest: number): () => Run | undefined => {
  let at = 0
  return () => {
    while (at < pieces && !Bitfield.has(wanted, at)) at++
    if (at === pieces) return undefined
    const first = at
    while (at < pieces && at - first < longest && Bitfield.has(wanted, at)) at++
    return { first, last: at - 1 }
  }
}
