/** The torrents that were published at a tracker, so that others find them by name. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as path from "node:path"
import type * as InfoHash from "../domain/InfoHash.ts"
import type { Listing } from "../domain/tracker/Listing.ts"
import type { ReadonlyListings } from "../domain/tracker/Listings.ts"
import { type CatalogueError, type PublishError, unavailable } from "./catalogue/CatalogueError.ts"
import * as CatalogueLimits from "./catalogue/CatalogueLimits.ts"
import * as CatalogueShelf from "./catalogue/CatalogueShelf.ts"
import * as LocalCatalogue from "./catalogue/LocalCatalogue.ts"
import * as TorrentFolder from "./catalogue/TorrentFolder.ts"

export { CatalogueError, PublishError } from "./catalogue/CatalogueError.ts"
export type { CatalogueOptions } from "./catalogue/CatalogueLimits.ts"

export interface Published {
  /** Known: a torrent of this info hash is listed already, and stays as it was published first. */
  readonly _tag: "Added" | "Known"
  readonly listing: Listing
}

export class Catalogue extends Context.Service<Catalogue, {
  /**
   * Lists a .torrent, its bytes as they are: a pass key in an announce URL of it is seen by everyone who asks. Private
   * torrents (BEP 27) are listed like others.
   */
  readonly publish: (bytes: Uint8Array) => Effect.Effect<Published, CatalogueError | PublishError>
  /** The .torrent as it was published; `undefined` when none is. */
  readonly get: (infoHash: InfoHash.InfoHash) => Effect.Effect<Uint8Array | undefined, CatalogueError>
  /** Takes a torrent off the list and forgets it; false when none is listed. */
  readonly remove: (infoHash: InfoHash.InfoHash) => Effect.Effect<boolean, CatalogueError>
  /** All that is listed, as of now; to be read at once, since it changes with what is published. */
  readonly listings: Effect.Effect<ReadonlyListings, CatalogueError>
  /** Whether a torrent is listed, as far as this process knows: what another has published it knows a little later. */
  readonly has: (infoHash: InfoHash.InfoHash) => boolean
  /** The largest .torrent that is taken. */
  readonly maxBytes: number
}>()("freshet/services/Catalogue") {
  /** Lasts as long as the process. */
  static readonly layerMemory = (options?: CatalogueLimits.CatalogueOptions): Layer.Layer<Catalogue> =>
    Layer.effect(
      Catalogue,
      Effect.suspend(() => LocalCatalogue.make(CatalogueShelf.inMemory(), CatalogueLimits.make(options)))
    )

  /** In `<dataDir>/torrents`, for one process. Fails when the folder cannot be used. */
  static readonly layerDisk = (
    options: CatalogueLimits.CatalogueOptions & { readonly dataDir: string }
  ): Layer.Layer<Catalogue, CatalogueError> => {
    const limits = CatalogueLimits.make(options)
    return Layer.effect(
      Catalogue,
      Effect.flatMap(
        TorrentFolder.open(path.join(options.dataDir, "torrents"), limits),
        (shelf) => LocalCatalogue.make(shelf, limits)
      )
    )
  }

  /**
   * In Redis, for all processes that are given the same one; `redis` must be installed. Fails when it does not answer at
   * the start; later the operations fail, and work again once it is back.
   */
  static readonly layerRedis = (
    options: CatalogueLimits.CatalogueOptions & { readonly url: string }
  ): Layer.Layer<Catalogue, CatalogueError> =>
    Layer.unwrap(Effect.map(
      // An optional dependency, loaded by those who want it.
      Effect.tryPromise({
        try: () => import("./catalogue/RedisCatalogue.ts"),
        catch: () => unavailable("the package redis is not installed; run npm install redis")
      }),
      ({ make }) => Layer.effect(Catalogue, make(options.url, CatalogueLimits.make(options)))
    ))
}
