/**
 * The catalogue over HTTP: `/` for people, `/torrents` for programs, `/torrents/<info hash>.torrent`, publishing with
 * `POST /torrents`, and taking back with `DELETE /torrents/<info hash>`, where 64 digits are a hash of version 2. It answers every path, so it is
 * mounted behind those that are the tracker's own.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Bytes from "../../domain/Bytes.ts"
import * as Digest from "../../domain/Digest.ts"
import * as InfoHash from "../../domain/InfoHash.ts"
import * as InfoHashV2 from "../../domain/InfoHashV2.ts"
import * as PeerAddress from "../../domain/PeerAddress.ts"
import * as Forwarded from "../../domain/tracker/Forwarded.ts"
import * as Listing from "../../domain/tracker/Listing.ts"
import type { ReadonlyListings } from "../../domain/tracker/Listings.ts"
import * as Offer from "../../domain/tracker/Offer.ts"
import { Catalogue, type CatalogueError, type PublishError } from "../Catalogue.ts"
import type { SwarmStoreError } from "../SwarmStore.ts"
import * as CataloguePage from "./CataloguePage.ts"
import * as Publishing from "./Publishing.ts"
import { type Refusal, type UploadLimits, Uploads } from "./Uploads.ts"

/** What somebody has changed about what is listed. */
export interface Change {
  readonly state: "published" | "removed"
  readonly listing: Listing.Listing
  /** The IP address of the request; `undefined` when it is not known. */
  readonly from: string | undefined
}

export interface CatalogueHttpOptions {
  /** Who has these, in their order: `SwarmStore.scrape` at this moment. */
  readonly counts: (
    infoHashes: ReadonlyArray<InfoHash.InfoHash>
  ) => Effect.Effect<ReadonlyArray<Offer.Counts>, SwarmStoreError>
  /** What publishers must know; everyone may publish without. */
  readonly publishToken?: string | undefined
  /** Announce URLs for magnet links; the address that the asker has used, when absent, and UDP at its host. */
  readonly trackers?: ReadonlyArray<string> | undefined
  /** Where the tracker listens over UDP, at the host of its address; nowhere when absent. */
  readonly udpPort?: (() => number) | undefined
  /** The scheme of a request is the last of its `X-Forwarded-Proto`, and its address that of `X-Forwarded-For`. */
  readonly trustProxy?: boolean | undefined
  /** Is told of every change; what was refused or known already is none. */
  readonly onChange?: ((change: Change) => Effect.Effect<void>) | undefined
  /** Of the torrents that are being published. */
  readonly uploads?: UploadLimits | undefined
}

type Response = HttpServerResponse.HttpServerResponse
type Request = HttpServerRequest.HttpServerRequest
type Answer = Effect.Effect<Response, CatalogueError | SwarmStoreError>

interface Shop {
  readonly catalogue: Catalogue["Service"]
  readonly clock: Clock.Clock
  readonly options: CatalogueHttpOptions
  readonly uploads: Uploads
}

const PAGE_SIZE = 200

/** Of `GET /torrents`. */
const LIMIT = { usual: 100, most: 1000 }

