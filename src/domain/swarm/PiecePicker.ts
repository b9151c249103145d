/**
 * Which piece to open next for a peer: the rarest one it has (BEP 3, "rarest first"), or the first one in order when the
 * torrent is fetched for reading while it loads.
 */
import * as Bitfield from "../Bitfield.ts"
import { Availability } from "./Availability.ts"

/**
 * Candidates looked at in rarity order before the peer's own bitfield is walked instead. A peer with half of the pieces
 * is served within a few; only one with next to nothing that we want gets past it.
 */
const RARITY_SCAN = 256

/** Pieces of a nearly empty peer that are compared by rarity. */
const SPARSE_MATCHES = 64

export type Order = "Rarest" | "Sequential"

export class PiecePicker {
  readonly availability: Availability
  readonly #listed: Bitfield.Bitfield
  readonly #order: Order
  /** No listed piece comes before this one. */
  #first = 0

  /** `pickable` are the pieces that are wanted and missing; `random` gives numbers in [0, 1). */
  constructor(pieces: number, pickable: Bitfield.Bitfield, order: Order, random: () => number) {
    this.availability = new Availability(pieces, random)
    this.#listed = Bitfield.make(pieces)
    this.#order = order
    Bitfield.forEach(pickable, (piece) => this.list(piece))
  }

  /** Pieces that may still be picked. */
  get left(): number {
    return this.availability.listed
  }

  /** The piece is wanted, missing and not open. */
  list(piece: number): void {
    this.availability.list(piece)
    Bitfield.set(this.#listed, piece)
    if (piece < this.#first) this.#first = piece
  }

  /** The piece was opened or is there. */
  unlist(piece: number): void {
    this.availability.unlist(piece)
    Bitfield.clear(this.#listed, piece)
  }

  /** Whether the piece exists and may be picked. */
  mayPick(piece: number): boolean {
    return this.availability.isListed(piece)
  }

  /** The piece to open for a peer with these bits, or `undefined` when it has none that may be picked. */
  pick(bits: Bitfield.Bitfield, isSeed: boolean): number | undefined {
    if (this.left === 0) return undefined
    if (this.#order === "Sequential") return this.#inOrder(bits)
    return this.availability.rarest(bits, isSeed, RARITY_SCAN) ??
      (this.left > RARITY_SCAN ? this.#sparse(bits) : undefined)
  }

  #inOrder(bits: Bitfield.Bitfield): number | undefined {
    let byte = this.#first >>> 3
    while (byte < this.#listed.length && this.#listed[byte] === 0) byte++
    this.#first = byte << 3
    for (; byte < bits.length; byte++) {
      const both = this.#listed[byte]! & bits[byte]!
      if (both !== 0) return (byte << 3) + Math.clz32(both) - 24
    }
    return undefined
  }

  #sparse(bits: Bitfield.Bitfield): number | undefined {
    let best: number | undefined
    let matches = 0
    for (let byte = 0; byte < bits.length && matches < SPARSE_MATCHES; byte++) {
      let both = this.#listed[byte]! & bits[byte]!
      while (both !== 0) {
        const bit = Math.clz32(both) - 24
        both &= ~(0x80 >>> bit)
        const piece = (byte << 3) + bit
        matches++
        if (best === undefined || this.availability.of(piece) < this.availability.of(best)) best = piece
      }
    }
    return best
  }
}
