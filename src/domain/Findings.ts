/** What is right and wrong with the data of a torrent, after its pieces were hashed: by pieces, and by files. */
import * as Bitfield from "./Bitfield.ts"
import * as Bytes from "./Bytes.ts"
import * as Digest from "./Digest.ts"
import type { FileEntry, Metainfo } from "./Metainfo.ts"
import * as PieceLayout from "./PieceLayout.ts"
import * as PieceTrees from "./PieceTrees.ts"
import * as Runs from "./Runs.ts"

/** What is in the place of a file: nothing, something that cannot be used, or a file of some length. */
export type Presence =
  | { readonly _tag: "Missing" }
  | { readonly _tag: "Unusable"; readonly why: string }
  | { readonly _tag: "Found"; readonly length: number }

/**
 * `Damaged`: a piece that lies in this file alone is bad. `Suspect`: only pieces that other files lie in too are bad or
 * cannot be read, so that the fault may be theirs.
 */
export type State = "Right" | "Missing" | "Unusable" | "WrongLength" | "Damaged" | "Suspect"

export interface FileFinding {
  /** Index into the files of the torrent. */
  readonly file: number
  readonly state: State
  readonly presence: Presence
  /** Pieces with bytes of this file that are bad or not all there. */
  readonly pieces: Runs.Runs
  /**
   * Blocks of this file, counted from its start, that are known to be bad or missing: a .torrent has no hashes of blocks,
   * so these are pieces of one block (BEP 52), and what lies beyond the end of a file that is too short.
   */
  readonly blocks: Runs.Runs
}

export interface Findings {
  /** In the order of the torrent, without padding and links. */
  readonly files: ReadonlyArray<FileFinding>
  /** Pieces with another hash than the torrent says. */
  readonly bad: Runs.Runs
  /** Pieces that could not be hashed, because a file is missing, too short or not usable. */
  readonly unread: Runs.Runs
  /** Bad pieces that are right by one hash of a hybrid torrent and wrong by the other: the torrent contradicts itself. */
  readonly contradictory: Runs.Runs
  /** Whether all files are there, as long as they should be, with nothing bad in them. */
  readonly isWhole: boolean
}

/** The hashes of the data, as `PieceHasher` gives them. */
export interface Hashes {
  readonly sha1: Uint8Array
  readonly roots: Uint8Array
  readonly unread: Bitfield.Bitfield
}

const matches = (expected: Uint8Array, found: Uint8Array, piece: number, size: number): boolean =>
  Bytes.equals(expected.subarray(piece * size, (piece + 1) * size), found.subarray(piece * size, (piece + 1) * size))

/** Whether a piece has each of the hashes that the torrent gives. */
const verdicts = ({ pieceHashes, pieceRoots }: Metainfo, { roots, sha1 }: Hashes, piece: number): Array<boolean> => [
  ...pieceHashes.length > 0 ? [matches(pieceHashes, sha1, piece, Digest.SHA1_BYTES)] : [],
  ...pieceRoots === undefined ? [] : [matches(pieceRoots, roots, piece, Digest.SHA256_BYTES)]
]

const isStored = ({ padding, symlink }: FileEntry): boolean => !padding && symlink === undefined

/** Whether other files than padding have bytes in the piece. */
const isShared = ({ files, layout }: Metainfo, piece: number): boolean =>
  PieceLayout.spans(files, PieceLayout.pieceOffset(layout, piece), PieceLayout.pieceSize(layout, piece))
    .filter(({ file }) => !files[file]!.padding).length > 1

const blocksOf = (metainfo: Metainfo, { length }: FileEntry, presence: Presence, bad: Runs.Runs): Runs.Runs => {
  if (metainfo.pieceRoots === undefined || presence._tag !== "Found") return []
  const blocks: Array<Runs.Run> = []
  for (const { first, last } of bad) {
    for (let piece = first; piece <= last; piece++) {
      const tree = PieceTrees.of(metainfo, piece)
      if (tree?.leaves === 1) blocks.push({ first: tree.leaf, last: tree.leaf })
    }
  }
  if (presence.length < length) {
    blocks.push({
      first: Math.floor(presence.length / PieceLayout.BLOCK),
      last: Math.ceil(length / PieceLayout.BLOCK) - 1
    })
  }
  return Runs.merged(blocks)
}

/** @param presences what is in the place of each file; that of padding and links is not looked at */
export const of = (metainfo: Metainfo, presences: ReadonlyArray<Presence>, hashes: Hashes): Findings => {
  const { files, layout } = metainfo
  const bad = Bitfield.make(layout.pieces)
  const contradictory = Bitfield.make(layout.pieces)
  for (let piece = 0; piece < layout.pieces; piece++) {
    if (Bitfield.has(hashes.unread, piece)) continue
    const found = verdicts(metainfo, hashes, piece)
    if (found.includes(false)) Bitfield.set(bad, piece)
    if (found.includes(false) && found.includes(true)) Bitfield.set(contradictory, piece)
  }
  const isBad = (piece: number) => Bitfield.has(bad, piece)
  const isUnread = (piece: number) => Bitfield.has(hashes.unread, piece)
  const stateOf = (entry: FileEntry, presence: Presence, pieces: Runs.Runs): State => {
    if (presence._tag !== "Found") return presence._tag
    if (presence.length !== entry.length) return "WrongLength"
    if (pieces.length === 0) return "Right"
    const isOwn = pieces.some(({ first, last }) =>
      // The inner pieces of a file are its own.
      last - first > 1 || [first, last].some((piece) => !isShared(metainfo, piece))
    )
    return isOwn ? "Damaged" : "Suspect"
  }
  const findings = files.flatMap((entry, file): Array<FileFinding> => {
    if (!isStored(entry)) return []
    const presence = presences[file]!
    const range = PieceLayout.piecesOf(layout, entry) ?? { first: 0, last: -1 }
    const pieces = Runs.where(range.first, range.last, (piece) => isBad(piece) || isUnread(piece))
    const blocks = blocksOf(metainfo, entry, presence, Runs.where(range.first, range.last, isBad))
    return [{ file, state: stateOf(entry, presence, pieces), presence, pieces, blocks }]
  })
  const all = (is: (piece: number) => boolean) => Runs.where(0, layout.pieces - 1, is)
  return {
    files: findings,
    bad: all(isBad),
    unread: all(isUnread),
    contradictory: all((piece) => Bitfield.has(contradictory, piece)),
    isWhole: findings.every(({ state }) => state === "Right") && bad.every((byte) => byte === 0) &&
      hashes.unread.every((byte) => byte === 0)
  }
}
