/** Why a magnet link comes to no torrent, apart from nobody having it. */
import * as Data from "effect/Data"
import * as Runtime from "effect/Runtime"
import type { MetainfoError } from "../../domain/metainfo/MetainfoError.ts"

/** One of the link's two hashes is that of the metadata and the other is not: nobody can ever have what it asks for. */
export interface Contradiction {
  readonly _tag: "Contradiction"
}

/** The hash is right, and yet it is no torrent. */
export interface NoTorrent {
  readonly _tag: "NoTorrent"
  readonly error: MetainfoError
}

export class MetadataError extends Data.TaggedError("MetadataError")<{ readonly reason: Contradiction | NoTorrent }> {
  override get message(): string {
    const { reason } = this
    return reason._tag === "Contradiction"
      ? "the magnet link has the hashes of two different torrents, and only one can be meant"
      : `what the magnet link leads to is no torrent: ${reason.error.message}`
  }
  /** aria2's "bad magnet URI" and "torrent file was corrupted". */
  override get [Runtime.errorExitCode]() {
    return this.reason._tag === "Contradiction" ? 27 : 26
  }
}
