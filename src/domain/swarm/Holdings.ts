/**
 * Who has which pieces: we, and every peer. A piece counts as ours only when it is verified and written. All counts are kept
 * in step, so that no question about them walks a bitfield.
 */
import * as Bitfield from "../Bitfield.ts"
import type { Peer } from "./Peer.ts"
import { type Order, PiecePicker } from "./PiecePicker.ts"

export interface HoldingsOptions {
  readonly pieces: number
  /** Ours; changed here from then on. */
  readonly have: Bitfield.Bitfield
  readonly wanted: Bitfield.Bitfield
  readonly order: Order
  /** Numbers in [0, 1). */
  readonly random: () => number
}

export class Holdings {
  readonly picker: PiecePicker
  readonly #pieces: number
  readonly #have: Bitfield.Bitfield
  /** Wanted and not there. */
  readonly #missing: Bitfield.Bitfield
  #haveCount: number
  #missingCount: number

  constructor({ have, order, pieces, random, wanted }: HoldingsOptions) {
    this.#pieces = pieces
    this.#have = have
    this.#missing = wanted.map((byte, i) => byte & ~have[i]!)
    this.#haveCount = Bitfield.count(have)
    this.#missingCount = Bitfield.count(this.#missing)
    this.picker = new PiecePicker(pieces, this.#missing, order, random)
  }

  get have(): Bitfield.Bitfield {
    return this.#have
  }

  get haveCount(): number {
    return this.#haveCount
  }

  /** Pieces still to fetch. */
  get missing(): number {
    return this.#missingCount
  }

  /** The piece is verified and written. */
  landed(piece: number): void {
    Bitfield.set(this.#have, piece)
    this.#haveCount++
    if (!Bitfield.has(this.#missing, piece)) return
    Bitfield.clear(this.#missing, piece)
    this.#missingCount--
  }

  /** The piece cannot be read any more; returns whether it was there. */
  lose(piece: number): boolean {
    if (!Bitfield.has(this.#have, piece)) return false
    Bitfield.clear(this.#have, piece)
    this.#haveCount--
    return true
  }

  /** The first that a peer says of what it has. */
  bitfield(peer: Peer, bits: Uint8Array): void {
    peer.bits.set(bits)
    peer.has = Bitfield.count(bits)
    peer.wants = Bitfield.countBoth(bits, this.#missing)
    peer.isSeed = peer.has === this.#pieces
    peer.countsAsSeed = peer.isSeed
    if (peer.isSeed) this.picker.availability.addSeed()
    else this.picker.availability.addAll(bits)
  }

  /** A peer has one more piece; returns whether that is new. */
  add(peer: Peer, piece: number): boolean {
    const { availability } = this.picker
    if (Bitfield.has(peer.bits, piece)) return false
    Bitfield.set(peer.bits, piece)
    peer.has++
    availability.add(piece)
    if (Bitfield.has(this.#missing, piece)) peer.wants++
    if (peer.has < this.#pieces) return true
    peer.isSeed = true
    // Counting anew looks at every piece, which nobody can make us do again and again.
    if (peer.hasLost) return true
    peer.countsAsSeed = true
    availability.removeAll(peer.bits)
    availability.addSeed()
    return true
  }

  /** A peer has one piece less, or will not give it; returns whether that is new. */
  remove(peer: Peer, piece: number): boolean {
    const { availability } = this.picker
    if (!Bitfield.has(peer.bits, piece)) return false
    peer.isSeed = false
    peer.hasLost = true
    if (peer.countsAsSeed) {
      peer.countsAsSeed = false
      availability.removeSeed()
      availability.addAll(peer.bits)
    }
    Bitfield.clear(peer.bits, piece)
    peer.has--
    availability.remove(piece)
    if (Bitfield.has(this.#missing, piece)) peer.wants--
    return true
  }

  /** A peer is gone. */
  left(peer: Peer): void {
    if (peer.countsAsSeed) this.picker.availability.removeSeed()
    else this.picker.availability.removeAll(peer.bits)
  }
}
