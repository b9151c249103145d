/**
 * When peers hear of pieces that have landed. Pieces that land faster than every {@link SAY_MS} are announced together: one
 * write per piece and peer cost a fifth of the rate with 200 peers.
 */
import type { Peer } from "./Peer.ts"

/** How long (ms) the news of a piece waits for that of others while messages keep coming. */
const SAY_MS = 100

export class News {
  readonly #peers: ReadonlySet<Peer>
  #saidAt = -Infinity
  #waits = false

  constructor(peers: ReadonlySet<Peer>) {
    this.#peers = peers
  }

  /** There is a `have` in the outboxes. */
  add(): void {
    this.#waits = true
  }

  /** Writes what waits for the peers, if it is time; that is at once where nothing more will come. */
  say(now: number, isLast: boolean): void {
    if (!this.#waits || (now - this.#saidAt < SAY_MS && !isLast)) return
    this.#saidAt = now
    this.#waits = false
    for (const peer of this.#peers) if (peer.outbox.length > 0) peer.wire.flush()
  }
}
