/**
 * Web servers as web seeds need them: connections that are kept, bodies handed over as they come. Everything that Node's HTTP
 * does for us is here.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as http from "node:http"
import * as https from "node:https"
import type { Socket } from "node:net"
import type { Proxy } from "../../domain/Proxy.ts"
import type { Head } from "../../domain/webseed/Answer.ts"
import * as Trouble from "../../domain/webseed/Trouble.ts"
import * as Gateway from "../proxy/Gateway.ts"
import * as ProxyAgent from "../proxy/ProxyAgent.ts"
import { type Ip, Resolver } from "../Resolver.ts"
import * as SystemCode from "../SystemCode.ts"
import * as HttpGet from "../tracker/HttpGet.ts"
import * as Route from "../tracker/Route.ts"

/** The head of an answer; its body waits for {@link read}. */
export interface Answered extends Head {
  /**
   * Hands over the body chunk by chunk, synchronously, each valid during the call only, and ends with it. When the callback
   * says `false` nothing more of it is wanted: the connection is closed and this ends at once.
   */
  readonly read: (onBytes: (bytes: Uint8Array) => boolean) => Effect.Effect<void, Trouble.Trouble>
}

/** One connection at the most to each server, which is kept and used again. */
export interface Line {
  /**
   * Asks by GET at one of the addresses, which the host of the URL has. Unless its body was read to its end, closing the scope
   * closes the connection.
   */
  readonly get: (
    url: URL,
    ips: ReadonlyArray<Ip>,
    headers: Readonly<Record<string, string>>
  ) => Effect.Effect<Answered, Trouble.Trouble, Scope.Scope>
}

export interface ConnectorOptions {
  /** Where connections leave from; when given, a family without an address is not used at all. */
  readonly localAddress?: Route.LocalAddress | undefined
  /** Through which everything goes; it resolves the names. */
  readonly proxy?: Proxy | undefined
}

export class Connector extends Context.Service<Connector, {
  /** Of the host; none where only the proxy knows them. */
  readonly addressesOf: (url: URL) => Effect.Effect<ReadonlyArray<Ip>, Trouble.Trouble>
  readonly line: Effect.Effect<Line, never, Scope.Scope>
}>()("freshet/services/webseed/Connector") {
  static readonly layerNoDeps = (options: ConnectorOptions = {}): Layer.Layer<Connector, never, Resolver> =>
    Layer.effect(
      Connector,
      Effect.map(Resolver, (resolver) => {
        const { localAddress, proxy } = options
        if (proxy !== undefined) {
          const line = makeProxiedLine(Gateway.make(resolver, { proxy, localAddress }))
          return Connector.of({ addressesOf: (url) => Effect.succeed(HttpGet.addressesIn(url)), line })
        }
        return Connector.of({
          addressesOf: (url) =>
            Effect.mapError(resolver.lookup(HttpGet.hostOf(url)), ({ message }) => Trouble.rest(message)),
          line: makeLine(options)
        })
      })
    )

  static readonly layer = (options: ConnectorOptions = {}): Layer.Layer<Connector> =>
    this.layerNoDeps(options).pipe(Layer.provide(Resolver.layer))
}

/** Time for a connection, the handshake of TLS included, and for the head of an answer (ms). */
const CONNECT_MS = 15_000
const ANSWER_MS = 30_000

/** Of all headers of an answer (bytes). */
const MAX_HEAD = 32 * 1024

const AGENT = { keepAlive: true, maxSockets: 1, autoSelectFamilyAttemptTimeout: Route.ATTEMPT_MS }

const makeLine = ({ localAddress }: ConnectorOptions): Effect.Effect<Line, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => ({ plain: new http.Agent(AGENT), secure: new https.Agent(AGENT), used: new WeakSet<Socket>() })),
    ({ plain, secure }) =>
      Effect.sync(() => {
        plain.destroy()
        secure.destroy()
      })
  ).pipe(
    Effect.map(({ plain, secure, used }): Line => ({
      get: (url, ips, headers) => {
        const isSecure = url.protocol === "https:"
        const [first, ...others] = Route.routesOf(ips, localAddress)
        if (first === undefined) return Effect.fail(Trouble.drop(Route.noRoute(url.hostname).message))
        const over = (route: Route.Route) =>
          ask(isSecure ? https.request : http.request, used, url, {
            agent: isSecure ? secure : plain,
            headers,
            lookup: Route.lookupOf(route.ips),
            maxHeaderSize: MAX_HEAD,
            ...(route.localAddress !== undefined && { localAddress: route.localAddress })
          })
        return others.reduce(
          (attempt, route) => Effect.catchIf(attempt, ({ consequence }) => consequence === "Rest", () => over(route)),
          over(first)
        )
      }
    }))
  )

const makeProxiedLine = Effect.fnUntraced(function*(
  gateway: Gateway.Gateway
): Effect.fn.Return<Line, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const used = new WeakSet<Socket>()
  let agents: ProxyAgent.Agents | undefined
  return {
    get: Effect.fnUntraced(function*(url, _ips, headers) {
      agents ??= yield* ProxyAgent.make(gateway, AGENT).pipe(
        Effect.mapError(({ message }) => Trouble.rest(message)),
        Scope.provide(scope)
      )
      const isSecure = url.protocol === "https:"
      return yield* ask(isSecure ? https.request : http.request, used, url, {
        agent: isSecure ? agents.https : agents.http,
        headers,
        maxHeaderSize: MAX_HEAD
      })
    })
  }
})

