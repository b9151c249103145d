/** What a tracker says about a listed torrent: the listing, and who has it. The JSON of `GET /torrents`, for both sides. */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as InfoHash from "../InfoHash.ts"
import * as InfoHashV2 from "../InfoHashV2.ts"
import type { Magnet } from "../Magnet.ts"
import type { Listing } from "./Listing.ts"

const Time = Schema.String.check(Schema.isPattern(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/))

export const Offer = Schema.Struct({
  name: Schema.String,
  /** Bytes. */
  size: Schema.Natural,
  /** How many. */
  files: Schema.Natural,
  /** 40 hex digits. */
  infoHash: Schema.String.check(Schema.isPattern(/^[0-9a-f]{40}$/)),
  /** 64 hex digits; null: it is of version 1 alone. Older trackers do not say. */
  infoHashV2: Schema.optionalKey(Schema.NullOr(Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/)))),
  seeds: Schema.Natural,
  leeches: Schema.Natural,
  /** How often it was downloaded to its end, as far as the tracker was told. */
  completed: Schema.Natural,
  /** When a seed was last heard, ISO 8601; null: never. */
  lastSeen: Schema.NullOr(Time),
  publishedAt: Time
})
export type Offer = typeof Offer.Type

/** Of `SwarmStore.scrape`. */
export interface Counts {
  readonly seeders: number
  readonly leechers: number
  readonly completed: number
  /** Unix time in ms. */
  readonly lastSeedAt: number | undefined
}

/** The last moment whose year has four digits. */
const LAST_DATE = 253_402_300_799_999

const later = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? a ?? b : Math.max(a, b)

/** Of two swarms of one torrent: most who are in one are in the other too, and nobody says who. */
export const most = (a: Counts, b: Counts): Counts => ({
  seeders: Math.max(a.seeders, b.seeders),
  leechers: Math.max(a.leechers, b.leechers),
  completed: Math.max(a.completed, b.completed),
  lastSeedAt: later(a.lastSeedAt, b.lastSeedAt)
})

const iso = (ms: number): string => new Date(Math.min(ms, LAST_DATE)).toISOString()

export const make = (listing: Listing, counts: Counts): Offer => ({
  name: listing.name,
  size: listing.size,
  files: listing.files,
  infoHash: listing.infoHash,
  infoHashV2: listing.infoHashV2 ?? null,
  seeds: counts.seeders,
  leeches: counts.leechers,
  completed: counts.completed,
  lastSeen: counts.lastSeedAt === undefined ? null : iso(counts.lastSeedAt),
  publishedAt: iso(listing.publishedAt)
})

const decode = Schema.decodeOption(Schema.fromJsonString(Schema.Array(Offer)))

export const encodeAll = (offers: ReadonlyArray<Offer>): string => JSON.stringify(offers)

/** The body of an answer to `GET /torrents`; `undefined` when it is none. */
export const decodeAll = (json: string): ReadonlyArray<Offer> | undefined => Option.getOrUndefined(decode(json))

export const infoHashOf = (offer: Offer): InfoHash.InfoHash => InfoHash.parse(offer.infoHash)!

/** What magnet links name it by. */
export const hashesOf = (offer: Offer): Pick<Magnet, "infoHashV1" | "infoHashV2"> => {
  const infoHash = infoHashOf(offer)
  const infoHashV2 = InfoHashV2.parse(offer.infoHashV2 ?? "")
  const isAlone = infoHashV2 !== undefined && InfoHash.truncate(infoHashV2) === infoHash
  return { infoHashV1: isAlone ? undefined : infoHash, infoHashV2 }
}
