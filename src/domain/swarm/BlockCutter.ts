/** Cuts the bytes of a run into its blocks as they come, however they are chunked; only a block that straddles two is copied. */
import * as PieceLayout from "../PieceLayout.ts"
import type { Block } from "./WebRanges.ts"

const ZEROS = new Uint8Array(PieceLayout.BLOCK)

/** Owned by one connection, for one run after the other. */
export class BlockCutter {
  readonly #onBlock: (block: Block, bytes: Uint8Array, at: number) => void
  readonly #straddling = new Uint8Array(PieceLayout.BLOCK)
  #blocks: ReadonlyArray<Block> = []
  #next = 0
  #filled = 0

  /** @param onBlock takes a whole block at `at` of `bytes`, which are valid during the call */
  constructor(onBlock: (block: Block, bytes: Uint8Array, at: number) => void) {
    this.#onBlock = onBlock
  }

  /** The blocks whose bytes come next, end to end; what was begun before is forgotten. */
  begin(blocks: ReadonlyArray<Block>): void {
    this.#blocks = blocks
    this.#next = 0
    this.#filled = 0
  }

  /** Blocks of the run that are not whole yet. */
  get left(): number {
    return this.#blocks.length - this.#next
  }

  /** Takes `bytes[from, to)`; what goes beyond the run is left alone. */
  push(bytes: Uint8Array, from: number, to: number): void {
    let at = from
    while (at < to && this.#next < this.#blocks.length) {
      const block = this.#blocks[this.#next]!
      const size = Math.min(to - at, block.length - this.#filled)
      if (size === block.length) this.#whole(block, bytes, at)
      else {
        this.#straddling.set(bytes.subarray(at, at + size), this.#filled)
        this.#filled += size
        if (this.#filled === block.length) this.#whole(block, this.#straddling, 0)
      }
      at += size
    }
  }

  /** Takes so many zeros. */
  zeros(count: number): void {
    for (let left = count; left > 0; left -= ZEROS.length) this.push(ZEROS, 0, Math.min(left, ZEROS.length))
  }

  #whole(block: Block, bytes: Uint8Array, at: number): void {
    this.#next++
    this.#filled = 0
    this.#onBlock(block, bytes, at)
  }
}
