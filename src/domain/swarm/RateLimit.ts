/**
 * How many bytes of payload may move: the limit of a torrent under that of its session. A byte moves when both let it, and
 * counts once in each. Short stretches carry little more than their share: see {@link PEAK}.
 */
import { BLOCK } from "../PieceLayout.ts"
import { TokenBucket } from "./TokenBucket.ts"
import { Turns } from "./Turns.ts"

/**
 * ms of the rate that may be saved up, besides one block: a process that gets no time on a busy machine for so long loses
 * nothing by it, and 10 s carry no more than 3 % too much.
 */
const SAVED = 250

/**
 * How what was saved up is caught up with, so that 100 ms carry at most twice their share and a block, whatever the rate: so
 * many times the rate, and so many ms of it at once besides one block. Fewer would be lost whenever an event loop comes late.
 */
const PEAK = 1.2
const PEAK_SAVED = 80

/** Starts empty, so that the first seconds carry no more than the later ones. */
const bucketOf = (rate: number, burst: number, now: number): TokenBucket => {
  const bucket = new TokenBucket(rate, now, burst)
  bucket.charge(burst, now)
  return bucket
}

const burstOf = (rate: number, ms: number): number => rate === 0 ? 0 : BLOCK + rate * ms / 1000

/** What may move in all, and what of it at once. */
interface Buckets {
  readonly whole: TokenBucket
  readonly peak: TokenBucket
}

const bucketsOf = (rate: number, now: number): Buckets => ({
  whole: bucketOf(rate, burstOf(rate, SAVED), now),
  peak: bucketOf(PEAK * rate, burstOf(rate, PEAK_SAVED), now)
})

/** Rates in bytes/s, `Infinity` for no limit and 0 for a stop; times are monotonic ms. */
export class RateLimit {
  readonly #over: RateLimit | undefined
  #own: Buckets
  /** Torrents that wait for this limit, or for their own under it. */
  readonly turns: Turns

  /** @param over the limit of the session, when this is that of a torrent */
  constructor(rate: number, now: number, over?: RateLimit) {
    this.#own = bucketsOf(rate, now)
    this.#over = over
    this.turns = over?.turns ?? new Turns()
  }

  /** The lower of both. */
  get rate(): number {
    const { rate } = this.#own.whole
    return this.#over === undefined ? rate : Math.min(rate, this.#over.rate)
  }

  get isLimited(): boolean {
    return this.rate < Infinity
  }

  /** Bytes that may move now; what of them does is to be told to {@link spend}. */
  allowance(now: number): number {
    const own = Math.min(this.#own.whole.available(now), this.#own.peak.available(now))
    return this.#over === undefined ? own : Math.min(own, this.#over.allowance(now))
  }

  /** So many bytes move, or have. Negative when they do not after all: then others may have what they had. */
  spend(bytes: number, now: number): void {
    this.#own.whole.charge(bytes, now)
    this.#own.peak.charge(bytes, now)
    this.#over?.spend(bytes, now)
  }

  /** ms until so many bytes may move, or as many as are ever granted at once. */
  waitFor(bytes: number, now: number): number {
    const own = this.waitForOwn(bytes, now)
    return this.#over === undefined ? own : Math.max(own, this.#over.waitFor(bytes, now))
  }

  /** The same, as if the session had no limit. */
  waitForOwn(bytes: number, now: number): number {
    return Math.max(this.#own.whole.waitFor(bytes, now), this.#own.peak.waitFor(bytes, now))
  }

  /** Holds from now on. Throws a RangeError for what is no rate. */
  setRate(rate: number, now: number): void {
    if (!(rate >= 0)) throw new RangeError(`a rate is 0 or more bytes/s, not ${rate}`)
    const { peak, whole } = this.#own
    if (rate === whole.rate) return
    // What is owed from before a time without limit is long past.
    if (whole.rate === Infinity) {
      this.#own = bucketsOf(rate, now)
      return
    }
    whole.setRate(rate, now, burstOf(rate, SAVED))
    peak.setRate(PEAK * rate, now, burstOf(rate, PEAK_SAVED))
  }
}
