/**
 * What peers say that they have, and what follows from it: our interest in them, and parting from those with whom there is
 * nothing to exchange.
 */
import * as Bitfield from "../Bitfield.ts"
import type { Board } from "./Board.ts"
import type { Feeder } from "./Feeder.ts"
import type { Holdings } from "./Holdings.ts"
import type { Peer } from "./Peer.ts"
import type { Verdict } from "./Verdict.ts"

/** Between two of whom neither wants anything. */
const NOTHING_TO_EXCHANGE = "has nothing to exchange"

export interface ClaimsOptions {
  readonly pieces: number
  readonly board: Board
  readonly feeder: Feeder
  readonly holdings: Holdings
}

export class Claims {
  readonly #pieces: number
  readonly #board: Board
  readonly #feeder: Feeder
  readonly #holdings: Holdings

  constructor({ board, feeder, holdings, pieces }: ClaimsOptions) {
    this.#pieces = pieces
    this.#board = board
    this.#feeder = feeder
    this.#holdings = holdings
  }

  /** BEP 3 has it first or never, but aria2 sends another when that is shorter than the `have`s it owes. */
  bitfield(peer: Peer, bits: Uint8Array): Verdict {
    if (!Bitfield.isValid(bits, this.#pieces)) return "sent a bitfield of the wrong size"
    if (peer.has > 0) return this.#moreHaves(peer, bits)
    this.#holdings.bitfield(peer, bits)
    return this.#learnt(peer)
  }

  #moreHaves(peer: Peer, bits: Uint8Array): Verdict {
    for (let piece = 0; piece < this.#pieces; piece++) {
      if (!Bitfield.has(bits, piece)) continue
      const verdict = this.have(peer, piece)
      if (verdict !== undefined) return verdict
    }
    return undefined
  }

  /** Once is enough: it takes a look at every piece, and aria2 says it again when it has completed. */
  haveAll(peer: Peer): Verdict {
    if (peer.isSeed || peer.hasLost) return undefined
    return this.bitfield(peer, Bitfield.full(this.#pieces))
  }

  haveNone(peer: Peer): Verdict {
    return peer.has > 0 ? "says that it has nothing after it said what it has" : undefined
  }

  have(peer: Peer, piece: number): Verdict {
    if (piece >= this.#pieces) return "announced a piece that does not exist"
    const { wants } = peer
    if (!this.#holdings.add(peer, piece)) return undefined
    if (peer.wants > wants && peer.outstanding === 0) this.#feeder.add(peer)
    return this.#learnt(peer)
  }

  /** The peer has a piece no more (BEP 54). */
  dontHave(peer: Peer, piece: number, now: number): Verdict {
    if (piece >= this.#pieces) return "lost a piece that does not exist"
    if (!this.lacks(peer, piece)) return undefined
    // With the fast extension it refuses what we have asked for.
    if (!peer.fast) this.#board.lost(peer, piece)
    this.#feeder.feed(now)
    return undefined
  }

  /** The peer is not to be asked for the piece, whatever it has said; returns whether that is new. */
  lacks(peer: Peer, piece: number): boolean {
    const isNew = this.#holdings.remove(peer, piece)
    if (isNew) this.updateInterest(peer)
    return isNew
  }

  updateInterest(peer: Peer): void {
    const interested = peer.wants > 0
    if (interested === peer.amInterested) return
    peer.amInterested = interested
    if (interested) return peer.outbox.interested()
    this.#feeder.remove(peer)
    peer.outbox.notInterested()
  }

  /** Parts from a peer when neither can want anything of the other (BEP 21). */
  reconsider(peer: Peer): void {
    if (this.#holdings.missing === 0 && (peer.isSeed || peer.isUploadOnly)) peer.wire.close(NOTHING_TO_EXCHANGE)
  }

  #learnt(peer: Peer): undefined {
    this.reconsider(peer)
    this.updateInterest(peer)
  }
}
