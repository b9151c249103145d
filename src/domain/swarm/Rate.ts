/** How fast bytes move: the mean over a sliding window, right from the first bytes on. Called once per socket batch. */

/** ms per bucket. */
const BUCKET = 500

/** The bucket being filled and the whole ones before it. */
const BUCKETS = 11

/** ms that the first bytes count for at least, so that one early batch is not taken for a flood. */
const SHORTEST = 200

/** Owned by whoever counts; times are monotonic ms, and a time before the last one counts as the last one. */
export class Rate {
  readonly #buckets = new Float64Array(BUCKETS)
  #current = 0
  #currentEnd = -Infinity
  #sum = 0
  #total = 0
  #first = Infinity

  /** All bytes ever added. */
  get total(): number {
    return this.#total
  }

  add(bytes: number, now: number): void {
    if (now >= this.#currentEnd) this.#advance(now)
    if (this.#first === Infinity) this.#first = now
    this.#buckets[this.#current]! += bytes
    this.#sum += bytes
    this.#total += bytes
  }

  /** Bytes/s over the last five seconds, or since the first bytes when that is shorter; 0 after five idle seconds. */
  perSecond(now: number): number {
    if (now >= this.#currentEnd) this.#advance(now)
    if (this.#sum === 0) return 0
    const oldest = this.#currentEnd - BUCKET * BUCKETS
    return this.#sum * 1000 / Math.max(SHORTEST, now - Math.max(oldest, this.#first))
  }

  #advance(now: number): void {
    const end = (Math.floor(now / BUCKET) + 1) * BUCKET
    const steps = Math.min(BUCKETS, (end - this.#currentEnd) / BUCKET)
    for (let i = 0; i < steps; i++) {
      this.#current = (this.#current + 1) % BUCKETS
      this.#sum -= this.#buckets[this.#current]!
      this.#buckets[this.#current] = 0
    }
    this.#currentEnd = end
  }
}
