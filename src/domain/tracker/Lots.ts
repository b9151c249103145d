/** Draws without putting back, every set of the same size as likely as any other; O(1) per draw. */

const EMPTY = -1

export class Lots {
  /** Of Chris Doty-Humphrey's sfc32: fair, not secret. Kept in an array, since closures and fields box such numbers. */
  private readonly state: Int32Array
  private seen = new Int32Array(0)
  private mask = 0

  /** @param random numbers in [0, 1), to begin with */
  constructor(random: () => number) {
    this.state = Int32Array.from({ length: 4 }, () => Math.floor(random() * 2 ** 32) | 0)
    for (let i = 0; i < 12; i++) this.below(1)
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
    const { state } = this
    const b = state[1]!
    const c = state[2]!
    const out = (state[0]! + b + state[3]!) | 0
    state[3]!++
    state[0] = b ^ (b >>> 9)
    state[1] = c + (c << 3)
    state[2] = ((c << 21) | (c >>> 11)) + out
    return Math.floor((out >>> 0) * bound * 2 ** -32)
  }

  private forget(most: number): void {
    let size = 16
    while (size < 3 * most) size *= 2
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
