/**
 * The open files of a whole store, at most so many at a time. A file is opened when it is first used and pinned while
 * an operation runs; the one unused for longest gives way. An operation pins one file at a time, hence none can wait
 * for another for ever.
 */
import * as fs from "node:fs"
import * as FileStoreError from "./FileStoreError.ts"

export interface Opened {
  readonly fd: number
  /** Why the file could be opened for reading alone. */
  readonly refusal: FileStoreError.FileStoreError | undefined
}

export interface Descriptor extends Opened {
  readonly slot: Slot
  pins: number
  /** Closed as soon as nobody uses it. */
  retired: boolean
}

type Done = (error: FileStoreError.FileStoreError | undefined, descriptor?: Descriptor) => void

/** A file that the pool may open. Only the pool changes it. */
export interface Slot {
  readonly path: string
  /** Opens the file, creating it if told to; rejects with what Node or {@link FileStoreError} says. */
  readonly open: (create: boolean) => Promise<Opened>
  descriptor: Descriptor | undefined
  /** Who waits for the file while it is being opened, or waits for its turn to be. */
  waiting: Array<{ readonly create: boolean; readonly done: Done }> | undefined
}

export const slot = (path: string, open: Slot["open"]): Slot => ({
  path,
  open,
  descriptor: undefined,
  waiting: undefined
})

export interface Descriptors {
  /** Hands over a pinned descriptor, at once if the file is open. Every success needs a {@link release}. */
  readonly acquire: (slot: Slot, create: boolean, done: Done) => void
  readonly release: (descriptor: Descriptor) => void
  /** Closes these files, each when it is not in use; `done` once all are closed. */
  readonly close: (slots: Iterable<Slot>, done: () => void) => void
}

export const make = (maxOpenFiles: number): Descriptors => new Pool(Math.max(1, maxOpenFiles))

/** Whether the process may open no more files. */
export const isExhausted = ({ reason }: FileStoreError.FileStoreError): boolean =>
  reason._tag === "Io" && (reason.code === "EMFILE" || reason.code === "ENFILE")

class Pool implements Descriptors {
  #max: number
  /** Open files, the one unused for longest first. */
  readonly #open = new Set<Descriptor>()
  /** Files that wait for a place. */
  readonly #queue: Array<Slot> = []
  /** Whom to tell that a descriptor is closed. */
  readonly #closed = new Map<Descriptor, () => void>()
  #opening = 0
  #closing = 0

  constructor(max: number) {
    this.#max = max
  }

  readonly acquire = (slot: Slot, create: boolean, done: Done): void => {
    const descriptor = slot.descriptor
    if (descriptor !== undefined) {
      descriptor.pins++
      this.#open.delete(descriptor)
      this.#open.add(descriptor)
      return done(undefined, descriptor)
    }
    if (slot.waiting !== undefined) {
      slot.waiting.push({ create, done })
      return
    }
    slot.waiting = [{ create, done }]
    this.#queue.push(slot)
    this.#advance()
  }

  readonly release = (descriptor: Descriptor): void => {
    descriptor.pins--
    if (descriptor.pins > 0) return
    if (descriptor.retired) this.#close(descriptor)
    else if (this.#queue.length > 0) this.#advance()
  }

  readonly close = (slots: Iterable<Slot>, done: () => void): void => {
    let left = 1
    const one = () => {
      left--
      if (left === 0) done()
    }
    for (const { descriptor } of slots) {
      if (descriptor === undefined) continue
      left++
      this.#closed.set(descriptor, one)
      this.#retire(descriptor)
    }
    one()
  }

  #used(): number {
    return this.#open.size + this.#opening + this.#closing
  }

  /** Opens what there is room for, and makes room for the rest. */
  #advance(): void {
    while (this.#queue.length > 0 && this.#used() < this.#max) void this.#start(this.#queue.shift()!)
    let needed = this.#queue.length - this.#closing
    for (const descriptor of this.#open) {
      if (needed <= 0) return
      if (descriptor.pins > 0) continue
      this.#retire(descriptor)
      needed--
    }
  }

  async #start(slot: Slot): Promise<void> {
    const create = slot.waiting!.some((waiter) => waiter.create)
    this.#opening++
    let opened: Opened | undefined
    let error: FileStoreError.FileStoreError | undefined
    try {
      opened = await slot.open(create)
    } catch (cause) {
      error = FileStoreError.from(cause, slot.path, "opening")
    }
    this.#opening--
    if (opened !== undefined) this.#opened(slot, opened)
    else if (isExhausted(error!) && this.#open.size > 0) {
      // The process has fewer descriptors left than we were promised: live with what we hold.
      this.#max = this.#open.size
      this.#queue.unshift(slot)
    } else this.#failed(slot, create, error!)
    this.#advance()
  }

  #opened(slot: Slot, opened: Opened): void {
    const waiting = slot.waiting!
    const descriptor: Descriptor = { ...opened, slot, pins: waiting.length, retired: false }
    slot.waiting = undefined
    slot.descriptor = descriptor
    this.#open.add(descriptor)
    for (const waiter of waiting) waiter.done(undefined, descriptor)
  }

  #failed(slot: Slot, create: boolean, error: FileStoreError.FileStoreError): void {
    // Writers that came while a reader's attempt ran have not had their own: it may create the file.
    const later = create ? [] : slot.waiting!.filter((waiter) => waiter.create)
    const failed = create ? slot.waiting! : slot.waiting!.filter((waiter) => !waiter.create)
    slot.waiting = later.length > 0 ? later : undefined
    if (later.length > 0) this.#queue.push(slot)
    for (const waiter of failed) waiter.done(error)
  }

  /** Out of the table now, closed when nobody uses it. */
  #retire(descriptor: Descriptor): void {
    if (descriptor.retired) return
    descriptor.retired = true
    descriptor.slot.descriptor = undefined
    if (descriptor.pins === 0) this.#close(descriptor)
  }

  #close(descriptor: Descriptor): void {
    this.#open.delete(descriptor)
    this.#closing++
    fs.close(descriptor.fd, () => {
      this.#closing--
      this.#closed.get(descriptor)?.()
      this.#closed.delete(descriptor)
      this.#advance()
    })
  }
}
