/** Buffers for bytes on their way out, used again once they have left. */

/** Bytes of a buffer: what a block and its header fit in several times. */
const SIZE = 65_536

/** Buffers that are kept for the next write; further ones are left to the collector. */
const KEPT = 64

export class Scratch {
  readonly #free: Array<Uint8Array> = []

  /** A copy of all parts, end to end, in as few buffers as hold them. */
  gather(parts: ReadonlyArray<Uint8Array>): Array<Uint8Array> {
    const out: Array<Uint8Array> = []
    let buffer: Uint8Array | undefined
    let filled = 0
    for (const part of parts) {
      for (let at = 0; at < part.length;) {
        buffer ??= this.#take()
        const taken = Math.min(part.length - at, SIZE - filled)
        buffer.set(at === 0 && taken === part.length ? part : part.subarray(at, at + taken), filled)
        filled += taken
        at += taken
        if (filled < SIZE) continue
        out.push(buffer)
        buffer = undefined
        filled = 0
      }
    }
    if (buffer !== undefined) out.push(filled < SIZE ? buffer.subarray(0, filled) : buffer)
    return out
  }

  /** Takes back what {@link Scratch.gather} gave, once the bytes have left. */
  giveBack(buffers: ReadonlyArray<Uint8Array>): void {
    for (const { buffer } of buffers) {
      if (this.#free.length < KEPT) this.#free.push(new Uint8Array(buffer))
    }
  }

  #take(): Uint8Array {
    return this.#free.pop() ?? new Uint8Array(SIZE)
  }
}
