/** Asking trackers for peers, over whatever protocol the announce URL names. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as InfoHash from "../domain/InfoHash.ts"
import type { Proxy } from "../domain/Proxy.ts"
import type { AnnounceReply, AnnounceRequest, Refusal, Scraped } from "../domain/tracker/Announce.ts"
import * as HttpTracker from "../domain/tracker/HttpTracker.ts"
import * as UdpTracker from "../domain/tracker/UdpTracker.ts"
import { Resolver } from "./Resolver.ts"
import * as HttpGet from "./tracker/HttpGet.ts"
import type { LocalAddress } from "./tracker/Route.ts"
import {
  HttpStatus,
  Malformed,
  type Reason,
  Refused,
  TimedOut,
  TrackerError,
  Unsupported
} from "./tracker/TrackerError.ts"
import * as UdpAsk from "./tracker/UdpAsk.ts"

export { TrackerError } from "./tracker/TrackerError.ts"

export interface TrackerOptions {
  /** Where announces leave from (`--bind`); when given, a family without an address is not used at all. */
  readonly localAddress?: LocalAddress | undefined
  /** Through which all of it goes; trackers over UDP fail where it passes no UDP on. */
  readonly proxy?: Proxy | undefined
  readonly userAgent?: string | undefined
}

/**
 * From the look-up of the name to the last byte of the reply. Over UDP that is one more try after the 15 s of BEP 15
 * and no third: the next tracker of the line must not wait for an hour, and the Announcer comes back to this one.
 */
export const TIMEOUT_MS = 20_000

const MAX_URL = 4096

export const USER_AGENT = "freshet/0.1.0"

/** What the tracker knows, by info hash; a torrent that it does not know may be missing. */
export type Scrape = ReadonlyMap<InfoHash.InfoHash, Scraped>

/** One way of asking. */
interface Protocol {
  readonly announce: (url: URL, request: AnnounceRequest) => Effect.Effect<AnnounceReply, Reason>
  readonly scrape: (url: URL, hashes: ReadonlyArray<InfoHash.InfoHash>) => Effect.Effect<Scrape, Reason>
  /** Info hashes in one question. */
  readonly maxScrape: number
}

/** Scheme and host, which may be shown; `url` itself when it is not one. */
const nameOf = (url: string): string => {
  if (!URL.canParse(url)) return url.slice(0, 100)
  const { host, protocol } = new URL(url)
  return `${protocol}//${host}`
}

const parse = (url: string): Effect.Effect<URL, Unsupported> =>
  url.length <= MAX_URL && /^[^\s\p{Cc}]+$/u.test(url) && URL.canParse(url)
    ? Effect.succeed(new URL(url))
    : Effect.fail(new Unsupported({ detail: "the announce URL is not a URL" }))

/** A refusal counts whatever the status says: many trackers send it with 400 or 403. */
const toReply = <A extends object>(
  answer: HttpGet.Answer,
  decoded: Result.Result<A | Refusal, string>
): Effect.Effect<A, HttpStatus | Malformed | Refused> => {
  const isOk = answer.status >= 200 && answer.status < 300
  if (Result.isFailure(decoded)) {
    return Effect.fail(isOk ? new Malformed({ detail: decoded.failure }) : new HttpStatus({ status: answer.status }))
  }
  const reply = decoded.success
  if ("_tag" in reply) return Effect.fail(new Refused({ detail: reply.detail, retryInMs: reply.retryInMs }))
  return isOk ? Effect.succeed(reply) : Effect.fail(new HttpStatus({ status: answer.status }))
}

const overHttp = (get: ReturnType<typeof HttpGet.make>): Protocol => ({
  announce: (url, request) =>
    Effect.flatMap(
      get(new URL(HttpTracker.announceUrl(url.href, request))),
      (answer) => toReply(answer, HttpTracker.decodeReply(answer.body))
    ),
  scrape: (url, hashes) => {
    const target = HttpTracker.scrapeUrl(url.href, hashes)
    return target === undefined
      ? Effect.fail(new Unsupported({ detail: "its URL does not end in announce, so it answers no scrapes (BEP 48)" }))
      : Effect.flatMap(
        get(new URL(target)),
        (answer) => toReply(answer, HttpTracker.decodeScrape(answer.body, hashes))
      )
  },
  maxScrape: HttpTracker.MAX_SCRAPE
})

