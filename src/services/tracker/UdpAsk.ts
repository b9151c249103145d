/**
 * Asking a tracker over UDP (BEP 15). A socket of its own for every question, connected, so that the system passes on
 * only what comes from the address asked, and tells when nobody listens there.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import type * as InfoHash from "../../domain/InfoHash.ts"
import type { Proxy } from "../../domain/Proxy.ts"
import type { AnnounceReply, AnnounceRequest, Refusal, Scraped } from "../../domain/tracker/Announce.ts"
import * as UdpTracker from "../../domain/tracker/UdpTracker.ts"
import * as Monotonic from "../Monotonic.ts"
import * as Gateway from "../proxy/Gateway.ts"
import * as UdpRelay from "../proxy/UdpRelay.ts"
import type { Resolver } from "../Resolver.ts"
import * as Route from "./Route.ts"
import { Refused, TimedOut, Unreachable, Unsupported } from "./TrackerError.ts"
import * as UdpWire from "./UdpWire.ts"

/** For the first reply; twice as long after each silence (BEP 15). */
export const FIRST_TIMEOUT_MS = 15_000

/** How long a connection id is used after it has come. */
const ID_LIFE_MS = 60_000

/** Trackers whose connection ids are kept. */
const MAX_KEPT = 256

export type AskError = Refused | TimedOut | Unreachable | Unsupported

interface Known {
  readonly connectionId: Uint8Array
  readonly receivedAt: number
}

interface Question<A> {
  readonly encode: (connectionId: Uint8Array, transaction: number) => Uint8Array
  readonly decode: (bytes: Uint8Array, transaction: number, family: 4 | 6) => A | Refusal | undefined
}

const keyOf = ({ ip, localAddress, port }: UdpWire.Target): string => `${localAddress ?? ""}>${ip.address}>${port}`

const isRefusal = (reply: object): reply is Refusal => "_tag" in reply

/** Sends a packet and waits for what `decode` takes for the reply. */
const exchange = <A>(
  wire: UdpWire.UdpWire,
  packet: Uint8Array,
  decode: (bytes: Uint8Array, family: 4 | 6) => A | undefined
): Effect.Effect<A, Unreachable> =>
  Effect.callback((resume) => {
    const onMessage = (bytes: Uint8Array, family: 4 | 6): void => {
      const reply = decode(bytes, family)
      if (reply === undefined) return
      stop()
      resume(Effect.succeed(reply))
    }
    const onError = (cause: unknown): void => {
      stop()
      resume(Effect.fail(Route.unreachable(cause)))
    }
    const stop = wire.listen(onMessage, onError)
    wire.send(packet, onError)
    return Effect.sync(stop)
  })

const orTimedOut = <A>(
  waiting: Effect.Effect<A, Unreachable>,
  afterMs: number
): Effect.Effect<A, TimedOut | Unreachable> =>
  Effect.flatMap(
    Effect.timeoutOption(waiting, afterMs),
    Option.match({ onNone: () => Effect.fail(new TimedOut({ afterMs })), onSome: Effect.succeed })
  )

/** As http reads it: names in ASCII, numbers of any form as an address. */
const hostOf = (url: URL): string | undefined => {
  const web = url.href.replace(/^udp:/, "http:")
  return URL.canParse(web) ? new URL(web).hostname.replace(/^\[(.*)\]$/, "$1") : undefined
}

/** What the connections of one {@link make} know. */
class Connections {
  private readonly known = new Map<string, Known>()
  private readonly now: () => number

  constructor(now: () => number) {
    this.now = now
  }

  /** Of an id that may still be used. */
  idOf(target: UdpWire.Target): Uint8Array | undefined {
    const known = this.known.get(keyOf(target))
    return known !== undefined && this.now() - known.receivedAt < ID_LIFE_MS ? known.connectionId : undefined
  }

  keep(target: UdpWire.Target, connectionId: Uint8Array): void {
    const key = keyOf(target)
    this.known.delete(key)
    this.known.set(key, { connectionId, receivedAt: this.now() })
    if (this.known.size <= MAX_KEPT) return
    for (const oldest of this.known.keys()) {
      this.known.delete(oldest)
      return
    }
  }

  forget(target: UdpWire.Target): void {
    this.known.delete(keyOf(target))
  }

  /** Those that have answered before first, so that a dead address of a name is not tried again and again. */
  sorted(targets: ReadonlyArray<UdpWire.Target>): Array<UdpWire.Target> {
    return targets.toSorted((a, b) => Number(this.known.has(keyOf(b))) - Number(this.known.has(keyOf(a))))
  }
}

export interface UdpAskOptions {
  /** Where requests leave from; when given, a family without an address is not used at all. */
  readonly localAddress?: Route.LocalAddress | undefined
  /** Through which everything goes, names too; one that passes no UDP on is never gone around. */
  readonly proxy?: Proxy | undefined
}

