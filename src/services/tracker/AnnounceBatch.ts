/**
 * The announces of one turn of the event loop, gathered for the store. Node runs a callback per datagram and per request,
 * up to 32 of them before it lets anything else run; one Effect for all of these costs next to nothing per announce.
 */
import { Announcement } from "../../domain/tracker/Announcement.ts"
import type { Announcing, Answer } from "../../domain/tracker/Announcing.ts"

export interface BatchOptions<To> {
  /** Gives a batch to the store; `done` is called once, with nothing in place of what the store could not answer. */
  readonly submit: (
    batch: ReadonlyArray<Announcing>,
    done: (answers: ReadonlyArray<Answer | undefined> | undefined) => void
  ) => void
  /** Tells one that waits; no answer when the store is out of reach. */
  readonly answer: (to: To, asked: Announcing, answer: Answer | undefined) => void
  /** Called once for a batch when all of it is answered, with its size and the time since it was begun, ms. */
  readonly answered: (count: number, ms: number) => void
  /** Elapsed time, ms. */
  readonly elapsed: () => number
  /** Announces that may wait for a slow store. */
  readonly maxPending?: number | undefined
}

/** Some seconds of full load. */
const MAX_PENDING = 100_000

/** Announcements that are kept for other announces: those of some turns. */
const MAX_SPARE = 1024

/** @template To whoever waits for an answer */
export class AnnounceBatch<To> {
  readonly #options: BatchOptions<To>
  readonly #maxPending: number
  readonly #spare: Array<Announcement> = []
  #next = new Announcement()
  #announces: Array<Announcement> = []
  #waiting: Array<To> = []
  #begunAt = 0
  #pending = 0

  constructor(options: BatchOptions<To>) {
    this.#options = options
    this.#maxPending = options.maxPending ?? MAX_PENDING
  }

  /** Announces that are not answered yet. */
  get pending(): number {
    return this.#pending
  }

  /** Nothing has been gathered in this turn. */
  get isEmpty(): boolean {
    return this.#announces.length === 0
  }

  get isFull(): boolean {
    return this.#pending >= this.#maxPending
  }

  /** To be filled in and then added; the same until then. */
  get next(): Announcement {
    return this.#next
  }

  /** What stands in {@link next} goes to the store with the others of this turn. */
  add(to: To): void {
    this.#pending++
    this.#waiting.push(to)
    const isFirst = this.#announces.push(this.#next) === 1
    this.#next = this.#spare.pop() ?? new Announcement()
    if (!isFirst) return
    this.#begunAt = this.#options.elapsed()
    setImmediate(this.#flush)
  }

  readonly #flush = (): void => {
    const announces = this.#announces
    const waiting = this.#waiting
    const begunAt = this.#begunAt
    this.#announces = []
    this.#waiting = []
    this.#options.submit(announces, (answers) => {
      this.#pending -= announces.length
      for (let i = 0; i < announces.length; i++) {
        this.#options.answer(waiting[i]!, announces[i]!, answers?.[i])
        if (this.#spare.length < MAX_SPARE) this.#spare.push(announces[i]!)
      }
      this.#options.answered(announces.length, this.#options.elapsed() - begunAt)
    })
  }
}
