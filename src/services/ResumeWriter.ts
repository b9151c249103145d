/**
 * When the resume record is written: so many bytes or so long after the first change, never two at a time, and with a rest
 * between them.
 * What a record says is captured before the sync that makes it true begins, so pieces written during the sync wait for
 * the next one.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Bitfield from "../domain/Bitfield.ts"
import type * as Metainfo from "../domain/Metainfo.ts"
import * as PieceLayout from "../domain/PieceLayout.ts"
import * as Resume from "../domain/Resume.ts"
import type { FileStoreError, Storage } from "./FileStore.ts"
import * as Monotonic from "./Monotonic.ts"
import type { ResumeHandle, ResumeWarning } from "./ResumeStore.ts"

/** Verified bytes after which a record is due. */
export const DUE_BYTES = 16 * 1024 * 1024
/** Milliseconds after which a record is due. */
export const DUE_MILLIS = 5000
/**
 * Milliseconds between the end of one record and the start of the next, due or not: syncing without a pause cost a third
 * of the rate on ext4 (280 against 390 MB/s).
 */
export const REST_MILLIS = 200

export interface Options {
  readonly metainfo: Metainfo.Metainfo
  readonly storage: Storage
  readonly handle: ResumeHandle
  /** What the check at the start found. */
  readonly start: { readonly have: Bitfield.Bitfield; readonly closed: Resume.Closed }
  /** The rest of the record as it is now; `masks` name only blocks whose write is complete. Copied at once. */
  readonly snapshot: () => Progress
  /** Told when a record could not be saved, once until one could be again. */
  readonly onWarning: (warning: ResumeWarning) => void
}

export interface Progress {
  readonly masks: Resume.Masks
  readonly uploaded: number
  readonly downloaded: number
}

export interface ResumeWriter {
  /** The files that are complete and synced, and when they last changed; kept up to date. */
  readonly closed: Resume.Closed
  /** The piece is verified and its write, of so many bytes, is complete. */
  readonly noteWritten: (piece: number, bytes: number) => void
  /** Single blocks, which the masks of the snapshot tell of, were written in place. */
  readonly noteBlocks: (bytes: number) => void
  /** The piece turned out not to be on disk any more. */
  readonly noteLost: (piece: number) => void
  /** Syncs and saves everything noted so far: for the end of a run. */
  readonly flush: Effect.Effect<void, FileStoreError>
  /** Fails when the data could not be synced, after which no more records are written; never succeeds. */
  readonly failure: Effect.Effect<never, FileStoreError>
}

/**
 * Saves a first record, by which the next run knows that the files are ours, then saves in the background until the
 * scope closes. Closing it waits for a record under way, but does not {@link ResumeWriter.flush}.
 */
export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<ResumeWriter, FileStoreError, Scope.Scope> {
  const changes = new Changes(options, yield* Clock.Clock)
  const failure = yield* Deferred.make<never, FileStoreError>()
  const turn = Semaphore.makeUnsafe(1)
  const save = turn.withPermit(Effect.uninterruptible(saveOnce(options, changes))).pipe(
    Effect.tapError((error) => Deferred.fail(failure, error))
  )
  yield* save
  yield* changes.due.pipe(
    Effect.andThen(save),
    Effect.andThen(Effect.sleep(REST_MILLIS)),
    Effect.forever,
    (loop) => Effect.ignore(loop),
    Effect.forkScoped({ startImmediately: true })
  )
  return {
    closed: changes.closed,
    noteWritten: changes.noteWritten,
    noteBlocks: changes.noteBlocks,
    noteLost: changes.noteLost,
    flush: save,
    failure: Deferred.await(failure)
  }
})

const saveOnce = Effect.fnUntraced(function*({ handle, metainfo, onWarning, storage }: Options, changes: Changes) {
  const { finished, record } = changes.capture()
  yield* storage.sync
  const stats = yield* storage.statFiles(finished)
  finished.forEach((file, i) => {
    const stat = stats[i]
    if (stat !== undefined) changes.close(file, stat)
  })
  const warning = yield* handle.save(metainfo, { ...record, closed: changes.closed })
  if (warning !== undefined && changes.retryLater()) onWarning(warning)
  if (warning === undefined) changes.saved()
})

