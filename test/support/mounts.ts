/** File systems of a certain size or mood, which only root on Linux can make. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

const mount = (...args: ReadonlyArray<string>): void => {
  execFileSync("mount", args, { stdio: "pipe" })
}

/** Why a test cannot have one here, if so. */
export const missing = ((): string | undefined => {
  if (process.platform !== "linux") return "tmpfs is Linux'"
  if (process.getuid?.() !== 0) return "only root can mount a tmpfs"
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "freshet-mount-"))
  try {
    mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", dir)
    execFileSync("umount", [dir])
    return undefined
  } catch (cause) {
    return `cannot mount a tmpfs: ${String(cause).split("\n")[0]}`
  } finally {
    fs.rmdirSync(dir)
  }
})()

/** The title of tests that need one, with why they are skipped if they are. */
export const title = (text: string): string => missing === undefined ? text : `${text} (skipped: ${missing})`

/** Makes the folder a file system of so many bytes, until the scope closes. */
export const tmpfs = (dir: string, size: number): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      fs.mkdirSync(dir)
      mount("-t", "tmpfs", "-o", `size=${size}`, "tmpfs", dir)
    }),
    () => Effect.sync(() => execFileSync("umount", [dir]))
  )

/**
 * A folder where a sync costs next to nothing, if the system has one. A slow disk makes what a killed program loses depend
 * on how long its last sync would have taken.
 */
export const quickFolder: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const parent = fs.existsSync("/dev/shm") ? "/dev/shm" : os.tmpdir()
    return fs.realpathSync(fs.mkdtempSync(path.join(parent, "freshet-")))
  }),
  (dir) => Effect.sync(() => fs.rmSync(dir, { recursive: true, force: true }))
)

/** Changes a mounted one: `size=…`, `ro`, `rw`. */
export const remount = (dir: string, change: string): void => mount("-o", `remount,${change}`, dir)

/** Makes a file that takes what is left of the disk. */
export const fillUp = (file: string): void => {
  try {
    for (;;) fs.appendFileSync(file, new Uint8Array(4096))
  } catch (cause) {
    if (!String(cause).includes("ENOSPC")) throw cause
  }
}
