/** Small files that are read and replaced as a whole. Failures are Node's own. */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Bytes from "../../domain/Bytes.ts"
import { codeOf } from "./FileStoreError.ts"
import * as SafePlace from "./SafePlace.ts"

/** The whole file, unless it is longer than `limit` bytes: then nothing of it. `undefined` when there is none. */
export const read = async (file: string, limit: number): Promise<Uint8Array | undefined> => {
  let handle: fs.FileHandle
  try {
    handle = await fs.open(file, "r")
  } catch (cause) {
    if (["ENOENT", "ENOTDIR"].includes(codeOf(cause))) return undefined
    throw cause
  }
  try {
    const { size } = await handle.stat()
    return size > limit ? Bytes.empty : await handle.readFile()
  } finally {
    await handle.close()
  }
}

export interface ReplaceOptions {
  /** Where the new file grows: in the same folder. */
  readonly temporary?: string | undefined
  /** Permissions of the new file; `usual` for what the system gives to any file. By default it is its owner's alone. */
  readonly mode?: number | "usual" | undefined
}

const PRIVATE = 0o600
const USUAL = 0o666

/**
 * After a crash at any point either the old file or the new one is there, whole. Between two chunks the event loop turns, so
 * many of them may be made one by one.
 */
export const replace = async (
  file: string,
  chunks: Iterable<Uint8Array>,
  { mode = PRIVATE, temporary = `${file}.new` }: ReplaceOptions = {}
): Promise<void> => {
  const handle = await fs.open(temporary, "w", mode === "usual" ? USUAL : PRIVATE)
  try {
    for (const chunk of chunks) await handle.writeFile(chunk)
    // What the system takes away from new files is given back here.
    if (mode !== "usual" && mode !== PRIVATE) await handle.chmod(mode)
    await handle.sync()
  } catch (cause) {
    await fs.rm(temporary, { force: true })
    throw cause
  } finally {
    await handle.close()
  }
  await fs.rename(temporary, file)
  await SafePlace.syncFolder(path.dirname(file))
}
