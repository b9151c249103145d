/** Writes a .torrent to where the user wants it, whole or not at all. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Bencode from "../../domain/Bencode.ts"
import * as Metainfo from "../../domain/Metainfo.ts"
import * as AtomicFile from "../../services/storage/AtomicFile.ts"
import * as SystemCode from "../../services/SystemCode.ts"
import { ExitCode, type Failure, failure } from "./ExitCode.ts"

/** A file that is there already. */
interface Present {
  /** The file itself, whatever links lead to it. */
  readonly path: string
  readonly mode: number
  readonly isFile: boolean
}

const look = async (file: string): Promise<Present | undefined> => {
  try {
    const real = await fs.realpath(file)
    const stat = await fs.stat(real)
    return { path: real, mode: stat.mode & 0o777, isFile: stat.isFile() }
  } catch (cause) {
    if (SystemCode.of(cause) === "ENOENT") return undefined
    throw cause
  }
}

const EXIT: Readonly<Record<string, ExitCode>> = {
  ENOSPC: ExitCode.diskFull,
  EDQUOT: ExitCode.diskFull,
  EEXIST: ExitCode.fileExists,
  EIO: ExitCode.fileError
}

const cannotWrite = (file: string) => (cause: unknown): Failure => {
  const code = SystemCode.of(cause)
  return failure(EXIT[code ?? ""] ?? ExitCode.cannotCreate, `cannot write ${file}: ${code ?? String(cause)}`)
}

const isTorrent = async (file: string): Promise<boolean> => {
  const bytes = await AtomicFile.read(file, Bencode.DOCUMENT.maxBytes)
  return bytes !== undefined && Result.isSuccess(Metainfo.parse(bytes))
}

/**
 * Puts the document in the place of a torrent, whose permissions it keeps, or into a new file. Anything else that is there
 * stays.
 */
export const save = Effect.fnUntraced(function*(
  file: string,
  document: Uint8Array
): Effect.fn.Return<void, Failure> {
  const attempt = <A>(run: () => Promise<A>) => Effect.tryPromise({ try: run, catch: cannotWrite(file) })
  const present = yield* attempt(() => look(file))
  if (present?.isFile === false) return yield* failure(ExitCode.cannotCreate, `${file} is no file to be written over`)
  if (present !== undefined && !(yield* attempt(() => isTorrent(present.path)))) {
    return yield* failure(ExitCode.fileExists, `${file} exists and is no torrent; choose another name`)
  }
  const target = present?.path ?? path.resolve(file)
  yield* Effect.uninterruptible(
    attempt(() => AtomicFile.publish(target, document, present !== undefined, present?.mode))
  )
})
