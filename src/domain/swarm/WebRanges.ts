/**
 * Where in the files the blocks lie that a web seed is asked for (BEP 19): blocks that follow each other are one run, and a
 * run is one request for each file it touches. Padding (BEP 47) is known to be zeros and never asked for, nor are the gaps of
 * version 2 (BEP 52), which no block holds.
 */
import type { FileEntry } from "../Metainfo.ts"
import * as PieceLayout from "../PieceLayout.ts"

/** A block of a piece, as it is asked for. */
export interface Block {
  readonly piece: number
  readonly begin: number
  readonly length: number
}

/** A stretch of a run; without a file it is padding. */
export interface Stretch {
  /** Index into the list of files. */
  readonly file: number | undefined
  /** Where it starts in that file. */
  readonly position: number
  readonly length: number
}

/** Where the block starts in the payload. */
export const offsetOf = (layout: PieceLayout.PieceLayout, { begin, piece }: Block): number =>
  PieceLayout.pieceOffset(layout, piece) + begin

/** How many of the blocks, from the first on, lie end to end in the payload. */
export const runOf = (layout: PieceLayout.PieceLayout, blocks: ReadonlyArray<Block>): number => {
  let count = 0
  let end = 0
  for (const block of blocks) {
    const offset = offsetOf(layout, block)
    if (count > 0 && offset !== end) break
    end = offset + block.length
    count++
  }
  return count
}

/** Cuts a range of the payload at the ends of files, in order. What lies in a gap is in no stretch. */
export const stretches = (
  files: ReadonlyArray<Pick<FileEntry, "offset" | "length" | "padding">>,
  offset: number,
  length: number
): Array<Stretch> =>
  PieceLayout.spans(files, offset, length).map(({ file, length, position }) =>
    files[file]!.padding ? { file: undefined, position, length } : { file, position, length }
  )
