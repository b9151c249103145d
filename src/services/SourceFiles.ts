/** The files that {@link TorrentMaker} makes a torrent of: found, and compared with what they were. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as Bytes from "../domain/Bytes.ts"
import * as SourceFilter from "../domain/SourceFilter.ts"

/** Why there is no torrent; `message` names the path or the option, and what to do. */
export class TorrentMakerError extends Data.TaggedError("TorrentMakerError")<{
  readonly reason: "NotFound" | "Unreadable" | "Changed" | "Empty" | "Invalid"
  readonly path: string
  readonly message: string
  readonly cause?: unknown
}> {}

export interface SourceFile {
  /** As the system has it, UTF-8 or not. */
  readonly path: Buffer
  /** Raw components below the folder; none when the file stands alone. */
  readonly names: ReadonlyArray<Uint8Array>
  /** When it was found. */
  readonly stats: fs.Stats
  readonly length: number
}

/** A file or folder that is not in the torrent. */
export interface LeftOut {
  /** Below the folder. */
  readonly path: string
  readonly why: SourceFilter.Why
}

export interface FindOptions extends SourceFilter.Options {
  readonly maxFiles: number
  /**
   * `Path`: of the bytes of whole paths, as version 1 torrents mostly have them. `Tree`: of each folder's names by
   * themselves, which BEP 52 wants; `a/b` comes before `a-b`.
   */
  readonly order: "Path" | "Tree"
}

export interface SourceFiles {
  readonly files: ReadonlyArray<SourceFile>
  readonly totalLength: number
  /** Whether the path is a file and not a folder. */
  readonly single: boolean
  /** In the order of their paths; what lies in a folder that is left out is not told. */
  readonly leftOut: ReadonlyArray<LeftOut>
}

/** Calls of the file system under way; libuv has four threads, and a few more calls keep them busy. */
export const CALLS = 8

/** For a file that is not as it was found. */
export const changed = (path: Buffer | string, what: string): TorrentMakerError =>
  new TorrentMakerError({
    reason: "Changed",
    path: path.toString(),
    message: `${path.toString()} ${what} while the torrent was made: make it again when nothing writes there`
  })

const unreadable = (path: Buffer, cause: NodeJS.ErrnoException): TorrentMakerError => {
  const text = path.toString()
  const why = cause.code === "EACCES" || cause.code === "EPERM" ? "permission denied" : cause.code ?? cause.message
  return new TorrentMakerError({ reason: "Unreadable", path: text, message: `cannot read ${text}: ${why}`, cause })
}

const isAbsent = (cause: NodeJS.ErrnoException): boolean => cause.code === "ENOENT" || cause.code === "ENOTDIR"

/** For a file that was there a moment ago. */
const vanishing = (path: Buffer, cause: NodeJS.ErrnoException): TorrentMakerError =>
  isAbsent(cause) ? changed(path, "disappeared") : unreadable(path, cause)

const missing = (path: Buffer, cause: NodeJS.ErrnoException): TorrentMakerError => {
  const text = path.toString()
  return isAbsent(cause)
    ? new TorrentMakerError({ reason: "NotFound", path: text, message: `${text}: no such file or folder`, cause })
    : unreadable(path, cause)
}

/** One call of node:fs. It is never left behind: an interruption waits for it, since it may hold a descriptor. */
const call = <A>(
  path: Buffer,
  toError: (path: Buffer, cause: NodeJS.ErrnoException) => TorrentMakerError,
  run: (callback: (cause: NodeJS.ErrnoException | null, value: A) => void) => void
): Effect.Effect<A, TorrentMakerError> =>
  Effect.uninterruptible(
    Effect.callback((resume) =>
      run((cause, value) => resume(cause === null ? Effect.succeed(value) : Effect.fail(toError(path, cause))))
    )
  )

/** As the filter knows it; names that are not UTF-8 are matched as far as they are. */
const readable = (below: string): string => Bytes.toUtf8(Bytes.fromLatin1(below))

const compare = (a: string, b: string): number => a < b ? -1 : a > b ? 1 : 0

const whyNot = (entry: fs.Dirent<Buffer>, below: string, options: FindOptions): SourceFilter.Why | undefined => {
  const why = SourceFilter.reject(readable(below), options)
  if (why !== undefined || entry.isFile() || entry.isDirectory()) return why
  return entry.isSymbolicLink() ? "Link" : "Special"
}

