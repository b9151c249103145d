/** Several processes on the port of one tracker, over `node:cluster`: who starts them, and how they are told to stop. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import cluster, { type Worker } from "node:cluster"
import type { Tally } from "../../domain/tracker/Tally.ts"
import { ExitCode, type Failure, failure } from "./ExitCode.ts"
import { WorkerTallies } from "./WorkerTallies.ts"

/** What the processes say to each other. */
type Word =
  | "listening"
  | "stop"
  | "reload"
  /** A worker is asked for what it has done; it says so. */
  | "count"
  | { readonly tally: Tally }
  /** A worker asks for what all have done, and is told. */
  | "sum"
  | { readonly whole: Tally }

/** Where a worker is told its number, from 1 on. */
const NUMBER = "FRESHET_WORKER"

/** A worker that has lived for this long has not failed at its start. */
const SETTLED_MS = 60_000

const BACKOFF_MS = { first: 500, most: 30_000 }

/** Longer than a worker takes to answer what is in flight. */
const PATIENCE = "10 seconds"

/** Longer than it takes to ask all workers, one of which may hang. */
const SUM_PATIENCE = "1 second"

/** Which worker this process is; `undefined` when it is none. */
export const numberOf = (env: Readonly<Record<string, string | undefined>>): number | undefined =>
  cluster.isWorker ? Number(env[NUMBER]) : undefined

/**
 * Says that this worker listens, and waits until it is told to stop; `reload` is called whenever it is told to read its
 * lists again. Node ends a worker by itself when the process that started it is gone.
 */
export const attend = (reload: () => void, tally: () => Tally): Effect.Effect<void> =>
  Effect.callback((resume) => {
    process.on("message", (word: Word) => {
      if (word === "stop") resume(Effect.void)
      if (word === "reload") reload()
      if (word === "count") say({ tally: tally() })
    })
    say("listening")
  })

const say = (word: Word): void => void process.send?.(word)

/** Gives what all workers have done, each time; `undefined` when the process that knows it does not answer. */
export const wholeOf: Effect.Effect<Effect.Effect<Tally | undefined>> = Effect.sync(() => {
  const waiting = new Set<(whole: Tally) => void>()
  process.on("message", (word: Word) => {
    if (typeof word !== "object" || !("whole" in word)) return
    for (const hear of waiting) hear(word.whole)
    waiting.clear()
  })
  return Effect.callback<Tally>((resume) => {
    const hear = (whole: Tally) => resume(Effect.succeed(whole))
    waiting.add(hear)
    say("sum")
    return Effect.sync(() => waiting.delete(hear))
  }).pipe(Effect.timeoutOption(SUM_PATIENCE), Effect.map(Option.getOrUndefined))
})

/** The exit code; that of a signal is as good as any. */
const ended = (worker: Worker): Effect.Effect<number> =>
  Effect.callback((resume) => {
    if (worker.isDead()) return resume(Effect.succeed(worker.process.exitCode ?? ExitCode.unknown))
    worker.once("exit", (code) => resume(Effect.succeed(code ?? ExitCode.unknown)))
  })

const tell = (worker: Worker, word: Word): void => {
  if (worker.isConnected()) worker.send(word)
}

/**
 * Until it attends, a worker hears no word but signals, and has nothing in flight that one could cut short. After that a
 * signal would be one too many for a worker that had Ctrl-C from the terminal already.
 */
const stop = (worker: Worker, attends: boolean): void => {
  if (worker.isDead()) return
  if (attends) tell(worker, "stop")
  else worker.process.kill("SIGTERM")
}

/** What the lives of all workers have in common. */
interface Shared {
  /** Done when the first worker listens. */
  readonly started: Deferred.Deferred<void>
  readonly tallies: WorkerTallies<Worker>
  readonly hear: (worker: Worker, word: Word) => void
}

/** One life of a worker, from its start to its exit code; it ends in order when this is interrupted. */
const live = Effect.fnUntraced(function*(number: number, { hear, started, tallies }: Shared) {
  const attends = yield* Deferred.make<void>()
  const worker = yield* Effect.acquireRelease(
    Effect.sync(() => cluster.fork({ [NUMBER]: `${number}` })),
    (worker) =>
      Effect.sync(() => stop(worker, Deferred.isDoneUnsafe(attends))).pipe(
        Effect.andThen(Effect.timeoutOption(ended(worker), PATIENCE)),
        Effect.andThen(Effect.sync(() => worker.isDead() || worker.process.kill("SIGKILL")))
      )
  )
  worker.on("message", (word: Word) => {
    if (word !== "listening") return hear(worker, word)
    Deferred.doneUnsafe(attends, Effect.void)
    Deferred.doneUnsafe(started, Effect.void)
    tallies.joined(worker)
  })
  const code = yield* ended(worker)
  tallies.left(worker)
  return code
}, Effect.scoped)

const share = Effect.gen(function*() {
  const started = yield* Deferred.make<void>()
  const tallies = new WorkerTallies<Worker>((worker) => tell(worker, "count"))
  const fork = yield* FiberSet.makeRuntime<never>()
  /** Those that asked for the sum while it is made: one for all of them. */
  const asking = new Set<Worker>()
  const answer = Effect.map(tallies.gather, (whole) => {
    if (whole !== undefined) { for (const worker of asking) tell(worker, { whole }) }
    asking.clear()
  })
  const hear = (worker: Worker, word: Word): void => {
    if (typeof word === "object" && "tally" in word) tallies.said(worker, word.tally)
    if (word !== "sum") return
    asking.add(worker)
    if (asking.size === 1) fork(answer)
  }
  return { started, tallies, hear } satisfies Shared
})

/** What a worker says on stderr before it ends is all that there is to say. */
const notStarted = (code: number): Failure =>
  failure(Object.values(ExitCode).find((known) => known === code) ?? ExitCode.unknown, "a worker could not start")

/** Keeps one worker running: a dead one is replaced, later each time that it does not last. */
const keep = Effect.fnUntraced(function*(number: number, shared: Shared) {
  let waitMs = BACKOFF_MS.first
  while (true) {
    const since = yield* Clock.currentTimeMillis
    const code = yield* live(number, shared)
    if (!(yield* Deferred.isDone(shared.started))) return yield* notStarted(code)
    const lastedMs = (yield* Clock.currentTimeMillis) - since
    waitMs = lastedMs >= SETTLED_MS ? BACKOFF_MS.first : waitMs
    yield* Effect.logWarning(`worker ${number} ended with ${code}; another is started in ${waitMs / 1000} s`)
    yield* Effect.sleep(waitMs)
    waitMs = Math.min(2 * waitMs, BACKOFF_MS.most)
  }
})

/**
 * Runs so many workers, this program with the same arguments, until it is interrupted; then all of them end in order, at
 * the same time. Fails when the first of them does not come to listen.
 *
 * @param onReload is given what makes all workers read their lists again
 */
export const run = Effect.fnUntraced(function*(count: number, onReload: (reload: () => void) => void) {
  onReload(() => {
    for (const worker of Object.values(cluster.workers ?? {})) if (worker !== undefined) tell(worker, "reload")
  })
  // One at first: what is wrong for all, a port that is taken perhaps, is then said once.
  const shared = yield* share
  const others = Array.from({ length: count - 1 }, (_, at) => at + 2)
  return yield* Effect.all([
    keep(1, shared),
    ...others.map((number) => Effect.andThen(Deferred.await(shared.started), keep(number, shared)))
  ], { concurrency: "unbounded", discard: true })
})
