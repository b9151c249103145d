/** The files of one torrent on disk, over the shared pool of descriptors. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Descriptors from "./Descriptors.ts"
import * as FileStoreError from "./FileStoreError.ts"
import * as Places from "./Places.ts"
import * as SafePlace from "./SafePlace.ts"
import type { OpenOptions, Storage } from "./Storage.ts"

type Error = FileStoreError.FileStoreError

/** `fs.read` and `fs.write` at a position. */
type Operate = (
  fd: number,
  bytes: Uint8Array,
  at: number,
  length: number,
  position: number,
  done: (cause: NodeJS.ErrnoException | null, moved: number) => void
) => void

const { Reason } = FileStoreError

/** How many files are looked at, or created, at a time: libuv has four threads, and the network's DNS wants one. */
const SWEEP = 3

const attempt = <A>(what: string, run: () => Promise<A>): Effect.Effect<A, Error> =>
  Effect.uninterruptible(
    Effect.tryPromise({ try: run, catch: (cause) => FileStoreError.from(cause, what, "opening") })
  )

const makeRoot = (root: string): Effect.Effect<ReadonlyArray<string>, Error> =>
  Effect.uninterruptible(
    Effect.tryPromise({
      try: () => SafePlace.makeRoot(root),
      catch: (cause) => FileStoreError.fromRoot(cause, root)
    })
  )

const isInTheWay = ({ reason }: Error): boolean => reason._tag === "Link" || reason._tag === "NotAFile"

export const make = Effect.fnUntraced(function*(
  descriptors: Descriptors.Descriptors,
  options: OpenOptions
): Effect.fn.Return<Storage, Error, Scope.Scope> {
  const root = path.resolve(options.dir)
  const parents = options.readOnly === true ? [] : yield* makeRoot(root)
  const disk = yield* Effect.acquireRelease(
    Effect.sync(() => new Disk(descriptors, options, root)),
    (disk) => disk.close
  )
  parents.forEach((parent) => disk.created.add(parent))
  yield* disk.findPlaces
  if (!disk.readOnly) yield* disk.createEmpty
  return disk
})

class Disk implements Storage {
  readonly readOnly: boolean
  readonly #options: OpenOptions
  readonly #root: string
  readonly #descriptors: Descriptors.Descriptors
  readonly #slots: ReadonlyArray<Descriptors.Slot>
  readonly #part: Descriptors.Slot | undefined
  #places: Places.Places
  #closed = false
  /** Files written to since the last sync. A file joins when its write is complete, so a sync cannot miss it. */
  #dirty = new Set<Descriptors.Slot>()
  /** Folders with new entries since the last sync. */
  readonly created = new Set<string>()
  #broken: Error | undefined
  readonly #syncing = Semaphore.makeUnsafe(1)

  constructor(descriptors: Descriptors.Descriptors, options: OpenOptions, root: string) {
    this.#options = options
    this.#root = root
    this.readOnly = options.readOnly === true
    this.#descriptors = descriptors
    this.#slots = options.metainfo.files.map((file) => this.#slot(root, file.path))
    const part = options.partFile
    this.#part = part === undefined ? undefined : this.#slot(path.dirname(part), [path.basename(part)])
    this.#places = this.#placesWith(() => true)
  }

  #placesWith(exists: (file: number) => boolean): Places.Places {
    return Places.make(this.#options.metainfo, this.#options.selected, this.#part !== undefined, exists)
  }

  #slot(root: string, components: ReadonlyArray<string>): Descriptors.Slot {
    const place = path.join(root, ...components)
    return Descriptors.slot(place, async (create) => {
      const mode = { create, readOnly: this.readOnly }
      const opened = await SafePlace.openFile(root, components, mode, (parent) => this.created.add(parent))
      if (!this.#closed) return opened
      fs.closeSync(opened.fd)
      throw FileStoreError.make(Reason.Io({ path: place, code: "EBADF", operation: "opening" }))
    })
  }

