/** Several processes on the port of one tracker, over `node:cluster`: who starts them, and how they are told to stop. */
import * as Clock from "effect/Clock"
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

/** To the process that started this one. */
export const sayListening = (): void => {
  process.send?.("listening" satisfies Word)
}

/** Waits until this worker is told to stop; `reload` is called whenever it is told to read its lists again. */
export const toldToStop = (reload: () => void): Effect.Effect<void> =>
  Effect.callback((resume) => {
    process.on("message", (word) => {
      if (word === "stop") resume(Effect.void)
      if (word === "reload") reload()
    })
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

const fork = (number: number) =>
  Effect.acquireRelease(
    Effect.sync(() => cluster.fork({ [NUMBER]: `${number}` })),
    (worker) =>
      Effect.sync(() => tell(worker, "stop")).pipe(
        Effect.andThen(Effect.timeoutOption(ended(worker), PATIENCE)),
        Effect.andThen(Effect.sync(() => worker.isDead() || worker.process.kill("SIGKILL")))
      )
  )

/** What a worker says on stderr before it ends is all that there is to say. */
const notStarted = (code: number): Failure =>
  failure(Object.values(ExitCode).find((known) => known === code) ?? ExitCode.unknown, "a worker could not start")

/** Keeps one worker running: a dead one is replaced, later each time that it does not last. */
const keep = Effect.fnUntraced(function*(number: number, first: Worker) {
  let waitMs = BACKOFF_MS.first
  let worker = first
  while (true) {
    const since = yield* Clock.currentTimeMillis
    const code = yield* ended(worker)
    const lastedMs = (yield* Clock.currentTimeMillis) - since
    waitMs = lastedMs >= SETTLED_MS ? BACKOFF_MS.first : waitMs
    yield* Effect.logWarning(`worker ${number} ended with ${code}; another is started in ${waitMs / 1000} s`)
    yield* Effect.sleep(waitMs)
    waitMs = Math.min(2 * waitMs, BACKOFF_MS.most)
    worker = yield* fork(number)
  }
})

/**
 * Runs so many workers, this program with the same arguments, until it is interrupted; then all of them end in order.
 * Fails when the first of them does not come to listen.
 *
 * @param onReload is given what makes all workers read their lists again
 */
export const run = Effect.fnUntraced(function*(count: number, onReload: (reload: () => void) => void) {
  onReload(() => {
    for (const worker of Object.values(cluster.workers ?? {})) if (worker !== undefined) tell(worker, "reload")
  })
  // One at first: what is wrong for all, a port that is taken perhaps, is then said once.
  const first = yield* fork(1)
  const code = yield* Effect.raceFirst(Effect.as(listening(first), undefined), ended(first))
  if (code !== undefined) return yield* notStarted(code)
  const others = Array.from({ length: count - 1 }, (_, at) => at + 2)
  return yield* Effect.all([
    keep(1, first),
    ...others.map((number) => Effect.flatMap(fork(number), (worker) => keep(number, worker)))
  ], { concurrency: "unbounded", discard: true })
})
