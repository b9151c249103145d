/** Makes a version 1 torrent (BEP 3) from a file or a folder. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { isUtf8 } from "node:buffer"
import { webcrypto } from "node:crypto"
import * as nodePath from "node:path"
import * as Bytes from "../domain/Bytes.ts"
import * as Digest from "../domain/Digest.ts"
import * as Metainfo from "../domain/Metainfo.ts"
import * as MetainfoWriter from "../domain/MetainfoWriter.ts"
import * as PieceLayout from "../domain/PieceLayout.ts"
import * as SourceFiles from "./SourceFiles.ts"
import { TorrentMakerError } from "./SourceFiles.ts"

export { TorrentMakerError } from "./SourceFiles.ts"

export interface MakeOptions {
  /** A file or a folder; a symbolic link here is followed, below a folder it is left out. */
  readonly path: string
  readonly trackers?: ReadonlyArray<ReadonlyArray<string>> | undefined
  readonly webSeeds?: ReadonlyArray<string> | undefined
  /** A power of two; {@link choosePieceLength} by default. */
  readonly pieceLength?: number | undefined
  /** The last component of the path by default. */
  readonly name?: string | undefined
  readonly private?: boolean | undefined
  readonly comment?: string | undefined
  /** The program and its version. */
  readonly createdBy?: string | undefined
  /** Whether the torrent says when it was made; it does by default. */
  readonly date?: boolean | undefined
  /** Called after every run of pieces, with bytes. */
  readonly onProgress?: ((hashedBytes: number, totalBytes: number) => void) | undefined
}

export interface Made {
  /** File paths are those on this disk, whatever other systems make of them. */
  readonly metainfo: Metainfo.Metainfo
  /** The document. */
  readonly bytes: Uint8Array
  /** A file whose name is not UTF-8: the document has it byte for byte, but nobody can share it from here. */
  readonly unshareable: string | undefined
}

export class TorrentMaker extends Context.Service<TorrentMaker, {
  /** Hashes everything below the path once, in bounded memory; fails when a file changes meanwhile. */
  readonly make: (options: MakeOptions) => Effect.Effect<Made, TorrentMakerError>
}>()("freshet/services/TorrentMaker") {
  static readonly layer: Layer.Layer<TorrentMaker> = Layer.sync(TorrentMaker, () => TorrentMaker.of({ make }))
}

const CREATED_BY = "freshet/0.1.0"

const KIB = 1024
const MIB = 1024 * KIB

/** What other clients accept without complaint. */
const MIN_PIECE_LENGTH = 16 * KIB
const MAX_CHOSEN_PIECE_LENGTH = 16 * MIB
const MAX_PIECE_LENGTH = 64 * MIB

const MAX_CHOSEN_PIECES = 2000

/** Bytes of whole pieces that are read at once. */
const RUN = 2 * MIB

/** Runs being read or hashed. Measured on two cores: 2.2 GB/s with one, 3.2 with four, no more beyond. */
const RUNS = 4

/** Buffers of all runs together, unless two pieces are more. */
const MEMORY = 32 * MIB

/** Below this WebCrypto's hop to another thread costs more than hashing here. */
const MIN_THREADED = 256 * KIB

/** The smallest power of two from 16 KiB to 16 MiB that makes no more than 2000 pieces. */
export const choosePieceLength = (totalLength: number): number => {
  let pieceLength = MIN_PIECE_LENGTH
  while (pieceLength < MAX_CHOSEN_PIECE_LENGTH && totalLength > pieceLength * MAX_CHOSEN_PIECES) pieceLength *= 2
  return pieceLength
}

const invalid = (path: string, message: string) => new TorrentMakerError({ reason: "Invalid", path, message })

const sha1 = (bytes: Uint8Array<ArrayBuffer>): Effect.Effect<Uint8Array> =>
  bytes.length < MIN_THREADED
    ? Effect.sync(() => Digest.sha1(bytes))
    : Effect.map(Effect.promise(() => webcrypto.subtle.digest("SHA-1", bytes)), (hash) => new Uint8Array(hash))

