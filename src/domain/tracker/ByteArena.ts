/** Many small byte arrays out of a few large ones: an array of its own costs more than the rest of an announce. */
import * as Bytes from "../Bytes.ts"

const CHUNK = 32 * 1024

export class ByteArena {
  /** What is reserved, until the next {@link reserve}: to be written to, in either form. */
  bytes = new Uint8Array(0)
  halves = new Uint16Array(0)
  private used = 0

  /** Where `size` bytes begin that are nobody's; both are even. */
  reserve(size: number): number {
    if (this.used + size > this.bytes.length) {
      this.bytes = new Uint8Array(Math.max(CHUNK, size))
      this.halves = new Uint16Array(this.bytes.buffer)
      this.used = 0
    }
    const start = this.used
    this.used += size
    return start
  }

  /** A part of what was reserved. */
  view(start: number, size: number): Uint8Array {
    return size === 0 ? Bytes.empty : this.bytes.subarray(start, start + size)
  }
}
