/** Those who wait for one limit, served in turn: whoever is served goes to the end of the line. */

/** Waiters that are tried in one go when none of them can use what there is. */
const TRIES = 32

/** A torrent that would ask for more than it may. */
export interface Waiter {
  /** Whether it still waits. */
  readonly isWaiting: boolean
  /** Takes one turn; returns whether it could use it. */
  readonly turn: (now: number) => boolean
}

export class Turns {
  readonly #line = new Set<Waiter>()
  #busy = false

  /** Goes to the end of the line, or keeps its place. */
  add(waiter: Waiter): void {
    this.#line.add(waiter)
  }

  /** Gives turns until nobody can use one. */
  serve(now: number): void {
    // A turn may make somebody call again; this loop goes on anyway.
    if (this.#busy) return
    this.#busy = true
    let misses = 0
    for (const waiter of this.#line) {
      this.#line.delete(waiter)
      if (!waiter.isWaiting) continue
      this.#line.add(waiter)
      misses = waiter.turn(now) ? 0 : misses + 1
      if (misses >= Math.min(TRIES, this.#line.size)) break
    }
    this.#busy = false
  }
}
