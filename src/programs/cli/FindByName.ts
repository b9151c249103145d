/** Gets a torrent by its name from the tracker that lists it. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Metainfo } from "../../domain/Metainfo.ts"
import type { Proxy } from "../../domain/Proxy.ts"
import * as SafePath from "../../domain/SafePath.ts"
import * as Offer from "../../domain/tracker/Offer.ts"
import { CatalogueClient, type CatalogueClientError } from "../../services/CatalogueClient.ts"
import type { LocalAddress } from "../../services/tracker/Route.ts"
import { ExitCode, type Failure, failure } from "./ExitCode.ts"
import * as Format from "./Format.ts"
import { parseTorrent } from "./LoadTorrent.ts"

export interface FindOptions {
  /** http(s); its path does not count. */
  readonly from: string
  readonly name: string
  readonly maxBytes: number
  readonly bind: LocalAddress
  readonly proxy?: Proxy | undefined
}

export interface Found {
  readonly metainfo: Metainfo
  readonly offer: Offer.Offer
  /** Where the tracker that lists it takes announces. */
  readonly tracker: string
  /** What a user is told who may have meant another of that name. */
  readonly note?: string | undefined
}

interface Choice {
  readonly offer: Offer.Offer
  readonly note?: string | undefined
}

const CODES: Readonly<Record<CatalogueClientError["reason"], ExitCode>> = {
  NoAddress: ExitCode.nameResolution,
  Unreachable: ExitCode.network,
  TimedOut: ExitCode.timedOut,
  Unauthorized: ExitCode.unauthorized,
  NotFound: ExitCode.notFound,
  TooLarge: ExitCode.badTorrent,
  Refused: ExitCode.network,
  Malformed: ExitCode.network
}

/** To the minute: `2026-11-21 16:38`. */
const dateOf = ({ publishedAt }: Offer.Offer): string => publishedAt.slice(0, 16).replace("T", " ")

/** Lines to choose from, the newest first; times are UTC. */
export const listing = (offers: ReadonlyArray<Offer.Offer>): string => {
  const line = (offer: Offer.Offer) => {
    const { infoHash, name, seeds, size } = offer
    const count = `${String(seeds).padStart(4)} ${seeds === 1 ? "seed " : "seeds"}`
    return `${infoHash}  ${count}  ${Format.bytes(size).padStart(9)}  ${dateOf(offer)}  ${Format.printable(name)}`
  }
  const newestFirst = offers.toSorted((a, b) => Date.parse(b.publishedAt) - Date.parse(a.publishedAt))
  return newestFirst.map((offer) => `${line(offer)}\n`).join("")
}

/** What a user is told about a torrent that nobody can give now; `undefined` when there are seeds. */
const scarcity = ({ lastSeen, leeches, name, seeds }: Offer.Offer, now: number): string | undefined => {
  if (seeds > 0) return undefined
  const who = leeches === 0
    ? `nobody has ${Format.printable(name)} now`
    : `no seed of ${Format.printable(name)} is there now, only ${leeches === 1 ? "a leech" : `${leeches} leeches`}`
  const when = lastSeen === null
    ? "and none was ever seen"
    : `a seed was last seen ${Format.duration(now - Date.parse(lastSeen))} ago`
  return `${who}, ${when}; waiting for one`
}

/**
 * The one of several that somebody can give, when all bear this very name: of a folder that was shared again the older
 * torrents stay listed.
 */
const onlySeeded = (offers: ReadonlyArray<Offer.Offer>, name: string): Choice | undefined => {
  const whole = SafePath.component(name)
  const [offer, rival] = offers.filter(({ seeds }) => seeds > 0)
  if (offer === undefined || rival !== undefined || offers.some((other) => other.name !== whole)) return undefined
  const others = offers.length - 1
  const note = `${offers.length} torrents are called ${Format.printable(whole)}: this is ${offer.infoHash} of ${
    dateOf(offer)
  } UTC, since ${others === 1 ? "the other has" : `the ${others} others have`} no seed now`
  return { offer, note }
}

const choose = (
  offers: ReadonlyArray<Offer.Offer>,
  { name }: FindOptions,
  origin: string
): Effect.Effect<Choice, Failure> => {
  const [offer, ...others] = offers
  if (offer === undefined) {
    return failure(ExitCode.notFound, `there is no torrent of that name at ${origin}: ${Format.printable(name)}`)
  }
  if (others.length === 0) return Effect.succeed({ offer })
  const chosen = onlySeeded(offers, name)
  if (chosen !== undefined) return Effect.succeed(chosen)
  process.stderr.write(listing(offers))
  const isNameEnough = others.some((other) => other.name !== offer.name)
  return failure(
    ExitCode.usage,
    `${offers.length} torrents at ${origin} answer to ${Format.printable(name)}; give ${
      isNameEnough ? "a whole name or an info hash" : "an info hash"
    } of the list`
  )
}

/** Finds and reads it; every failure is one line and one of aria2's codes. Several of the name are listed on stderr. */
export const findByName = Effect.fnUntraced(function*(
  options: FindOptions
): Effect.fn.Return<Found, Failure, CatalogueClient> {
  if (options.name.trim() === "") {
    return yield* failure(ExitCode.usage, "--from needs the name of a torrent, and the one that is given is empty")
  }
  const client = yield* CatalogueClient
  const { origin } = new URL(options.from)
  const toFailure = (error: CatalogueClientError) =>
    failure(CODES[error.reason], `cannot look at ${origin}: ${error.message}`)
  const offers = yield* Effect.mapError(client.find(new URL(origin), options.name), toFailure)
  const { note, offer } = yield* choose(offers, options, origin)
  const infoHash = Offer.infoHashOf(offer)
  const bytes = yield* Effect.mapError(client.fetch(new URL(origin), infoHash, options.maxBytes), toFailure)
  const source = `${origin}/torrents/${infoHash}.torrent`
  const metainfo = yield* Effect.fromResult(parseTorrent(bytes, { source, maxBytes: options.maxBytes }))
  return metainfo.infoHash === infoHash
    ? { metainfo, offer, tracker: `${origin}/announce`, note }
    : yield* failure(ExitCode.badTorrent, `${source} is another torrent than the one that is listed`)
}, (effect, { bind, proxy }) => Effect.provide(effect, CatalogueClient.layer({ localAddress: bind, proxy })))

/** Tells when the torrent may have to be waited for. */
export const scarcityNow = (offer: Offer.Offer): Effect.Effect<string | undefined> =>
  Effect.map(Clock.currentTimeMillis, (now) => scarcity(offer, now))
