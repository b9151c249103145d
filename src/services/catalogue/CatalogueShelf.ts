/** Where one process keeps the bytes of published torrents. */
import * as Effect from "effect/Effect"
import type * as InfoHash from "../../domain/InfoHash.ts"
import type { Listing } from "../../domain/tracker/Listing.ts"
import type { CatalogueError, PublishError } from "./CatalogueError.ts"

/** A torrent that is there already. */
export interface Kept {
  readonly listing: Listing
  readonly bytes: number
}

export interface CatalogueShelf {
  readonly kept: ReadonlyArray<Kept>
  /** Never for two torrents at once. */
  readonly put: (listing: Listing, bytes: Uint8Array) => Effect.Effect<void, CatalogueError | PublishError>
  /** Nothing is wrong when it is gone already. */
  readonly drop: (infoHash: InfoHash.InfoHash) => Effect.Effect<void, CatalogueError>
  /** `undefined` when somebody has taken it away. */
  readonly take: (infoHash: InfoHash.InfoHash) => Effect.Effect<Uint8Array | undefined, CatalogueError>
}

export const inMemory = (): CatalogueShelf => {
  const torrents = new Map<InfoHash.InfoHash, Uint8Array>()
  return {
    kept: [],
    put: ({ infoHash }, bytes) => Effect.sync(() => void torrents.set(infoHash, bytes.slice())),
    drop: (infoHash) => Effect.sync(() => void torrents.delete(infoHash)),
    take: (infoHash) => Effect.sync(() => torrents.get(infoHash))
  }
}
