/** Asking trackers for peers, over whatever protocol the announce URL names. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type { AnnounceReply, AnnounceRequest } from "../domain/tracker/Announce.ts"
import * as HttpTracker from "../domain/tracker/HttpTracker.ts"
import { Resolver } from "./Resolver.ts"
import * as HttpGet from "./tracker/HttpGet.ts"
import {
  HttpStatus,
  Malformed,
  type Reason,
  Refused,
  TimedOut,
  TrackerError,
  Unsupported
} from "./tracker/TrackerError.ts"

export { TrackerError } from "./tracker/TrackerError.ts"

export interface TrackerOptions {
  /** Where announces leave from (`--bind`); when given, a family without an address is not used at all. */
  readonly localAddress?: HttpGet.LocalAddress | undefined
  readonly userAgent?: string | undefined
}

/** From the look-up of the name to the last byte of the reply. */
export const TIMEOUT_MS = 20_000

const MAX_URL = 4096

const USER_AGENT = "freshet/0.1.0"

type Ask = (url: URL, request: AnnounceRequest) => Effect.Effect<AnnounceReply, Reason>

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
const toReply = (answer: HttpGet.Answer): Effect.Effect<AnnounceReply, HttpStatus | Malformed | Refused> => {
  const isOk = answer.status >= 200 && answer.status < 300
  const decoded = HttpTracker.decodeReply(answer.body)
  if (Result.isFailure(decoded)) {
    return Effect.fail(isOk ? new Malformed({ detail: decoded.failure }) : new HttpStatus({ status: answer.status }))
  }
  const reply = decoded.success
  if ("_tag" in reply) return Effect.fail(new Refused({ detail: reply.detail, retryInMs: reply.retryInMs }))
  return isOk ? Effect.succeed(reply) : Effect.fail(new HttpStatus({ status: answer.status }))
}

export class Tracker extends Context.Service<Tracker, {
  /**
   * One announce. Takes 20 s at most; redirects, reply size and peers are bounded. Nothing is retried here, that is for
   * the Announcer.
   */
  readonly announce: (url: string, request: AnnounceRequest) => Effect.Effect<AnnounceReply, TrackerError>
}>()("freshet/services/Tracker") {
  static readonly layerNoDeps = (options: TrackerOptions = {}): Layer.Layer<Tracker, never, Resolver> =>
    Layer.effect(
      Tracker,
      Effect.gen(function*() {
        const get = HttpGet.make(yield* Resolver, {
          localAddress: options.localAddress,
          userAgent: options.userAgent ?? USER_AGENT,
          maxBytes: HttpTracker.MAX_REPLY
        })
        const http: Ask = (url, request) =>
          Effect.flatMap(get(new URL(HttpTracker.announceUrl(url.href, request))), toReply)
        const protocols = new Map<string, Ask>([["http:", http], ["https:", http]])
        const ask = Effect.fnUntraced(function*(text: string, request: AnnounceRequest) {
          const url = yield* parse(text)
          const protocol = protocols.get(url.protocol)
          if (protocol === undefined) {
            return yield* new Unsupported({ detail: `${url.protocol} is not spoken here, http: and https: are` })
          }
          return yield* protocol(url, request)
        })
        const announce = Effect.fn("Tracker.announce")(function*(url: string, request: AnnounceRequest) {
          return yield* ask(url, request).pipe(
            Effect.timeoutOrElse({
              duration: TIMEOUT_MS,
              orElse: () => Effect.fail(new TimedOut({ afterMs: TIMEOUT_MS }))
            }),
            Effect.mapError((reason) => new TrackerError({ tracker: nameOf(url), reason }))
          )
        })
        return Tracker.of({ announce })
      })
    )

  static readonly layer = (options: TrackerOptions = {}): Layer.Layer<Tracker> =>
    this.layerNoDeps(options).pipe(Layer.provide(Resolver.layer))

  /** Trackers that answer as the test says. */
  static readonly layerMock = (
    announce: (url: string, request: AnnounceRequest) => Effect.Effect<AnnounceReply, TrackerError>
  ): Layer.Layer<Tracker> => Layer.succeed(Tracker, Tracker.of({ announce }))
}
