/** All swarms in Redis, for trackers that share them. Their clocks may differ: time is what Redis says. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import * as Bytes from "../../domain/Bytes.ts"
import * as PeerId from "../../domain/PeerId.ts"
import type { Announcing, Answer, Counts, Summary } from "../../domain/tracker/Announcing.ts"
import { KEY_BYTES } from "../../domain/tracker/ConnectionIds.ts"
import * as PeerClass from "../../domain/tracker/PeerClass.ts"
import * as RedisClient from "../redis/RedisClient.ts"
import * as RedisScripts from "./RedisScripts.ts"
import { boundsOf, type Swarms, type SwarmsOptions } from "./Swarms.ts"
import { SwarmStoreError } from "./SwarmStoreError.ts"

export interface RedisSwarmsOptions extends SwarmsOptions {
  /** `redis://` or `rediss://`, with name and password if need be; never shown. */
  readonly url: string
  /** What all keys begin with; `freshet:swarms` unless given. */
  readonly prefix?: string | undefined
  /** Whose time counts: that of Redis unless given, or the `now` of every call, for those who set the clock in tests. */
  readonly time?: "redis" | "caller" | undefined
}

const PREFIX = "freshet:swarms"

/** An announce takes Redis some 130 µs, and nobody who announces waits for long. */
const PATIENCE_MS = 500

const unavailable = (detail: string) => new SwarmStoreError({ reason: "Unavailable", detail })

const ANNOUNCE = RedisClient.script(RedisScripts.ANNOUNCE)
const SCRAPE = RedisClient.script(RedisScripts.SCRAPE)
const SUMMARY = RedisClient.script(RedisScripts.SUMMARY)
const SWEEP = RedisClient.script(RedisScripts.SWEEP)

/** For torrents whose peers fall silent while nobody announces at all. */
const SWEEP_EVERY = "10 seconds"
const SWEPT = 100

const FAMILIES = { v4: "4", v6: "6", both: "46" }

const bytesOf = (field: unknown): Uint8Array => field instanceof Uint8Array ? field : Bytes.empty

/** What has to be known of an announce when its answer comes; the announce itself may be another by then. */
interface Asked {
  readonly compact: Buffer
  readonly peerId: Buffer
  readonly numWant: number
  readonly withIds: boolean
}

const askedOf = ({ compact, numWant, peerId, withIds }: Announcing): Asked => ({
  compact: Buffer.from(compact),
  peerId: Buffer.from(peerId),
  numWant,
  withIds
})

const NO_KEY = Buffer.alloc(0)

const keyOf = (key: number): Buffer => {
  if (key === 0) return NO_KEY
  const bytes = Buffer.allocUnsafe(4)
  Bytes.writeUint32(bytes, 0, key)
  return bytes
}

const announceArguments = (announcing: Announcing, asked: Asked) => {
  const { compact, event, infoHash, key, numWant, role, wants } = announcing
  return [
    Buffer.from(infoHash),
    asked.compact,
    asked.peerId,
    String(PeerClass.of(compact, PeerClass.roleNumber(role))),
    event === "completed" ? "c" : event === "stopped" ? "s" : "",
    String(numWant),
    FAMILIES[wants],
    keyOf(key)
  ]
}

/** Addresses with ids, without the asker's own. */
const others = (drawn: unknown, size: number, { compact, peerId }: Asked): Array<Uint8Array> => {
  const bytes = bytesOf(drawn)
  const out: Array<Uint8Array> = []
  for (let at = 0; at < bytes.length; at += size + PeerId.BYTES) {
    const entry = bytes.subarray(at, at + size + PeerId.BYTES)
    if (!Bytes.equals(entry.subarray(size), peerId) && !Bytes.equals(entry.subarray(0, size), compact)) out.push(entry)
  }
  return out
}

/** Takes entries away by chance, until `most` are left. */
const thin = (entries: Array<Uint8Array>, most: number, random: () => number): void => {
  while (entries.length > most) {
    entries[Math.floor(random() * entries.length)] = entries[entries.length - 1]!
    entries.pop()
  }
}

const COMPACT4 = 6
const COMPACT6 = 18

