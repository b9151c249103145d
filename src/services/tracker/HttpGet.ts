/**
 * Getting a small document from a stranger by HTTP: everything is bounded (redirects, bytes before and after
 * decompression), and the request leaves from a given local address.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { gunzip } from "node:zlib"
import * as Bytes from "../../domain/Bytes.ts"
import * as PeerAddress from "../../domain/PeerAddress.ts"
import type { Proxy } from "../../domain/Proxy.ts"
import * as Reach from "../../domain/tracker/Reach.ts"
import * as Gateway from "../proxy/Gateway.ts"
import * as ProxyAgent from "../proxy/ProxyAgent.ts"
import type { ProxyError } from "../proxy/ProxyError.ts"
import type { Ip, Resolver } from "../Resolver.ts"
import * as SystemCode from "../SystemCode.ts"
import * as Route from "./Route.ts"
import { Malformed, Redirects, TooLarge, Unreachable, Unsupported } from "./TrackerError.ts"

export const MAX_REDIRECTS = 5

export interface HttpGetOptions {
  /** Where requests leave from; when given, a family without an address is not used at all. */
  readonly localAddress?: Route.LocalAddress | undefined
  /** Through which everything goes; it resolves the names. */
  readonly proxy?: Proxy | undefined
  readonly userAgent: string
  /** Of the body, as sent and as inflated. */
  readonly maxBytes: number
  /** The user chose the URL, not a stranger: it may be any of this machine. */
  readonly anywhere?: boolean | undefined
  /** The body is wanted as it comes: whoever asks inflates it. */
  readonly raw?: boolean | undefined
}

export interface Answer {
  readonly status: number
  readonly body: Uint8Array
}

export type GetError = Malformed | Redirects | TooLarge | Unreachable | Unsupported

/** Node's own error for a connection: the last one tried, where several addresses were. */
const rootOf = (error: HttpClientError.HttpClientError): unknown => {
  const cause = "cause" in error.reason ? error.reason.cause : undefined
  return cause instanceof AggregateError && cause.errors.length > 0 ? cause.errors.at(-1) : cause
}

const fromProxy = ({ message }: ProxyError): Unreachable => new Unreachable({ detail: message })

const toReason = (error: HttpClientError.HttpClientError): Malformed | Unreachable => {
  const cause = rootOf(error)
  const code = SystemCode.of(cause) ?? ""
  if (code.startsWith("HPE_")) return new Malformed({ detail: "not HTTP" })
  return Route.unreachable(cause, error.message)
}

type Agents = Effect.Effect<ProxyAgent.Agents, Unreachable, Scope.Scope>

/** Agents that dial these addresses only. */
const agentsFor = ({ ips, localAddress }: Route.Route): Agents =>
  NodeHttpClient.makeAgent({
    lookup: Route.lookupOf(ips),
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: Route.ATTEMPT_MS,
    ...(localAddress !== undefined && { localAddress })
  })

/** A client of these agents; it and its connections end with the scope. */
const clientOf = Effect.fnUntraced(function*(agents: Agents) {
  const client = Effect.provideService(NodeHttpClient.makeNodeHttp, NodeHttpClient.HttpAgent, yield* agents)
  return HttpClient.withScope(yield* client)
})

const inflate = (body: Uint8Array, maxBytes: number): Effect.Effect<Uint8Array, Malformed | TooLarge> =>
  Effect.callback((resume) => {
    gunzip(body, { maxOutputLength: maxBytes }, (error, inflated) => {
      if (error === null) return resume(Effect.succeed(inflated))
      return resume(Effect.fail(
        SystemCode.of(error) === "ERR_BUFFER_TOO_LARGE"
          ? new TooLarge({ maxBytes })
          : new Malformed({ detail: "broken gzip" })
      ))
    })
  })

/** Servers get `content-encoding` wrong both ways; the first bytes of gzip are no bencode, so they decide. */
const isGzip = (body: Uint8Array): boolean => body[0] === 0x1f && body[1] === 0x8b

