/**
 * Keeps peers busy: each is asked for as many blocks as its window, the download limit and the Board allow. Those that could
 * give more wait in line until blocks or memory become free.
 */
import { BLOCK } from "../PieceLayout.ts"
import type { Board } from "./Board.ts"
import type { Peer } from "./Peer.ts"
import type { TokenBucket } from "./TokenBucket.ts"

/** Peers without work that are tried, to no avail, when a block or memory becomes free. */
const HUNGRY_TRIES = 8

export class Feeder {
  readonly #board: Board
  readonly #limit: TokenBucket
  /** Peers that could give more than could be asked of them. */
  readonly #hungry = new Set<Peer>()
  /** Peers with a cancel in the outbox, which helps only while the block is not on its way. */
  readonly #cancelled = new Set<Peer>()

  /** @param limit the download limit, spent where blocks are asked for */
  constructor(board: Board, limit: TokenBucket) {
    this.#board = board
    this.#limit = limit
  }

  /** The peer can give more: it goes to the end of the line. */
  add(peer: Peer): void {
    this.#hungry.add(peer)
  }

  /** The peer can give nothing, or has nothing that we want. */
  remove(peer: Peer): void {
    this.#hungry.delete(peer)
  }

  /** A request to the peer was taken back; it hears of that with {@link tellCancelled}. */
  cancelled(peer: Peer): void {
    this.#cancelled.add(peer)
  }

  /** The peer is gone. */
  left(peer: Peer): void {
    this.#hungry.delete(peer)
    this.#cancelled.delete(peer)
  }

  /** A read of the peer was handled: asks for more. The caller flushes. */
  refill(peer: Peer, now: number): void {
    // Under a limit it takes its turn: whoever is served would have all that is allowed, and the others nothing.
    if (this.#limit.rate < Infinity && this.#hungry.size > 0) {
      this.#hungry.delete(peer)
      this.#hungry.add(peer)
      this.feed(now)
    } else this.#ask(peer, now)
  }

  /** Something became free: those who wait are served in turn, until several in a row find nothing. */
  feed(now: number): void {
    let misses = 0
    let turns = this.#hungry.size
    for (const peer of this.#hungry) {
      // Whoever stays hungry goes to the end of the line, where this loop would meet it again.
      if (turns-- === 0) return
      const before = peer.outstanding
      this.#hungry.delete(peer)
      this.#ask(peer, now)
      if (peer.outbox.length > 0) peer.wire.flush()
      misses = peer.outstanding === before ? misses + 1 : 0
      if (misses === HUNGRY_TRIES) return
    }
  }

  /** Tells peers what was taken back from them, and what to send instead. */
  tellCancelled(now: number): void {
    if (this.#cancelled.size === 0) return
    for (const peer of this.#cancelled) {
      this.#ask(peer, now)
      peer.wire.flush()
    }
    this.#cancelled.clear()
  }

  #ask(peer: Peer, now: number): void {
    if (!peer.amInterested || now < peer.restsUntil || (peer.peerChoking && peer.allowed === undefined)) return
    if (peer.outstanding > 0 && !peer.window.needsRefill(peer.outstanding)) return
    const wanted = peer.window.depth() - peer.outstanding
    if (wanted <= 0) return
    const granted = this.#limit.take(wanted * BLOCK, now)
    const asked = this.#board.fill(peer, Math.floor(granted / BLOCK), now)
    this.#limit.charge(asked * BLOCK - granted, now)
    if (asked < wanted) this.#hungry.add(peer)
    else this.#hungry.delete(peer)
  }
}