  get findPlaces(): Effect.Effect<void, Error> {
    const { metainfo, selected } = this.#options
    if (this.#part === undefined || selected === undefined) return Effect.void
    const unwanted = metainfo.files.flatMap((
      _,
      index
    ) => (this.#places.of(index) === "None" || selected(index) ? [] : [index]))
    const there = new Set<number>()
    const known = new Set<string>()
    return Effect.forEach(
      unwanted,
      (file) =>
        this.#look(file, known).pipe(
          // A link or a folder in the place of an unwanted file is left alone: its bytes go to the part file.
          Effect.catchIf(isInTheWay, () => Effect.undefined),
          Effect.map((stat) => stat && there.add(file))
        ),
      { concurrency: SWEEP, discard: true }
    ).pipe(Effect.andThen(Effect.sync(() => {
      this.#places = this.#placesWith((file) => there.has(file))
    })))
  }

  /** Files without bytes are never written to, so they are made here. */
  get createEmpty(): Effect.Effect<void, Error> {
    const { metainfo: { files }, selected } = this.#options
    const empty = Array.from(files.keys()).filter((file) =>
      files[file]!.length === 0 && this.#places.of(file) !== "None" && (selected?.(file) ?? true)
    )
    const known = new Set<string>()
    const create = (file: number) => this.#with(this.#slots[file]!, true, (_descriptor, done) => done())
    return Effect.forEach(
      empty,
      (file) => Effect.flatMap(this.#look(file, known), (stat) => stat === undefined ? create(file) : Effect.void),
      { concurrency: SWEEP, discard: true }
    )
  }

  readonly path = (file: number): string => this.#slots[file]!.path

  readonly inPart = (file: number): boolean => this.#places.of(file) === "Part"

  readonly read = (offset: number, into: Uint8Array): Effect.Effect<void, Error> => this.#transfer(offset, into, false)

  readonly write = (offset: number, bytes: Uint8Array): Effect.Effect<void, Error> =>
    this.#transfer(offset, bytes, true)

  #transfer(offset: number, bytes: Uint8Array, write: boolean): Effect.Effect<void, Error> {
    return Effect.uninterruptible(Effect.callback<void, Error>((resume) => {
      if (offset < 0 || offset + bytes.length > this.#options.metainfo.layout.paddedLength) {
        return resume(Effect.die(new RangeError(`bytes ${offset} to ${offset + bytes.length} are not in the payload`)))
      }
      if (write && this.readOnly) return resume(Effect.fail(FileStoreError.make(Reason.ReadOnly({ path: this.#root }))))
      this.#run(offset, bytes, 0, write, (error) => resume(error === undefined ? Effect.void : Effect.fail(error)))
    }))
  }

  /** Moves what is left of `bytes` from `at` on, one file at a time. */
  #run(offset: number, bytes: Uint8Array, at: number, write: boolean, done: (error?: Error) => void): void {
    const { files } = this.#options.metainfo
    while (at < bytes.length) {
      const start = offset + at
      const index = this.#places.fileAt(start)
      const end = Math.min(bytes.length, this.#places.endAt(start) - offset)
      const place = index === undefined ? "None" : this.#places.of(index)
      if (index !== undefined && place !== "None") {
        const inPart = place === "Part"
        const slot = inPart ? this.#part! : this.#slots[index]!
        const position = inPart ? start : start - files[index]!.offset
        return this.#span(slot, bytes, at, end, position, write, (error) => {
          if (error === undefined && end < bytes.length) this.#run(offset, bytes, end, write, done)
          else done(error)
        })
      }
      if (!write) bytes.fill(0, at, end)
      at = end
    }
    done()
  }

  /** Moves `bytes[at, end)` to or from one file, however few bytes the system takes at a time. */
  #span(
    slot: Descriptors.Slot,
    bytes: Uint8Array,
    at: number,
    end: number,
    position: number,
    write: boolean,
    done: (error?: Error) => void
  ): void {
    this.#descriptors.acquire(slot, write, (error, descriptor) => {
      if (descriptor === undefined) return done(error)
      const operate: Operate = write ? fs.write : fs.read
      const finish = (error?: Error) => {
        this.#descriptors.release(descriptor)
        done(error)
      }
      if (write && descriptor.refusal !== undefined) return finish(descriptor.refusal)
      const step = (cause: NodeJS.ErrnoException | null, moved: number): void => {
        if (cause !== null) return finish(FileStoreError.from(cause, slot.path, write ? "writing" : "reading"))
        if (write) this.#dirty.add(slot)
        else if (moved === 0) return finish(FileStoreError.make(Reason.ShortRead({ path: slot.path })))
        at += moved
        position += moved
        if (at < end) operate(descriptor.fd, bytes, at, end - at, position, step)
        else finish()
      }
      operate(descriptor.fd, bytes, at, end - at, position, step)
    })
  }

  /** Runs one callback operation over an open file. */
  #with(
    slot: Descriptors.Slot,
    create: boolean,
    run: (descriptor: Descriptors.Descriptor, done: (error?: Error) => void) => void
  ): Effect.Effect<void, Error> {
    return Effect.uninterruptible(
      Effect.callback<void, Error>((resume) =>
        this.#descriptors.acquire(slot, create, (error, descriptor) => {
          if (descriptor === undefined) return resume(Effect.fail(error!))
          run(descriptor, (error) => {
            this.#descriptors.release(descriptor)
            resume(error === undefined ? Effect.void : Effect.fail(error))
          })
        })
      )
    )
  }

  get sync(): Effect.Effect<void, Error> {
    return Effect.uninterruptible(this.#syncing.withPermit(Effect.suspend(() => {
      if (this.#broken !== undefined) return Effect.fail(this.#broken)
      const dirty = this.#dirty
      this.#dirty = new Set()
      return Effect.forEach(dirty, (slot) => this.#syncFile(slot), { concurrency: 2, discard: true }).pipe(
        Effect.andThen(Effect.suspend(() => this.#syncFolders())),
        Effect.tapError((error) =>
          Effect.sync(() => {
            this.#broken = error
          })
        )
      )
    })))
  }

  /** `fsync`, not `fdatasync`: the resume record goes by the modification time, so that must survive too. */
  #syncFile(slot: Descriptors.Slot): Effect.Effect<void, Error> {
    return this.#with(slot, false, ({ fd }, done) =>
      fs.fsync(fd, (cause) => {
        if (cause !== null) return done(FileStoreError.from(cause, slot.path, "syncing"))
        fs.fstat(fd, (cause, stat) => {
          if (cause !== null) return done(FileStoreError.from(cause, slot.path, "looking at"))
          done(stat.nlink > 0 ? undefined : FileStoreError.make(Reason.Missing({ path: slot.path })))
        })
      }))
  }

  #syncFolders(): Effect.Effect<void, Error> {
    const folders = Array.from(this.created)
    this.created.clear()
    return Effect.forEach(folders, (folder) => attempt(folder, () => SafePlace.syncFolder(folder)), { discard: true })
  }

  #look(file: number, known: Set<string>) {
    const place = this.path(file)
    return attempt(place, () => SafePlace.stat(this.#root, this.#options.metainfo.files[file]!.path, known))
  }

  get stat() {
    const known = new Set<string>()
    return Effect.forEach(this.#slots, (_, file) => this.#statFile(file, known), { concurrency: SWEEP })
  }

  readonly statFile = (file: number) => this.#statFile(file, new Set())

  #statFile(file: number, known: Set<string>) {
    if (this.#places.of(file) === "None") return Effect.undefined
    if (this.#places.of(file) === "Own") return this.#look(file, known)
    const place = this.#part!.path
    const { length, offset } = this.#options.metainfo.files[file]!
    return Effect.map(
      attempt(place, () => SafePlace.stat(path.dirname(place), [path.basename(place)])),
      (part) => part && { ...part, length: Math.min(length, Math.max(0, part.length - offset)) }
    )
  }

  readonly trim = (file: number): Effect.Effect<void, Error> => {
    const slot = this.#slots[file]!
    return this.#with(slot, false, ({ fd, refusal }, done) => {
      if (refusal !== undefined) return done(refusal)
      fs.ftruncate(fd, this.#options.metainfo.files[file]!.length, (cause) => {
        this.#dirty.add(slot)
        done(cause === null ? undefined : FileStoreError.from(cause, slot.path, "truncating"))
      })
    })
  }

  get close(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      this.#closed = true
      const slots = this.#part === undefined ? this.#slots : [...this.#slots, this.#part]
      this.#descriptors.close(slots, () => resume(Effect.void))
    })
  }
}
