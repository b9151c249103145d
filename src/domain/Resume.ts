/**
 * What is known of a download from an earlier run, and how far that may be trusted. The record speaks only of bytes that
 * were synced before it was written; {@link plan} weighs it against the files as they are now.
 */
import * as Bitfield from "./Bitfield.ts"
import * as Metainfo from "./Metainfo.ts"
import * as PieceLayout from "./PieceLayout.ts"

/** What the file system says about a file. */
export interface FileStat {
  readonly length: number
  /** Modification time in nanoseconds since 1970. */
  readonly mtimeNs: bigint
}

/** Per piece that is not complete: the blocks that are in their place on disk, the first in the highest bit. */
export type Masks = ReadonlyMap<number, Bitfield.Bitfield>

/** Files of which every piece is there, hence not written to any more, and when they last changed. */
export interface Closed {
  /** One bit per file. */
  readonly files: Bitfield.Bitfield
  /** Modification time of each closed file. */
  readonly mtimes: BigInt64Array
}

export interface ResumeRecord {
  /** The pieces that are verified, written and synced. */
  readonly have: Bitfield.Bitfield
  readonly masks: Masks
  /** The length of a closed file is not kept: it is the one that the metainfo says. */
  readonly closed: Closed
  /** Files whose bytes were kept in the part file: one bit per file. */
  readonly inPart: Bitfield.Bitfield
  /** Payload bytes over all runs. */
  readonly uploaded: number
  readonly downloaded: number
}

export const noneClosed = (files: number): Closed => ({
  files: Bitfield.make(files),
  mtimes: new BigInt64Array(files)
})

export const copyMasks = (masks: Masks): Map<number, Bitfield.Bitfield> =>
  new Map(Array.from(masks, ([piece, mask]) => [piece, mask.slice()]))

/** Files with bytes on disk that hold a part of the piece. */
export const storedFilesOf = (metainfo: Metainfo.Metainfo, piece: number): Array<PieceLayout.Span> =>
  PieceLayout.spans(
    metainfo.files,
    PieceLayout.pieceOffset(metainfo.layout, piece),
    PieceLayout.pieceSize(metainfo.layout, piece)
  ).filter((span) => Metainfo.isStored(metainfo.files[span.file]!))

/**
 * What a file is worth:
 * - `Trusted`: the record stands.
 * - `Sample`: it was still being written; one of its recorded pieces must verify first.
 * - `Recheck`: it is there, but changed since; its recorded pieces must all be hashed.
 * - `Lost`: it is not there, or its bytes are somewhere else; nothing that needs it counts.
 */
export type Standing = "Trusted" | "Sample" | "Recheck" | "Lost"

export interface Plan {
  /** Per file; padding, links and empty files are `Trusted`. */
  readonly standings: ReadonlyArray<Standing>
  /** For every file that stands as `Sample`, the piece to verify. */
  readonly samples: ReadonlyArray<{ readonly file: number; readonly piece: number }>
}

export interface Present {
  /** Per file, what is there. */
  readonly stats: ReadonlyArray<FileStat | undefined>
  /** Whether the file is kept in the part file now. */
  readonly inPart: (file: number) => boolean
}

/** @param fraction from [0, 1): which of the recorded pieces of a file is the sample */
export const plan = (
  metainfo: Metainfo.Metainfo,
  record: ResumeRecord,
  present: Present,
  fraction: number
): Plan => {
  const standings = metainfo.files.map((_, file) => standingOf(metainfo, record, present, file))
  const samples: Array<{ readonly file: number; readonly piece: number }> = []
  standings.forEach((standing, file) => {
    if (standing !== "Sample") return
    const recorded = recordedPieces(metainfo, record.have, file).filter((piece) =>
      storedFilesOf(metainfo, piece).every((span) => standings[span.file] !== "Lost")
    )
    if (recorded.length > 0) samples.push({ file, piece: recorded[Math.floor(fraction * recorded.length)]! })
    else standings[file] = "Trusted"
  })
  return { standings, samples }
}

