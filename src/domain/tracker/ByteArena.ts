/** Many small byte arrays out of a few large ones: an array of its own costs more than an announce. */
import * as Bytes from "../Bytes.ts"

const CHUNK = 32 * 1024

export class ByteArena {
  private chunk = Bytes.empty
  private used = 0

  /** Zeros, nobody else's. */
  take(size: number): Uint8Array {
    if (size === 0) return Bytes.empty
    if (this.used + size > this.chunk.length) {
      this.chunk = new Uint8Array(Math.max(CHUNK, size))
      this.used = 0
    }
    return this.chunk.subarray(this.used, this.used += size)
  }
}
