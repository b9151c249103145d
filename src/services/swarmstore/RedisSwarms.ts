/**
 * All swarms in Redis, for trackers that share them. `now` is each tracker's own clock: where two differ, a peer that announced
 * to the one is forgotten by the other earlier or later by just that difference.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import * as Bytes from "../../domain/Bytes.ts"
import type { Announcing, Answer, Counts, Summary } from "../../domain/tracker/Announcing.ts"
import * as PeerClass from "../../domain/tracker/PeerClass.ts"
import type { Bounds } from "../../domain/tracker/SwarmTable.ts"
import * as RedisClient from "./RedisClient.ts"
import * as RedisScripts from "./RedisScripts.ts"
import { boundsOf, KEY_BYTES, type Swarms, type SwarmsOptions } from "./Swarms.ts"
import type { SwarmStoreError } from "./SwarmStoreError.ts"

export interface RedisSwarmsOptions extends SwarmsOptions {
  /** `redis://` or `rediss://`, with name and password if need be; never shown. */
  readonly url: string
  /** What all keys begin with; `freshet:swarms` unless given. */
  readonly prefix?: string | undefined
}

const PREFIX = "freshet:swarms"

const ANNOUNCE = RedisClient.script(RedisScripts.ANNOUNCE)
const SCRAPE = RedisClient.script(RedisScripts.SCRAPE)
const SUMMARY = RedisClient.script(RedisScripts.SUMMARY)
const SWEEP = RedisClient.script(RedisScripts.SWEEP)

/** For torrents whose peers fall silent while nobody announces at all. */
const SWEEP_EVERY = "10 seconds"
const SWEPT = 100

const FAMILIES = { v4: "4", v6: "6", both: "46" }

const bytesOf = (field: unknown): Uint8Array => field instanceof Uint8Array ? field : Bytes.empty

const announceArguments = (announcing: Announcing, bounds: Bounds, random: () => number) => {
  const { compact, event, infoHash, numWant, peerId, role, wants, withIds } = announcing
  return [
    Buffer.from(infoHash, "hex"),
    Buffer.from(compact),
    Buffer.from(peerId, "latin1"),
    String(PeerClass.of(compact, PeerClass.roleNumber(role))),
    event === "completed" ? "c" : event === "stopped" ? "s" : "",
    String(numWant),
    FAMILIES[wants],
    withIds ? "1" : "",
    String(bounds.lifeMs),
    String(bounds.maxTorrents),
    String(bounds.maxPeersPerTorrent),
    String(bounds.maxPeers),
    String(Math.floor(random() * 2 ** 31))
  ]
}

const toAnswer = (reply: unknown, withIds: boolean): Answer => {
  if (!Array.isArray(reply)) return "TooManyTorrents"
  const [seeders, leechers, completed, peers4, peers6, ids4, ids6] = reply
  return {
    seeders: Number(seeders),
    leechers: Number(leechers),
    completed: Number(completed),
    peers4: bytesOf(peers4),
    peers6: bytesOf(peers6),
    ids4: withIds ? bytesOf(ids4) : undefined,
    ids6: withIds ? bytesOf(ids6) : undefined
  }
}

const toCounts = (fields: ReadonlyArray<unknown>): Counts => {
  const [seeders = 0, leechers = 0, downloaders = 0, completed = 0] = fields.slice(0, 4).map(Number)
  const lastSeed = String(fields[4])
  return { seeders, leechers, downloaders, completed, lastSeedAt: lastSeed === "" ? undefined : Number(lastSeed) }
}

const toSummary = (fields: ReadonlyArray<number>): Summary => {
  const total = { torrents: fields[0]!, peers: 0, peers4: 0, peers6: 0, seeders: 0, leechers: 0 }
  for (let kind = 0; kind < PeerClass.CLASSES; kind++) {
    const count = fields[kind + 1]!
    total.peers += count
    total[PeerClass.isIpv4(kind) ? "peers4" : "peers6"] += count
    total[PeerClass.roleOf(kind) === PeerClass.SEED ? "seeders" : "leechers"] += count
  }
  return { ...total, completed: fields[PeerClass.CLASSES + 1]! }
}

/** Connects for as long as the scope is open; fails when Redis is not there to begin with. */
export const make = Effect.fnUntraced(
  function*(options: RedisSwarmsOptions): Effect.fn.Return<Swarms, SwarmStoreError, Scope.Scope> {
    const prefix = options.prefix ?? PREFIX
    const bounds = boundsOf(options)
    const random = yield* Random.Random
    const redis = yield* RedisClient.make(options.url)
    const connectionKey = Uint8Array.from(yield* redis.share(`${prefix}:key`, randomBytes(KEY_BYTES)))

    const sweep = Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const [more] = yield* redis.run(SWEEP, [[prefix, String(now), String(SWEPT)]])
      return more === 1
    })
    yield* Effect.sleep(SWEEP_EVERY).pipe(
      Effect.andThen(Effect.ignore(Effect.repeat(sweep, { while: (more) => more }))),
      Effect.forever({ disableYield: true }),
      Effect.forkScoped
    )

    return {
      announce: (batch, now) =>
        Effect.suspend(() => {
          const head = [prefix, String(now)]
          const next = () => random.nextDoubleUnsafe()
          return redis.run(ANNOUNCE, batch.map((one) => [...head, ...announceArguments(one, bounds, next)]))
        }).pipe(
          Effect.map((replies) => replies.map((reply, index) => toAnswer(reply, batch[index]!.withIds)))
        ),
      scrape: (hashes, now) =>
        hashes.length === 0
          ? Effect.succeed([])
          : Effect.map(
            redis.run(SCRAPE, [[prefix, String(now), ...hashes.map((infoHash) => Buffer.from(infoHash, "hex"))]]),
            ([reply]) => (reply as ReadonlyArray<ReadonlyArray<unknown>>).map(toCounts)
          ),
      summary: (now) =>
        Effect.map(redis.run(SUMMARY, [[prefix, String(now)]]), ([reply]) => toSummary(reply as ReadonlyArray<number>)),
      connectionKey: Effect.succeed(connectionKey)
    }
  }
)
