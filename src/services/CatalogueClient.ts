/** A tracker's catalogue, as `seed --publish` and `leech --from` use it. */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Bytes from "../domain/Bytes.ts"
import type * as InfoHash from "../domain/InfoHash.ts"
import { printable } from "../domain/Printable.ts"
import type { Proxy } from "../domain/Proxy.ts"
import * as Offer from "../domain/tracker/Offer.ts"
import { Resolver } from "./Resolver.ts"
import * as HttpGet from "./tracker/HttpGet.ts"
import type { LocalAddress } from "./tracker/Route.ts"

export class CatalogueClientError extends Schema.TaggedError<CatalogueClientError>()("CatalogueClientError", {
  reason: Schema.Literals([
    "NoAddress",
    "Unreachable",
    "TimedOut",
    "Unauthorized",
    "NotFound",
    "TooLarge",
    "Refused",
    "Malformed"
  ]),
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

export interface CatalogueClientOptions {
  /** Where requests leave from (`--bind`). */
  readonly localAddress?: LocalAddress | undefined
  readonly proxy?: Proxy | undefined
  readonly userAgent?: string | undefined
}

export interface PublishedAs {
  /** Else it was listed already. */
  readonly isNew: boolean
  /** What it is listed as. */
  readonly name: string
}

/** More torrents that answer to one name are not listed. */
const MAX_OFFERS = 100

const MAX_LIST = 1024 * 1024

const MAX_ANSWER = 65_536

/** Of what a tracker says when it refuses. */
const MAX_WORDS = 200

const LIST_TIME = "20 seconds"
const TORRENT_TIME = "60 seconds"

type Asked<A> = Effect.Effect<A, CatalogueClientError>

const problem = (reason: CatalogueClientError["reason"], detail: string): CatalogueClientError =>
  new CatalogueClientError({ reason, detail })

const fromGet = (error: HttpGet.GetError): CatalogueClientError => {
  switch (error._tag) {
    case "TooLarge":
      return problem("TooLarge", `its answer has more than ${error.maxBytes} bytes`)
    case "Malformed":
      return problem("Malformed", `its answer makes no sense (${error.detail})`)
    case "Redirects":
      return problem("Refused", `it redirects ${error.detail}; give that address`)
    default:
      return problem(error.detail.includes("has no address") ? "NoAddress" : "Unreachable", error.message)
  }
}

const bounded = <A>(effect: Effect.Effect<A, HttpGet.GetError>, duration: Duration.Input): Asked<A> =>
  Effect.mapError(effect, fromGet).pipe(
    Effect.timeoutOrElse({
      duration,
      orElse: () => Effect.fail(problem("TimedOut", `it has not answered within ${duration}`))
    })
  )

const Complaint = Schema.fromJsonString(Schema.Struct({ error: Schema.String }))

const decodeComplaint = Schema.decodeOption(Complaint)

/** What an answer that is none of the good ones means. */
const refusalOf = ({ body, status }: HttpGet.Answer): CatalogueClientError => {
  const complaint = Option.getOrUndefined(decodeComplaint(Bytes.toUtf8(body)))
  const words = complaint === undefined ? `it answered with status ${status}` : printable(complaint.error)
  if (status === 401 || status === 403) return problem("Unauthorized", words.slice(0, MAX_WORDS))
  if (complaint === undefined && (status === 404 || status === 405)) {
    return problem("NotFound", "there is no catalogue at this address")
  }
  return problem(status === 404 ? "NotFound" : "Refused", words.slice(0, MAX_WORDS))
}

const PublishAnswer = Schema.fromJsonString(Schema.Struct({ name: Schema.String }))

const decodePublished = Schema.decodeOption(PublishAnswer)

const toPublished = (answer: HttpGet.Answer): Asked<PublishedAs> => {
  if (answer.status !== 200 && answer.status !== 201) return Effect.fail(refusalOf(answer))
  const published = Option.getOrUndefined(decodePublished(Bytes.toUtf8(answer.body)))
  return published === undefined
    ? Effect.fail(problem("Malformed", "there is no catalogue at this address"))
    : Effect.succeed({ isNew: answer.status === 201, name: published.name })
}

const toOffers = (answer: HttpGet.Answer): Asked<ReadonlyArray<Offer.Offer>> => {
  if (answer.status !== 200) return Effect.fail(refusalOf(answer))
  const offers = Offer.decodeAll(Bytes.toUtf8(answer.body))
  return offers === undefined
    ? Effect.fail(problem("Malformed", "there is no catalogue at this address"))
    : Effect.succeed(offers)
}

export class CatalogueClient extends Context.Service<CatalogueClient, {
  /**
   * What a tracker lists under this name: those of the very name, else the one of this info hash, else those of the name
   * in other case, else those whose names begin so; 100 at the most.
   *
   * @param origin http(s); its path does not count
   */
  readonly find: (origin: URL, name: string) => Asked<ReadonlyArray<Offer.Offer>>
  /** The .torrent; whether it is the one that was listed is not checked. */
  readonly fetch: (origin: URL, infoHash: InfoHash.InfoHash, maxBytes: number) => Asked<Uint8Array>
  readonly publish: (origin: URL, torrent: Uint8Array, token: string | undefined) => Asked<PublishedAs>
}>()("freshet/services/CatalogueClient") {
  static readonly layerNoDeps = (
    options: CatalogueClientOptions = {}
  ): Layer.Layer<CatalogueClient, never, Resolver> =>
    Layer.effect(
      CatalogueClient,
      Effect.map(Resolver, (resolver) => {
        const http = (maxBytes: number): HttpGet.HttpGetOptions => ({
          localAddress: options.localAddress,
          proxy: options.proxy,
          userAgent: options.userAgent ?? "freshet",
          maxBytes,
          anywhere: true
        })
        const get = (url: URL, maxBytes: number, time: Duration.Input) =>
          bounded(HttpGet.make(resolver, http(maxBytes))(url), time)
        const post = HttpGet.makePost(resolver, http(MAX_ANSWER))
        return CatalogueClient.of({
          find: (origin, name) => {
            const url = new URL("/torrents", origin)
            url.searchParams.set("name", name)
            url.searchParams.set("limit", String(MAX_OFFERS))
            return Effect.flatMap(get(url, MAX_LIST, LIST_TIME), toOffers)
          },
          fetch: (origin, infoHash, maxBytes) =>
            Effect.flatMap(
              get(new URL(`/torrents/${infoHash}.torrent`, origin), maxBytes, TORRENT_TIME),
              (answer) => answer.status === 200 ? Effect.succeed(answer.body) : Effect.fail(refusalOf(answer))
            ),
          publish: (origin, torrent, token) => {
            const posted = { body: torrent, contentType: "application/x-bittorrent", token }
            return Effect.flatMap(bounded(post(new URL("/torrents", origin), posted), TORRENT_TIME), toPublished)
          }
        })
      })
    )

  static readonly layer = (options: CatalogueClientOptions = {}): Layer.Layer<CatalogueClient> =>
    this.layerNoDeps(options).pipe(Layer.provide(Resolver.layer))
}
