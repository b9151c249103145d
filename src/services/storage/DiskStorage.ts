/** The files of one torrent on disk, over the shared pool of descriptors. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as fs from "node:fs"
import * as path from "node:path"
import type * as Resume from "../../domain/Resume.ts"
import type { Clerk } from "./Clerk.ts"
import * as Descriptors from "./Descriptors.ts"
import * as FileStoreError from "./FileStoreError.ts"
import * as InGoes from "./InGoes.ts"
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

/** Bytes of the largest file that is opened, moved and closed in one go: with more, what is moved costs more than the rest. */
const SMALL = 128 * 1024

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

/** What all torrents of a store share. */
export interface Shared {
  readonly descriptors: Descriptors.Descriptors
  readonly clerk: Clerk
  /** From how many files on a torrent has its small ones dealt with by the clerk. */
  readonly many: number
}

/** A run of bytes of small files. */
interface Batch {
  readonly spans: ReadonlyArray<InGoes.Span>
  /** Where it ends in the bytes that are moved. */
  readonly end: number
}

export const make = Effect.fnUntraced(function*(
  shared: Shared,
  options: OpenOptions
): Effect.fn.Return<Storage, Error, Scope.Scope> {
  const root = path.resolve(options.dir)
  const parents = options.readOnly === true ? [] : yield* makeRoot(root)
  const disk = yield* Effect.acquireRelease(
    Effect.sync(() => new Disk(shared, options, root)),
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
  /** For the small files of a torrent that has many. */
  readonly #inGoes: InGoes.InGoes | undefined
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

  constructor({ clerk, descriptors, many }: Shared, options: OpenOptions, root: string) {
    this.#options = options
    this.#root = root
    this.readOnly = options.readOnly === true
    this.#descriptors = descriptors
    const { files } = options.metainfo
    this.#inGoes = files.length < many
      ? undefined
      : new InGoes.InGoes(clerk, root, files, (folder) => this.created.add(folder))
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
      throw this.#isClosed(place)
    })
  }

  #isClosed(place: string): Error {
    return FileStoreError.make(Reason.Io({ path: place, code: "EBADF", operation: "opening" }))
  }

  get findPlaces(): Effect.Effect<void, Error> {
    const { metainfo, selected } = this.#options
    if (this.#part === undefined || selected === undefined) return Effect.void
    const unwanted = metainfo.files.flatMap((
      _,
      index
    ) => (this.#places.of(index) === "None" || selected(index) ? [] : [index]))
    return Effect.flatMap(this.#looks(unwanted), (looks) => {
      const error = looks.filter(InGoes.isError).find((error) => !isInTheWay(error))
      if (error !== undefined) return Effect.fail(error)
      // A link or a folder in the place of an unwanted file is left alone: its bytes go to the part file.
      const there = new Set(unwanted.filter((_, i) => looks[i] !== undefined && !InGoes.isError(looks[i])))
      this.#places = this.#placesWith((file) => there.has(file))
      return Effect.void
    })
  }

  /** Files without bytes are never written to, so they are made here. */
  get createEmpty(): Effect.Effect<void, Error> {
    const { metainfo: { files }, selected } = this.#options
    const empty = Array.from(files.keys()).filter((file) =>
      files[file]!.length === 0 && this.#places.of(file) !== "None" && (selected?.(file) ?? true)
    )
    if (this.#inGoes !== undefined) return this.#inGoes.create(empty)
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
      this.#run(
        offset,
        bytes,
        0,
        write,
        this.#inGoes,
        (error) => resume(error === undefined ? Effect.void : Effect.fail(error))
      )
    }))
  }

  /**
   * Moves what is left of `bytes` from `at` on, one file or many small ones at a time. Without `inGoes` all files go through
   * the pool, which knows what to do when the process may open no more of them.
   */
  #run(
    offset: number,
    bytes: Uint8Array,
    at: number,
    write: boolean,
    inGoes: InGoes.InGoes | undefined,
    done: (error?: Error) => void
  ): void {
    const { files } = this.#options.metainfo
    while (at < bytes.length) {
      const batch = inGoes && this.#batch(offset, bytes, at, write)
      if (batch !== undefined) {
        if (this.#closed) return done(this.#isClosed(this.#root))
        const onWritten = (file: number) => this.#dirty.add(this.#slots[file]!)
        return inGoes!.move(batch.spans, write, onWritten, (error) => {
          if (error === undefined) this.#run(offset, bytes, batch.end, write, inGoes, done)
          else if (Descriptors.isExhausted(error)) this.#run(offset, bytes, at, write, undefined, done)
          else done(error)
        })
      }
      const start = offset + at
      const index = this.#places.fileAt(start)
      const end = Math.min(bytes.length, this.#places.endAt(start) - offset)
      const place = index === undefined ? "None" : this.#places.of(index)
      if (index !== undefined && place !== "None") {
        const inPart = place === "Part"
        const slot = inPart ? this.#part! : this.#slots[index]!
        const position = inPart ? start : start - files[index]!.offset
        return this.#span(slot, bytes, at, end, position, write, (error) => {
          if (error === undefined && end < bytes.length) this.#run(offset, bytes, end, write, inGoes, done)
          else done(error)
        })
      }
      if (!write) bytes.fill(0, at, end)
      at = end
    }
    done()
  }

  #isSmall(file: number): boolean {
    return this.#places.of(file) === "Own" && this.#options.metainfo.files[file]!.length <= SMALL
  }

  /** What `bytes` has of small files from `at` on, up to the first that is none; what is read of gaps is zero. */
  #batch(offset: number, bytes: Uint8Array, at: number, write: boolean): Batch | undefined {
    const spans: Array<Batch["spans"][number]> = []
    let end = at
    while (end < bytes.length) {
      const start = offset + end
      const file = this.#places.fileAt(start)
      const next = Math.min(bytes.length, this.#places.endAt(start) - offset)
      if (file !== undefined && this.#places.of(file) !== "None") {
        if (!this.#isSmall(file)) break
        const position = start - this.#options.metainfo.files[file]!.offset
        spans.push({ file, position, bytes: bytes.subarray(end, next) })
      } else if (!write) bytes.fill(0, end, next)
      end = next
    }
    return spans.length === 0 ? undefined : { spans, end }
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
      const small = this.#inGoes === undefined
        ? []
        : this.#slots.flatMap((slot, i) => dirty.has(slot) && this.#isSmall(i) ? [i] : [])
      for (const file of small) dirty.delete(this.#slots[file]!)
      return this.#syncEach(dirty).pipe(
        Effect.andThen(this.#inGoes?.sync(small) ?? Effect.void),
        Effect.catchIf(Descriptors.isExhausted, () => this.#syncEach(small.map((file) => this.#slots[file]!))),
        Effect.andThen(Effect.suspend(() => this.#syncFolders())),
        Effect.tapError((error) =>
          Effect.sync(() => {
            this.#broken = error
          })
        )
      )
    })))
  }

  #syncEach(slots: Iterable<Descriptors.Slot>): Effect.Effect<void, Error> {
    return Effect.forEach(slots, (slot) => this.#syncFile(slot), { concurrency: 2, discard: true })
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

  /** What is in the place of each of these files. */
  #looks(files: ReadonlyArray<number>): Effect.Effect<ReadonlyArray<InGoes.Look>> {
    if (this.#inGoes !== undefined) return this.#inGoes.looks(files)
    const known = new Set<string>()
    const look = (file: number): Effect.Effect<InGoes.Look> =>
      Effect.match(this.#look(file, known), { onFailure: (error) => error, onSuccess: (stat) => stat })
    return Effect.forEach(files, look, { concurrency: SWEEP })
  }

  get stat() {
    return this.statFiles(Array.from(this.#slots.keys()))
  }

  readonly statFiles = (files: ReadonlyArray<number>) => this.#statFiles(files)

  readonly #statFiles = Effect.fnUntraced(
    function*(
      this: Disk,
      files: ReadonlyArray<number>
    ): Effect.fn.Return<ReadonlyArray<Resume.FileStat | undefined>, Error> {
      const own = files.filter((file) => this.#places.of(file) === "Own")
      const looks = yield* this.#looks(own)
      const stats = new Map<number, Resume.FileStat | undefined>()
      for (const [i, look] of looks.entries()) {
        if (InGoes.isError(look)) return yield* look
        stats.set(own[i]!, look)
      }
      const part = files.some(this.inPart) ? yield* this.#lookAtPart() : undefined
      return files.map((file) => {
        if (part === undefined || !this.inPart(file)) return stats.get(file)
        const { length, offset } = this.#options.metainfo.files[file]!
        return { ...part, length: Math.min(length, Math.max(0, part.length - offset)) }
      })
    }.bind(this)
  )

  #lookAtPart() {
    const place = this.#part!.path
    return attempt(place, () => SafePlace.stat(path.dirname(place), [path.basename(place)]))
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
