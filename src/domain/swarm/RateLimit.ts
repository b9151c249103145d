/**
 * How many bytes of payload may move: the limit of a torrent under that of its session. A byte moves when both let it, and
 * counts once in each. Short stretches carry little more than their share: see {@link SMOOTH}.
 */
import { BLOCK } from "../PieceLayout.ts"
import { TokenBucket } from "./TokenBucket.ts"
import { Turns } from "./Turns.ts"

/**
 * ms of the rate that may be saved up, besides one block: whatever the rate, 100 ms carry at most twice their share and a
 * block. Less would be lost whenever a busy event loop comes late.
 */
const SMOOTH = 100

/** Starts empty, so that the first seconds carry no more than the later ones. */
const bucketOf = (rate: number, now: number): TokenBucket => {
  const bucket = new TokenBucket(rate, now, burstOf(rate))
  bucket.charge(burstOf(rate), now)
  return bucket
}

const burstOf = (rate: number): number => rate === 0 ? 0 : BLOCK + rate * SMOOTH / 1000

/** Rates in bytes/s, `Infinity` for no limit and 0 for a stop; times are monotonic ms. */
export class RateLimit {
  readonly #over: RateLimit | undefined
  #own: TokenBucket
  /** Torrents that wait for this limit, or for their own under it. */
  readonly turns: Turns

  /** @param over the limit of the session, when this is that of a torrent */
  constructor(rate: number, now: number, over?: RateLimit) {
    this.#own = bucketOf(rate, now)
    this.#over = over
    this.turns = over?.turns ?? new Turns()
  }

  /** The lower of both. */
  get rate(): number {
    return this.#over === undefined ? this.#own.rate : Math.min(this.#own.rate, this.#over.rate)
  }

  get isLimited(): boolean {
    return this.rate < Infinity
  }

  /** Bytes that may move now; what of them does is to be told to {@link spend}. */
  allowance(now: number): number {
    const own = this.#own.available(now)
    return this.#over === undefined ? own : Math.min(own, this.#over.allowance(now))
  }

  /** So many bytes move, or have. Negative when they do not after all: then others may have what they had. */
  spend(bytes: number, now: number): void {
    this.#own.charge(bytes, now)
    this.#over?.spend(bytes, now)
  }

  /** ms until so many bytes may move, or as many as are ever granted at once. */
  waitFor(bytes: number, now: number): number {
    const own = this.#own.waitFor(bytes, now)
    return this.#over === undefined ? own : Math.max(own, this.#over.waitFor(bytes, now))
  }

  /** The same, as if the session had no limit. */
  waitForOwn(bytes: number, now: number): number {
    return this.#own.waitFor(bytes, now)
  }

  /** Holds from now on. Throws a RangeError for what is no rate. */
  setRate(rate: number, now: number): void {
    if (!(rate >= 0)) throw new RangeError(`a rate is 0 or more bytes/s, not ${rate}`)
    if (rate === this.#own.rate) return
    // What is owed from before a time without limit is long past.
    if (this.#own.rate === Infinity) this.#own = bucketOf(rate, now)
    else this.#own.setRate(rate, now, burstOf(rate))
  }
}
