/** Makes a torrent of any version (BEP 3, 52) from a file or a folder. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { isUtf8 } from "node:buffer"
import * as fs from "node:fs"
import * as nodePath from "node:path"
import * as Arrangement from "../domain/Arrangement.ts"
import * as Bytes from "../domain/Bytes.ts"
import * as Merkle from "../domain/Merkle.ts"
import * as Metainfo from "../domain/Metainfo.ts"
import * as MetainfoWriter from "../domain/MetainfoWriter.ts"
import * as PieceLayout from "../domain/PieceLayout.ts"
import * as PieceLength from "../domain/PieceLength.ts"
import type * as SourceFilter from "../domain/SourceFilter.ts"
import { type Hashed, type HashJob, PieceHasher, type PieceHasherError } from "./PieceHasher.ts"
import * as SourceFiles from "./SourceFiles.ts"
import { TorrentMakerError } from "./SourceFiles.ts"

export { TorrentMakerError } from "./SourceFiles.ts"

export interface PlanOptions extends SourceFilter.Options {
  /** A file or a folder; a symbolic link here is followed, below a folder it is left out. */
  readonly path: string
  /** "1" by default. */
  readonly version?: Metainfo.Version | undefined
  /** In bytes; {@link PieceLength.choose} by default. */
  readonly pieceLength?: number | undefined
  /** The last component of the path by default. */
  readonly name?: string | undefined
}

export interface MakeOptions {
  readonly trackers?: ReadonlyArray<ReadonlyArray<string>> | undefined
  readonly webSeeds?: ReadonlyArray<string> | undefined
  readonly private?: boolean | undefined
  /** Of those who made it: it changes the info hash, so that a private tracker's torrents are its own. */
  readonly source?: string | undefined
  readonly comment?: string | undefined
  /** The program and its version. */
  readonly createdBy?: string | undefined
  /** Unix time in seconds; a torrent without it has the same bytes each time. */
  readonly creationDate?: number | undefined
  /** Called after every run of pieces, with bytes. */
  readonly onProgress?: ((hashedBytes: number, totalBytes: number) => void) | undefined
}

/** What a torrent is to be of. */
export interface Plan extends SourceFiles.SourceFiles {
  /** Absolute. */
  readonly path: string
  readonly version: Metainfo.Version
  readonly name: string
  readonly pieceLength: number
  readonly pieces: number
  /** A file whose name is not UTF-8: the document has it byte for byte, but nobody can share it from here. */
  readonly unshareable: string | undefined
}

export interface Made {
  /** File paths are those on this disk, whatever other systems make of them. */
  readonly metainfo: Metainfo.Metainfo
  /** The document. */
  readonly bytes: Uint8Array
}

export class TorrentMaker extends Context.Service<TorrentMaker, {
  /** Finds the files and says what torrent they make, without reading any of them. */
  readonly plan: (options: PlanOptions) => Effect.Effect<Plan, TorrentMakerError>
  /**
   * Hashes all files of the plan once, in bounded memory; fails when one has changed since the plan. The `info` depends on
   * the plan and `private` and `source` alone.
   */
  readonly make: (plan: Plan, options?: MakeOptions) => Effect.Effect<Made, TorrentMakerError>
}>()("freshet/services/TorrentMaker") {
  static readonly layerNoDeps: Layer.Layer<TorrentMaker, never, PieceHasher> = Layer.effect(
    TorrentMaker,
    Effect.map(
      PieceHasher,
      (hasher) => TorrentMaker.of({ plan, make: (plan, options = {}) => make(plan, options, hasher) })
    )
  )

  static readonly layer: Layer.Layer<TorrentMaker> = this.layerNoDeps.pipe(Layer.provide(PieceHasher.layer))
}

const invalid = (path: string, message: string) => new TorrentMakerError({ reason: "Invalid", path, message })

/** What is wrong with the name or the pieces asked for. */
const problemWith = (
  name: string,
  pieceLength: number,
  version: Metainfo.Version,
  files: ReadonlyArray<SourceFiles.SourceFile>
): string | undefined => {
  if (name === "" || name === "." || name === ".." || /[/\0]/.test(name)) {
    return `"${name}" cannot be the name of a torrent: choose another name`
  }
  if (!PieceLength.isPossible(pieceLength, version !== "1")) {
    const what = version === "1" ? "multiple of" : "power of two from"
    return `piece length ${pieceLength} is not a ${what} ${PieceLength.MIN} up to ${PieceLength.MAX}`
  }
  return Arrangement.countPieces(files, pieceLength, version) > Metainfo.MAX_PIECES
    ? `piece length ${pieceLength} makes too many pieces: choose a larger one`
    : undefined
}

const butFor = (leftOut: Plan["leftOut"]): string => {
  const [first, ...more] = leftOut
  if (first === undefined) return ""
  return `; left out: ${first.path}${more.length > 0 ? ` and ${more.length} more` : ""}`
}