/** What changed since the last capture. Belongs to one writer; every method is synchronous. */
class Changes {
  readonly #options: Options
  readonly #clock: Clock.Clock
  readonly #have: Bitfield.Bitfield
  readonly #inPart: Bitfield.Bitfield
  readonly closed: Resume.Closed
  /** Per file: how many of its pieces are missing. */
  readonly #missing: Uint32Array
  /** Files whose last piece came since the last capture. */
  #finished: Array<number> = []
  #bytes = 0
  #dueAt = 0
  #warned = false
  readonly #changed = Latch.makeUnsafe()
  readonly #full = Latch.makeUnsafe()

  constructor(options: Options, clock: Clock.Clock) {
    const { metainfo: { files }, start, storage } = options
    this.#options = options
    this.#clock = clock
    this.#have = start.have.slice()
    this.closed = { files: start.closed.files.slice(), mtimes: start.closed.mtimes.slice() }
    this.#inPart = Bitfield.make(files.length)
    files.forEach((_, file) => {
      if (storage.inPart(file)) Bitfield.set(this.#inPart, file)
    })
    this.#missing = Uint32Array.from(files, (file) => {
      const range = PieceLayout.piecesOf(options.metainfo.layout, file)
      let missing = 0
      for (let piece = range?.first ?? 1; piece <= (range?.last ?? 0); piece++) {
        if (!Bitfield.has(this.#have, piece)) missing++
      }
      return missing
    })
  }

  readonly noteWritten = (piece: number, bytes: number): void => {
    if (Bitfield.has(this.#have, piece)) return
    Bitfield.set(this.#have, piece)
    for (const { file } of Resume.storedFilesOf(this.#options.metainfo, piece)) {
      this.#missing[file]!--
      if (this.#missing[file] === 0) this.#finished.push(file)
    }
    this.noteBlocks(bytes)
  }

  readonly noteLost = (piece: number): void => {
    if (!Bitfield.has(this.#have, piece)) return
    Bitfield.clear(this.#have, piece)
    for (const { file } of Resume.storedFilesOf(this.#options.metainfo, piece)) {
      this.#missing[file]!++
      Bitfield.clear(this.closed.files, file)
    }
    this.noteBlocks(0)
  }

  readonly noteBlocks = (bytes: number): void => {
    this.#bytes += bytes
    if (!this.#changed.isOpen()) {
      this.#dueAt = this.#now() + DUE_MILLIS
      this.#changed.openUnsafe()
    }
    // Opening a latch may run the waiting fiber at once, which may have captured these bytes already: look again.
    if (this.#bytes >= DUE_BYTES) this.#full.openUnsafe()
  }

  #now(): number {
    return Monotonic.millis(this.#clock)
  }

  /** Waits until a record is due. */
  get due(): Effect.Effect<void> {
    return Effect.andThen(
      this.#changed.await,
      Effect.suspend(() => Effect.timeoutOption(this.#full.await, Math.max(0, this.#dueAt - this.#now())))
    )
  }

  /** What may be recorded after a sync that begins now. */
  capture(): { readonly record: Omit<Resume.ResumeRecord, "closed">; readonly finished: ReadonlyArray<number> } {
    const { downloaded, masks, uploaded } = this.#options.snapshot()
    const finished = this.#finished
    this.#finished = []
    this.#bytes = 0
    this.#changed.closeUnsafe()
    this.#full.closeUnsafe()
    const record = {
      have: this.#have.slice(),
      masks: Resume.copyMasks(masks),
      inPart: this.#inPart,
      uploaded,
      downloaded
    }
    return { record, finished }
  }

  /** The file is complete and synced; its last change is what `stat` says. */
  close(file: number, stat: Resume.FileStat): void {
    // The part file goes on changing when other files' bytes come, so its time says nothing about this one.
    if (this.#missing[file] !== 0 || Bitfield.has(this.#inPart, file)) return
    Bitfield.set(this.closed.files, file)
    this.closed.mtimes[file] = stat.mtimeNs
  }

  /** True the first time since the last success. */
  retryLater(): boolean {
    const first = !this.#warned
    this.#warned = true
    this.noteBlocks(0)
    return first
  }

  saved(): void {
    this.#warned = false
  }
}
