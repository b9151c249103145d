/** Several processes on the port of one tracker, over `node:cluster`: who starts them, and how they are told to stop. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import cluster, { type Worker } from "node:cluster"
import { ExitCode, type Failure, failure } from "./ExitCode.ts"

/** What the processes say to each other. */
type Word = "listening" | "stop" | "reload"

/** Where a worker is told its number, from 1 on. */
const NUMBER = "FRESHET_WORKER"

/** A worker that has lived for this long has not failed at its start. */
const SETTLED_MS = 60_000

const BACKOFF_MS = { first: 500, most: 30_000 }

/** Longer than a worker takes to answer what is in flight. */
const PATIENCE = "10 seconds"

/** Which worker this process is; `undefined` when it is none. */
export const numberOf = (env: Readonly<Record<string, string | undefined>>): number | undefined =>
  cluster.isWorker ? Number(env[NUMBER]) : undefined

/**
 * Says that this worker listens, and waits until it is told to stop; `reload` is called whenever it is told to read its
 * lists again. Node ends a worker by itself when the process that started it is gone.
 */
export const attend = (reload: () => void): Effect.Effect<void> =>
  Effect.callback((resume) => {
    process.on("message", (word) => {
      if (word === "stop") resume(Effect.void)
      if (word === "reload") reload()
    })
    process.send?.("listening" satisfies Word)
  })

const listening = (worker: Worker): Effect.Effect<void> =>
  Effect.callback((resume) => {
    worker.on("message", (word) => {
      if (word === "listening") resume(Effect.void)
    })
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

/** One life of a worker, from its start to its exit code; it ends in order when this is interrupted. */
const live = Effect.fnUntraced(function*(number: number, started: Deferred.Deferred<void>) {
  const attends = yield* Deferred.make<void>()
  const worker = yield* Effect.acquireRelease(
    Effect.sync(() => cluster.fork({ [NUMBER]: `${number}` })),
    (worker) =>
      Effect.sync(() => stop(worker, Deferred.isDoneUnsafe(attends))).pipe(
        Effect.andThen(Effect.timeoutOption(ended(worker), PATIENCE)),
        Effect.andThen(Effect.sync(() => worker.isDead() || worker.process.kill("SIGKILL")))
      )
  )
  yield* listening(worker).pipe(
    Effect.andThen(Deferred.succeed(attends, undefined)),
    Effect.andThen(Deferred.succeed(started, undefined)),
    Effect.forkScoped
  )
  return yield* ended(worker)
}, Effect.scoped)

/** What a worker says on stderr before it ends is all that there is to say. */
const notStarted = (code: number): Failure =>
  failure(Object.values(ExitCode).find((known) => known === code) ?? ExitCode.unknown, "a worker could not start")

/** Keeps one worker running: a dead one is replaced, later each time that it does not last. */
const keep = Effect.fnUntraced(function*(number: number, started: Deferred.Deferred<void>) {
  let waitMs = BACKOFF_MS.first
  while (true) {
    const since = yield* Clock.currentTimeMillis
    const code = yield* live(number, started)
    if (!(yield* Deferred.isDone(started))) return yield* notStarted(code)
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
  const started = yield* Deferred.make<void>()
  const others = Array.from({ length: count - 1 }, (_, at) => at + 2)
  return yield* Effect.all([
    keep(1, started),
    ...others.map((number) => Effect.andThen(Deferred.await(started), keep(number, started)))
  ], { concurrency: "unbounded", discard: true })
})
