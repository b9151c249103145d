/** What a tracker says about a listed torrent: the listing, and who has it. The JSON of `GET /torrents`, for both sides. */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as InfoHash from "../InfoHash.ts"
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

const iso = (ms: number): string => new Date(Math.min(ms, LAST_DATE)).toISOString()

export const make = (listing: Listing, counts: Counts): Offer => ({
  name: listing.name,
  size: listing.size,
  files: listing.files,
  infoHash: listing.infoHash,
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
