/**
 * Many small files in one go, with synchronous calls: for a thread of its own, where they hold up nobody. A file of 2 KB
 * costs 20 µs that way; as asynchronous calls, each 40 µs of two threads, what is done to it costs 600. Links are never
 * followed, as in `SafePlace`: each folder is looked at before it is entered, once in a task. Nothing of Effect is loaded
 * here, so that the thread is there at once.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as SystemCode from "../SystemCode.ts"

/** What is to be done to some files, as plain data. */
export interface Task {
  /**
   * `look`: what is in each place. `create`: makes the files that are not there. `write`: stores bytes, makes folders and
   * files. `read`: gives bytes. `sync`: makes content and times durable.
   */
  readonly what: "look" | "create" | "write" | "read" | "sync"
  readonly root: string
  /** Paths below the root, of components that are safe. */
  readonly files: ReadonlyArray<string>
  /** For `write` and `read`: which bytes of each file. */
  readonly positions?: ReadonlyArray<number>
  readonly lengths?: ReadonlyArray<number>
  /** For `write`: the bytes of all files, one after the other. */
  readonly bytes?: Uint8Array
}

/** Why a file could not be dealt with. */
export interface Trouble {
  /** Which of the task's files. */
  readonly index: number
  readonly path: string
  /** `System` has a code. */
  readonly reason: "Link" | "NotAFile" | "Missing" | "ShortRead" | "System"
  readonly code: string
  readonly operation: string
}

export interface Outcome {
  /** Only `look` goes on after the first. */
  readonly troubles: ReadonlyArray<Trouble>
  /** Folders with new entries. */
  readonly created: ReadonlyArray<string>
  /** For `write`: how many of the files, from the first on, have what was meant for them. */
  readonly written: number
  /** For `look`: of each file, -1 where there is none. */
  readonly lengths: Float64Array<ArrayBuffer>
  /** For `look`: modification times in nanoseconds since 1970. */
  readonly mtimes: BigInt64Array<ArrayBuffer>
  /** For `read`: the bytes of all files, one after the other. */
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** Files synced at once: the file system commits them together, and libuv has four threads. */
const SYNCS = 3

const { O_CREAT, O_RDONLY, O_RDWR } = fs.constants
// Windows alone wants to write what it is to sync; elsewhere a file may have become read only since it was written.
const TO_SYNC = process.platform === "win32" ? O_RDWR : O_RDONLY
const CAREFULLY = (fs.constants.O_NOFOLLOW ?? 0) | (fs.constants.O_NONBLOCK ?? 0)
const fileMode = 0o666

class Stop {
  readonly trouble: Omit<Trouble, "index">
  constructor(path: string, reason: Trouble["reason"], code = "", operation = "") {
    this.trouble = { path, reason, code, operation }
  }
}

const attempt = <A>(place: string, operation: string, run: () => A): A => {
  try {
    return run()
  } catch (cause) {
    throw new Stop(place, "System", SystemCode.of(cause) ?? "unknown", operation)
  }
}

/** Looks at a name itself, never at what a link points to. */
const look = (place: string): fs.BigIntStats | undefined => {
  const stat = attempt(place, "looking at", () => fs.lstatSync(place, { bigint: true, throwIfNoEntry: false }))
  if (stat?.isSymbolicLink()) throw new Stop(place, "Link")
  return stat
}

const lookAtFile = (place: string): fs.BigIntStats | undefined => {
  const stat = look(place)
  if (stat !== undefined && !stat.isFile()) throw new Stop(place, "NotAFile")
  return stat
}

const isFolder = (place: string): boolean => {
  const stat = look(place)
  if (stat !== undefined && !stat.isDirectory()) throw new Stop(place, "NotAFile")
  return stat !== undefined
}

const makeFolder = (folder: string): void => {
  try {
    fs.mkdirSync(folder)
  } catch (cause) {
    const code = SystemCode.of(cause) ?? "unknown"
    // Somebody was faster: fine if it is a folder now.
    if (code !== "EEXIST" || !isFolder(folder)) throw new Stop(folder, "System", code, "creating")
  }
}

const open = (place: string, flags: number): number =>
  attempt(place, "opening", () => fs.openSync(place, flags | CAREFULLY, fileMode))

class Run {
  readonly #task: Task
  /** Folders found good, and those found absent. */
  readonly #folders = new Map<string, boolean>()
  readonly created = new Set<string>()
  written = 0
  readonly lengths: Float64Array<ArrayBuffer>
  readonly mtimes: BigInt64Array<ArrayBuffer>
  readonly bytes: Uint8Array<ArrayBuffer>

  constructor(task: Task) {
    this.#task = task
    const looked = task.what === "look" ? task.files.length : 0
    this.lengths = new Float64Array(looked).fill(-1)
    this.mtimes = new BigInt64Array(looked)
    this.bytes = new Uint8Array(task.what === "read" ? task.lengths!.reduce((sum, length) => sum + length, 0) : 0)
  }

