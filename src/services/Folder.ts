/** Folders that are made where they are missing. */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as SystemCode from "./SystemCode.ts"

const isFolder = async (dir: string): Promise<boolean> => {
  try {
    return (await fs.stat(dir)).isDirectory()
  } catch (cause) {
    if (SystemCode.of(cause) !== "ENOENT") throw cause
    return false
  }
}

/**
 * Makes a folder and those above it; rejects with the error of the system. One by one: Node's own way of making all at
 * once does not end in file systems like /proc.
 */
export const make = async (dir: string, mode?: number): Promise<void> => {
  if (await isFolder(dir)) return
  if (path.dirname(dir) !== dir) await make(path.dirname(dir), mode)
  try {
    await fs.mkdir(dir, { mode })
  } catch (cause) {
    // Somebody else may have been faster.
    if (!(await isFolder(dir))) throw cause
  }
}