/**
 * Announces and scrapes until a reply comes: whoever asks bounds the time. After a silence the next address of the
 * name is tried, or the same again; where nobody listens, the next at once.
 */
export const make = Effect.fnUntraced(function*(resolver: Resolver["Service"], options: UdpAskOptions) {
  const clock = yield* Clock.Clock
  const random = yield* Random.Random
  const connections = new Connections(() => Monotonic.millis(clock))
  const { localAddress, proxy } = options
  const gateway = proxy && Gateway.make(resolver, { proxy, localAddress })
  const open = (target: UdpWire.Target) =>
    gateway === undefined
      ? UdpWire.open(target)
      : UdpRelay.open(gateway, { host: target.ip.address, port: target.port })

  const targetsOf = Effect.fnUntraced(function*(url: URL): Effect.fn.Return<Array<UdpWire.Target>, AskError> {
    const port = Number(url.port)
    const host = hostOf(url)
    if (host === undefined || host === "") return yield* new Unsupported({ detail: "the announce URL names no host" })
    if (!(port > 0)) return yield* new Unsupported({ detail: "the announce URL names no port" })
    // The relay says of which family the tracker is.
    if (gateway !== undefined) return [{ ip: { address: host, family: 4 }, port, localAddress: undefined }]
    const ips = yield* Effect.mapError(resolver.lookup(host), (error) => new Unreachable({ detail: error.message }))
    const targets = Route.routesOf(ips, localAddress).flatMap((route) =>
      route.ips.map((ip) => ({ ip, port, localAddress: route.localAddress }))
    )
    return targets.length === 0 ? yield* Route.noRoute(host) : connections.sorted(targets)
  })

  const put = <A>(
    wire: UdpWire.UdpWire,
    patienceMs: number,
    encode: (transaction: number) => Uint8Array,
    decode: (bytes: Uint8Array, transaction: number, family: 4 | 6) => A | Refusal | undefined
  ) => {
    const transaction = Math.floor(random.nextDoubleUnsafe() * 2 ** 32)
    const read = (bytes: Uint8Array, family: 4 | 6) => decode(bytes, transaction, family)
    return orTimedOut(exchange(wire, encode(transaction), read), patienceMs)
  }

  /** Connects where there is no id, or none that is still good. */
  const converse = Effect.fnUntraced(
    function*<A extends object>(target: UdpWire.Target, question: Question<A>, patienceMs: number) {
      const wire = yield* open(target)
      const ask = (id: Uint8Array) =>
        put(wire, patienceMs, (transaction) => question.encode(id, transaction), question.decode)
      const known = connections.idOf(target)
      if (known !== undefined) {
        const reply = yield* Effect.tapError(ask(known), () => Effect.sync(() => connections.forget(target)))
        if (!isRefusal(reply)) return reply
        // The tracker may have started anew, with another secret.
        connections.forget(target)
      }
      const connected = yield* put(wire, patienceMs, UdpTracker.encodeConnect, UdpTracker.decodeConnect)
      if (isRefusal(connected)) return connected
      connections.keep(target, connected)
      return yield* ask(connected)
    },
    Effect.scoped
  )

  const ask = Effect.fnUntraced(
    function*<A extends object>(url: URL, question: Question<A>): Effect.fn.Return<A, AskError> {
      let targets = yield* targetsOf(url)
      for (let silences = 0, at = 0;;) {
        const target = targets[at % targets.length]!
        const outcome = yield* Effect.result(converse(target, question, FIRST_TIMEOUT_MS * 2 ** Math.min(silences, 8)))
        if (Result.isSuccess(outcome)) {
          const reply = outcome.success
          return isRefusal(reply) ? yield* new Refused({ detail: reply.detail }) : reply
        }
        if (outcome.failure._tag === "TimedOut") {
          silences++
          at++
        } else {
          targets = targets.filter((other) => other !== target)
          if (targets.length === 0) return yield* outcome.failure
        }
      }
    }
  )

  return {
    announce: (url: URL, request: AnnounceRequest): Effect.Effect<AnnounceReply, AskError> =>
      ask(url, {
        encode: (id, transaction) => UdpTracker.encodeAnnounce(id, transaction, request, url.pathname + url.search),
        decode: UdpTracker.decodeAnnounce
      }),
    /** The counts in the order of the hashes, which are {@link UdpTracker.MAX_SCRAPE} at most. */
    scrape: (url: URL, hashes: ReadonlyArray<InfoHash.InfoHash>): Effect.Effect<ReadonlyArray<Scraped>, AskError> =>
      ask(url, {
        encode: (id, transaction) => UdpTracker.encodeScrape(id, transaction, hashes),
        decode: UdpTracker.decodeScrape
      })
  }
})