  /** The place of a file; `undefined` when a folder on the way is not there, and not to be made. */
  place(file: string, create: boolean): string | undefined {
    const { root } = this.#task
    const place = root + path.sep + file
    const end = file.lastIndexOf(path.sep)
    return end === -1 || this.#enter(root, file.slice(0, end), create) ? place : undefined
  }

  #enter(root: string, below: string, create: boolean): boolean {
    const known = this.#folders.get(below)
    if (known === true || (known === false && !create)) return known
    const end = below.lastIndexOf(path.sep)
    const isThere = (end === -1 || this.#enter(root, below.slice(0, end), create)) &&
      this.#find(root + path.sep + below, create)
    this.#folders.set(below, isThere)
    return isThere
  }

  #find(folder: string, create: boolean): boolean {
    if (isFolder(folder)) return true
    if (!create) return false
    makeFolder(folder)
    this.created.add(path.dirname(folder))
    return true
  }

  look(index: number): void {
    const place = this.place(this.#task.files[index]!, false)
    const stat = place === undefined ? undefined : lookAtFile(place)
    if (stat === undefined) return
    this.lengths[index] = Number(stat.size)
    this.mtimes[index] = stat.mtimeNs
  }

  create(index: number): void {
    const place = this.place(this.#task.files[index]!, true)!
    if (lookAtFile(place) !== undefined) return
    fs.closeSync(this.#openNew(place))
  }

  #openNew(place: string): number {
    const descriptor = open(place, O_RDWR | O_CREAT)
    this.created.add(path.dirname(place))
    return descriptor
  }

  /** @param at where the file's bytes stand among those of all */
  write(index: number, at: number): void {
    const { bytes, files, lengths, positions } = this.#task
    const position = positions![index]!
    const place = this.place(files[index]!, true)!
    const descriptor = lookAtFile(place) === undefined ? this.#openNew(place) : open(place, O_RDWR)
    try {
      const length = lengths![index]!
      for (let done = 0; done < length;) {
        const [from, left, to] = [at + done, length - done, position + done]
        done += attempt(place, "writing", () => fs.writeSync(descriptor, bytes!, from, left, to))
      }
      this.written++
    } finally {
      fs.closeSync(descriptor)
    }
  }

  /** The place of a file that has to be there. */
  #existing(index: number): string {
    const file = this.#task.files[index]!
    const place = this.place(file, false)
    if (place === undefined || lookAtFile(place) === undefined) {
      throw new Stop(this.#task.root + path.sep + file, "Missing")
    }
    return place
  }

  read(index: number, at: number): void {
    const place = this.#existing(index)
    const descriptor = open(place, O_RDONLY)
    try {
      const length = this.#task.lengths![index]!
      const position = this.#task.positions![index]!
      for (let done = 0; done < length;) {
        const [to, left, from] = [at + done, length - done, position + done]
        const count = attempt(place, "reading", () => fs.readSync(descriptor, this.bytes, to, left, from))
        if (count === 0) throw new Stop(place, "ShortRead")
        done += count
      }
    } finally {
      fs.closeSync(descriptor)
    }
  }

  /** `fsync`, not `fdatasync`: the resume record goes by the modification time, so that must survive too. */
  async sync(index: number): Promise<void> {
    const place = this.#existing(index)
    const descriptor = open(place, TO_SYNC)
    try {
      const cause = await new Promise<unknown>((resolve) => fs.fsync(descriptor, resolve))
      if (cause !== null) throw new Stop(place, "System", SystemCode.of(cause) ?? "unknown", "syncing")
      // Deleted meanwhile.
      if (attempt(place, "looking at", () => fs.fstatSync(descriptor)).nlink === 0) throw new Stop(place, "Missing")
    } finally {
      fs.closeSync(descriptor)
    }
  }
}

const troubleOf = (index: number, stop: unknown): Trouble => {
  if (stop instanceof Stop) return { index, ...stop.trouble }
  throw stop
}

const syncAll = async (run: Run, files: number, troubles: Array<Trouble>): Promise<void> => {
  let next = 0
  const work = async () => {
    while (next < files && troubles.length === 0) {
      const index = next++
      try {
        await run.sync(index)
      } catch (stop) {
        troubles.push(troubleOf(index, stop))
      }
    }
  }
  await Promise.all(Array.from({ length: SYNCS }, work))
}

/** Does the task, at once but for `sync`. */
export const perform = async (task: Task): Promise<Outcome> => {
  const { files, what } = task
  const run = new Run(task)
  const troubles: Array<Trouble> = []
  if (what === "sync") await syncAll(run, files.length, troubles)
  else {
    let at = 0
    const most = what === "look" ? files.length : 1
    for (let index = 0; index < files.length && troubles.length < most; index++) {
      try {
        run[what](index, at)
      } catch (stop) {
        troubles.push(troubleOf(index, stop))
      }
      at += task.lengths?.[index] ?? 0
    }
  }
  const { bytes, created, lengths, mtimes, written } = run
  return { troubles, created: Array.from(created), written, lengths, mtimes, bytes }
}
