/**
 * Web servers as web seeds need them: connections that are kept, and bodies handed over as they come. Whom to dial, from
 * where and by what is decided here alone.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as net from "node:net"
import * as tls from "node:tls"
import type { Proxy } from "../../domain/Proxy.ts"
import type * as Answer from "../../domain/webseed/Answer.ts"
import type { Head } from "../../domain/webseed/HttpReader.ts"
import * as Trouble from "../../domain/webseed/Trouble.ts"
import * as Tunnel from "../../domain/wire/Tunnel.ts"
import * as Gateway from "../proxy/Gateway.ts"
import { type Ip, Resolver } from "../Resolver.ts"
import * as SystemCode from "../SystemCode.ts"
import * as HttpGet from "../tracker/HttpGet.ts"
import * as Route from "../tracker/Route.ts"
import { HttpConnection, STALE } from "./HttpConnection.ts"

/** The head of an answer; its body waits for {@link read}. */
export interface Answered extends Answer.Head {
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
        return proxy === undefined
          ? Connector.of({
            addressesOf: (url) =>
              Effect.mapError(resolver.lookup(HttpGet.hostOf(url)), ({ message }) => Trouble.rest(message)),
            line: lineBy(direct(options))
          })
          : Connector.of({
            addressesOf: (url) => Effect.succeed(HttpGet.addressesIn(url)),
            line: lineBy(proxied(Gateway.make(resolver, { proxy, localAddress })))
          })
      })
    )

  static readonly layer = (options: ConnectorOptions = {}): Layer.Layer<Connector> =>
    this.layerNoDeps(options).pipe(Layer.provide(Resolver.layer))
}

/** Time for a connection, the handshake of TLS included, and for the head of an answer (ms). */
const CONNECT_MS = 15_000
const ANSWER_MS = 30_000

/** All plain connections of a line read into one buffer, as those to peers do: see `Transport`. */
const RECEIVE_BUFFER = 256 * 1024

/** Ways to connect to the host of a URL, to be tried in turn; none when it cannot be reached from here. */
export type Ways = (url: URL, ips: ReadonlyArray<Ip>) => ReadonlyArray<Effect.Effect<HttpConnection, Trouble.Trouble>>

const direct = ({ localAddress }: ConnectorOptions): Ways => {
  const buffer = new Uint8Array(RECEIVE_BUFFER)
  return (url, ips) => Route.routesOf(ips, localAddress).map((route) => connect(url, route, buffer))
}

const proxied = (gateway: Gateway.Gateway): Ways => (url) => [tunnel(url, gateway)]

/** A line whose connections are made in these ways. */
export const lineBy = (ways: Ways): Effect.Effect<Line, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => new Map<string, HttpConnection>()),
      (kept) => Effect.sync(() => kept.forEach((connection) => connection.destroy()))
    ),
    (kept): Line => ({
      get: Effect.fnUntraced(function*(url, ips, headers) {
        const [first, ...others] = ways(url, ips)
        if (first === undefined) return yield* Effect.fail(Trouble.drop(Route.noRoute(url.hostname).message))
        const fresh = others.reduce(
          (attempt, way) => Effect.catchIf(attempt, ({ consequence }) => consequence === "Rest", () => way),
          first
        )
        const request = requestOf(url, headers)
        const old = kept.get(url.origin)
        kept.delete(url.origin)
        if (old === undefined || !old.isIdle) return yield* exchange(fresh, request, url, kept)
        // One that the server had closed as we used it again is no trouble: once more, then by a new one.
        return yield* Effect.catchIf(
          exchange(Effect.succeed(old), request, url, kept),
          (trouble) => trouble === STALE,
          () => exchange(fresh, request, url, kept)
        )
      })
    })
  )

const requestOf = (url: URL, headers: Readonly<Record<string, string>>): string => {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `GET ${url.pathname}${url.search} HTTP/1.1\r\nhost: ${url.host}\r\n${lines.join("")}\r\n`
}

const within = (ms: number, message: string) => <A>(effect: Effect.Effect<A, Trouble.Trouble>) =>
  Effect.timeoutOrElse(effect, { duration: ms, orElse: () => Effect.fail(Trouble.rest(message)) })

const isHttps = (url: URL): boolean => url.protocol === "https:"

const portOf = (url: URL): number => Number(url.port) || (isHttps(url) ? 443 : 80)

const secure = (host: string): tls.ConnectionOptions => ({
  ...(net.isIP(host) === 0 && { servername: host }),
  ALPNProtocols: ["http/1.1"]
})

