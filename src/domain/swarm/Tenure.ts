/**
 * How a peer uses its place: whether anything is exchanged with it, and for how long it has been silent although it may ask.
 * Times are monotonic ms; told once per batch.
 */

/** A place is safe for so long after the connection began, or after the last exchange (ms). */
export const SAFE_MS = 60_000

/** Belongs to one peer. */
export class Tenure {
  readonly #since: number
  #exchangedAt = -Infinity
  /** Since when it may ask and has not; absent while it is choked. */
  #silentSince: number | undefined
  /** The same over earlier times in which it was unchoked. */
  #silence = 0

  constructor(now: number) {
    this.#since = now
  }

  unchoked(now: number): void {
    this.#silentSince = now
  }

  choked(now: number): void {
    this.#silence = this.#silenceAt(now)
    this.#silentSince = undefined
  }

  /** The peer asks for blocks. */
  asked(now: number): void {
    this.#silence = 0
    if (this.#silentSince !== undefined) this.#silentSince = now
  }

  /** Blocks came from the peer or went to it. */
  exchanged(now: number): void {
    this.#exchangedAt = now
    this.asked(now)
  }

  /** It came long enough ago to have shown what it is here for. */
  isSettled(now: number): boolean {
    return now - this.#since >= SAFE_MS
  }

  /** Something was exchanged lately. */
  isExchanging(now: number): boolean {
    return now - this.#exchangedAt < SAFE_MS
  }

  /** It might have asked for long, all in all, and did not. */
  isSilent(now: number): boolean {
    return this.#silenceAt(now) >= SAFE_MS
  }

  #silenceAt(now: number): number {
    return this.#silence + (this.#silentSince === undefined ? 0 : now - this.#silentSince)
  }
}
