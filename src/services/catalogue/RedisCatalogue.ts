/**
 * The catalogue of many processes, in Redis: a list of what is published, and a hash with the torrents. Every process
 * remembers the list and asks for what was added since, so that a question costs one short command; when something was taken
 * off it the list is read anew.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as InfoHash from "../../domain/InfoHash.ts"
import * as InfoHashV2 from "../../domain/InfoHashV2.ts"
import * as SafePath from "../../domain/SafePath.ts"
import * as Listing from "../../domain/tracker/Listing.ts"
import { Listings } from "../../domain/tracker/Listings.ts"
import type { Catalogue } from "../Catalogue.ts"
import * as RedisClient from "../redis/RedisClient.ts"
import { type CatalogueError, unavailable } from "./CatalogueError.ts"
import * as CatalogueLimits from "./CatalogueLimits.ts"

const LISTINGS = "freshet:catalogue:listings"
const TORRENTS = "freshet:catalogue:torrents"
const BYTES = "freshet:catalogue:bytes"
/** How often something was taken off the list. */
const REMOVALS = "freshet:catalogue:removals"

/** Torrents are large, and who publishes can wait. */
const PATIENCE_MS = 5000

/** How soon a process knows what another has published, when nobody asks. */
const REFRESH = "1 second"

/** Takes the info hash, the listing, the torrent, and the most torrents and bytes. Answers 1 when added, 0 when known. */
const PUBLISH = `
if redis.call("HEXISTS", KEYS[2], ARGV[1]) == 1 then return 0 end
if redis.call("LLEN", KEYS[1]) >= tonumber(ARGV[4]) then return -1 end
if tonumber(redis.call("GET", KEYS[3]) or "0") + #ARGV[3] > tonumber(ARGV[5]) then return -2 end
redis.call("HSET", KEYS[2], ARGV[1], ARGV[3])
redis.call("RPUSH", KEYS[1], ARGV[2])
redis.call("INCRBY", KEYS[3], #ARGV[3])
return 1`

const Stored = Schema.fromJsonString(Schema.Struct({
  infoHash: Schema.String,
  infoHashV2: Schema.optionalKey(Schema.String),
  name: Schema.String,
  size: Schema.Natural,
  files: Schema.Natural,
  publishedAt: Schema.Natural
}))

const decodeStored = Schema.decodeOption(Stored)

/** Takes the info hash. Answers 1, or 0 when it was not known. */
const REMOVE = `
local torrent = redis.call("HGET", KEYS[2], ARGV[1])
if not torrent then return 0 end
redis.call("HDEL", KEYS[2], ARGV[1])
redis.call("DECRBY", KEYS[3], #torrent)
for _, text in ipairs(redis.call("LRANGE", KEYS[1], 0, -1)) do
  if string.find(text, '"infoHash":"' .. ARGV[1] .. '"', 1, true) then redis.call("LREM", KEYS[1], 1, text) end
end
redis.call("INCR", KEYS[4])
return 1`

const STATE = `return { redis.call("LLEN", KEYS[1]), redis.call("GET", KEYS[2]) or "0" }`

/** Others may write there too: what is no listing is passed over, and no name is trusted. */
const toListing = (text: string): Listing.Listing | undefined => {
  const stored = Option.getOrUndefined(decodeStored(text))
  const infoHash = InfoHash.parse(stored?.infoHash ?? "")
  return stored === undefined || infoHash === undefined ? undefined : {
    ...stored,
    infoHash,
    infoHashV2: InfoHashV2.parse(stored.infoHashV2 ?? ""),
    name: SafePath.component(stored.name)
  }
}

/** What this process remembers of the list. */
const makeMemory = (redis: RedisClient.RedisClient<CatalogueError>) => {
  let listings = new Listings()
  /** Elements of the list that were read, those among them that are none included. */
  let read = 0
  let removals = ""
  const turn = Semaphore.makeUnsafe(1)
  const refresh = Effect.gen(function*() {
    const state = yield* redis.send(["EVAL", STATE, "2", LISTINGS, REMOVALS])
    if (!Array.isArray(state)) return listings
    const length = Number(state[0])
    const removalsNow = String(state[1])
    // Shorter without a removal: somebody has emptied it.
    if (length < read || removalsNow !== removals) {
      listings = new Listings()
      read = 0
      removals = removalsNow
    }
    if (length === read) return listings
    const added = yield* redis.send(["LRANGE", LISTINGS, String(read), String(length - 1)])
    if (!Array.isArray(added)) return listings
    read += added.length
    for (const text of added) {
      const listing = toListing(String(text))
      if (listing !== undefined) listings.add(listing)
    }
    return listings
  })
  return { refresh: turn.withPermit(refresh), current: () => listings }
}

/** Connects for as long as the scope is open. */
export const make = Effect.fnUntraced(function*(
  url: string,
  limits: CatalogueLimits.CatalogueLimits
): Effect.fn.Return<Catalogue["Service"], CatalogueError, Scope.Scope> {
  const clock = yield* Clock.Clock
  const redis = yield* RedisClient.make(url, { patienceMs: PATIENCE_MS, unavailable })
  const memory = makeMemory(redis)
  yield* memory.refresh
  yield* Effect.forkScoped(Effect.forever(
    Effect.andThen(Effect.sleep(REFRESH), Effect.ignore(memory.refresh)),
    { disableYield: true }
  ))

  const publish = Effect.fnUntraced(function*(bytes: Uint8Array) {
    const metainfo = yield* Effect.fromResult(CatalogueLimits.read(bytes, limits))
    const listing = Listing.make(metainfo, clock.currentTimeMillisUnsafe())
    const args = [listing.infoHash, JSON.stringify(listing), Buffer.from(bytes)]
    const bounds = [String(limits.maxTorrents), String(limits.maxTotalBytes)]
    const answer = yield* redis.send(["EVAL", PUBLISH, "3", LISTINGS, TORRENTS, BYTES, ...args, ...bounds])
    if (answer === -1) return yield* CatalogueLimits.fullOfTorrents(limits)
    if (answer === -2) return yield* CatalogueLimits.fullOfBytes(limits)
    const listings = yield* memory.refresh
    const tag = answer === 1 ? "Added" as const : "Known" as const
    return { _tag: tag, listing: listings.get(listing.infoHash) ?? listing }
  })

  /** The hash that a torrent is kept under: a hybrid may be asked for by its other one. */
  const kept = (asked: InfoHash.InfoHash) => memory.current().get(asked)?.infoHash ?? asked

  return {
    publish,
    get: (asked) =>
      Effect.map(
        redis.send(["HGET", TORRENTS, kept(asked)]),
        (bytes) => Buffer.isBuffer(bytes) ? bytes : undefined
      ),
    remove: Effect.fnUntraced(function*(asked) {
      const answer = yield* redis.send(["EVAL", REMOVE, "4", LISTINGS, TORRENTS, BYTES, REMOVALS, kept(asked)])
      yield* memory.refresh
      return answer === 1
    }),
    listings: memory.refresh,
    has: (infoHash) => memory.current().has(infoHash),
    maxBytes: limits.maxBytes
  }
})
