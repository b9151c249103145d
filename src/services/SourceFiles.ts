/** The files that {@link TorrentMaker} makes a torrent of: found, read, and compared with what they were. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"

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
  /** Where it starts in the payload. */
  readonly offset: number
  readonly length: number
}

export interface SourceFiles {
  readonly files: ReadonlyArray<SourceFile>
  readonly totalLength: number
  /** Whether the path is a file and not a folder. */
  readonly single: boolean
}

/** Calls of the file system under way; libuv has four threads, and a few more calls keep them busy. */
export const CALLS = 8

const changed = (path: Buffer, what: string) =>
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

type Found = Pick<SourceFile, "path" | "names" | "stats">

/**
 * Everything regular below a folder, in the order of raw path bytes; links and special files are left out. Paths below
 * the folder are latin1 texts meanwhile, because those sort as bytes do.
 */
const walk = Effect.fnUntraced(function*(top: Buffer, maxFiles: number) {
  const inTop = (below: string) => below === "" ? top : Buffer.concat([top, Buffer.from(`/${below}`, "latin1")])
  const files: Array<string> = []
  let folders = [""]
  const readFolder = Effect.fnUntraced(function*(folder: string) {
    const path = inTop(folder)
    const entries = yield* call<Array<fs.Dirent<Buffer>>>(
      path,
      vanishing,
      (callback) => fs.readdir(path, { withFileTypes: true, encoding: "buffer" }, callback)
    )
    for (const entry of entries) {
      const name = entry.name.toString("latin1")
      const below = folder === "" ? name : `${folder}/${name}`
      if (entry.isDirectory()) folders.push(below)
      else if (entry.isFile()) files.push(below)
    }
  })
  while (folders.length > 0) {
    const batch = folders
    folders = []
    yield* Effect.forEach(batch, readFolder, { concurrency: CALLS, discard: true })
    if (files.length > maxFiles) {
      const path = top.toString()
      return yield* new TorrentMakerError({
        reason: "Invalid",
        path,
        message: `${path} has more than ${maxFiles} files`
      })
    }
  }
  files.sort((a, b) => a < b ? -1 : a > b ? 1 : 0)
  return yield* Effect.forEach(files, (below) => {
    const path = inTop(below)
    return Effect.map(call<fs.Stats>(path, vanishing, (callback) => fs.lstat(path, callback)), (stats): Found => ({
      path,
      names: below.split("/").map((name) => Buffer.from(name, "latin1")),
      stats
    }))
  }, { concurrency: CALLS })
})

/** The file, or all files below the folder. A link is followed here, and nowhere below. */
export const find = Effect.fnUntraced(function*(path: string, maxFiles: number) {
  const top = Buffer.from(path)
  const stats = yield* call<fs.Stats>(top, missing, (callback) => fs.stat(top, callback))
  if (!stats.isFile() && !stats.isDirectory()) {
    return yield* new TorrentMakerError({ reason: "Invalid", path, message: `${path} is neither a file nor a folder` })
  }
  const single = stats.isFile()
  const found: ReadonlyArray<Found> = single ? [{ path: top, names: [], stats }] : yield* walk(top, maxFiles)
  let totalLength = 0
  const files: Array<SourceFile> = []
  for (const { names, path, stats } of found) {
    files.push({ path, names, stats, offset: totalLength, length: stats.size })
    totalLength += stats.size
  }
  return { files, totalLength, single } satisfies SourceFiles
})

/** Fills `into` from a position of the file. */
export const read = (
  { path }: SourceFile,
  position: number,
  into: Uint8Array
): Effect.Effect<void, TorrentMakerError> =>
  Effect.acquireUseRelease(
    // Opened anew for every read: two calls in 2 MiB are cheaper than keeping track of descriptors.
    call<number>(path, vanishing, (callback) => fs.open(path, "r", callback)),
    Effect.fnUntraced(function*(descriptor) {
      for (let at = 0; at < into.length;) {
        const count = yield* call<number>(path, unreadable, (callback) =>
          fs.read(descriptor, into, at, into.length - at, position + at, callback))
        if (count === 0) {
          return yield* changed(path, "became shorter")
        }
        at += count
      }
    }),
    (descriptor) =>
      Effect.ignore(call<void>(path, unreadable, (callback) =>
        fs.close(descriptor, callback)))
  )

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