/** The paths of what is below a folder. They are latin1 texts, because those sort as bytes do. */
const walk = Effect.fnUntraced(function*(top: Buffer, options: FindOptions) {
  const files: Array<string> = []
  const leftOut: Array<LeftOut> = []
  let folders = [""]
  const readFolder = Effect.fnUntraced(function*(folder: string) {
    const path = inTop(top, folder)
    const entries = yield* call<Array<fs.Dirent<Buffer>>>(
      path,
      vanishing,
      (callback) => fs.readdir(path, { withFileTypes: true, encoding: "buffer" }, callback)
    )
    for (const entry of entries) {
      const name = entry.name.toString("latin1")
      const below = folder === "" ? name : `${folder}/${name}`
      const why = whyNot(entry, below, options)
      if (why !== undefined) leftOut.push({ path: readable(below), why })
      else if (entry.isDirectory()) folders.push(below)
      else files.push(below)
    }
  })
  while (folders.length > 0) {
    const batch = folders
    folders = []
    yield* Effect.forEach(batch, readFolder, { concurrency: CALLS, discard: true })
    if (files.length > options.maxFiles) {
      const path = top.toString()
      const message = `${path} has more than ${options.maxFiles} files`
      return yield* new TorrentMakerError({ reason: "Invalid", path, message })
    }
  }
  return { files, leftOut: leftOut.sort((a, b) => compare(a.path, b.path)) }
})

const inTop = (top: Buffer, below: string): Buffer =>
  below === "" ? top : Buffer.concat([top, Buffer.from(`/${below}`, "latin1")])

/** No name holds a NUL, and nothing sorts before it. */
const inTreeOrder = (paths: ReadonlyArray<string>): ReadonlyArray<string> =>
  paths.map((path) => path.replaceAll("/", "\0")).sort(compare).map((path) => path.replaceAll("\0", "/"))

const lookAt = (top: Buffer, paths: ReadonlyArray<string>): Effect.Effect<Array<SourceFile>, TorrentMakerError> =>
  Effect.forEach(paths, (below) => {
    const path = inTop(top, below)
    return Effect.map(call<fs.Stats>(path, vanishing, (callback) => fs.lstat(path, callback)), (stats): SourceFile => ({
      path,
      names: below.split("/").map((name) => Buffer.from(name, "latin1")),
      stats,
      length: stats.size
    }))
  }, { concurrency: CALLS })

/** The file, or all files below the folder that the filter lets through. A link is followed here, and nowhere below. */
export const find = Effect.fnUntraced(function*(
  path: string,
  options: FindOptions
): Effect.fn.Return<SourceFiles, TorrentMakerError> {
  const top = Buffer.from(path)
  const stats = yield* call<fs.Stats>(top, missing, (callback) => fs.stat(top, callback))
  if (!stats.isFile() && !stats.isDirectory()) {
    return yield* new TorrentMakerError({ reason: "Invalid", path, message: `${path} is neither a file nor a folder` })
  }
  if (stats.isFile()) {
    const file = { path: top, names: [], stats, length: stats.size }
    return { files: [file], totalLength: stats.size, single: true, leftOut: [] }
  }
  const { files: paths, leftOut } = yield* walk(top, options)
  const sorted = options.order === "Tree" ? inTreeOrder(paths) : paths.sort(compare)
  const files = yield* lookAt(top, sorted)
  return { files, totalLength: files.reduce((sum, { length }) => sum + length, 0), single: false, leftOut }
})

/** Compares every file with what it was when it was found. */
export const checkUnchanged = ({ files, single }: SourceFiles): Effect.Effect<void, TorrentMakerError> =>
  Effect.forEach(files, ({ path, stats }) =>
    Effect.flatMap(
      call<fs.Stats>(path, vanishing, (callback) => single ? fs.stat(path, callback) : fs.lstat(path, callback)),
      (now) =>
        now.size === stats.size && now.mtimeMs === stats.mtimeMs && now.ino === stats.ino
          ? Effect.void
          : Effect.fail(changed(path, "changed"))
    ), { concurrency: CALLS, discard: true })
