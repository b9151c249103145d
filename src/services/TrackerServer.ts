/** The tracker: HTTP (BEP 3, 7, 21, 23, 24, 31, 48) and UDP (BEP 15) on one port, over any {@link SwarmStore}. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as net from "node:net"
import * as InfoHash from "../domain/InfoHash.ts"
import * as AnnounceInterval from "../domain/tracker/AnnounceInterval.ts"
import type { Summary } from "../domain/tracker/Announcing.ts"
import { AskerRates } from "../domain/tracker/AskerRates.ts"
import { ConnectionIds } from "../domain/tracker/ConnectionIds.ts"
import { Counters } from "../domain/tracker/Counters.ts"
import type { Tally } from "../domain/tracker/Tally.ts"
import * as Monotonic from "./Monotonic.ts"
import { SwarmStore, type SwarmStoreError } from "./SwarmStore.ts"
import * as AccessLog from "./tracker/AccessLog.ts"
import type { Desk } from "./tracker/Desk.ts"
import * as HttpListener from "./tracker/HttpListener.ts"
import type { TrackerServerError } from "./tracker/ListenError.ts"
import * as Operations from "./tracker/Operations.ts"
import * as UdpListener from "./tracker/UdpListener.ts"

export { TrackerServerError } from "./tracker/ListenError.ts"

/** Answers what is neither announce, nor scrape, nor about the tracker itself. */
export type Otherwise = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  never,
  HttpServerRequest.HttpServerRequest | Scope.Scope
>

export interface TrackerServerOptions {
  /** 0 for any free port, the same for both protocols. */
  readonly port: number
  /** The addresses to listen on; all of both families when absent or empty. */
  readonly hosts?: ReadonlyArray<string> | undefined
  /** False to leave a protocol out. */
  readonly http?: boolean | undefined
  readonly udp?: boolean | undefined
  /** How long peers are asked to wait between announces, give or take a tenth. */
  readonly intervalMs?: number | undefined
  /** The most peers in one answer, whatever a peer wants. */
  readonly maxNumWant?: number | undefined
  /** Announces and scrapes that one address may make in a second, on average; no limit when absent. */
  readonly maxRate?: number | undefined
  readonly maxConnections?: number | undefined
  /** The address of a request is the last of its `X-Forwarded-For`. */
  readonly trustProxy?: boolean | undefined
  /** Whether a torrent is tracked; all are when absent. */
  readonly admits?: ((infoHash: InfoHash.InfoHash) => boolean) | undefined
  readonly otherwise?: Otherwise | undefined
  /** Gets a line for every announce that came to the store. */
  readonly log?: ((line: string) => void) | undefined
  /** Which of several processes this is. */
  readonly worker?: number | undefined
  /** What all these processes have done, this one's {@link Running.tally} with it; `undefined` when it is out of reach. */
  readonly whole?: Effect.Effect<Tally | undefined> | undefined
}

export interface Running {
  readonly port: number
  /** The announce URL over HTTP, as a program on this machine would use it; over UDP when HTTP is left out. */
  readonly url: string
  /** The announce URLs of all that is listened on. */
  readonly urls: ReadonlyArray<string>
  readonly counters: Counters
  /** What this process has done. */
  readonly tally: () => Tally
  readonly swarms: Effect.Effect<Summary, SwarmStoreError>
}

const MAX_NUM_WANT = 200
const NUM_WANT = 50
const MAX_CONNECTIONS = 8192

/** Peers may come back a little early, and at once when they have something to say. */
const MIN_INTERVAL_SHARE = 0.5

/** Free ports of one protocol that are tried on the other. */
const PORT_TRIES = 8

const notFound = HttpServerResponse.text("there is nothing here; a tracker answers at /announce\n", { status: 404 })

/** Wall-clock time that never goes back: what the store remembers outlives the process, and a clock may be set. */
const wallClock = (clock: Clock.Clock): () => number => {
  let latest = 0
  return () => latest = Math.max(latest, clock.currentTimeMillisUnsafe())
}

/** Both listeners meet the store here: an Effect for a batch, whose end is a plain call. */
const deskOf = Effect.fnUntraced(function*(options: TrackerServerOptions, counters: Counters, now: () => number) {
  const store = yield* SwarmStore
  const clock = yield* Clock.Clock
  const random = yield* Random.Random
  const run = yield* FiberSet.makeRuntime<never>()
  const chance = () => random.nextDoubleUnsafe()
  const { admits, intervalMs = AnnounceInterval.DEFAULT_MS, log } = options
  const ended = <A>(done: (value: A | undefined) => void) => (exit: Exit.Exit<A, unknown>) =>
    done(Exit.isSuccess(exit) ? exit.value : undefined)
  const desk: Desk = {
    counters,
    rates: new AskerRates(options.maxRate ?? Infinity),
    admits: admits === undefined ? () => true : (infoHash) => admits(InfoHash.fromBytes(infoHash)),
    intervalMs: () => AnnounceInterval.jittered(intervalMs, chance()),
    minIntervalMs: intervalMs * MIN_INTERVAL_SHARE,
    maxNumWant: options.maxNumWant ?? MAX_NUM_WANT,
    numWant: NUM_WANT,
    random: chance,
    now,
    elapsed: () => Monotonic.millis(clock),
    submit: (batch, done) => run(store.announce(batch, now())).addObserver(ended(done)),
    scrape: (infoHashes, done) => run(store.scrape(infoHashes, now())).addObserver(ended(done)),
    log: log && ((protocol, asked, answer) => log(AccessLog.line(now(), protocol, asked, answer)))
  }
  return desk
})

