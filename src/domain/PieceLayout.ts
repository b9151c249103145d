/**
 * The arithmetic of one torrent, once: bytes ↔ pieces ↔ blocks, and the byte range of a piece in the files. The payload
 * is one run of bytes, all files in order (BEP 3); a block is {@link BLOCK} bytes of a piece, the last one may be shorter.
 * In a version 2 torrent every file starts with a piece of its own (BEP 52): a piece that ends with its file is short, and
 * the gap up to the next piece belongs to no file, reads as zeros and is never stored.
 */
import * as Bitfield from "./Bitfield.ts"

/** The request size that every client accepts. */
export const BLOCK = 16_384

export interface PieceLayout {
  /** Length of every piece but the last and the short ones, and how far the starts of two pieces lie apart. */
  readonly pieceLength: number
  /** Where the last file ends; gaps count. */
  readonly totalLength: number
  /** Where what may be read ends: {@link totalLength}, and with gaps the end of the last piece at its full length. */
  readonly paddedLength: number
  /** Bytes of all pieces; gaps do not count. */
  readonly dataLength: number
  readonly pieces: number
  /** Blocks in a piece of full length. */
  readonly blocksPerPiece: number
  /** In a version 2 torrent the sizes of the pieces, other than the last, that end before a gap; `undefined` in others. */
  readonly short: ReadonlyMap<number, number> | undefined
}

/** @param short sizes of the pieces, other than the last, that end before the next one starts; version 2 alone has such */
export const make = (
  totalLength: number,
  pieceLength: number,
  short?: ReadonlyMap<number, number> | undefined
): PieceLayout => {
  let dataLength = totalLength
  for (const size of short?.values() ?? []) dataLength -= pieceLength - size
  const pieces = Math.ceil(totalLength / pieceLength)
  return {
    pieceLength,
    totalLength,
    paddedLength: short === undefined ? totalLength : pieces * pieceLength,
    dataLength,
    pieces,
    blocksPerPiece: Math.ceil(pieceLength / BLOCK),
    short
  }
}

/** Where the piece starts in the payload. */
export const pieceOffset = (layout: PieceLayout, piece: number): number => piece * layout.pieceLength

const sizeWithGap = (layout: PieceLayout, piece: number): number =>
  piece === layout.pieces - 1 ? layout.totalLength - piece * layout.pieceLength : layout.pieceLength

/** Bytes of data; a gap behind them does not count. */
export const pieceSize = (layout: PieceLayout, piece: number): number =>
  layout.short === undefined ? sizeWithGap(layout, piece) : layout.short.get(piece) ?? sizeWithGap(layout, piece)

/** Bytes of these pieces. */
export const sizeOf = (layout: PieceLayout, pieces: Bitfield.Bitfield): number => {
  const { pieceLength, short } = layout
  let size = Bitfield.count(pieces) * pieceLength
  const last = layout.pieces - 1
  if (Bitfield.has(pieces, last) && short?.has(last) !== true) size += sizeWithGap(layout, last) - pieceLength
  if (short === undefined) return size
  for (const [piece, length] of short) if (Bitfield.has(pieces, piece)) size += length - pieceLength
  return size
}

export const blocksIn = (layout: PieceLayout, piece: number): number => Math.ceil(pieceSize(layout, piece) / BLOCK)

export const blockSize = (layout: PieceLayout, piece: number, block: number): number =>
  Math.min(BLOCK, pieceSize(layout, piece) - block * BLOCK)

/**
 * Whether a peer may ask for these bytes: inside one existing piece, and not empty. In a version 2 torrent every piece counts
 * as full, the last one too: libtorrent 2.0 asks for whole blocks beyond the end of any file, and takes no shorter answer.
 */
export const isInside = (layout: PieceLayout, piece: number, begin: number, length: number): boolean =>
  piece < layout.pieces && length > 0 &&
  begin + length <= (layout.short === undefined ? pieceSize(layout, piece) : layout.pieceLength)

/** A run of the payload that lies in one file. */
export interface Span {
  /** Index into the list of files. */
  readonly file: number
  /** Where the run starts in that file. */
  readonly position: number
  /** Where the run starts, counted from the start of the range asked for. */
  readonly at: number
  readonly length: number
}

/**
 * Cuts a range of the payload at file boundaries, in order; empty files get no span. `files` are sorted by
 * `offset`; what lies in the gap between two of them is in no span.
 */
export const spans = (
  files: ReadonlyArray<{ readonly offset: number; readonly length: number }>,
  offset: number,
  length: number
): Array<Span> => {
  let low = 0
  let high = files.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const file = files[middle]!
    if (file.offset + file.length <= offset) low = middle + 1
    else high = middle
  }
  const out: Array<Span> = []
  const end = offset + length
  for (let file = low; file < files.length && files[file]!.offset < end; file++) {
    const entry = files[file]!
    const from = Math.max(offset, entry.offset)
    const size = Math.min(end, entry.offset + entry.length) - from
    if (size > 0) out.push({ file, position: from - entry.offset, at: from - offset, length: size })
  }
  return out
}

/** First and last piece that hold bytes of a file, or `undefined` for an empty file. */
export const piecesOf = (
  layout: PieceLayout,
  file: { readonly offset: number; readonly length: number }
): { readonly first: number; readonly last: number } | undefined =>
  file.length === 0 ? undefined : {
    first: Math.floor(file.offset / layout.pieceLength),
    last: Math.floor((file.offset + file.length - 1) / layout.pieceLength)
  }
