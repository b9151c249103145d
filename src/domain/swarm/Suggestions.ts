/**
 * Pieces that we suggest (BEP 6): those that were asked for a moment ago are in the read cache, and cost the disk nothing. Only
 * where that cannot harm: while a piece has hardly a copy, the rarest matter more than the disk.
 */
import * as Bitfield from "../Bitfield.ts"
import type { Availability } from "./Availability.ts"
import type { Peer } from "./Peer.ts"

/** Pieces that are taken to be in the cache, and suggestions to a peer that are remembered. */
const RECENT = 8
const REMEMBERED = 32

export class Suggestions {
  readonly #availability: Availability
  readonly #recent: Array<number> = []
  #last = -1

  constructor(availability: Availability) {
    this.#availability = availability
  }

  /** Somebody is given a block of the piece. */
  note(piece: number): void {
    if (piece === this.#last) return
    this.#last = piece
    if (this.#recent.includes(piece)) return
    this.#recent.push(piece)
    if (this.#recent.length > RECENT) this.#recent.shift()
  }

  /** The piece cannot be read any more. */
  forget(piece: number): void {
    const at = this.#recent.indexOf(piece)
    if (at >= 0) this.#recent.splice(at, 1)
  }

  /** Once a second: at most one suggestion for each peer that fetches from us. */
  tick(peers: ReadonlySet<Peer>): void {
    if (this.#recent.length === 0) return
    const hearers = Array.from(peers).filter((peer) => peer.fast && !peer.amChoking && peer.peerInterested)
    if (hearers.length < 2 || !this.#availability.isSpread()) return
    for (const peer of hearers) {
      const piece = this.#recent.findLast((piece) => !Bitfield.has(peer.bits, piece) && !peer.hinted.includes(piece))
      if (piece === undefined) continue
      peer.hinted = [piece, ...peer.hinted].slice(0, REMEMBERED)
      peer.outbox.suggest(piece)
      peer.wire.flush()
    }
  }
}