/** The hashes of all pieces. Several runs are under way, so that disk and hashing overlap. */
const hash = Effect.fnUntraced(function*(
  files: ReadonlyArray<SourceFiles.SourceFile>,
  layout: PieceLayout.PieceLayout,
  onProgress: MakeOptions["onProgress"]
) {
  const { pieceLength, pieces, totalLength } = layout
  const perRun = Math.max(1, Math.floor(RUN / pieceLength))
  const runLength = perRun * pieceLength
  const concurrency = Math.min(RUNS, Math.max(2, Math.floor(MEMORY / runLength)))
  const hashes = new Uint8Array(pieces * Digest.SHA1_BYTES)
  const free: Array<Uint8Array<ArrayBuffer>> = []
  let hashed = 0
  const hashRun = Effect.fnUntraced(function*(run: number) {
    const start = run * runLength
    const buffer = free.pop() ?? new Uint8Array(Math.min(runLength, totalLength))
    const bytes = buffer.subarray(0, Math.min(runLength, totalLength - start))
    yield* Effect.forEach(
      PieceLayout.spans(files, start, bytes.length),
      ({ at, file, length, position }) => SourceFiles.read(files[file]!, position, bytes.subarray(at, at + length)),
      { concurrency: SourceFiles.CALLS, discard: true }
    )
    yield* Effect.forEach(
      Array.from({ length: Math.ceil(bytes.length / pieceLength) }),
      (_, i) =>
        Effect.map(
          sha1(bytes.subarray(i * pieceLength, (i + 1) * pieceLength)),
          (digest) => hashes.set(digest, (run * perRun + i) * Digest.SHA1_BYTES)
        ),
      { concurrency: "unbounded", discard: true }
    )
    free.push(buffer)
    hashed += bytes.length
    onProgress?.(hashed, totalLength)
  })
  const runs = Array.from({ length: Math.ceil(totalLength / runLength) }, (_, i) => i)
  yield* Effect.forEach(runs, hashRun, { concurrency, discard: true })
  return hashes
})

const isPowerOfTwo = (number: number): boolean => Number.isInteger(Math.log2(number))

/** The name and the piece length to use, or what is wrong with those asked for. */
const checkOptions = (
  options: MakeOptions,
  path: string,
  totalLength: number
): Effect.Effect<{ readonly name: string; readonly pieceLength: number }, TorrentMakerError> => {
  const name = options.name ?? nodePath.basename(path)
  const pieceLength = options.pieceLength ?? choosePieceLength(totalLength)
  if (name === "" || name === "." || name === ".." || /[/\0]/.test(name)) {
    return Effect.fail(invalid(path, `"${name}" cannot be the name of a torrent: choose another name`))
  }
  if (!isPowerOfTwo(pieceLength) || pieceLength < MIN_PIECE_LENGTH || pieceLength > MAX_PIECE_LENGTH) {
    return Effect.fail(
      invalid(path, `piece length ${pieceLength} is not a power of two from ${MIN_PIECE_LENGTH} to ${MAX_PIECE_LENGTH}`)
    )
  }
  if (totalLength > pieceLength * Metainfo.MAX_PIECES) {
    return Effect.fail(invalid(path, `piece length ${pieceLength} makes too many pieces: choose a larger one`))
  }
  return Effect.succeed({ name, pieceLength })
}

/**
 * With the names that the files have: two of them may be one on another system, or hold what is not safe to take from a
 * stranger, but here they are known to be there.
 */
const asOnDisk = (
  metainfo: Metainfo.Metainfo,
  name: string,
  sources: ReadonlyArray<SourceFiles.SourceFile>
): Metainfo.Metainfo => ({
  ...metainfo,
  files: metainfo.files.map((file, i) => ({ ...file, path: [name, ...sources[i]!.names.map(Bytes.toUtf8)] }))
})

const make = Effect.fnUntraced(function*(options: MakeOptions): Effect.fn.Return<Made, TorrentMakerError> {
  const path = nodePath.resolve(options.path)
  const sources = yield* SourceFiles.find(path, Metainfo.MAX_FILES)
  const { files, single, totalLength } = sources
  if (totalLength === 0) {
    const message = `${path} has no data: a torrent needs at least one byte`
    return yield* new TorrentMakerError({ reason: "Empty", path, message })
  }
  const { name, pieceLength } = yield* checkOptions(options, path, totalLength)
  const pieceHashes = yield* hash(files, PieceLayout.make(totalLength, pieceLength), options.onProgress)
  yield* SourceFiles.checkUnchanged(sources)
  const bytes = MetainfoWriter.encode({
    ...options,
    name,
    pieceLength,
    pieceHashes,
    createdBy: options.createdBy ?? CREATED_BY,
    creationDate: options.date === false ? undefined : Math.floor((yield* Clock.currentTimeMillis) / 1000),
    ...(single ? { length: totalLength } : { files: files.map(({ length, names }) => ({ path: names, length })) })
  })
  const parsed = Metainfo.parse(bytes, { maxBytes: bytes.length, names: "posix" })
  if (Result.isFailure(parsed)) return yield* invalid(path, `${path} makes no valid torrent: ${parsed.failure.message}`)
  const metainfo = parsed.success
  return {
    metainfo: name === nodePath.basename(path) ? asOnDisk(metainfo, name, files) : metainfo,
    bytes,
    unshareable: files.find(({ path }) => !isUtf8(path))?.path.toString()
  }
})
