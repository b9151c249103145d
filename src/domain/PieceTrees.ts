/** Where a piece of a version 2 or hybrid torrent lies in the hash tree of its file (BEP 52). */
import { HASH, widthOf } from "./Merkle.ts"
import type { Metainfo } from "./Metainfo.ts"
import * as PieceLayout from "./PieceLayout.ts"

export interface PieceTree {
  /** Index into the files. */
  readonly file: number
  /** The root of the piece's own subtree, a view of `metainfo.pieceRoots`. */
  readonly root: Uint8Array
  /** The piece's first leaf, counted from the start of its file. */
  readonly leaf: number
  /** Blocks with data. */
  readonly leaves: number
  /** Bytes of the file in this piece; padding files do not count. */
  readonly length: number
  /** Leaves under `root`, those without data included. */
  readonly width: number
}

/** `undefined` for version 1. */
export const of = (metainfo: Metainfo, piece: number): PieceTree | undefined => {
  const { files, layout, pieceRoots } = metainfo
  if (pieceRoots === undefined) return undefined
  // Every piece starts in a file with data, since all of these are aligned.
  const [start] = PieceLayout.spans(files, PieceLayout.pieceOffset(layout, piece), 1)
  const { file, position } = start!
  const entry = files[file]!
  const length = Math.min(layout.pieceLength, entry.length - position)
  return {
    file,
    root: pieceRoots.subarray(piece * HASH, (piece + 1) * HASH),
    leaf: position / PieceLayout.BLOCK,
    leaves: Math.ceil(length / PieceLayout.BLOCK),
    length,
    width: widthOf(entry.length, layout.pieceLength)
  }
}
