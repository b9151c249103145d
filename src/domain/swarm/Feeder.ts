/**
 * Keeps peers busy: each is asked for as many blocks as its window, the download limit and the Board allow. Those that could
 * give more wait in line until blocks or memory become free.
 */
import { BLOCK } from "../PieceLayout.ts"
import type { Board } from "./Board.ts"
import type { Peer } from "./Peer.ts"
import type { RateLimit } from "./RateLimit.ts"

/** Peers without work that are tried, to no avail, when a block or memory becomes free. */
const HUNGRY_TRIES = 8

/** ms of a limited rate that one turn may take, or one block, so that peers and torrents share it finely. */
const TURN = 10

export class Feeder {
  readonly #board: Board
  readonly #limit: RateLimit
  /** What of the Board's count the limit knows. */
  #counted = 0
  /** Peers that could give more than could be asked of them. */
  readonly #hungry = new Set<Peer>()
  /** Peers with a cancel in the outbox, which helps only while the block is not on its way. */
  readonly #cancelled = new Set<Peer>()

  /**
   * @param limit the download limit, spent where blocks are asked for. Blocks that never come give it back: when the peer
   * chokes us, leaves, is given up or taken over from.
   */
  constructor(board: Board, limit: RateLimit) {
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

  get isLimited(): boolean {
    return this.#limit.isLimited
  }

  /** Peers wait to be asked for more. */
  get isWaiting(): boolean {
    return this.#hungry.size > 0
  }

  /** A read of the peer was handled: asks for more. The caller flushes. */
  refill(peer: Peer, now: number): void {
    if (!this.#limit.isLimited) return this.#ask(peer, Infinity, now)
    // It takes its turn: whoever is served would have all that is allowed, and the others nothing.
    this.#hungry.delete(peer)
    this.#hungry.add(peer)
    this.feed(now)
  }

  /** Something became free: those who wait are served in turn, until several in a row find nothing. */
  feed(now: number): void {
    if (!this.#limit.isLimited) {
      this.#serve(Infinity, Infinity, now)
      return
    }
    this.#settle(now)
    if (this.#hungry.size === 0) return
    this.#limit.turns.add(this)
    this.#limit.turns.serve(now)
  }

  /** One turn at the limit that torrents share: asks one peer; returns whether there was something to ask. */
  turn(now: number): boolean {
    if (!this.#limit.isLimited) return this.#serve(Infinity, Infinity, now)
    const allowed = this.#limit.allowance(now) / BLOCK
    if (allowed < 1) return false
    const share = Math.max(1, this.#limit.rate * TURN / 1000 / BLOCK)
    return this.#serve(Math.floor(Math.min(allowed, share)), 1, now)
  }

  /** Asks those who wait for up to `blocks` each, until `enough` of them were asked; returns whether any was. */
  #serve(blocks: number, enough: number, now: number): boolean {
    let misses = 0
    let served = 0
    let turns = this.#hungry.size
    for (const peer of this.#hungry) {
      // Whoever stays hungry goes to the end of the line, where this loop would meet it again.
      if (turns-- === 0) break
      const before = peer.outstanding
      this.#hungry.delete(peer)
      this.#ask(peer, blocks, now)
      if (peer.outbox.length > 0) peer.wire.flush()
      if (peer.outstanding > before) {
        misses = 0
        if (++served === enough) break
      } else if (++misses === HUNGRY_TRIES) break
    }
    return served > 0
  }

  /** Tells peers what was taken back from them, and what to send instead. */
  tellCancelled(now: number): void {
    if (this.#cancelled.size === 0) return
    for (const peer of this.#cancelled) {
      this.refill(peer, now)
      peer.wire.flush()
    }
    this.#cancelled.clear()
  }

  /** Asks for up to `most` blocks. */
  #ask(peer: Peer, most: number, now: number): void {
    if (!peer.amInterested || now < peer.restsUntil || (peer.peerChoking && peer.allowed === undefined)) return
    if (peer.outstanding > 0 && !peer.window.needsRefill(peer.outstanding)) return
    const wanted = peer.window.depth() - peer.outstanding
    if (wanted <= 0) return
    const asked = this.#board.fill(peer, Math.min(wanted, most), now)
    this.#settle(now)
    if (asked < wanted) this.#hungry.add(peer)
    else this.#hungry.delete(peer)
  }

  #settle(now: number): void {
    const { counted } = this.#board
    if (this.#limit.isLimited && counted !== this.#counted) this.#limit.spend(counted - this.#counted, now)
    this.#counted = counted
  }
}