const bracketed = (host: string): string => host.includes(":") ? `[${host}]` : host

/** Addresses that mean "all" are no address to connect to; `::` alone takes IPv4 too. */
const reached = (host: string, { hosts = [] }: TrackerServerOptions): string => {
  if (host === "::") return hosts.some(net.isIPv4) ? "::1" : "127.0.0.1"
  return host === "0.0.0.0" ? "127.0.0.1" : host
}

interface Listening {
  readonly protocol: "http" | "udp"
  readonly host: string
  readonly port: number
  readonly connections: () => number
  readonly pending: () => number
}

interface Ways {
  readonly desk: Desk
  readonly ids: ConnectionIds
  readonly otherwise: HttpListener.HttpListenerOptions["otherwise"]
}

/** Everything is bound to one port: the given one, or the one that the first was given. */
const listenAll = Effect.fnUntraced(function*(
  { hosts = [], http = true, maxConnections = MAX_CONNECTIONS, port, trustProxy = false, udp = true }:
    TrackerServerOptions,
  { desk, ids, otherwise }: Ways
): Effect.fn.Return<ReadonlyArray<Listening>, TrackerServerError, Scope.Scope> {
  const all: Array<Listening> = []
  const isAnywhere = hosts.length === 0
  // Else `::` takes all of IPv4 as well, on a port that is then bound already.
  const ipv6Only = hosts.some(net.isIPv4)
  for (const host of !http ? [] : isAnywhere ? [undefined] : hosts) {
    const options = { host, port: all[0]?.port ?? port, maxConnections, ipv6Only, trustProxy, otherwise }
    all.push({ protocol: "http", ...yield* HttpListener.listen(desk, options) })
  }
  for (const host of !udp ? [] : isAnywhere ? UdpListener.ALL : hosts) {
    const options = { host, port: all[0]?.port ?? port, ids, ipv6Only: ipv6Only || isAnywhere, isOptional: isAnywhere }
    const listener = yield* UdpListener.listen(desk, options)
    if (listener !== undefined) all.push({ protocol: "udp", connections: () => 0, ...listener })
  }
  return all
})

/** A free port of one protocol may be taken in the other: then another is tried. */
const listenSomewhere = Effect.fnUntraced(function*(options: TrackerServerOptions, ways: Ways) {
  const outer = yield* Effect.scope
  const attempt = Effect.gen(function*() {
    const scope = yield* Scope.fork(outer)
    return yield* Scope.provide(listenAll(options, ways), scope).pipe(
      Effect.tapCause((cause) => Scope.close(scope, Exit.failCause(cause)))
    )
  })
  let tries = options.port > 0 ? 1 : PORT_TRIES
  return yield* Effect.retry(attempt, { while: ({ reason }) => reason === "PortTaken" && --tries > 0 })
})

/** What this process takes of the machine. */
const usage = () => {
  const { heapUsed: heapBytes, rss: residentBytes } = process.memoryUsage()
  const { system, user } = process.cpuUsage()
  return { residentBytes, heapBytes, cpuSeconds: (user + system) / 1e6 }
}

const pathOf = (url: string): string => {
  const mark = url.indexOf("?")
  return mark < 0 ? url : url.slice(0, mark)
}

/** Runs a tracker until the scope closes; several may share a store. */
export const make = Effect.fnUntraced(
  function*(
    options: TrackerServerOptions
  ): Effect.fn.Return<Running, TrackerServerError | SwarmStoreError, Scope.Scope | SwarmStore> {
    const store = yield* SwarmStore
    const clock = yield* Clock.Clock
    const counters = new Counters()
    const now = wallClock(clock)
    const desk = yield* deskOf(options, counters, now)
    const listeners: Array<Listening> = []
    const sum = (of: (listener: Listening) => number) => listeners.reduce((total, one) => total + of(one), 0)
    const startedAtMs = now()
    const tally = (): Tally => ({
      ...counters,
      connections: sum(({ connections }) => connections()),
      pending: sum(({ pending }) => pending()),
      ...usage(),
      startedAtMs
    })
    const operations: Operations.OperationsOptions = {
      tally: options.whole ?? Effect.sync(tally),
      store,
      now,
      worker: options.worker
    }
    const handle = Effect.flatMap(
      HttpServerRequest.HttpServerRequest,
      (request) => Operations.answerTo(pathOf(request.url), operations) ?? options.otherwise ?? Effect.succeed(notFound)
    )
    const otherwise = yield* NodeHttpServer.makeHandler(handle, { scope: yield* Effect.scope })
    const ids = new ConnectionIds(yield* store.connectionKey)
    listeners.push(...yield* listenSomewhere(options, { desk, ids, otherwise }))
    const urls = listeners.map(({ host, port, protocol }) =>
      `${protocol}://${bracketed(reached(host, options))}:${port}/announce`
    )
    return {
      port: listeners[0]?.port ?? options.port,
      url: urls[0] ?? "",
      urls: [...new Set(urls)],
      counters,
      tally,
      swarms: Effect.suspend(() => store.summary(now()))
    }
  }
)

export class TrackerServer extends Context.Service<TrackerServer, Running>()("freshet/services/TrackerServer") {
  static readonly layer = (
    options: TrackerServerOptions
  ): Layer.Layer<TrackerServer, TrackerServerError | SwarmStoreError, SwarmStore> =>
    Layer.effect(TrackerServer, make(options))
}