const readBody = Effect.fnUntraced(function*(
  response: HttpClientResponse.HttpClientResponse,
  { maxBytes, raw = false }: HttpGetOptions
) {
  if (Number(response.headers["content-length"]) > maxBytes) return yield* new TooLarge({ maxBytes })
  const chunks: Array<Uint8Array> = []
  let size = 0
  yield* Stream.runForEach(response.stream, (chunk) => {
    size += chunk.length
    if (size > maxBytes) return Effect.fail(new TooLarge({ maxBytes }))
    chunks.push(chunk)
    return Effect.void
  }).pipe(Effect.catchTag("HttpClientError", (error) => Effect.fail(toReason(error))))
  const body = Bytes.concat(chunks)
  return !raw && isGzip(body) ? yield* inflate(body, maxBytes) : body
})

export const hostOf = (url: URL): string => url.hostname.replace(/^\[(.*)\]$/, "$1")

const isWeb = (url: URL): boolean => url.protocol === "http:" || url.protocol === "https:"

/** Of IPv6 that stands for IPv4: a gateway translates it (RFC 6052), or 6to4 tunnels it (RFC 3056). */
const TRANSLATED = Uint8Array.of(0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0)
const TUNNELLED = Uint8Array.of(0x20, 0x02)

const embeddedIn = (compact: Uint8Array): Uint8Array | undefined => {
  if (compact.length === 6) return undefined
  const prefix = [TRANSLATED, TUNNELLED].find((bytes) => Bytes.equals(compact.subarray(0, bytes.length), bytes))
  return prefix && compact.slice(prefix.length, prefix.length + 6)
}

const isLocal = (compact: Uint8Array): boolean => {
  const embedded = embeddedIn(compact)
  if (embedded !== undefined) return isLocal(embedded)
  // 0.0.0.0/8 is this machine, and so is `::`.
  const isThis = compact.length === 6 ? compact[0] === 0 : compact.subarray(0, 16).every((byte) => byte === 0)
  return isThis || Reach.of(compact) !== Reach.PUBLIC
}

/** Whether any of these is an address of this machine or of the local network. */
export const leadsInside = (ips: ReadonlyArray<Ip>): boolean =>
  ips.some(({ address }) => isLocal(PeerAddress.toCompact(PeerAddress.make(address, 1)!)))

const toAnswer = Effect.fnUntraced(function*(
  response: HttpClientResponse.HttpClientResponse,
  options: HttpGetOptions
) {
  const ok = response.status >= 200 && response.status < 300
  const body = readBody(response, options)
  return { status: response.status, body: ok ? yield* body : yield* Effect.orElseSucceed(body, () => Bytes.empty) }
})

const locationOf = (response: HttpClientResponse.HttpClientResponse, url: URL): URL | undefined => {
  const location = response.headers["location"]
  if (response.status < 300 || response.status > 399 || location === undefined) return undefined
  return URL.canParse(location, url.href) ? new URL(location, url) : undefined
}

/** One request, redirects not followed: where it leads, or the answer. */
const hop = Effect.fnUntraced(
  function*(
    request: HttpClientRequest.HttpClientRequest,
    url: URL,
    agents: Agents,
    options: HttpGetOptions
  ) {
    const client = yield* clientOf(agents)
    const response = yield* client.execute(request).pipe(Effect.mapError(toReason))
    return locationOf(response, url) ?? (yield* toAnswer(response, options))
  },
  Effect.scoped,
  Effect.provideService(HttpClient.TracerDisabledWhen, () => true)
)

const headersOf = (options: HttpGetOptions) => ({ "accept-encoding": "gzip", "user-agent": options.userAgent })

/** Sends a request by each route in turn, until one reaches anybody. */
const sendDirectly = Effect.fnUntraced(function*(
  request: HttpClientRequest.HttpClientRequest,
  url: URL,
  ips: ReadonlyArray<Ip>,
  options: HttpGetOptions
) {
  const [first, ...others] = Route.routesOf(ips, options.localAddress)
  if (first === undefined) {
    return yield* Route.noRoute(url.hostname)
  }
  const over = (route: Route.Route) => hop(request, url, agentsFor(route), options)
  return yield* others.reduce(
    (attempt, route) => Effect.catchTag(attempt, "Unreachable", () => over(route)),
    over(first)
  )
})

