/** Draws without putting back, every set of the same size as likely as any other; O(1) per draw. */

const EMPTY = -1

export class Lots {
  private readonly next: () => number
  private seen = new Int32Array(0)
  private mask = 0

  /** @param next random integers of 32 bits, unsigned */
  constructor(next: () => number) {
    this.next = next
  }

  /** `count` numbers below `total`, in any order, into `out`; `spare` is how many {@link more} may follow. */
  draw(total: number, count: number, spare: number, out: Int32Array): void {
    this.forget(count + spare)
    // Robert Floyd's: no draw is ever in vain.
    for (let i = 0, last = total - count; i < count; i++, last++) {
      const lot = this.below(last + 1)
      if (this.isNew(lot)) {
        out[i] = lot
      } else {
        this.isNew(last)
        out[i] = last
      }
    }
  }

  /** One number below `total` more; there must be one. */
  more(total: number): number {
    for (;;) {
      const lot = this.below(total)
      if (this.isNew(lot)) return lot
    }
  }

  below(bound: number): number {
    return Math.floor(this.next() * bound * 2 ** -32)
  }

  private forget(most: number): void {
    let size = 16
    while (size < 4 * most) size *= 2
    if (this.seen.length < size) this.seen = new Int32Array(size)
    this.seen.fill(EMPTY, 0, size)
    this.mask = size - 1
  }

  private isNew(lot: number): boolean {
    const { mask, seen } = this
    let at = (Math.imul(lot, 0x9e37_79b1) >>> 8) & mask
    while (seen[at] !== EMPTY) {
      if (seen[at] === lot) return false
      at = (at + 1) & mask
    }
    seen[at] = lot
    return true
  }
}