const connect = (
  url: URL,
  { ips, localAddress }: Route.Route,
  buffer: Uint8Array
): Effect.Effect<HttpConnection, Trouble.Trouble> =>
  Effect.callback<HttpConnection, Trouble.Trouble>((resume) => {
    const target: { connection: HttpConnection | undefined } = { connection: undefined }
    const host = HttpGet.hostOf(url)
    const isSecure = isHttps(url)
    const options = {
      host,
      port: portOf(url),
      lookup: Route.lookupOf(ips),
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: Route.ATTEMPT_MS,
      noDelay: true,
      ...(localAddress !== undefined && { localAddress })
    }
    const callback = (length: number, bytes: Uint8Array): boolean => target.connection?.feed(bytes, length) ?? false
    const socket: net.Socket = isSecure
      ? tls.connect({ ...options, ...secure(host) })
      : net.connect({ ...options, onread: { buffer, callback } })
    const fail = (cause: unknown) => resume(Effect.fail(troubleOf(cause)))
    socket.once("error", fail)
    socket.once(isSecure ? "secureConnect" : "connect", () => {
      socket.off("error", fail)
      target.connection = new HttpConnection(socket)
      if (isSecure) target.connection.listen()
      resume(Effect.succeed(target.connection))
    })
    return Effect.sync(() => socket.destroy())
  }).pipe(within(CONNECT_MS, `no connection within ${CONNECT_MS / 1000} s`))

/** A connection through a proxy. */
const tunnel = (url: URL, { place, proxy }: Gateway.Gateway): Effect.Effect<HttpConnection, Trouble.Trouble> => {
  const host = HttpGet.hostOf(url)
  const opened = (at: Gateway.Place) =>
    Effect.callback<net.Socket, Trouble.Trouble>((resume) => {
      const talk = Tunnel.connect(proxy, { host, port: portOf(url) })
      const opening = Gateway.connect(
        proxy,
        at,
        talk,
        (error, socket) =>
          resume(error === undefined ? Effect.succeed(socket) : Effect.fail(Trouble.rest(error.message)))
      )
      return Effect.sync(() => opening.destroy())
    })
  const listening = (socket: net.Socket): HttpConnection => {
    const connection = new HttpConnection(socket)
    connection.listen()
    return connection
  }
  return Effect.mapError(place, ({ message }) => Trouble.rest(message)).pipe(
    Effect.flatMap(opened),
    Effect.flatMap((socket) => secured(socket, url)),
    Effect.map(listening),
    within(CONNECT_MS, `no connection within ${CONNECT_MS / 1000} s`)
  )
}

const secured = (tunnelled: net.Socket, url: URL): Effect.Effect<net.Socket, Trouble.Trouble> =>
  Effect.callback((resume) => {
    if (!isHttps(url)) return resume(Effect.succeed(tunnelled))
    const host = HttpGet.hostOf(url)
    const socket = tls.connect({ ...secure(host), host, socket: tunnelled })
    const fail = (cause: unknown) => resume(Effect.fail(troubleOf(cause)))
    socket.once("error", fail)
    socket.once("secureConnect", () => {
      socket.off("error", fail)
      resume(Effect.succeed(socket))
    })
    return Effect.sync(() => socket.destroy())
  })

/** A request and the head of its answer. A connection whose answer was read to its end is kept. */
const exchange = Effect.fnUntraced(function*(
  connecting: Effect.Effect<HttpConnection, Trouble.Trouble>,
  request: string,
  url: URL,
  kept: Map<string, HttpConnection>
) {
  const connection = yield* Effect.acquireRelease(
    connecting,
    (connection) =>
      Effect.sync(() => {
        if (connection.isIdle && !kept.has(url.origin)) kept.set(url.origin, connection)
        else connection.destroy()
      }),
    { interruptible: true }
  )
  const head = yield* Effect.callback<Head, Trouble.Trouble>((resume) => {
    connection.ask(request, (head) => resume(Effect.succeed(head)), (trouble) => resume(Effect.fail(trouble)))
  }).pipe(within(ANSWER_MS, `no answer within ${ANSWER_MS / 1000} s`))
  return {
    status: head.status,
    header: (name) => head.headers.get(name),
    read: (onBytes) =>
      Effect.callback<void, Trouble.Trouble>((resume) => {
        connection.read(
          onBytes,
          (trouble) => resume(trouble === undefined ? Effect.void : Effect.fail(trouble))
        )
      })
  } satisfies Answered
})

/** What OpenSSL and Node say of certificates that are not to be trusted, and of servers that speak no TLS we know. */
const isTls = (code: string): boolean => /CERT|SSL|TLS|SELF_SIGNED|UNABLE_TO_|ISSUER|PROTO/.test(code)

const rootOf = (cause: unknown): unknown =>
  cause instanceof AggregateError && cause.errors.length > 0 ? cause.errors.at(-1) : cause

const troubleOf = (error: unknown): Trouble.Trouble => {
  const cause = rootOf(error)
  return isTls(SystemCode.of(cause) ?? "")
    ? Trouble.drop(`cannot be trusted: ${Route.unreachable(cause).detail}`)
    : Trouble.rest(Route.unreachable(cause).message)
}
