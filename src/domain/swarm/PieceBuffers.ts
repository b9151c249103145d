/**
 * The memory that pieces on their way to the disk may take, one budget for all torrents of a session. Buffers are used
 * again, last one first, so that a fast download works in a cache-sized part of it.
 */
export class PieceBuffers {
  /** Bytes that may be out at once. */
  readonly limit: number
  #out = 0
  #idle = 0
  readonly #free = new Map<number, Array<Uint8Array>>()

  constructor(limit: number) {
    this.limit = limit
  }

  /** Bytes lent out now. */
  get used(): number {
    return this.#out
  }

  /** Bytes kept for the next borrower; within the budget together with those lent out. */
  get idle(): number {
    return this.#idle
  }

  /** Whether a buffer of this length is within the budget. */
  fits(length: number): boolean {
    return this.#out + length <= this.limit
  }

  /**
   * Lends a buffer of exactly `length` bytes with arbitrary content, over the budget too: whether it {@link fits} is the
   * caller's question, since one piece may always be open whatever its length.
   */
  take(length: number): Uint8Array {
    this.#out += length
    const buffer = this.#free.get(length)?.pop()
    if (buffer !== undefined) {
      this.#idle -= length
      return buffer
    }
    // Idle buffers of other lengths, as torrents of other piece lengths leave them, would come on top of the budget.
    if (this.#out + this.#idle > this.limit) {
      this.#free.clear()
      this.#idle = 0
    }
    return new Uint8Array(length)
  }

  give(buffer: Uint8Array): void {
    this.#out -= buffer.length
    if (this.#out + this.#idle + buffer.length > this.limit) return
    this.#idle += buffer.length
    const list = this.#free.get(buffer.length)
    if (list === undefined) this.#free.set(buffer.length, [buffer])
    else list.push(buffer)
  }
}
