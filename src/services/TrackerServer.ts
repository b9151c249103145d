/** The tracker, over HTTP: `/announce` (BEP 3, 7, 23, 24) and `/scrape` (BEP 48). */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { createServer, type Server } from "node:http"
import type * as InfoHash from "../domain/InfoHash.ts"
import * as PeerAddress from "../domain/PeerAddress.ts"
import type { Counts, Summary } from "../domain/tracker/Announcing.ts"
import * as HttpTrackerServer from "../domain/tracker/HttpTrackerServer.ts"
import { SwarmStore, type SwarmStoreError } from "./SwarmStore.ts"

export class TrackerServerError extends Schema.TaggedError<TrackerServerError>()("TrackerServerError", {
  reason: Schema.Literals(["PortTaken", "CannotListen"]),
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

export interface TrackerServerOptions {
  /** 0 for any free port. */
  readonly port: number
  /** The address to listen on; all of both families when absent. */
  readonly host?: string | undefined
  /** How long peers are asked to wait between announces; the store forgets them by its own clock. */
  readonly intervalMs?: number | undefined
  /** The most peers in one answer, whatever a peer wants. */
  readonly maxNumWant?: number | undefined
}

export interface Running {
  readonly port: number
  /** The announce URL, as a program on this machine would use it. */
  readonly url: string
  readonly swarms: Effect.Effect<Summary, SwarmStoreError>
}

const INTERVAL_MS = 30 * 60_000
const MAX_NUM_WANT = 200
const NUM_WANT = 50

/** Of the path with its query: an announce takes some 300. */
const MAX_TARGET = 4096

const LIMITS = {
  maxHeaderSize: 8192,
  headersTimeout: 5000,
  requestTimeout: 5000,
  connectionsCheckingInterval: 1000,
  keepAliveTimeout: 30_000
}

const TEXT = { contentType: "text/plain" }

const notFound = HttpServerResponse.empty({ status: 404 })

const refuse = (reason: string) => HttpServerResponse.uint8Array(HttpTrackerServer.encodeFailure(reason), TEXT)

const broken = refuse("this tracker has lost its memory for now; it will be back")

interface Settings {
  readonly intervalMs: number
  readonly maxNumWant: number
}

const announce = Effect.fnUntraced(function*(
  store: SwarmStore["Service"],
  settings: Settings,
  request: HttpServerRequest.HttpServerRequest,
  text: string,
  now: number
) {
  const parsed = HttpTrackerServer.parseAnnounce(text)
  if (Result.isFailure(parsed)) return refuse(parsed.failure)
  const query = parsed.success
  const address = HttpTrackerServer.addressOf(Option.getOrElse(request.remoteAddress, () => ""), query)
  if (address === undefined) return refuse("the address of this request is not known")
  const [sample] = yield* store.announce([{
    infoHash: query.infoHash,
    compact: PeerAddress.toCompact(address),
    peerId: query.peerId,
    role: HttpTrackerServer.roleOf(query),
    event: query.event,
    numWant: Math.min(query.numWant ?? NUM_WANT, settings.maxNumWant),
    wants: "both",
    withIds: !query.compact && !query.noPeerId
  }], now)
  if (sample === undefined || sample === "TooManyTorrents") {
    return refuse("this tracker has no room for another torrent")
  }
  const reply = { ...sample, intervalMs: settings.intervalMs, externalIp: PeerAddress.hostBytes(address) }
  return HttpServerResponse.uint8Array(HttpTrackerServer.encodeReply(reply, query), TEXT)
})

const scrape = Effect.fnUntraced(function*(store: SwarmStore["Service"], text: string, now: number) {
  const hashes = HttpTrackerServer.parseScrape(text)
  const counts = yield* store.scrape(hashes, now)
  const files = new Map<InfoHash.InfoHash, Counts>(hashes.map((infoHash, index) => [infoHash, counts[index]!]))
  return files.size === 0
    ? refuse("info_hash must be 20 bytes, percent-encoded; scrapes of everything are not answered")
    : HttpServerResponse.uint8Array(HttpTrackerServer.encodeScrape(files), TEXT)
})

/** One effect for every request: a router would cost as much again as the rest. */
const handler = (store: SwarmStore["Service"], clock: Clock.Clock, settings: Settings) =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const target = request.url
    if (target.length > MAX_TARGET) return Effect.succeed(refuse("the request is too long"))
    const mark = target.indexOf("?")
    const path = mark < 0 ? target : target.slice(0, mark)
    const query = mark < 0 ? "" : target.slice(mark + 1)
    const now = clock.currentTimeMillisUnsafe()
    const answer = path === "/announce"
      ? announce(store, settings, request, query, now)
      : path === "/scrape"
      ? scrape(store, query, now)
      : Effect.succeed(notFound)
    return Effect.catchTag(answer, "SwarmStoreError", () => Effect.succeed(broken))
  })

const toError = (options: TrackerServerOptions) => (error: { readonly cause?: unknown }): TrackerServerError => {
  const cause = error.cause
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined
  return code === "EADDRINUSE"
    ? new TrackerServerError({ reason: "PortTaken", detail: `port ${options.port} is taken; choose another` })
    : new TrackerServerError({
      reason: "CannotListen",
      detail: `cannot listen on ${options.host ?? "any address"}, port ${options.port}: ${
        cause instanceof Error ? cause.message : "unknown trouble"
      }`
    })
}

/** Addresses that mean "all" are no address to connect to; `::` takes IPv4 too. */
const urlOf = (host: string, port: number): string => {
  const reached = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host
  return `http://${reached.includes(":") ? `[${reached}]` : reached}:${port}/announce`
}

const newServer = (): Server => {
  const server = createServer(LIMITS)
  // Without a listener, an accept that fails for want of descriptors would end the process.
  server.on("error", () => {})
  return server
}

/** Runs a tracker until the scope closes; several may share a store. */
export const make = Effect.fnUntraced(
  function*(
    options: TrackerServerOptions
  ): Effect.fn.Return<Running, TrackerServerError, Scope.Scope | SwarmStore> {
    const store = yield* SwarmStore
    const clock = yield* Clock.Clock
    const node = newServer()
    const { host, port } = options
    const server = yield* NodeHttpServer.make(() => node, {
      port,
      gracefulShutdownTimeout: "1 second",
      ...(host !== undefined && { host })
    }).pipe(Effect.mapError(toError(options)))
    // After the grace period: whoever is still sending a request then would hold the scope open.
    yield* Effect.addFinalizer(() => Effect.sync(() => node.closeAllConnections()))
    const settings = { intervalMs: options.intervalMs ?? INTERVAL_MS, maxNumWant: options.maxNumWant ?? MAX_NUM_WANT }
    yield* server.serve(handler(store, clock, settings)).pipe(
      Effect.provideService(HttpMiddleware.TracerDisabledWhen, () => true)
    )
    const bound = node.address()
    const address = bound !== null && typeof bound === "object" ? bound : { address: "::1", port }
    return {
      port: address.port,
      url: urlOf(address.address, address.port),
      swarms: Effect.suspend(() => store.summary(clock.currentTimeMillisUnsafe()))
    }
  }
)

export class TrackerServer extends Context.Service<TrackerServer, Running>()("freshet/services/TrackerServer") {
  static readonly layer = (
    options: TrackerServerOptions
  ): Layer.Layer<TrackerServer, TrackerServerError, SwarmStore> => Layer.effect(TrackerServer, make(options))
}
