/** Has tasks on small files done in a thread that is started for the first of them; in this one where none can start. */
import { SHARE_ENV, Worker } from "node:worker_threads"
import * as SmallFiles from "./SmallFiles.ts"

declare const __FRESHET_SMALL_FILES_WORKER__: string

/** Where the build has put it; else the source, which Node runs as it is. */
const PROGRAM = typeof __FRESHET_SMALL_FILES_WORKER__ === "string"
  ? __FRESHET_SMALL_FILES_WORKER__
  : "./SmallFilesWorker.ts"

export interface Request {
  readonly id: number
  readonly task: SmallFiles.Task
}

export interface Reply {
  readonly id: number
  readonly outcome: SmallFiles.Outcome
}

type Done = (outcome: SmallFiles.Outcome) => void

/** One per store: its thread does one task after the other, but for the waiting of syncs. */
export class Clerk {
  #worker: Worker | undefined
  /** No thread could start, or it has ended: whatever the reason, what it has not done is done here. */
  #isAlone = false
  readonly #waiting = new Map<number, { readonly task: SmallFiles.Task; readonly done: Done }>()
  #last = 0

  readonly perform = (task: SmallFiles.Task, done: Done): void => {
    const worker = this.#isAlone ? undefined : this.#worker ??= this.#start()
    if (worker === undefined) return void performHere(task, done)
    const id = ++this.#last
    this.#waiting.set(id, { task, done })
    worker.postMessage({ id, task } satisfies Request, [])
  }

  #start(): Worker | undefined {
    try {
      const worker = new Worker(new URL(PROGRAM, import.meta.url), { execArgv: [], env: SHARE_ENV })
      worker.on("message", ({ id, outcome }: Reply) => {
        const waiting = this.#waiting.get(id)
        this.#waiting.delete(id)
        waiting?.done(outcome)
      })
      worker.on("error", () => {})
      worker.on("exit", () => this.#takeOver())
      return worker
    } catch {
      this.#isAlone = true
      return undefined
    }
  }

  #takeOver(): void {
    this.#isAlone = true
    this.#worker = undefined
    const left = Array.from(this.#waiting.values())
    this.#waiting.clear()
    for (const { done, task } of left) void performHere(task, done)
  }

  /** Ends the thread; nothing may be under way. */
  readonly close = async (): Promise<void> => {
    await this.#worker?.terminate()
  }
}

const performHere = async (task: SmallFiles.Task, done: Done): Promise<void> => {
  done(await SmallFiles.perform(task))
}
