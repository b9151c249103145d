/** Where the files lie in the payload, and the pieces that this makes. */
import * as Result from "effect/Result"
import * as Merkle from "../Merkle.ts"
import type { Version } from "../Metainfo.ts"
import * as PieceLayout from "../PieceLayout.ts"
import type * as Fields from "./Fields.ts"
import type * as FileList from "./FileList.ts"
import type * as FileTree from "./FileTree.ts"
import { invalid, type Parsed, tooLarge } from "./MetainfoError.ts"

/** A file in its place in the payload. */
export interface Placed extends Fields.Attributes {
  /** Below the torrent's folder, or the name of a single file, as the document has it; a safe one takes its place. */
  path: ReadonlyArray<string>
  readonly length: number
  readonly offset: number
  readonly piecesRoot: Uint8Array | undefined
  /** Raw as well. */
  symlink: ReadonlyArray<string> | undefined
}

/** End to end (BEP 3). */
export const ofList = (
  list: ReadonlyArray<FileList.ListedFile>,
  twins: ReadonlyArray<FileTree.TreeFile | undefined>
): Array<Placed> => {
  let offset = 0
  return list.map(({ executable, length, padding, path, symlink }, i) => {
    const twin = twins[i]
    const placed = {
      path,
      length,
      offset,
      padding,
      piecesRoot: twin?.piecesRoot,
      symlink: twin?.symlink ?? symlink,
      executable: executable || twin?.executable === true
    }
    offset += length
    return placed
  })
}

const endOf = (files: ReadonlyArray<Placed>): number => {
  const last = files.at(-1)
  return last === undefined ? 0 : last.offset + last.length
}

/** Each file with data at the start of a piece (BEP 52). */
export const ofTree = (tree: ReadonlyArray<FileTree.TreeFile>, pieceLength: number): Array<Placed> => {
  let end = 0
  return tree.map(({ executable, length, path, piecesRoot, symlink }) => {
    const offset = length === 0 ? end : Math.ceil(end / pieceLength) * pieceLength
    end = offset + length
    return { path, length, offset, padding: false, piecesRoot, symlink, executable }
  })
}

/** Sizes of the pieces that end before a gap. */
const shortPieces = (files: ReadonlyArray<Placed>, pieceLength: number): Map<number, number> => {
  const short = new Map<number, number>()
  const total = endOf(files)
  for (const { length, offset } of files) {
    const size = length % pieceLength
    if (size > 0 && offset + length < total) short.set(Math.floor((offset + length) / pieceLength), size)
  }
  return short
}

/**
 * The pieces of files in their places, of which one must have data (BEP 3, 52).
 *
 * @param limits `maxBytes` for the hashes of all pieces of version 2, at {@link Merkle.HASH} each
 */
export const layout = (
  files: ReadonlyArray<Placed>,
  pieceLength: number,
  version: Version,
  limits: { readonly maxBytes: number; readonly maxPieces: number }
): Parsed<PieceLayout.PieceLayout> => {
  const { maxBytes, maxPieces } = limits
  const total = endOf(files)
  const where = version === "2" ? "info.file tree" : "info.files"
  if (total === 0) return invalid("info has no data: all its files are empty")
  if (total > Number.MAX_SAFE_INTEGER) return invalid(`${where} add up to more than 2^53 bytes`)
  const pieces = Math.ceil(total / pieceLength)
  if (pieces > maxPieces) return invalid(`info.piece length makes ${pieces} pieces, more than ${maxPieces}`)
  // Files with the same content share a layer, so that few bytes could tell of any number of pieces.
  if (version === "2" && pieces * Merkle.HASH > maxBytes) {
    return tooLarge(`the hashes of its ${pieces} pieces have more than ${maxBytes} bytes`)
  }
  return Result.succeed(
    PieceLayout.make(total, pieceLength, version === "2" ? shortPieces(files, pieceLength) : undefined)
  )
}