const plan = Effect.fnUntraced(function*(options: PlanOptions): Effect.fn.Return<Plan, TorrentMakerError> {
  if (options.path === "") return yield* invalid("", "an empty path is no file and no folder")
  const path = nodePath.resolve(options.path)
  const version = options.version ?? "1"
  const order = version === "1" ? "Path" : "Tree"
  const sources = yield* SourceFiles.find(path, { ...options, order, maxFiles: Metainfo.MAX_FILES })
  const { files, totalLength } = sources
  if (totalLength === 0) {
    const message = `${path} has no data: a torrent needs at least one byte${butFor(sources.leftOut)}`
    return yield* new TorrentMakerError({ reason: "Empty", path, message })
  }
  const name = options.name ?? nodePath.basename(path)
  const pieceLength = options.pieceLength ?? PieceLength.choose(totalLength)
  const problem = problemWith(name, pieceLength, version, files)
  if (problem !== undefined) return yield* invalid(path, problem)
  const pieces = Arrangement.countPieces(files, pieceLength, version)
  const unshareable = files.find((file) => !isUtf8(file.path))?.path.toString()
  return { ...sources, path, version, name, pieceLength, pieces, unshareable }
})

/** A file that was there a moment ago has been changed when it is not as it was. */
const fromHasher = ({ code, message, path, reason }: PieceHasherError): TorrentMakerError =>
  reason === "Unreadable"
    ? new TorrentMakerError({ reason, path, message, cause: code })
    : SourceFiles.changed(path, reason === "Disappeared" ? "disappeared" : "became shorter")

const hash = (
  { files, layout }: Arrangement.Arrangement<SourceFiles.SourceFile>,
  version: Metainfo.Version,
  onProgress: HashJob["onProgress"],
  hasher: PieceHasher["Service"]
): Effect.Effect<Hashed, TorrentMakerError> => {
  const widths = version === "1" ? undefined : Arrangement.widths({ files, layout })
  return Effect.mapError(
    hasher.hash({
      files: files.map(({ file, length, offset }) =>
        "padding" in file ? { path: "", offset, length, padding: true } : { path: file.path, offset, length }
      ),
      layout,
      sha1: version !== "2",
      merkle: widths && ((piece) => widths[piece]!),
      onMissing: "Fail",
      onProgress
    }),
    fromHasher
  )
}

/**
 * The files as they stand in the document, with the roots of their trees where the version has trees. Which of them may be
 * executed by their owner is told in every version, as libtorrent has it: the same files get the same info hash.
 */
const partsOf = (
  { files, layout }: Arrangement.Arrangement<SourceFiles.SourceFile>,
  roots: Uint8Array
): ReadonlyArray<MetainfoWriter.PartFile> =>
  files.map(({ file, length, offset }) => {
    if ("padding" in file) return file
    const part = { path: file.names, length, executable: (file.stats.mode & fs.constants.S_IXUSR) !== 0 }
    const pieces = PieceLayout.piecesOf(layout, { offset, length })
    if (roots.length === 0 || pieces === undefined) return part
    const layer = roots.slice(pieces.first * Merkle.HASH, (pieces.last + 1) * Merkle.HASH)
    return length <= layout.pieceLength
      ? { ...part, piecesRoot: layer }
      : { ...part, piecesRoot: Merkle.rootOfPieces(layer, layout.pieceLength), pieceLayer: layer }
  })

/**
 * With the names that the files have: two of them may be one on another system, or hold what is not safe to take from a
 * stranger, but here they are known to be there.
 */
const asOnDisk = (
  metainfo: Metainfo.Metainfo,
  name: string,
  parts: ReadonlyArray<MetainfoWriter.PartFile>
): Metainfo.Metainfo => ({
  ...metainfo,
  files: metainfo.files.map((file, i) => ({ ...file, path: [name, ...parts[i]!.path.map(toText)] }))
})

const toText = (name: MetainfoWriter.Name): string => typeof name === "string" ? name : Bytes.toUtf8(name)

const make = Effect.fnUntraced(function*(
  plan: Plan,
  options: MakeOptions,
  hasher: PieceHasher["Service"]
): Effect.fn.Return<Made, TorrentMakerError> {
  const { name, path, pieceLength, single, version } = plan
  const arrangement = Arrangement.arrange(plan.files, pieceLength, version)
  const hashed = yield* hash(arrangement, version, options.onProgress, hasher)
  yield* SourceFiles.checkUnchanged(plan)
  const files = partsOf(arrangement, hashed.roots)
  const bytes = MetainfoWriter.encode({
    ...options,
    version,
    name,
    pieceLength,
    pieceHashes: hashed.sha1,
    ...(single ? files[0]! : { files })
  })
  // The bound is for strangers' torrents: files that are equal share their hashes, which few bytes then tell of many pieces.
  const maxBytes = Math.max(bytes.length, hashed.roots.length)
  const parsed = Metainfo.parse(bytes, { maxBytes, names: "posix" })
  if (Result.isFailure(parsed)) return yield* invalid(path, `${path} makes no valid torrent: ${parsed.failure.message}`)
  const metainfo = parsed.success
  return { metainfo: name === nodePath.basename(path) ? asOnDisk(metainfo, name, files) : metainfo, bytes }
})
