/** The roots of all pieces (BEP 52, "piece layers"), checked against the roots of their files. */
import * as Result from "effect/Result"
import * as Bencode from "../Bencode.ts"
import * as Bytes from "../Bytes.ts"
import * as Merkle from "../Merkle.ts"
import type * as PieceLayout from "../PieceLayout.ts"
import { invalid, type Parsed, shown } from "./MetainfoError.ts"

/** A file of the torrent, as far as its hashes go. */
export interface HashedFile {
  readonly path: ReadonlyArray<string>
  readonly length: number
  /** Where the file starts in the payload: at a piece, unless it is empty. */
  readonly offset: number
  readonly piecesRoot: Uint8Array | undefined
}

/** The layers of the document by the root of their file; a file no longer than a piece has none. */
const readLayers = (
  layers: Bencode.Value | undefined,
  files: ReadonlyArray<HashedFile>,
  pieceLength: number
): Parsed<Map<string, Uint8Array | undefined>> => {
  const found = new Map<string, Uint8Array | undefined>()
  for (const { length, piecesRoot } of files) {
    if (piecesRoot !== undefined && length > pieceLength) found.set(Bytes.toLatin1(piecesRoot), undefined)
  }
  if (layers === undefined) return found.size === 0 ? Result.succeed(found) : invalid("piece layers is missing")
  if (layers.kind !== "Dictionary") return invalid("piece layers is not a dictionary")
  for (const [root, layer] of Bencode.entries(layers)) {
    const key = root.length === Merkle.HASH ? Bytes.toLatin1(root) : ""
    if (!found.has(key)) return invalid("piece layers has hashes for a root that no file longer than a piece has")
    const hashes = Bencode.bytes(layer)
    if (hashes === undefined) return invalid("piece layers has a value that is not a byte string")
    if (found.get(key) === undefined) found.set(key, hashes)
  }
  return Result.succeed(found)
}

/**
 * A root for every piece, end to end: a file's layer, or the pieces root of a file no longer than a piece. A document without
 * `piece layers` passes when no file needs one. A layer that files share is checked once.
 */
export const read = (
  layers: Bencode.Value | undefined,
  files: ReadonlyArray<HashedFile>,
  layout: PieceLayout.PieceLayout
): Parsed<Uint8Array> => {
  const { pieceLength } = layout
  const found = readLayers(layers, files, pieceLength)
  if (Result.isFailure(found)) return Result.fail(found.failure)
  const checked = new Set<Uint8Array>()
  const roots = new Uint8Array(layout.pieces * Merkle.HASH)
  for (const { length, offset, path, piecesRoot } of files) {
    if (piecesRoot === undefined) continue
    const at = offset / pieceLength * Merkle.HASH
    if (length <= pieceLength) {
      roots.set(piecesRoot, at)
      continue
    }
    const layer = found.success.get(Bytes.toLatin1(piecesRoot))
    if (layer === undefined) return invalid(`piece layers has no hashes for ${shown(path)}`)
    const pieces = Math.ceil(length / pieceLength)
    if (layer.length !== pieces * Merkle.HASH) {
      return invalid(`piece layers has not ${pieces} hashes of ${Merkle.HASH} bytes for ${shown(path)}`)
    }
    if (!checked.has(layer)) {
      if (!Bytes.equals(Merkle.rootOfPieces(layer, pieceLength), piecesRoot)) {
        return invalid(`piece layers has hashes that do not make the pieces root of ${shown(path)}`)
      }
      checked.add(layer)
    }
    roots.set(layer, at)
  }
  return Result.succeed(roots)
}
