/**
 * How many connected peers have each piece, with the pieces that may still be picked sorted into buckets by that number.
 * Every update is O(1): a piece moves between two buckets by swapping with the last of its bucket. Within a bucket pieces
 * stand in random order, so that the leeches of a swarm start with different ones. Peers that have everything are one
 * counter.
 */
import * as Bitfield from "../Bitfield.ts"

/** Copies of each piece at our peers from which on its rarity need not come before all else. */
const SPREAD = 2

export class Availability {
  readonly #counts: Uint16Array
  /** Where a listed piece stands in its bucket, -1 when it is not listed. */
  readonly #position: Int32Array
  readonly #buckets: Array<Array<number>> = []
  #seeds = 0
  #listed = 0
  #state: number

  /** `random` gives numbers in [0, 1). */
  constructor(pieces: number, random: () => number) {
    this.#state = Math.floor(random() * 2 ** 32)
    this.#counts = new Uint16Array(pieces)
    this.#position = new Int32Array(pieces).fill(-1)
  }

  /** Pieces that may be picked. */
  get listed(): number {
    return this.#listed
  }

  /** Peers that have this piece. */
  of(piece: number): number {
    return this.#counts[piece]! + this.#seeds
  }

  /** Peers that have the rarest piece. Looks at every piece. */
  least(): number {
    let least = Infinity
    for (const count of this.#counts) least = Math.min(least, count)
    return least + this.#seeds
  }

  /** No piece is so rare that peers should be given others. Looks at every piece. */
  isSpread(): boolean {
    return this.least() >= SPREAD
  }

  isListed(piece: number): boolean {
    return this.#position[piece]! >= 0
  }

  /** Adds a piece to those that may be picked. */
  list(piece: number): void {
    if (this.#position[piece]! >= 0) return
    this.#listed++
    this.#enter(piece)
  }

  unlist(piece: number): void {
    if (this.#position[piece]! < 0) return
    this.#listed--
    this.#leave(piece)
  }

  addSeed(): void {
    this.#seeds++
  }

  removeSeed(): void {
    this.#seeds--
  }

  add(piece: number): void {
    this.#move(piece, 1)
  }

  remove(piece: number): void {
    this.#move(piece, -1)
  }

  addAll(bits: Bitfield.Bitfield): void {
    Bitfield.forEach(bits, (piece) => this.add(piece))
  }

  removeAll(bits: Bitfield.Bitfield): void {
    Bitfield.forEach(bits, (piece) => this.remove(piece))
  }

  /**
   * The first listed piece of these bits, rarest bucket first; looks at `most` pieces at the most. A peer that was not
   * added as a seed counts in every piece it has, so that the lowest bucket holds nothing of it.
   */
  rarest(bits: Bitfield.Bitfield, isSeed: boolean, most: number): number | undefined {
    let looked = 0
    for (let count = isSeed ? 0 : 1; count < this.#buckets.length; count++) {
      const bucket = this.#buckets[count]!
      for (let i = bucket.length - 1; i >= 0; i--) {
        if (looked++ >= most) return undefined
        if (isSeed || Bitfield.has(bits, bucket[i]!)) return bucket[i]
      }
    }
    return undefined
  }

  #move(piece: number, by: number): void {
    if (this.#position[piece]! < 0) {
      this.#counts[piece]! += by
      return
    }
    this.#leave(piece)
    this.#counts[piece]! += by
    this.#enter(piece)
  }

  #enter(piece: number): void {
    const count = this.#counts[piece]!
    while (this.#buckets.length <= count) this.#buckets.push([])
    const bucket = this.#buckets[count]!
    const at = this.#draw(bucket.length + 1)
    const displaced = bucket[at]
    if (displaced !== undefined) {
      this.#position[displaced] = bucket.length
      bucket.push(displaced)
    }
    bucket[at] = piece
    this.#position[piece] = at
  }

  /** A bitfield moves every piece it has: that takes a generator of its own, which costs next to nothing. */
  #draw(below: number): number {
    this.#state = Math.imul(this.#state, 1_664_525) + 1_013_904_223 | 0
    return Math.floor((this.#state >>> 0) / 2 ** 32 * below)
  }

  #leave(piece: number): void {
    const bucket = this.#buckets[this.#counts[piece]!]!
    const at = this.#position[piece]!
    const last = bucket.pop()!
    if (last !== piece) {
      bucket[at] = last
      this.#position[last] = at
    }
    this.#position[piece] = -1
  }
}
