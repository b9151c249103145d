/** A limit in bytes/s that lets a short burst through: what `--max-upload-rate` and its like are made of. */
import { BLOCK } from "../PieceLayout.ts"

/** Half a second's worth, but never so little that a block does not fit; nothing for a rate of 0. */
export const defaultBurst = (rate: number): number => rate === 0 ? 0 : Math.max(rate / 2, 2 * BLOCK)

/**
 * Over any stretch of time it grants at most `rate × time + burst` bytes. Starts full. A rate of `Infinity` is no limit
 * and costs nothing, 0 stops everything. A burst is 1 or more. Times are monotonic ms; time that stands still or steps back brings nothing.
 */
export class TokenBucket {
  #rate: number
  #burst: number
  #tokens: number
  #at: number

  constructor(rate: number, now: number, burst = defaultBurst(rate)) {
    this.#rate = rate
    this.#burst = burst
    this.#tokens = burst
    this.#at = now
  }

  get rate(): number {
    return this.#rate
  }

  /** Bytes that may move now, at most as many as asked for; they are spent. */
  take(bytes: number, now: number): number {
    if (this.#rate === Infinity) return bytes
    this.#refill(now)
    const granted = Math.max(0, Math.min(bytes, Math.floor(this.#tokens)))
    this.#tokens -= granted
    return granted
  }

  /** Bytes that may move now, of which none are spent. */
  available(now: number): number {
    if (this.#rate === Infinity) return Infinity
    this.#refill(now)
    return Math.max(0, Math.floor(this.#tokens))
  }

  /**
   * Counts bytes that have moved already, as what a socket just gave: the debt delays the takes after it. Negative for what was
   * spent and did not move: it may be spent again, even where that is more than a burst.
   */
  charge(bytes: number, now: number): void {
    if (this.#rate === Infinity) return
    this.#refill(now)
    this.#tokens -= bytes
  }

  /** ms until a take of so many bytes would be granted whole, or as much of it as a full bucket holds. */
  waitFor(bytes: number, now: number): number {
    if (this.#rate === Infinity) return 0
    this.#refill(now)
    if (this.#rate === 0) return this.#tokens >= bytes ? 0 : Infinity
    const missing = Math.min(bytes, Math.floor(this.#burst)) - this.#tokens
    return missing <= 0 ? 0 : Math.ceil(missing * 1000 / this.#rate)
  }

  /** Changes the limit from now on; what is left of the old allowance stays, as far as the new burst holds it. */
  setRate(rate: number, now: number, burst = defaultBurst(rate)): void {
    if (this.#rate === Infinity) this.#at = Math.max(this.#at, now)
    else this.#refill(now)
    this.#rate = rate
    this.#burst = burst
    this.#tokens = Math.min(this.#tokens, burst)
  }

  #refill(now: number): void {
    if (now <= this.#at) return
    const full = Math.max(this.#burst, this.#tokens)
    this.#tokens = Math.min(full, this.#tokens + this.#rate * (now - this.#at) / 1000)
    this.#at = now
  }
}
