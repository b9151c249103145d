/** What all workers together have done, gathered in the process that started them. */
import * as Effect from "effect/Effect"
import * as Tally from "../../domain/tracker/Tally.ts"

/** For a worker that hangs; the others answer within a turn of their event loops. */
const PATIENCE = "250 millis"

/** @template Worker whoever has a tally of its own */
export class WorkerTallies<Worker> {
  readonly #ask: (worker: Worker) => void
  /** What each has said last. */
  readonly #latest = new Map<Worker, Tally.Tally | undefined>()
  readonly #awaited = new Set<Worker>()
  #ended: Tally.Tally | undefined
  #onAll: (() => void) | undefined

  /** @param ask makes a worker say its tally */
  constructor(ask: (worker: Worker) => void) {
    this.#ask = ask
  }

  joined(worker: Worker): void {
    this.#latest.set(worker, undefined)
  }

  said(worker: Worker, tally: Tally.Tally): void {
    if (!this.#latest.has(worker)) return
    this.#latest.set(worker, tally)
    this.#settle(worker)
  }

  left(worker: Worker): void {
    const tally = this.#latest.get(worker)
    this.#latest.delete(worker)
    if (tally !== undefined) this.#ended = sum([this.#ended, Tally.ended(tally)])
    this.#settle(worker)
  }

  /** Asks all; one that does not answer counts as it did when it last answered. One at a time. */
  readonly gather: Effect.Effect<Tally.Tally | undefined> = Effect.callback<void>((resume) => {
    for (const worker of this.#latest.keys()) this.#awaited.add(worker)
    if (this.#awaited.size === 0) return resume(Effect.void)
    this.#onAll = () => resume(Effect.void)
    for (const worker of this.#latest.keys()) this.#ask(worker)
  }).pipe(
    Effect.timeoutOption(PATIENCE),
    Effect.map(() => {
      this.#awaited.clear()
      return sum([this.#ended, ...this.#latest.values()])
    })
  )

  #settle(worker: Worker): void {
    if (this.#awaited.delete(worker) && this.#awaited.size === 0) this.#onAll?.()
  }
}

const sum = (tallies: ReadonlyArray<Tally.Tally | undefined>): Tally.Tally | undefined =>
  tallies.reduce((total, one) => total === undefined || one === undefined ? total ?? one : Tally.plus(total, one))