type Ask = typeof http.request

/** A connection that the server had closed as we used it again is no trouble: once more, then by a new one. */
const ask = (request: Ask, used: WeakSet<Socket>, url: URL, options: http.RequestOptions) =>
  Effect.catchIf(
    once(request, used, url, options),
    (trouble) => trouble === STALE,
    () => Effect.mapError(once(request, used, url, options), orCut)
  )

const STALE = Trouble.rest("cut a connection that was at rest")

const orCut = (trouble: Trouble.Trouble): Trouble.Trouble =>
  trouble === STALE ? Trouble.rest("cuts connections before it answers") : trouble

/** @param used connections that have served a request; Node does not mark those that a request has waited for */
const once = Effect.fnUntraced(function*(
  request: Ask,
  used: WeakSet<Socket>,
  url: URL,
  options: http.RequestOptions
) {
  const asked = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const asked = request(url, options)
      // Whoever waits for something of it listens as well; this is for what comes when nobody does.
      asked.on("error", () => {})
      asked.end()
      return asked
    }),
    (asked) => Effect.sync(() => asked.destroyed || asked.destroy())
  )
  const failed = failureOf(asked, used)
  yield* Effect.raceFirst(connected(asked), failed).pipe(
    within(CONNECT_MS, `no connection within ${CONNECT_MS / 1000} s`)
  )
  const response = yield* Effect.raceFirst(responded(asked), failed).pipe(
    within(ANSWER_MS, `no answer within ${ANSWER_MS / 1000} s`)
  )
  used.add(response.socket)
  return {
    status: response.statusCode ?? 0,
    header: (name) => {
      const value = response.headers[name]
      return Array.isArray(value) ? value.join(", ") : value
    },
    read: (onBytes) => read(response, onBytes)
  } satisfies Answered
})

const within = (ms: number, message: string) => <A>(effect: Effect.Effect<A, Trouble.Trouble>) =>
  Effect.timeoutOrElse(effect, { duration: ms, orElse: () => Effect.fail(Trouble.rest(message)) })

const failureOf = (asked: http.ClientRequest, used: WeakSet<Socket>): Effect.Effect<never, Trouble.Trouble> =>
  Effect.callback((resume) => {
    const onError = (cause: unknown) =>
      resume(Effect.fail(troubleOf(cause, asked.socket !== null && used.has(asked.socket))))
    asked.once("error", onError)
    return Effect.sync(() => asked.off("error", onError))
  })

const connected = (asked: http.ClientRequest): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const done = () => resume(Effect.void)
    const onSocket = (socket: Socket) => {
      if (socket.connecting) socket.once("encrypted" in socket ? "secureConnect" : "connect", done)
      else done()
    }
    if (asked.socket === null) asked.once("socket", onSocket)
    else onSocket(asked.socket)
    return Effect.sync(() => asked.off("socket", onSocket))
  })

const responded = (asked: http.ClientRequest): Effect.Effect<http.IncomingMessage> =>
  Effect.callback((resume) => {
    const onResponse = (response: http.IncomingMessage) => {
      // Nothing is read before somebody listens for it, and an abort is heard of in `read`.
      response.on("error", () => {})
      resume(Effect.succeed(response))
    }
    asked.once("response", onResponse)
    return Effect.sync(() => asked.off("response", onResponse))
  })

const read = (
  response: http.IncomingMessage,
  onBytes: (bytes: Uint8Array) => boolean
): Effect.Effect<void, Trouble.Trouble> =>
  Effect.callback((resume) => {
    const cut = () => resume(Effect.fail(Trouble.rest("cut the connection in the middle of an answer")))
    const onError = (cause: unknown) => resume(Effect.fail(troubleOf(cause)))
    const onEnd = () => resume(Effect.void)
    const onData = (bytes: Uint8Array) => {
      if (onBytes(bytes)) return
      resume(Effect.void)
      response.destroy()
    }
    response.on("error", onError).on("aborted", cut).on("end", onEnd).on("data", onData)
    if (response.destroyed && !response.readableEnded) cut()
    return Effect.sync(() => {
      response.off("error", onError).off("aborted", cut).off("end", onEnd).off("data", onData)
    })
  })

const STALE_CODES = new Set(["ECONNRESET", "EPIPE", "ECONNABORTED"])

/** What OpenSSL and Node say of certificates that are not to be trusted, and of servers that speak no TLS we know. */
const isTls = (code: string): boolean => /CERT|SSL|TLS|SELF_SIGNED|UNABLE_TO_|ISSUER|PROTO/.test(code)

const rootOf = (cause: unknown): unknown =>
  cause instanceof AggregateError && cause.errors.length > 0 ? cause.errors.at(-1) : cause

const troubleOf = (error: unknown, isUsed = false): Trouble.Trouble => {
  const cause = rootOf(error)
  const code = SystemCode.of(cause) ?? ""
  if (isUsed && STALE_CODES.has(code)) return STALE
  if (code.startsWith("HPE_")) return Trouble.rest("does not speak HTTP as it should")
  if (isTls(code)) {
    return Trouble.drop(`cannot be trusted: ${cause instanceof Error ? Route.unreachable(cause).detail : code}`)
  }
  return Trouble.rest(Route.unreachable(cause).message)
}
