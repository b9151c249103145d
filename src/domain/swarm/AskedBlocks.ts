/**
 * The blocks that one peer has asked of us, first come first served, bounded. Three numbers a block in one ring, no
 * object each.
 */

/** What other clients offer to queue (libtorrent's default, and the most that any asks for). */
export const CAPACITY = 2048

const MASK = CAPACITY - 1

export class AskedBlocks {
  #ring: Uint32Array | undefined
  #head = 0
  #length = 0

  get length(): number {
    return this.#length
  }

  /** Adds a request; `false` when the peer has asked for more than anybody may. */
  push(piece: number, begin: number, length: number): boolean {
    if (this.#length === CAPACITY) return false
    const ring = (this.#ring ??= new Uint32Array(3 * CAPACITY))
    const at = 3 * ((this.#head + this.#length++) & MASK)
    ring[at] = piece
    ring[at + 1] = begin
    ring[at + 2] = length
    return true
  }

  /** The i-th request from the front; `i` is below {@link length}. */
  piece(i: number): number {
    return this.#ring![3 * ((this.#head + i) & MASK)]!
  }

  begin(i: number): number {
    return this.#ring![3 * ((this.#head + i) & MASK) + 1]!
  }

  size(i: number): number {
    return this.#ring![3 * ((this.#head + i) & MASK) + 2]!
  }

  /** Drops the first `count` requests: they were answered. */
  shift(count: number): void {
    this.#head = (this.#head + count) & MASK
    this.#length -= count
  }

  /** Takes back one request (BEP 3, "cancel"); returns whether it was here. */
  cancel(piece: number, begin: number, length: number): boolean {
    for (let i = 0; i < this.#length; i++) {
      if (this.piece(i) !== piece || this.begin(i) !== begin || this.size(i) !== length) continue
      for (let j = i; j + 1 < this.#length; j++) this.#copy(j + 1, j)
      this.#length--
      return true
    }
    return false
  }

  clear(): void {
    this.#length = 0
  }

  #copy(from: number, to: number): void {
    const source = 3 * ((this.#head + from) & MASK)
    this.#ring!.copyWithin(3 * ((this.#head + to) & MASK), source, source + 3)
  }
}
