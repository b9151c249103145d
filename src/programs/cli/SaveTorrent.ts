/** Writes a .torrent to where the user wants it, whole or not at all, and never over what is worth more. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Bencode from "../../domain/Bencode.ts"
import * as Bytes from "../../domain/Bytes.ts"
import * as Metainfo from "../../domain/Metainfo.ts"
import * as AtomicFile from "../../services/storage/AtomicFile.ts"
import * as SystemCode from "../../services/SystemCode.ts"
import { ExitCode, type Failure, failure } from "./ExitCode.ts"

export interface Rules {
  /** The most that may be written over. Devices, pipes and folders never are: a rename would put a file in their place. */
  readonly over: "Nothing" | "Torrent" | "File"
  /** The option that names the place. */
  readonly option: string
  /** The option that lets it be written over; `--force` when absent. */
  readonly force?: string | undefined
  /** What the torrent is made of, a file or a folder: nothing may be written there. */
  readonly source?: string | undefined
}

/** Where a torrent may be written. */
export interface Place {
  /** As the user calls it. */
  readonly name: string
  /** Without links. */
  readonly path: string
  /** Permissions of the file that it replaces. */
  readonly mode: number | undefined
}

const EXIT: Readonly<Record<string, ExitCode>> = {
  ENOSPC: ExitCode.diskFull,
  EDQUOT: ExitCode.diskFull,
  EEXIST: ExitCode.fileExists,
  EIO: ExitCode.fileError
}

const cannotWrite = (name: string) => (cause: unknown): Failure => {
  const code = SystemCode.of(cause)
  // The file itself need not be there.
  const why = code === "ENOENT" ? "its folder does not exist" : SystemCode.describe(cause)
  return failure(EXIT[code ?? ""] ?? ExitCode.cannotCreate, `cannot write ${name}: ${why}`)
}

/** What is there already. */
interface Present {
  readonly path: string
  readonly mode: number
  readonly isFile: boolean
}

const unlessAbsent = <A>(found: Promise<A>): Promise<A | undefined> =>
  found.catch((cause: unknown) => {
    if (SystemCode.of(cause) === "ENOENT") return undefined
    throw cause
  })

/** Links are followed; one that leads nowhere is there all the same. */
const look = async (file: string): Promise<Present | undefined> => {
  const real = await unlessAbsent(fs.realpath(file))
  const stats = await unlessAbsent(real === undefined ? fs.lstat(file) : fs.stat(real))
  return stats && { path: real ?? file, mode: stats.mode & 0o777, isFile: stats.isFile() }
}

const isTorrent = async (file: string): Promise<boolean> => {
  const bytes = await AtomicFile.read(file, Bencode.DOCUMENT.maxBytes)
  return bytes !== undefined && Result.isSuccess(Metainfo.parse(bytes))
}

const isBelow = (file: string, folder: string): boolean => `${file}${path.sep}`.startsWith(`${folder}${path.sep}`)

/** Why a file that is there must stay. */
const whyKept = async (name: string, { isFile, path }: Present, { force = "--force", option, over }: Rules) => {
  if (!isFile) {
    return failure(ExitCode.cannotCreate, `${name} is no file to be written over; choose another with ${option}`)
  }
  if (over === "Nothing") return failure(ExitCode.fileExists, `${name} exists; ${force} writes over it`)
  return over === "File" || await isTorrent(path)
    ? undefined
    : failure(ExitCode.fileExists, `${name} exists and is no torrent; choose another name with ${option}`)
}

/** In the place of a file's name: stdout. */
export const STDOUT = "-"

/**
 * Refuses what cannot be written to stdout.
 *
 * @param option the option that has named it
 * @param others options that write there too, and whether they are given
 */
export const checkStdout = (
  option: string,
  others: Readonly<Record<string, boolean>>
): Effect.Effect<void, Failure> => {
  const other = Object.keys(others).find((name) => others[name])
  if (other !== undefined) return failure(ExitCode.usage, `${other} and ${option} - both want stdout`)
  return process.stdout.isTTY
    ? failure(ExitCode.usage, "a torrent is not for a terminal to show; redirect stdout")
    : Effect.void
}

/** Finds out whether a torrent can be written there, before hours are spent on making it. */
export const prepare = Effect.fnUntraced(function*(name: string, rules: Rules): Effect.fn.Return<Place, Failure> {
  const attempt = <A>(run: () => Promise<A>) => Effect.tryPromise({ try: run, catch: cannotWrite(name) })
  const present = yield* attempt(() => look(name))
  const folder = yield* attempt(() => fs.realpath(path.dirname(present?.path ?? name)))
  const target = path.join(folder, path.basename(present?.path ?? path.resolve(name)))
  const source = rules.source && (yield* attempt(() => fs.realpath(rules.source!)))
  if (source && isBelow(target, source)) {
    const message = `${name} would lie in what the torrent is made of; choose another place with ${rules.option}`
    return yield* failure(ExitCode.usage, message)
  }
  const kept = present && (yield* attempt(() => whyKept(name, present, rules)))
  if (kept) return yield* kept
  yield* attempt(() => fs.access(folder, fs.constants.W_OK | fs.constants.X_OK))
  return { name, path: target, mode: present?.mode }
})

/** Puts the document in its place; where none was before, what has come there in the meantime stays. */
export const save = ({ mode, name, path }: Place, document: Uint8Array): Effect.Effect<void, Failure> =>
  Effect.uninterruptible(
    Effect.tryPromise({
      try: () => AtomicFile.publish(path, document, mode !== undefined, mode),
      catch: cannotWrite(name)
    })
  )

/** Whether exactly this lies there already. */
export const isThere = (file: string, document: Uint8Array): Effect.Effect<boolean> =>
  Effect.promise(() =>
    AtomicFile.read(file, document.length).then(
      (bytes) => bytes !== undefined && Bytes.equals(bytes, document),
      () => false
    )
  )
