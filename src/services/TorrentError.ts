/** Why a torrent could not begin, apart from trouble with its files, its record or the network. */
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

export class TorrentError extends Data.TaggedError("TorrentError")<{ readonly reason: Incomplete }> {
  override get message(): string {
    const { have, pieces } = this.reason
    return `${Bitfield.count(have)} of ${pieces} pieces are there: fetch the others first`
  }
  /** aria2's "checksum validation failed". */
  override readonly [Runtime.errorExitCode] = 32
}
