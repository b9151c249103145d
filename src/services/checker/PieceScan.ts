/** Hashes many pieces from disk: large reads, a few at a time, in a bounded amount of memory. */
import * as Effect from "effect/Effect"
import * as Bitfield from "../../domain/Bitfield.ts"
import type * as Metainfo from "../../domain/Metainfo.ts"
import * as PieceCheck from "../../domain/PieceCheck.ts"
import * as PieceLayout from "../../domain/PieceLayout.ts"
import type { FileStoreError, Storage } from "../FileStore.ts"
import type { PieceVerifier } from "../PieceVerifier.ts"
import { TorrentError } from "../TorrentError.ts"

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
): Effect.Effect<Bitfield.Bitfield, FileStoreError | TorrentError> =>
  Effect.suspend(() => {
    const { metainfo: { layout }, onProgress } = options
    const right = Bitfield.make(layout.pieces)
    const room = Math.max(RUN_BYTES, layout.pieceLength)
    const workers = Math.max(1, Math.min(MAX_WORKERS, Math.floor(MEMORY_BYTES / room)))
    const next = runs(wanted, layout.pieces, Math.max(1, Math.floor(room / layout.pieceLength)))
    const total = PieceLayout.sizeOf(layout, wanted)
    let checked = 0
    const done = (bytes: number) => {
      checked += bytes
      onProgress?.(checked, total)
    }
    const worker = work(options, next, right, done, Math.min(room, layout.totalLength))
    return Effect.as(Effect.all(Array.from({ length: workers }, () => worker), { concurrency: workers }), right)
  })

const work = Effect.fnUntraced(function*(
  { metainfo, storage, verifier }: ScanOptions,
  next: () => Run | undefined,
  right: Bitfield.Bitfield,
  done: (bytes: number) => void,
  room: number
) {
  const { layout } = metainfo
  let run = next()
  const buffer = new Uint8Array(run === undefined ? 0 : room)
  for (; run !== undefined; run = next()) {
    const start = PieceLayout.pieceOffset(layout, run.first)
    const end = PieceLayout.pieceOffset(layout, run.last) + PieceLayout.pieceSize(layout, run.last)
    const bytes = buffer.subarray(0, end - start)
    const isThere = yield* fill(storage, start, bytes)
    let checked = 0
    for (let piece = run.first; piece <= run.last; piece++) {
      const at = PieceLayout.pieceOffset(layout, piece) - start
      const size = PieceLayout.pieceSize(layout, piece)
      checked += size
      if (!isThere) continue
      const verdict = yield* verifier.verify(bytes.subarray(at, at + size), PieceCheck.of(metainfo, piece))
      if (verdict === "Inconsistent") return yield* new TorrentError({ reason: { _tag: "Inconsistent", piece } })
      if (verdict === "Verified") Bitfield.set(right, piece)
    }
    done(checked)
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
