/** Small files that are read, made and replaced as a whole. Failures are Node's own. */
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

/**
 * After a crash at any point either the old file or the new one is there, whole. Between two chunks the event loop turns, so
 * many of them may be made one by one.
 */
export const replace = async (file: string, chunks: Iterable<Uint8Array>): Promise<void> => {
  const temporary = `${file}.new`
  const handle = await fs.open(temporary, "w", 0o600)
  try {
    try {
      for (const chunk of chunks) await handle.writeFile(chunk)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await fs.rename(temporary, file)
  } catch (cause) {
    // On a full disk it would stand in the way of all others.
    await fs.rm(temporary, { force: true })
    throw cause
  }
  await SafePlace.syncFolder(path.dirname(file))
}

/** What file systems say that have no links. */
const NO_LINKS = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"])

/** Gives a file a name that no other has; fails with `EEXIST` when one has it. */
const nameNew = async (temporary: string, file: string): Promise<void> => {
  try {
    await fs.link(temporary, file)
    await fs.unlink(temporary)
  } catch (cause) {
    if (!NO_LINKS.has(codeOf(cause))) throw cause
    await (await fs.open(file, "wx")).close()
    await fs.rename(temporary, file)
  }
}

/** A process that was killed may have left a file, and another in a container of its own may have the same id. */
const MAX_TEMPORARIES = 100

/** Makes a file with a name of its own in the folder. */
const openTemporary = async (
  folder: string
): Promise<{ readonly temporary: string; readonly handle: fs.FileHandle }> => {
  for (let attempt = 0;; attempt++) {
    const temporary = path.join(folder, `.freshet-${process.pid}-${attempt}.new`)
    try {
      return { temporary, handle: await fs.open(temporary, "wx") }
    } catch (cause) {
      if (codeOf(cause) !== "EEXIST" || attempt === MAX_TEMPORARIES) throw cause
    }
  }
}

/**
 * A file for others to read, whole from the moment that it has its name. Where one has that name, it is replaced with
 * `overwrite`, and without it this fails with `EEXIST`.
 *
 * @param mode permissions of the new file, if not those that every new file gets
 */
export const publish = async (file: string, bytes: Uint8Array, overwrite: boolean, mode?: number): Promise<void> => {
  const folder = path.dirname(file)
  const { handle, temporary } = await openTemporary(folder)
  try {
    try {
      await handle.writeFile(bytes)
      if (mode !== undefined) await handle.chmod(mode)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await (overwrite ? fs.rename(temporary, file) : nameNew(temporary, file))
  } catch (cause) {
    await fs.rm(temporary, { force: true })
    throw cause
  }
  await SafePlace.syncFolder(folder)
}
