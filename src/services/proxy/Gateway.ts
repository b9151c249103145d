/**
 * The way to the proxy. Its own name is the only one that is looked up by us, and its addresses are the only ones that are
 * dialled.
 */
import * as Effect from "effect/Effect"
import * as net from "node:net"
import type * as Host from "../../domain/Host.ts"
import * as Proxy from "../../domain/Proxy.ts"
import type { Failed, Step, Talk } from "../../domain/wire/Talk.ts"
import type { Resolver } from "../Resolver.ts"
import * as SystemCode from "../SystemCode.ts"
import * as Route from "../tracker/Route.ts"
import { ProxyError } from "./ProxyError.ts"

export interface GatewayOptions {
  readonly proxy: Proxy.Proxy
  /** Where connections to the proxy leave from (`--bind`); when given, a family without an address is not used at all. */
  readonly localAddress?: Route.LocalAddress | undefined
}

/** How `net.connect` calls the proxy: at its addresses in turn, from the address that is bound. */
export interface Place {
  readonly host: string
  readonly port: number
  readonly lookup: net.LookupFunction
  readonly autoSelectFamily: true
  readonly autoSelectFamilyAttemptTimeout: number
  readonly localAddress?: string
}

export interface Gateway {
  readonly proxy: Proxy.Proxy
  readonly place: Effect.Effect<Place, ProxyError>
}

/** A proxy that says nothing for so long (ms) is given up: one may have a far host, or a chain of others, to reach. */
export const PATIENCE_MS = 30_000

const problem = (
  proxy: Proxy.Proxy,
  { blames, code, detail }: Pick<Failed, "blames" | "code" | "detail">
): ProxyError => new ProxyError({ proxy: Proxy.format(proxy), blames, code, detail })

const own = (proxy: Proxy.Proxy, detail: string): ProxyError =>
  problem(proxy, { blames: "proxy", code: "EPROXY", detail })

export const make = (resolver: Resolver["Service"], { localAddress, proxy }: GatewayOptions): Gateway => ({
  proxy,
  place: Effect.gen(function*() {
    const ips = yield* Effect.mapError(
      resolver.lookup(proxy.host),
      (error) => own(proxy, `cannot be found: ${error.message}`)
    )
    const [route] = Route.routesOf(ips, localAddress)
    if (route === undefined) return yield* own(proxy, "has no address of the family that is bound")
    return {
      host: proxy.host,
      port: proxy.port,
      lookup: Route.lookupOf(route.ips),
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: Route.ATTEMPT_MS,
      ...(route.localAddress !== undefined && { localAddress: route.localAddress })
    }
  })
})

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "refuses connections",
  ECONNRESET: "cuts connections",
  ETIMEDOUT: "does not answer",
  EHOSTUNREACH: "cannot be reached: there is no route to it",
  ENETUNREACH: "cannot be reached: there is no route to its network",
  EADDRNOTAVAIL: "cannot be called from the address of --bind: it is not on this machine"
}

/** An error of the connection to the proxy. */
export const broken = (proxy: Proxy.Proxy, cause: unknown): ProxyError =>
  own(proxy, WORDS[SystemCode.of(cause) ?? ""] ?? `cannot be used: ${SystemCode.describe(cause)}`)

/** What came of a talk. */
export interface Opened {
  /** What the target has said already. */
  readonly rest: Uint8Array
  /** Where the proxy does it, if it says so. */
  readonly bound: Host.Host | undefined
}

/**
 * Talks to the proxy over a socket that is being connected to it, and says once how it went. What arrives until then is to
 * be given to the function that is returned; the socket is the caller's, to be destroyed when it went wrong.
 */
export const converse = (
  proxy: Proxy.Proxy,
  socket: net.Socket,
  talk: Talk,
  done: (outcome: Opened | ProxyError) => void
): (bytes: Uint8Array) => void => {
  const end = (outcome: Opened | ProxyError) => {
    socket.off("connect", begin).off("error", onError).off("close", onClose).off("timeout", onTimeout)
    socket.setTimeout(0)
    done(outcome)
  }
  const begin = () => void socket.write(talk.begin())
  const onError = (cause: unknown) => end(broken(proxy, cause))
  const onClose = () => end(own(proxy, "hangs up"))
  const onTimeout = () => end(own(proxy, "does not answer"))
  const step = (next: Step): void => {
    if (next._tag === "Say") socket.write(next.bytes)
    else if (next._tag === "Open") end({ rest: next.rest, bound: next.bound })
    else if (next._tag === "Failed") end(problem(proxy, next))
  }
  socket.setTimeout(PATIENCE_MS)
  socket.once("connect", begin).once("error", onError).once("close", onClose).once("timeout", onTimeout)
  return (bytes) => step(talk.push(bytes))
}

/**
 * Connects to the proxy and talks; the socket then belongs to whom `done` is given it. Nobody may speak before us behind
 * the proxy.
 *
 * @returns the socket, to give it up with
 */
export const connect = (
  proxy: Proxy.Proxy,
  place: Place,
  talk: Talk,
  done: (error: ProxyError | undefined, socket: net.Socket, bound?: Host.Host) => void
): net.Socket => {
  const socket = net.connect({ ...place, noDelay: true })
  // Whatever comes after the end of the talk is heard by the owner.
  socket.on("error", () => {})
  const feed = converse(proxy, socket, talk, (outcome) => {
    socket.off("data", feed)
    if (!(outcome instanceof ProxyError) && outcome.rest.length === 0) return done(undefined, socket, outcome.bound)
    socket.destroy()
    done(outcome instanceof ProxyError ? outcome : own(proxy, "speaks out of turn"), socket)
  })
  socket.on("data", feed)
  return socket
}