const packed = (entries: ReadonlyArray<Uint8Array>, length: number, from: number, to: number): Uint8Array =>
  Bytes.concat(entries.filter((entry) => entry.length === length).map((entry) => entry.subarray(from, to)))

const toAnswer = (reply: unknown, asked: Asked, random: () => number): Answer | undefined => {
  if (reply === 0) return "TooManyTorrents"
  if (!Array.isArray(reply)) return undefined
  const [seeders, leechers, completed, drawn4, drawn6] = reply
  const entries = [...others(drawn4, COMPACT4, asked), ...others(drawn6, COMPACT6, asked)]
  thin(entries, asked.numWant, random)
  const [size4, size6] = [COMPACT4 + PeerId.BYTES, COMPACT6 + PeerId.BYTES]
  return {
    seeders: Number(seeders),
    leechers: Number(leechers),
    completed: Number(completed),
    peers4: packed(entries, size4, 0, COMPACT4),
    peers6: packed(entries, size6, 0, COMPACT6),
    ids4: asked.withIds ? packed(entries, size4, COMPACT4, size4) : undefined,
    ids6: asked.withIds ? packed(entries, size6, COMPACT6, size6) : undefined
  }
}

/** Announces of one call: their time adds up, in which Redis answers nobody else. */
const CHUNK = 32

/** Where each call of a batch begins and ends. */
const chunked = (length: number): ReadonlyArray<readonly [from: number, to: number]> =>
  Array.from({ length: Math.ceil(length / CHUNK) }, (_, n) => [CHUNK * n, Math.min(length, CHUNK * (n + 1))])

const replyTo = (replies: ReadonlyArray<unknown>, at: number): unknown => {
  const reply = replies[Math.floor(at / CHUNK)]
  return Array.isArray(reply) ? reply[at % CHUNK] : undefined
}

/** What a call with announces is to the connection. */
const ANNOUNCED: RedisClient.CallOptions = {
  weightOf: ({ length }) => Math.floor(length / RedisScripts.ANNOUNCE_ARGUMENTS),
  // The others of the call have their answers.
  troubleIn: (reply) => Array.isArray(reply) ? reply.find((one) => one instanceof Uint8Array) : undefined
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
    const limits = [bounds.lifeMs, bounds.maxTorrents, bounds.maxPeersPerTorrent, bounds.maxPeers].map(String)
    const timeOf = (now: number) => options.time === "caller" ? String(now) : ""
    const random = yield* Random.Random
    const next = () => random.nextDoubleUnsafe()
    const redis = yield* RedisClient.make(options.url, { patienceMs: PATIENCE_MS, unavailable })
    const connectionKey = Uint8Array.from(yield* redis.share(`${prefix}:key`, randomBytes(KEY_BYTES)))

    const sweep = Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const [more] = yield* redis.run(SWEEP, [[prefix, timeOf(now), String(SWEPT)]])
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
          const asked = batch.map(askedOf)
          const calls = chunked(batch.length).map(([from, to]) => {
            const call = [prefix, timeOf(now)].concat(limits)
            const seed = String(Math.floor(next() * 2 ** 31))
            const announces = batch.slice(from, to).map((one, at) => announceArguments(one, asked[from + at]!))
            return [call, seed, announces].flat(2)
          })
          return Effect.map(
            redis.run(ANNOUNCE, calls, ANNOUNCED),
            (replies) => asked.map((one, at) => toAnswer(replyTo(replies, at), one, next))
          )
        }),
      scrape: (hashes, now) =>
        hashes.length === 0
          ? Effect.succeed([])
          : Effect.map(
            redis.run(SCRAPE, [[prefix, timeOf(now), ...hashes.map((infoHash) => Buffer.from(infoHash, "hex"))]]),
            ([reply]) => (reply as ReadonlyArray<ReadonlyArray<unknown>>).map(toCounts)
          ),
      summary: (now) =>
        Effect.map(redis.run(SUMMARY, [[prefix, timeOf(now)]]), ([reply]) => toSummary(reply as ReadonlyArray<number>)),
      connectionKey: Effect.succeed(connectionKey)
    }
  }
)
