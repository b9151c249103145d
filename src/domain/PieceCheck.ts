/** What the bytes of a piece are compared with: the hashes of version 1 (BEP 3), version 2 (BEP 52), or both. */
import * as Bytes from "./Bytes.ts"
import * as Digest from "./Digest.ts"
import * as Merkle from "./Merkle.ts"
import type { Metainfo } from "./Metainfo.ts"
import * as PieceTrees from "./PieceTrees.ts"

/** The hash tree over a piece. */
export interface Tree {
  /** 32 bytes. */
  readonly root: Uint8Array
  /** Leaves under the root, a power of two. */
  readonly width: number
  /** Bytes of file data at the start of the piece; padding behind them is not hashed. */
  readonly length: number
}

export interface PieceCheck {
  /** 20 bytes over the whole piece, padding included. */
  readonly sha1: Uint8Array | undefined
  readonly merkle: Tree | undefined
}

/** `Inconsistent`: right by one of a hybrid's hashes and wrong by the other, so that the torrent itself is wrong. */
export type Verdict = "Verified" | "Corrupt" | "Inconsistent"

/** The hashes are views of the metainfo. */
export const of = (metainfo: Metainfo, piece: number): PieceCheck => {
  const { pieceHashes } = metainfo
  const at = piece * Digest.SHA1_BYTES
  return {
    sha1: pieceHashes.length === 0 ? undefined : pieceHashes.subarray(at, at + Digest.SHA1_BYTES),
    merkle: PieceTrees.of(metainfo, piece)
  }
}

const grows = (piece: Uint8Array, { length, root, width }: Tree): boolean =>
  Bytes.equals(Merkle.root(Merkle.leaves(piece.subarray(0, length)), width), root)

/** @param digest of the whole piece; not looked at where no SHA-1 is expected */
export const judge = (piece: Uint8Array, digest: Uint8Array, { merkle, sha1 }: PieceCheck): Verdict => {
  const first = sha1 === undefined || Bytes.equals(digest, sha1)
  if (merkle === undefined) return first ? "Verified" : "Corrupt"
  const second = grows(piece, merkle)
  if (sha1 !== undefined && first !== second) return "Inconsistent"
  return second ? "Verified" : "Corrupt"
}
