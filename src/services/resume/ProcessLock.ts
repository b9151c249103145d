/**
 * One process at a time in a folder, even after a crash. Every process creates a lock file under a name of its own
 * (pid and start time) and has the folder only if it then sees no other live process's file. Of two that come at
 * once, the later to create sees the earlier, so both can never have it; both may step back, hence the retries. As no
 * name is ever used twice, removing the file of a dead process cannot hit a live one.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Folder from "../Folder.ts"
import { codeOf } from "../storage/FileStoreError.ts"

export interface Owner {
  readonly pid: number
  /** Clock ticks from boot to the start of the process, where the system tells (`proc(5)`, field 22), else `"0"`. */
  readonly start: string
}

const NAME = /^lock-([1-9]\d{0,9})-(\d{1,20})$/
const UNKNOWN = "0"
const ATTEMPTS = 6

const nameOf = ({ pid, start }: Owner): string => `lock-${pid}-${start}`

const parse = (name: string): Owner | undefined => {
  const [, pid, start] = NAME.exec(name) ?? []
  return pid === undefined || start === undefined ? undefined : { pid: Number(pid), start }
}

/** State letter and start time from `/proc`; `undefined` where there is no such thing, or no such process. */
const processStat = async (pid: number): Promise<{ readonly state: string; readonly start: string } | undefined> => {
  try {
    const text = await fs.readFile(`/proc/${pid}/stat`, "latin1")
    // The second field, the name of the program, is in parentheses and may itself hold some, and spaces.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
    const [state] = fields
    const start = fields[19]
    return state === undefined || start === undefined ? undefined : { state, start }
  } catch {
    return undefined
  }
}

export const current: Effect.Effect<Owner> = Effect.promise(async () => ({
  pid: process.pid,
  start: (await processStat(process.pid))?.start ?? UNKNOWN
}))

const isAlive = async ({ pid, start }: Owner): Promise<boolean> => {
  try {
    process.kill(pid, 0)
  } catch (cause) {
    // EPERM: it is there, and somebody else's.
    if (codeOf(cause) === "ESRCH") return false
  }
  const stat = await processStat(pid)
  if (stat === undefined) return true
  return stat.state !== "Z" && stat.state !== "X" && (start === UNKNOWN || stat.start === start)
}

/** The first live process other than `self` that has a file here; removes the files of dead ones. */
const findOther = async (folder: string, self: Owner): Promise<Owner | undefined> => {
  let other: Owner | undefined
  for (const name of await fs.readdir(folder)) {
    const owner = parse(name)
    if (owner === undefined || name === nameOf(self)) continue
    if (await isAlive(owner)) other = owner
    else await fs.rm(path.join(folder, name), { force: true })
  }
  return other
}

export type Outcome =
  | { readonly _tag: "Claimed" }
  | { readonly _tag: "Taken"; readonly owner: Owner; readonly final: boolean }
  | { readonly _tag: "Failed"; readonly code: string }

const claimOnce = async (folder: string, self: Owner, held: ReadonlySet<string>): Promise<Outcome> => {
  const file = path.join(folder, nameOf(self))
  try {
    await Folder.make(folder, 0o700)
    await (await fs.open(file, "wx", 0o600)).close()
  } catch (cause) {
    const code = codeOf(cause)
    // Without a start time, a file with our pid that is not held is left over from an earlier process of that number.
    const leftOver = code === "EEXIST" && self.start === UNKNOWN && !held.has(file)
    if (code === "EEXIST" && !leftOver) return { _tag: "Taken", owner: self, final: true }
    if (!leftOver) {
      const owner = await findOther(folder, self).catch(() => undefined)
      return owner === undefined ? { _tag: "Failed", code } : { _tag: "Taken", owner, final: false }
    }
  }
  const other = await findOther(folder, self)
  if (other === undefined) return { _tag: "Claimed" }
  await fs.rm(file, { force: true })
  return { _tag: "Taken", owner: other, final: false }
}

/** The lock file of this process in the folder. */
export const fileOf = (folder: string, self: Owner): string => path.join(folder, nameOf(self))

/**
 * Creates the folder and takes it. A claim must be given back with {@link release}.
 *
 * @param held the lock files that this process has
 */
export const claim = Effect.fnUntraced(function*(folder: string, self: Owner, held: ReadonlySet<string>) {
  let outcome: Outcome = { _tag: "Failed", code: "EIO" }
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    outcome = yield* Effect.promise(() =>
      claimOnce(folder, self, held).catch((cause): Outcome => ({ _tag: "Failed", code: codeOf(cause) }))
    )
    // ENOENT: its last user removed the empty folder between our two steps.
    const retry = outcome._tag === "Taken" ? !outcome.final : outcome._tag === "Failed" && outcome.code === "ENOENT"
    if (!retry) return outcome
    yield* Effect.sleep(yield* Random.nextIntBetween(5, 40))
  }
  return outcome
})

/** Creates the folder and takes it for the scope. `held` is as for {@link claim}, and kept up. */
export const hold = (folder: string, self: Owner, held: Set<string>): Effect.Effect<Outcome, never, Scope.Scope> => {
  const file = fileOf(folder, self)
  return Effect.acquireRelease(
    Effect.tap(claim(folder, self, held), ({ _tag }) =>
      Effect.sync(() => {
        if (_tag === "Claimed") held.add(file)
      })),
    ({ _tag }) => {
      if (_tag !== "Claimed") return Effect.void
      held.delete(file)
      return release(folder, self)
    }
  )
}

/** Gives the folder back, and removes it when nothing is left in it. */
export const release = (folder: string, self: Owner): Effect.Effect<void> =>
  Effect.promise(async () => {
    await fs.rm(fileOf(folder, self), { force: true }).catch(() => undefined)
    await fs.rmdir(folder).catch(() => undefined)
  })
