/** Why a torrent could not begin or go on, apart from trouble with its files, its record or the network. */
import * as Data from "effect/Data"
import * as Runtime from "effect/Runtime"
import * as Bitfield from "../domain/Bitfield.ts"

/** What was to be shared is not all there, or not all right. */
export interface Incomplete {
  readonly _tag: "Incomplete"
  /** The pieces that are. */
  readonly have: Bitfield.Bitfield
  readonly pieces: number
}

/** A piece is right by one of a hybrid's two hashes and wrong by the other: nobody can ever give the right one (BEP 52). */
export interface Inconsistent {
  readonly _tag: "Inconsistent"
  readonly piece: number
}

export class TorrentError extends Data.TaggedError("TorrentError")<{ readonly reason: Incomplete | Inconsistent }> {
  override get message(): string {
    const { reason } = this
    return reason._tag === "Incomplete"
      ? `${Bitfield.count(reason.have)} of ${reason.pieces} pieces are there: fetch the others first`
      : `the torrent contradicts itself: its version 1 and version 2 hashes of piece ${reason.piece} are of different data`
  }
  /** aria2's "checksum validation failed" and "torrent file was corrupted". */
  override get [Runtime.errorExitCode]() {
    return this.reason._tag === "Incomplete" ? 32 : 26
  }
}