const overUdp = (ask: Effect.Success<ReturnType<typeof UdpAsk.make>>): Protocol => ({
  announce: ask.announce,
  scrape: (url, hashes) =>
    Effect.map(ask.scrape(url, hashes), (counts) => {
      const found = new Map<InfoHash.InfoHash, Scraped>()
      for (const [i, count] of counts.entries()) if (i < hashes.length) found.set(hashes[i]!, count)
      return found
    }),
  maxScrape: UdpTracker.MAX_SCRAPE
})

const inTime = <A>(asking: Effect.Effect<A, Reason>, url: string): Effect.Effect<A, TrackerError> =>
  asking.pipe(
    Effect.timeoutOrElse({
      duration: TIMEOUT_MS,
      orElse: () => Effect.fail(new TimedOut({ afterMs: TIMEOUT_MS }))
    }),
    Effect.mapError((reason) => new TrackerError({ tracker: nameOf(url), reason }))
  )

export class Tracker extends Context.Service<Tracker, {
  /**
   * One announce. Takes 20 s at most; redirects, reply size and peers are bounded. Nothing is retried here, that is for
   * the Announcer.
   */
  readonly announce: (url: string, request: AnnounceRequest) => Effect.Effect<AnnounceReply, TrackerError>
  /**
   * Asks how many peers these torrents have, without becoming one (BEP 48, BEP 15), in as many questions as it takes,
   * one after the other, each of 20 s at most. `url` is the announce URL.
   */
  readonly scrape: (
    url: string,
    hashes: ReadonlyArray<InfoHash.InfoHash>
  ) => Effect.Effect<Scrape, TrackerError>
}>()("freshet/services/Tracker") {
  static readonly layerNoDeps = (options: TrackerOptions = {}): Layer.Layer<Tracker, never, Resolver> =>
    Layer.effect(
      Tracker,
      Effect.gen(function*() {
        const { localAddress, proxy, userAgent = USER_AGENT } = options
        const resolver = yield* Resolver
        const maxBytes = HttpTracker.MAX_REPLY
        const http = overHttp(HttpGet.make(resolver, { localAddress, proxy, userAgent, maxBytes }))
        const udp = overUdp(yield* UdpAsk.make(resolver, { localAddress, proxy }))
        const protocols = new Map<string, Protocol>([["http:", http], ["https:", http], ["udp:", udp]])
        const protocolOf = (url: URL): Effect.Effect<Protocol, Unsupported> => {
          const protocol = protocols.get(url.protocol)
          return protocol === undefined
            ? Effect.fail(
              new Unsupported({ detail: `${url.protocol} is not spoken here; http:, https: and udp: are` })
            )
            : Effect.succeed(protocol)
        }
        const announceBy = Effect.fnUntraced(function*(text: string, request: AnnounceRequest) {
          const url = yield* parse(text)
          return yield* (yield* protocolOf(url)).announce(url, request)
        })
        const announce = Effect.fn("Tracker.announce")((url: string, request: AnnounceRequest) =>
          inTime(announceBy(url, request), url)
        )
        const scrape = Effect.fn("Tracker.scrape")(function*(text: string, hashes: ReadonlyArray<InfoHash.InfoHash>) {
          const [url, protocol] = yield* inTime(
            Effect.flatMap(parse(text), (url) => Effect.map(protocolOf(url), (protocol) => [url, protocol] as const)),
            text
          )
          const found = new Map<InfoHash.InfoHash, Scraped>()
          for (let at = 0; at < hashes.length; at += protocol.maxScrape) {
            const part = yield* inTime(protocol.scrape(url, hashes.slice(at, at + protocol.maxScrape)), text)
            for (const [infoHash, counts] of part) found.set(infoHash, counts)
          }
          return found
        })
        return Tracker.of({ announce, scrape })
      })
    )

  static readonly layer = (options: TrackerOptions = {}): Layer.Layer<Tracker> =>
    this.layerNoDeps(options).pipe(Layer.provide(Resolver.layer))

  /** Trackers that answer as the test says; without `scrape` they know of no torrent. */
  static readonly layerMock = (
    announce: (url: string, request: AnnounceRequest) => Effect.Effect<AnnounceReply, TrackerError>,
    scrape: Tracker["Service"]["scrape"] = () => Effect.succeed(new Map())
  ): Layer.Layer<Tracker> => Layer.succeed(Tracker, Tracker.of({ announce, scrape }))
}
