/** Which pieces the user's choice of files needs, and how many bytes of it are there. */
import * as Bitfield from "./Bitfield.ts"
import { isStored, type Metainfo } from "./Metainfo.ts"
import * as PieceLayout from "./PieceLayout.ts"

export interface Wanted {
  readonly pieces: Bitfield.Bitfield
  /** Bytes of the chosen files, without padding. */
  readonly bytes: number
  /** Bytes of the chosen files in one piece. */
  readonly bytesIn: (piece: number) => number
}

/** Bytes of all files, without padding. */
export const sizeOf = ({ files }: Pick<Metainfo, "files">): number => {
  let size = 0
  for (const { length, padding } of files) if (!padding) size += length
  return size
}

/** @param selected file indices; all files when absent */
export const make = (metainfo: Metainfo, selected: ReadonlySet<number> | undefined): Wanted => {
  const { files, layout } = metainfo
  const isChosen = (file: number): boolean => isStored(files[file]!) && (selected === undefined || selected.has(file))
  const hasPadding = files.some((file) => file.padding)
  // Also the pieces of padding alone: without them nobody could ever be a seed.
  const everything = files.every((file, index) => !isStored(file) || isChosen(index))
  const pieces = everything ? Bitfield.full(layout.pieces) : Bitfield.make(layout.pieces)
  let bytes = 0
  files.forEach((file, index) => {
    if (!isChosen(index)) return
    bytes += file.length
    const range = PieceLayout.piecesOf(layout, file)
    if (everything || range === undefined) return
    for (let piece = range.first; piece <= range.last; piece++) Bitfield.set(pieces, piece)
  })
  const bytesIn = (piece: number): number => {
    const size = PieceLayout.pieceSize(layout, piece)
    if (everything && !hasPadding) return size
    let chosen = 0
    for (const span of PieceLayout.spans(files, PieceLayout.pieceOffset(layout, piece), size)) {
      if (isChosen(span.file)) chosen += span.length
    }
    return chosen
  }
  return { pieces, bytes, bytesIn }
}