/** What the text of a URL says of where it leads, which is all that is known where a proxy resolves the names. */
export const addressesIn = (url: URL): ReadonlyArray<Ip> => {
  const name = hostOf(url)
  const literal = PeerAddress.make(/(?:^|\.)localhost\.?$/i.test(name) ? "127.0.0.1" : name, 1)
  return literal === undefined ? [] : [{ address: literal.host, family: literal.family }]
}

/** How names are resolved and requests sent: by ourselves, or all by the proxy. */
const wayOf = (resolver: Resolver["Service"], options: HttpGetOptions) => {
  const { localAddress, proxy } = options
  if (proxy === undefined) {
    return {
      resolve: (url: URL) =>
        Effect.mapError(resolver.lookup(hostOf(url)), (error) => new Unreachable({ detail: error.message })),
      send: (request: HttpClientRequest.HttpClientRequest, url: URL, ips: ReadonlyArray<Ip>) =>
        sendDirectly(request, url, ips, options)
    }
  }
  const agents = Effect.mapError(ProxyAgent.make(Gateway.make(resolver, { proxy, localAddress })), fromProxy)
  return {
    resolve: (url: URL) => Effect.succeed(addressesIn(url)),
    send: (request: HttpClientRequest.HttpClientRequest, url: URL) => hop(request, url, agents, options)
  }
}

/** Torrents come from strangers, and their URLs must not reach what else listens on this machine. */
const isForeignService = (url: URL, ips: ReadonlyArray<Ip>): boolean =>
  !/^\/(?:announce|scrape)/.test(url.pathname) &&
  ips.some((ip) => NetAddress.isLoopback(NetAddress.ipFromStringUnsafe(ip.address)))

/**
 * Gets an http(s) URL. Fails when redirects are too many, lead to another scheme, or from outside into the local
 * network, and when the path of a URL on this machine begins with neither `/announce` nor `/scrape`. Any status is an
 * answer.
 */
export const make = (resolver: Resolver["Service"], options: HttpGetOptions) => {
  const { resolve, send } = wayOf(resolver, options)

  const ask = Effect.fnUntraced(function*(url: URL, ips: ReadonlyArray<Ip>) {
    if (options.anywhere !== true && isForeignService(url, ips)) {
      return yield* new Unsupported({ detail: "a tracker on this machine must be at /announce" })
    }
    return yield* send(HttpClientRequest.get(url.href, { headers: headersOf(options) }), url, ips)
  })

  return Effect.fnUntraced(function*(start: URL): Effect.fn.Return<Answer, GetError> {
    let url = start
    let ips = yield* resolve(url)
    const isOutside = !leadsInside(ips)
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const next = yield* ask(url, ips)
      if (!(next instanceof URL)) return next
      if (!isWeb(next)) return yield* new Redirects({ detail: `to ${next.protocol}, which is not the web` })
      url = next
      ips = yield* resolve(url)
      if (isOutside && leadsInside(ips)) return yield* new Redirects({ detail: "into the local network" })
    }
    return yield* new Redirects({ detail: `more than ${MAX_REDIRECTS} times` })
  })
}

export interface Posted {
  readonly body: Uint8Array
  readonly contentType: string
  /** Of `Authorization: Bearer`. */
  readonly token?: string | undefined
}

/**
 * Posts to an http(s) URL that the user chose. What is sent may arrive twice, when a connection is cut. No redirect is
 * followed, so that the token goes nowhere else.
 */
export const makePost = (resolver: Resolver["Service"], options: HttpGetOptions) => {
  const { resolve, send } = wayOf(resolver, options)
  return Effect.fnUntraced(function*(url: URL, posted: Posted): Effect.fn.Return<Answer, GetError> {
    const { body, contentType, token } = posted
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const request = HttpClientRequest.post(url.href, { headers: { ...headersOf(options), ...authorization } }).pipe(
      HttpClientRequest.bodyUint8Array(body, contentType)
    )
    const next = yield* send(request, url, yield* resolve(url))
    return next instanceof URL ? yield* new Redirects({ detail: `to ${next.origin}` }) : next
  })
}
