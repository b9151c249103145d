/** The catalogue of one process: what is listed is in its memory, the torrents are on a shelf. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type * as InfoHash from "../../domain/InfoHash.ts"
import * as Listing from "../../domain/tracker/Listing.ts"
import { Listings } from "../../domain/tracker/Listings.ts"
import type { Catalogue } from "../Catalogue.ts"
import * as CatalogueLimits from "./CatalogueLimits.ts"
import type { CatalogueShelf } from "./CatalogueShelf.ts"

export const make = Effect.fnUntraced(function*(
  shelf: CatalogueShelf,
  limits: CatalogueLimits.CatalogueLimits
): Effect.fn.Return<Catalogue["Service"]> {
  const clock = yield* Clock.Clock
  const turn = yield* Semaphore.make(1)
  const listings = new Listings()
  const sizes = new Map<string, number>()
  let total = 0
  const keep = (listing: Listing.Listing, bytes: number) => {
    listings.add(listing)
    sizes.set(listing.infoHash, bytes)
    total += bytes
  }
  const forget = (infoHash: InfoHash.InfoHash) => {
    listings.remove(infoHash)
    total -= sizes.get(infoHash) ?? 0
    sizes.delete(infoHash)
  }
  for (const { bytes, listing } of shelf.kept) keep(listing, bytes)

  const add = Effect.fnUntraced(function*(listing: Listing.Listing, bytes: Uint8Array) {
    const known = listings.get(listing.infoHash)
    if (known !== undefined) return { _tag: "Known" as const, listing: known }
    if (listings.count >= limits.maxTorrents) return yield* CatalogueLimits.fullOfTorrents(limits)
    if (total + bytes.length > limits.maxTotalBytes) return yield* CatalogueLimits.fullOfBytes(limits)
    yield* shelf.put(listing, bytes)
    keep(listing, bytes.length)
    return { _tag: "Added" as const, listing }
  })

  const remove = Effect.fnUntraced(function*(asked: InfoHash.InfoHash) {
    const infoHash = listings.get(asked)?.infoHash
    if (infoHash === undefined) return false
    yield* shelf.drop(infoHash)
    forget(infoHash)
    return true
  })

  return {
    publish: (bytes) =>
      Effect.flatMap(
        Effect.fromResult(CatalogueLimits.read(bytes, limits)),
        (metainfo) => {
          const listing = Listing.make(metainfo, clock.currentTimeMillisUnsafe())
          return turn.withPermit(Effect.uninterruptible(add(listing, bytes)))
        }
      ),
    get: Effect.fnUntraced(function*(asked) {
      const infoHash = listings.get(asked)?.infoHash
      if (infoHash === undefined) return undefined
      const bytes = yield* shelf.take(infoHash)
      if (bytes === undefined) forget(infoHash)
      return bytes
    }),
    remove: (infoHash) => turn.withPermit(Effect.uninterruptible(remove(infoHash))),
    listings: Effect.succeed(listings),
    has: (infoHash) => listings.has(infoHash),
    maxBytes: limits.maxBytes
  }
})