const standingOf = (
  metainfo: Metainfo.Metainfo,
  record: ResumeRecord,
  { inPart, stats }: Present,
  file: number
): Standing => {
  const entry = metainfo.files[file]!
  if (!Metainfo.isStored(entry) || entry.length === 0) return "Trusted"
  const stat = stats[file]
  if (stat === undefined || inPart(file) !== Bitfield.has(record.inPart, file)) return "Lost"
  if (Bitfield.has(record.closed.files, file)) {
    const same = stat.length === entry.length && stat.mtimeNs === record.closed.mtimes[file]
    return same ? "Trusted" : "Recheck"
  }
  return stat.length >= recordedEnd(metainfo, record, file) ? "Sample" : "Recheck"
}

const recordedPieces = (metainfo: Metainfo.Metainfo, have: Bitfield.Bitfield, file: number): Array<number> => {
  const out: Array<number> = []
  const range = PieceLayout.piecesOf(metainfo.layout, metainfo.files[file]!)
  if (range !== undefined) {
    for (let piece = range.first; piece <= range.last; piece++) if (Bitfield.has(have, piece)) out.push(piece)
  }
  return out
}

/** How long the file must be to hold its last recorded piece. */
const recordedEnd = (metainfo: Metainfo.Metainfo, record: ResumeRecord, file: number): number => {
  const { layout } = metainfo
  const entry = metainfo.files[file]!
  const range = PieceLayout.piecesOf(layout, entry)
  if (range === undefined) return 0
  let last = range.last
  while (last >= range.first && !Bitfield.has(record.have, last)) last--
  if (last < range.first) return 0
  return Math.min(entry.length, PieceLayout.pieceOffset(layout, last) + layout.pieceLength - entry.offset)
}

export interface Settled {
  /** Pieces that need no further look. */
  readonly have: Bitfield.Bitfield
  /** Recorded pieces that count once they are hashed. */
  readonly recheck: Bitfield.Bitfield
  readonly masks: Map<number, Bitfield.Bitfield>
}

/**
 * Which pieces count, once the samples are in.
 *
 * @param verified whether the sample of this file verified; asked only of files that stand as `Sample`
 */
export const settle = (
  metainfo: Metainfo.Metainfo,
  record: ResumeRecord,
  { standings }: Plan,
  present: Present,
  verified: (file: number) => boolean
): Settled => {
  const { layout } = metainfo
  const final = standings.map((standing, file) =>
    standing !== "Sample" ? standing : verified(file) ? "Trusted" : "Recheck"
  )
  const have = Bitfield.make(layout.pieces)
  const recheck = Bitfield.make(layout.pieces)
  Bitfield.forEach(record.have, (piece) => {
    const files = storedFilesOf(metainfo, piece)
    if (files.every(({ file }) => final[file] === "Trusted")) Bitfield.set(have, piece)
    else if (files.every(({ file }) => final[file] !== "Lost")) Bitfield.set(recheck, piece)
  })
  const masks = new Map<number, Bitfield.Bitfield>()
  for (const [piece, mask] of record.masks) {
    const trusted = storedFilesOf(metainfo, piece).every(({ file }) => final[file] === "Trusted")
    if (trusted && reaches(metainfo, present, piece, mask)) masks.set(piece, mask.slice())
  }
  return { have, recheck, masks }
}

/** Whether every block of the mask lies within its files as long as they are. */
const reaches = (
  metainfo: Metainfo.Metainfo,
  { stats }: Present,
  piece: number,
  mask: Bitfield.Bitfield
): boolean => {
  let end = 0
  Bitfield.forEach(mask, (block) => {
    end = block * PieceLayout.BLOCK + PieceLayout.blockSize(metainfo.layout, piece, block)
  })
  return storedFilesOf(metainfo, piece).every((span) =>
    span.at >= end || (stats[span.file]?.length ?? 0) >= span.position + Math.min(span.length, end - span.at)
  )
}
