/** Where the files of a new torrent lie in its payload: end to end, or each at the start of a piece (BEP 52). */
import * as Merkle from "./Merkle.ts"
import type { Version } from "./Metainfo.ts"
import * as Padding from "./Padding.ts"
import * as PieceLayout from "./PieceLayout.ts"

export interface Placed<File> {
  readonly file: File | Padding.Padding
  readonly offset: number
  readonly length: number
}

export interface Arrangement<File> {
  /** With padding, where the version has it. */
  readonly files: ReadonlyArray<Placed<File>>
  readonly layout: PieceLayout.PieceLayout
}

/** Lays files of some lengths, in bytes, into pieces. */
export const arrange = <File extends { readonly length: number }>(
  files: ReadonlyArray<File>,
  pieceLength: number,
  version: Version
): Arrangement<File> => {
  const short = new Map<number, number>()
  let at = 0
  let end = 0
  const placed = (version === "hybrid" ? Padding.insert(files, pieceLength) : files).map((file) => {
    const over = at % pieceLength
    if (version === "2" && over > 0 && file.length > 0) {
      short.set(Math.floor(at / pieceLength), over)
      at += pieceLength - over
    }
    const offset = at
    at += file.length
    if (file.length > 0) end = at
    return { file, offset, length: file.length }
  })
  return { files: placed, layout: PieceLayout.make(end, pieceLength, short) }
}

/** How many pieces {@link arrange} would make, whatever their number. */
export const countPieces = (
  files: ReadonlyArray<{ readonly length: number }>,
  pieceLength: number,
  version: Version
): number => {
  const pieces = files.reduce(
    (sum, { length }) => sum + (version === "1" ? length : Math.ceil(length / pieceLength)),
    0
  )
  return version === "1" ? Math.ceil(pieces / pieceLength) : pieces
}

/** For every piece of aligned files: the leaves of its tree. */
export const widths = ({ files, layout }: Arrangement<unknown>): Uint32Array => {
  const out = new Uint32Array(layout.pieces)
  for (const { length, offset } of files) {
    const pieces = PieceLayout.piecesOf(layout, { length, offset })
    // Padding never starts a piece.
    if (pieces === undefined || offset % layout.pieceLength !== 0) continue
    out.fill(Merkle.widthOf(length, layout.pieceLength), pieces.first, pieces.last + 1)
  }
  return out
}
