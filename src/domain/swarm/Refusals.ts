/**
 * What peers refuse us, and what they give though they choke us (BEP 6). A block that was refused is free for others at once;
 * the peer itself gets a rest, and one that goes on refusing a piece is taken not to have it.
 */
import * as Bitfield from "../Bitfield.ts"
import type { Board } from "./Board.ts"
import type { Claims } from "./Claims.ts"
import type { Feeder } from "./Feeder.ts"
import type { Peer } from "./Peer.ts"
import type { Verdict } from "./Verdict.ts"

/** ms in which a peer that has refused a block is asked for nothing, and further refusals of that piece count as the same. */
const REST_MS = 1000

/** A piece refused so often is not asked of the peer again until it says that it has it. */
const MOST_TIMES = 3

/** Pieces remembered per peer: as refused, allowed while choked, or suggested. */
const MOST_REFUSED = 256
const MOST_ALLOWED = 64
const MOST_SUGGESTED = 16

/** Answers to requests that were never made. */
const ALLOWANCE = 16

export interface RefusalsOptions {
  readonly pieces: number
  readonly board: Board
  readonly feeder: Feeder
  readonly claims: Claims
}

export class Refusals {
  readonly #options: RefusalsOptions

  constructor(options: RefusalsOptions) {
    this.#options = options
  }

  reject(peer: Peer, piece: number, begin: number, length: number, now: number): Verdict {
    const { board, feeder } = this.#options
    if (!board.refused(peer, piece, begin, length)) {
      // The answer to a request that we have taken back.
      if (peer.forgiven > 0) peer.forgiven--
      else if (++peer.unasked > ALLOWANCE) return "refuses blocks that nobody asked for"
      return undefined
    }
    if (peer.peerChoking) peer.allowed?.delete(piece)
    else this.#count(peer, piece, now)
    feeder.feed(now)
    return undefined
  }

  allowedFast(peer: Peer, piece: number): Verdict {
    if (piece >= this.#options.pieces) return "allowed a piece that does not exist"
    peer.allowed ??= new Set()
    if (peer.allowed.size < MOST_ALLOWED) peer.allowed.add(piece)
    this.#options.feeder.add(peer)
    return undefined
  }

  suggest(peer: Peer, piece: number): Verdict {
    if (piece >= this.#options.pieces) return "suggested a piece that does not exist"
    if (!Bitfield.has(peer.bits, piece)) return undefined
    peer.suggested = [piece, ...peer.suggested.filter((other) => other !== piece)].slice(0, MOST_SUGGESTED)
    return undefined
  }

  /** The peer has unchoked us: what it refused before says nothing. */
  unchoked(peer: Peer): void {
    peer.refused = undefined
  }

  /** Once a second: whether the rest of the peer is over. */
  hasRested(peer: Peer, now: number): boolean {
    if (peer.restsUntil === 0 || now < peer.restsUntil) return false
    peer.restsUntil = 0
    return true
  }

  #count(peer: Peer, piece: number, now: number): void {
    peer.restsUntil = now + REST_MS
    peer.refused ??= new Map()
    const refused = peer.refused.get(piece) ?? { times: 0, until: -Infinity }
    if (now < refused.until) return
    refused.until = now + REST_MS
    peer.refused.set(piece, refused)
    if (peer.refused.size > MOST_REFUSED) peer.refused.delete(peer.refused.keys().next().value!)
    if (++refused.times < MOST_TIMES) return
    peer.refused.delete(piece)
    this.#options.claims.lacks(peer, piece)
  }
}