const SAFE = { "x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "cache-control": "no-cache" }

const json = (body: string, status = 200, headers: Readonly<Record<string, string>> = {}): Response =>
  HttpServerResponse.text(body, { status, contentType: "application/json", headers: { ...SAFE, ...headers } })

const problem = (status: number, error: string, headers?: Readonly<Record<string, string>>): Response =>
  json(JSON.stringify({ error }), status, headers)

/** The rest of the request is not read, so nothing can follow it. */
const CLOSING = { connection: "close" }

const notFound = problem(404, "there is nothing here; see / and /torrents")

const noSuchTorrent = problem(404, "no such torrent is listed here")

const notAllowed = (allow: string): Response => problem(405, `only ${allow} is answered here`, { allow, ...CLOSING })

const unavailable = problem(503, "the tracker has lost its memory for now; it will be back", { "retry-after": "30" })

/** An authority as browsers send it; others could put anything into the links. */
const AUTHORITY = /^(?:[a-z\d.-]{1,253}|\[[\da-f:.]{2,45}\])(?::\d{1,5})?$/i

const schemeOf = ({ options }: Shop, request: Request): string => {
  const said = options.trustProxy === true ? request.headers["x-forwarded-proto"]?.split(",").at(-1)?.trim() : undefined
  return said?.toLowerCase() === "https" ? "https" : request.protocol ?? "http"
}

/** Where a request comes from; headers may hold any text, of which only an address counts. */
const fromOf = ({ options }: Shop, request: Request): string | undefined => {
  const host = options.trustProxy === true
    ? Forwarded.lastHop(request.headers["x-forwarded-for"] ?? "")
    : Option.getOrElse(request.remoteAddress, () => "")
  return PeerAddress.make(host, 1)?.host
}

const changed = (shop: Shop, request: Request, state: Change["state"], listing: Listing.Listing) =>
  shop.options.onChange?.({ state, listing, from: fromOf(shop, request) }) ?? Effect.void

const trackersOf = (shop: Shop, request: Request): ReadonlyArray<string> => {
  const { trackers, udpPort } = shop.options
  if (trackers !== undefined) return trackers
  const host = request.headers["host"] ?? ""
  if (!AUTHORITY.test(host)) return []
  const web = `${schemeOf(shop, request)}://${host}/announce`
  return udpPort === undefined ? [web] : [web, `udp://${host.replace(/:\d+$/, "")}:${udpPort()}/announce`]
}

const offersOf = ({ options }: Shop, listings: ReadonlyArray<Listing.Listing>) =>
  listings.length === 0 ? Effect.succeed([]) : Effect.map(
    options.counts(listings.flatMap(Listing.swarmsOf)),
    (counts) => {
      const next = counts[Symbol.iterator]()
      const of = () => next.next().value!
      return listings.map((listing) => Offer.make(listing, Listing.swarmsOf(listing).map(of).reduce(Offer.most)))
    }
  )

/** A number of a query, from `least` on; `undefined` when it is none. */
const numberIn = (query: URLSearchParams, name: string, usual: number, least: number): number | undefined => {
  const text = query.get(name)
  if (text === null || text === "") return usual
  return /^\d{1,9}$/.test(text) && Number(text) >= least ? Number(text) : undefined
}

const page = Effect.fnUntraced(function*(shop: Shop, request: Request, query: URLSearchParams) {
  const all = yield* shop.catalogue.listings
  const search = (query.get("search") ?? "").trim().slice(0, 255)
  const found = all.search(search)
  const pages = Math.max(1, Math.ceil(found.length / PAGE_SIZE))
  const page = Math.min(numberIn(query, "page", 1, 1) ?? 1, pages)
  const offers = yield* offersOf(shop, found.slice((page - 1) * PAGE_SIZE, page * PAGE_SIZE))
  const content = CataloguePage.render({
    offers,
    found: found.length,
    listed: all.count,
    search,
    page,
    pages,
    trackers: trackersOf(shop, request),
    now: shop.clock.currentTimeMillisUnsafe()
  })
  return HttpServerResponse.text(content, {
    contentType: "text/html; charset=utf-8",
    headers: { ...SAFE, "content-security-policy": CataloguePage.POLICY }
  })
})

const list = Effect.fnUntraced(function*(shop: Shop, query: URLSearchParams) {
  const limit = numberIn(query, "limit", LIMIT.usual, 1)
  const offset = numberIn(query, "offset", 0, 0)
  if (limit === undefined) return problem(400, `limit is not a number from 1 to ${LIMIT.most}`)
  if (offset === undefined) return problem(400, "offset is not a number from 0 on")
  const all = yield* shop.catalogue.listings
  const name = query.get("name")
  const found = name === null ? all.search(query.get("search") ?? "") : all.named(name)
  const offers = yield* offersOf(shop, found.slice(offset, offset + Math.min(limit, LIMIT.most)))
  return json(Offer.encodeAll(offers), 200, { "x-total-count": String(found.length) })
})

/** RFC 6266, with a name that old browsers understand too. */
const disposition = (name: string): string => {
  const file = `${name}.torrent`
  const encoded = encodeURIComponent(file).replace(/['()*]/g, (char) => `%${char.charCodeAt(0).toString(16)}`)
  return `attachment; filename="${file.replace(/[^ -~]|["\\%]/g, "_")}"; filename*=UTF-8''${encoded}`
}

/** What a path names by one of its hashes. */
type Named = (listings: ReadonlyListings) => Listing.Listing | undefined

const namedBy = (hex: string): Named | undefined => {
  const infoHash = InfoHash.parse(hex)
  if (infoHash !== undefined) return (listings) => listings.get(infoHash)
  const infoHashV2 = InfoHashV2.parse(hex)
  return infoHashV2 && ((listings) => listings.getV2(infoHashV2))
}

const torrent = Effect.fnUntraced(function*({ catalogue }: Shop, request: Request, named: Named) {
  const listing = named(yield* catalogue.listings)
  const bytes = listing === undefined ? undefined : yield* catalogue.get(listing.infoHash)
  if (listing === undefined || bytes === undefined) return noSuchTorrent
  const etag = `"${Bytes.toHex(Digest.sha1(bytes))}"`
  if (request.headers["if-none-match"]?.includes(etag) === true) {
    return HttpServerResponse.empty({ status: 304, headers: { ...SAFE, etag } })
  }
  return HttpServerResponse.uint8Array(bytes, {
    contentType: "application/x-bittorrent",
    headers: { ...SAFE, etag, "content-disposition": disposition(listing.name) }
  })
})

const REFUSALS: Readonly<Record<PublishError["reason"], number>> = {
  TooLarge: 413,
  NotBencode: 422,
  Invalid: 422,
  Full: 507
}

const take = (shop: Shop, request: Request, bytes: Uint8Array): Effect.Effect<Response, CatalogueError> =>
  shop.catalogue.publish(bytes).pipe(
    Effect.tap(({ _tag, listing }) => _tag === "Added" ? changed(shop, request, "published", listing) : Effect.void),
    // Whoever hangs up in between has published all the same.
    Effect.uninterruptible,
    Effect.map(({ _tag, listing }) => {
      const location = `/torrents/${listing.infoHash}.torrent`
      const body = JSON.stringify({ name: listing.name, infoHash: listing.infoHash })
      return json(body, _tag === "Added" ? 201 : 200, { location })
    }),
    Effect.catchTag("PublishError", ({ message, reason }) => Effect.succeed(problem(REFUSALS[reason], message)))
  )

const unread = (refusal: Refusal, maxBytes: number): Response => {
  switch (refusal) {
    case "TooLarge":
      return problem(413, `a torrent may have ${maxBytes} bytes here`, CLOSING)
    case "TooSlow":
      return problem(408, "the torrent came too slowly", CLOSING)
    case "Broken":
      return problem(400, "the torrent did not come whole", CLOSING)
    case "Busy":
      return problem(503, "too many torrents are being published; try again soon", { "retry-after": "10", ...CLOSING })
  }
}

/** Why this request may not change what is listed. */
const forbidden = ({ options: { publishToken } }: Shop, { headers }: Request): Response | undefined => {
  const { authorization, host, origin } = headers
  if (Publishing.isFromElsewhere(origin, host)) {
    return problem(403, "pages of other sites may not publish here", CLOSING)
  }
  return publishToken === undefined || Publishing.isAuthorized(authorization, publishToken)
    ? undefined
    : problem(401, "publishing here takes the tracker's token", { "www-authenticate": "Bearer", ...CLOSING })
}

/** Where everyone may publish nobody may take back what others have published. */
const unpublish = Effect.fnUntraced(function*(
  shop: Shop,
  request: Request,
  named: Named
): Effect.fn.Return<Response, CatalogueError> {
  const refusal = forbidden(shop, request)
  if (refusal !== undefined) return refusal
  if (shop.options.publishToken === undefined) {
    return problem(403, "only a tracker with a token for publishing takes torrents back", CLOSING)
  }
  const listing = named(yield* shop.catalogue.listings)
  if (listing === undefined) return noSuchTorrent
  const isRemoved = yield* shop.catalogue.remove(listing.infoHash).pipe(
    Effect.tap((isRemoved) => isRemoved ? changed(shop, request, "removed", listing) : Effect.void),
    Effect.uninterruptible
  )
  return isRemoved ? HttpServerResponse.empty({ status: 204, headers: SAFE }) : noSuchTorrent
})

const publish = Effect.fnUntraced(function*(
  shop: Shop,
  request: Request
): Effect.fn.Return<Response, CatalogueError, Scope.Scope> {
  const refusal = forbidden(shop, request)
  if (refusal !== undefined) return refusal
  const { maxBytes } = shop.catalogue
  const body = yield* shop.uploads.read(request, maxBytes)
  return typeof body === "string" ? unread(body, maxBytes) : yield* take(shop, request, body)
}, Effect.scoped)

/** Who looks for a reason finds what was refused, and why. */
const logged = (shop: Shop, request: Request, answer: Answer): Answer =>
  Effect.tap(answer, ({ body, status }) =>
    status < 400 ? Effect.void : Effect.logDebug("catalogue not changed", {
      method: request.method,
      from: fromOf(shop, request) ?? "-",
      status,
      answer: body._tag === "Uint8Array" ? Bytes.toUtf8(body.body) : ""
    }))

const isReading = ({ method }: Request): boolean => method === "GET" || method === "HEAD"

const route = (shop: Shop, request: Request): Answer => {
  const [path = "", search = ""] = splitAt(request.url, "?")
  const query = new URLSearchParams(search)
  if (path === "/") return isReading(request) ? page(shop, request, query) : Effect.succeed(notAllowed("GET, HEAD"))
  if (path === "/torrents") {
    if (isReading(request)) return list(shop, query)
    return request.method === "POST"
      ? logged(shop, request, publish(shop, request))
      : Effect.succeed(notAllowed("GET, HEAD, POST"))
  }
  const [, hex = "", suffix] = /^\/torrents\/([^/.]{40,64})(\.torrent)?$/.exec(path) ?? []
  const named = namedBy(hex)
  if (named === undefined) return Effect.succeed(notFound)
  if (request.method === "DELETE") return logged(shop, request, unpublish(shop, request, named))
  if (suffix === undefined) return Effect.succeed(notFound)
  return isReading(request) ? torrent(shop, request, named) : Effect.succeed(notAllowed("GET, HEAD, DELETE"))
}

const splitAt = (text: string, mark: string): readonly [string, string] => {
  const at = text.indexOf(mark)
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)]
}

const answer = (shop: Shop, request: Request): Effect.Effect<Response> =>
  Effect.catchTag(route(shop, request), ["CatalogueError", "SwarmStoreError"], () => Effect.succeed(unavailable))

/** The handler of requests; `NodeHttpServer.makeHandler` makes one for `node:http` of it. */
export const make = (
  options: CatalogueHttpOptions
): Effect.Effect<Effect.Effect<Response, never, HttpServerRequest.HttpServerRequest>, never, Catalogue> =>
  Effect.map(
    Effect.all([Catalogue, Clock.Clock]),
    ([catalogue, clock]) => {
      const shop = { catalogue, clock, options, uploads: new Uploads(options.uploads) }
      return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => answer(shop, request))
    }
  )
