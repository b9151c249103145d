/** Hashes all pieces of a torrent's files, on all cores. */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { availableParallelism } from "node:os"
import * as Bitfield from "../domain/Bitfield.ts"
import type * as PieceLayout from "../domain/PieceLayout.ts"
import * as Crew from "./hashing/Crew.ts"
import * as HashTask from "./hashing/HashTask.ts"
import { type Outcome, RunHasher, type Trouble } from "./hashing/RunHasher.ts"

/** A file could not be read as the layout says: it is not there, is too short, or the system refuses. */
export class PieceHasherError extends Data.TaggedError("PieceHasherError")<{
  readonly reason: Trouble["reason"]
  readonly path: string
  /** Of the system, like `EACCES`; a file that ends too early has none. */
  readonly code: string | undefined
}> {
  override get message(): string {
    const { code, path, reason } = this
    if (reason === "Disappeared") return `${path} is not there`
    if (reason === "Shortened") return `${path} is too short`
    return `cannot read ${path}: ${
      code === "EACCES" || code === "EPERM" ? "permission denied" : code ?? "unknown error"
    }`
  }
}

export interface HashJob {
  /** Sorted by `offset`, as a layout has them; padding is zeros and never read (BEP 47). */
  readonly files: ReadonlyArray<{
    readonly path: string | Uint8Array
    readonly offset: number
    readonly length: number
    readonly padding?: boolean | undefined
  }>
  readonly layout: PieceLayout.PieceLayout
  /** Whether to take the SHA-1 of every piece (BEP 3). */
  readonly sha1: boolean
  /**
   * For the roots of version 2 (BEP 52): how many leaves, a power of two, the tree over a piece has. `undefined` for no
   * roots.
   */
  readonly merkle: ((piece: number) => number) | undefined
  /** `Skip`: a piece is `unread` when a file of it is not there or too short. `Fail`: that ends the job. */
  readonly onMissing: "Fail" | "Skip"
  /** Called after every run of pieces, with bytes. */
  readonly onProgress?: ((hashedBytes: number, totalBytes: number) => void) | undefined
}

export interface Hashed {
  /** 20 bytes for each piece, or none. */
  readonly sha1: Uint8Array
  /** 32 bytes for each piece, or none: the root of the piece's own tree. */
  readonly roots: Uint8Array
  /** Pieces without hashes, because their bytes are not all there. */
  readonly unread: Bitfield.Bitfield
}

export class PieceHasher extends Context.Service<PieceHasher, {
  /** Reads every file once, whatever is hashed; an interruption ends it at once. */
  readonly hash: (job: HashJob) => Effect.Effect<Hashed, PieceHasherError>
}>()("freshet/services/PieceHasher") {
  /** In worker threads, or in this one where none can start or the job is small. */
  static readonly layer: Layer.Layer<PieceHasher> = Layer.sync(
    PieceHasher,
    () => PieceHasher.of({ hash: (job) => hash(job, Math.min(availableParallelism(), MAX_WORKERS)) })
  )

  /** In this thread alone, which stands still for a run at a time. */
  static readonly layerHere: Layer.Layer<PieceHasher> = Layer.succeed(PieceHasher, { hash: (job) => hash(job, 0) })
}

/** More threads than that wait for the disk, and each takes 10 MB. */
const MAX_WORKERS = 15

/** Below this a thread takes longer to start than it would save. */
const MIN_THREADED = 32 * 1024 * 1024

const toError = ({ code, path, reason }: Trouble): PieceHasherError =>
  new PieceHasherError({ reason, path: Buffer.from(path, "latin1").toString(), code })

/** What is done of a task. */
class Tally {
  readonly unread: Bitfield.Bitfield
  readonly #task: HashTask.HashTask
  readonly #onProgress: HashJob["onProgress"]
  readonly #done: Uint8Array
  #left: number
  #hashed = 0

  constructor(task: HashTask.HashTask, onProgress: HashJob["onProgress"]) {
    this.#task = task
    this.#onProgress = onProgress
    this.#done = new Uint8Array(task.runs)
    this.#left = task.runs
    this.unread = Bitfield.make(task.layout.pieces)
  }

  get isDone(): boolean {
    return this.#left === 0
  }

  has(run: number): boolean {
    return this.#done[run] === 1
  }

  add({ run, unread }: Outcome): void {
    for (const piece of unread) Bitfield.set(this.unread, piece)
    this.#done[run] = 1
    this.#left--
    this.#hashed += HashTask.bytesOf(this.#task, run)
    this.#onProgress?.(this.#hashed, this.#task.layout.dataLength)
  }
}

/** Hashes in this thread what `next` gives, with a turn of the event loop after each run. */
const hashHere = (task: HashTask.HashTask, tally: Tally, next: () => number | undefined) =>
  Effect.acquireUseRelease(
    Effect.sync(() => new RunHasher(task)),
    Effect.fnUntraced(function*(hasher) {
      for (let run = next(); run !== undefined; run = next()) {
        const outcome = hasher.hash(run)
        if (outcome.trouble !== undefined) return yield* toError(outcome.trouble)
        tally.add(outcome)
        yield* Effect.yieldNow
      }
    }),
    (hasher) => Effect.sync(() => hasher.close())
  )

/** Hashes in threads and in this one until all is done, or until nobody else is left. */
const hashInCrew = Effect.fnUntraced(function*(task: HashTask.HashTask, tally: Tally, workers: number) {
  let crew: Crew.Crew | undefined
  const inCrew = Effect.callback<void, PieceHasherError>((resume) => {
    const hear = (outcome: Outcome) => {
      if (outcome.trouble !== undefined) return resume(Effect.fail(toError(outcome.trouble)))
      tally.add(outcome)
      if (tally.isDone) resume(Effect.void)
    }
    crew = Crew.start(task, Math.min(workers, task.runs), { hear, left: () => resume(Effect.void) })
  }).pipe(Effect.ensuring(Effect.promise(async () => crew?.end())))
  yield* Effect.all([inCrew, hashHere(task, tally, () => HashTask.take(task))], { concurrency: 2, discard: true })
})

const hash = Effect.fnUntraced(function*(job: HashJob, workers: number): Effect.fn.Return<Hashed, PieceHasherError> {
  const task = HashTask.make(job)
  const tally = new Tally(task, job.onProgress)
  if (workers > 0 && job.layout.dataLength >= MIN_THREADED) yield* hashInCrew(task, tally, workers)
  let at = 0
  yield* hashHere(task, tally, () => {
    while (at < task.runs && tally.has(at)) at++
    return at < task.runs ? at : undefined
  })
  return { sha1: task.sha1.slice(), roots: task.roots.slice(), unread: tally.unread }
})
