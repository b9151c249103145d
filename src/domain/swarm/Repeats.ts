/**
 * Which things come again and again in a stream of which hardly any should come twice, in constant space: a few counters, of
 * which all go down when something without one comes (Misra and Gries, 1982). What comes in a row is counted exactly; among n
 * others it is counted n / (1 + {@link COUNTERS}) too low at the most, so nothing is ever counted too high.
 */

const COUNTERS = 4

export class Repeats {
  readonly #keys = new Float64Array(COUNTERS)
  readonly #counts = new Uint32Array(COUNTERS)

  /** Counts one more of these; returns how many there were, or fewer. */
  count(key: number): number {
    let free = -1
    for (let i = 0; i < COUNTERS; i++) {
      if (this.#counts[i] === 0) free = i
      else if (this.#keys[i] === key) return ++this.#counts[i]!
    }
    if (free < 0) {
      for (let i = 0; i < COUNTERS; i++) this.#counts[i]!--
      return 0
    }
    this.#keys[free] = key
    return this.#counts[free] = 1
  }
}
