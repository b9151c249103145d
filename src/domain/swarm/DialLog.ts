/** What came of the calls to peers: who did not answer, and why. */

/** Addresses remembered; the oldest go first. */
const LIMIT = 1000

/** Owned by one torrent. */
export class DialLog {
  readonly #failures = new Map<string, string>()

  /** Addresses whose last call came to nothing. */
  get failed(): number {
    return this.#failures.size
  }

  add(address: string, reason: string): void {
    this.#failures.delete(address)
    this.#failures.set(address, reason)
    if (this.#failures.size > LIMIT) this.#failures.delete(this.#failures.keys().next().value!)
  }

  /** The peer there has shaken hands, or is not to be called any more. */
  remove(address: string): void {
    this.#failures.delete(address)
  }

  /** Begins anew. */
  clear(): void {
    this.#failures.clear()
  }

  /** The most frequent reason; `undefined` when no call failed. */
  commonest(): string | undefined {
    const counts = new Map<string, number>()
    let best: string | undefined
    for (const reason of this.#failures.values()) {
      const count = (counts.get(reason) ?? 0) + 1
      counts.set(reason, count)
      if (best === undefined || count > counts.get(best)!) best = reason
    }
    return best
  }
}
