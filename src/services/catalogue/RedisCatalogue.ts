/**
 * The catalogue of many processes, in Redis: a list of what is published, which only grows, and a hash with the torrents.
 * Every process remembers the list and asks for what was added since, so that a question costs one short command.
 */
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redis from "effect/persistence/Redis"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { RESP_TYPES } from "redis"
import * as InfoHash from "../../domain/InfoHash.ts"
import * as SafePath from "../../domain/SafePath.ts"
import * as Listing from "../../domain/tracker/Listing.ts"
import { Listings } from "../../domain/tracker/Listings.ts"
import type { Catalogue } from "../Catalogue.ts"
import { type CatalogueError, unavailable } from "./CatalogueError.ts"
import * as CatalogueLimits from "./CatalogueLimits.ts"

const LISTINGS = "freshet:catalogue:listings"
const TORRENTS = "freshet:catalogue:torrents"
const BYTES = "freshet:catalogue:bytes"

/** After so long without a word Redis counts as out of reach. */
const PATIENCE = "5 seconds"

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
  name: Schema.String,
  size: Schema.Natural,
  files: Schema.Natural,
  publishedAt: Schema.Natural
}))

const decodeStored = Schema.decodeOption(Stored)

/** Others may write there too: what is no listing is passed over, and no name is trusted. */
const toListing = (text: string): Listing.Listing | undefined => {
  const stored = Option.getOrUndefined(decodeStored(text))
  const infoHash = InfoHash.parse(stored?.infoHash ?? "")
  return stored === undefined || infoHash === undefined
    ? undefined
    : { ...stored, infoHash, name: SafePath.component(stored.name) }
}

const detailOf = ({ cause }: Redis.RedisError): string =>
  `Redis: ${cause instanceof Error && cause.message !== "" ? cause.message : String(cause)}`

type Command = <A>(
  run: (client: NodeRedis.NodeRedis["Service"]["client"]) => Promise<A>
) => Effect.Effect<A, CatalogueError>

const connect = Effect.fnUntraced(function*(url: string): Effect.fn.Return<Command, CatalogueError, Scope.Scope> {
  // Commands fail at once while Redis is away, instead of waiting for it in memory.
  const layer = NodeRedis.layer({ url, disableOfflineQueue: true, socket: { connectTimeout: 5000 } })
  const built = yield* Effect.mapError(Layer.build(layer), (error) => unavailable(detailOf(error)))
  const redis = Context.get(built, NodeRedis.NodeRedis)
  return (run) =>
    redis.use(run).pipe(
      Effect.mapError((error) => unavailable(detailOf(error))),
      Effect.timeoutOrElse({
        duration: PATIENCE,
        orElse: () => Effect.fail(unavailable("Redis does not answer"))
      })
    )
})

/** What this process remembers of the list. */
const makeMemory = (command: Command) => {
  let listings = new Listings()
  /** Elements of the list that were read, those among them that are none included. */
  let read = 0
  const turn = Semaphore.makeUnsafe(1)
  const refresh = Effect.gen(function*() {
    const length = yield* command((client) => client.lLen(LISTINGS))
    // Somebody has emptied it.
    if (length < read) {
      listings = new Listings()
      read = 0
    }
    if (length === read) return listings
    const added = yield* command((client) => client.lRange(LISTINGS, read, length - 1))
    read += added.length
    for (const text of added) {
      const listing = toListing(text)
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
  const command = yield* connect(url)
  const memory = makeMemory(command)
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
    const answer = yield* command((client) =>
      client.sendCommand<number>(["EVAL", PUBLISH, "3", LISTINGS, TORRENTS, BYTES, ...args, ...bounds])
    )
    if (answer === -1) return yield* CatalogueLimits.fullOfTorrents(limits)
    if (answer === -2) return yield* CatalogueLimits.fullOfBytes(limits)
    const listings = yield* memory.refresh
    const tag = answer === 1 ? "Added" as const : "Known" as const
    return { _tag: tag, listing: listings.get(listing.infoHash) ?? listing }
  })

  return {
    publish,
    get: (infoHash) =>
      Effect.map(
        command((client) => client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }).hGet(TORRENTS, infoHash)),
        (bytes) => bytes ?? undefined
      ),
    listings: memory.refresh,
    has: (infoHash) => memory.current().has(infoHash),
    maxBytes: limits.maxBytes
  }
})
