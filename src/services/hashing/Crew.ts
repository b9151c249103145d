/** The threads that hash a task. Whatever becomes of them, what they have not done can be done elsewhere. */
import { Worker } from "node:worker_threads"
import type { HashTask } from "./HashTask.ts"
import type { Outcome } from "./RunHasher.ts"

declare const __FRESHET_HASH_WORKER__: string

/** Where the build has put it; else the source, which Node runs as it is. */
const PROGRAM = typeof __FRESHET_HASH_WORKER__ === "string" ? __FRESHET_HASH_WORKER__ : "./HashWorker.ts"

export interface Crew {
  /** Ends all threads at once; what they have under way is lost. */
  readonly end: () => Promise<unknown>
}

export interface Listener {
  readonly hear: (outcome: Outcome) => void
  /** No thread is left, or none could start. */
  readonly left: () => void
}

/** The descriptors and the memory of a new thread may be denied. */
const startWorker = (task: HashTask): Worker | undefined => {
  try {
    return new Worker(new URL(PROGRAM, import.meta.url), { workerData: task, execArgv: [] })
  } catch {
    return undefined
  }
}

export const start = (task: HashTask, size: number, { hear, left }: Listener): Crew => {
  const workers = new Set<Worker>()
  for (let i = 0; i < size; i++) {
    const worker = startWorker(task)
    if (worker === undefined) break
    workers.add(worker)
    worker.on("message", hear)
    // It has ended for a reason of its own; where its work is done instead, a reason that matters comes up again.
    worker.on("error", () => {})
    worker.on("exit", () => {
      workers.delete(worker)
      if (workers.size === 0) left()
    })
  }
  if (workers.size === 0) left()
  return { end: () => Promise.all(Array.from(workers, (worker) => worker.terminate())) }
}
