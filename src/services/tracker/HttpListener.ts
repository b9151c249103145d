/**
 * The tracker's HTTP side on plain `node:http`: announces and scrapes are told apart and answered by hand, since a router
 * would cost more than the rest of an announce. Everything else goes to a handler made of Effects.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import * as HostBytes from "../../domain/HostBytes.ts"
import type { Trouble } from "../../domain/tracker/Counters.ts"
import * as Forwarded from "../../domain/tracker/Forwarded.ts"
import { type Connection, Connections } from "./Connections.ts"
import { type Desk, waitOf } from "./Desk.ts"
import * as FastLane from "./FastLane.ts"
import { type Asker, HttpQuestions } from "./HttpQuestions.ts"
import * as ListenError from "./ListenError.ts"

export interface HttpListenerOptions {
  /** The address; all of both families when absent. */
  readonly host: string | undefined
  /** 0 for any free port. */
  readonly port: number
  /** `::` leaves IPv4 to another socket. */
  readonly ipv6Only: boolean
  readonly maxConnections: number
  /** The address of a request is the last of its `X-Forwarded-For`. */
  readonly trustProxy: boolean
  /** Gets what is neither announce nor scrape. */
  readonly otherwise: (request: IncomingMessage, response: ServerResponse) => void
}

export interface HttpListener {
  readonly host: string
  readonly port: number
  readonly connections: () => number
  readonly pending: () => number
}

/** Bytes of a request line's target. */
export const MAX_TARGET = 8192

const LIMITS = {
  // The request line and as much again for headers; Node counts both together.
  maxHeaderSize: 2 * MAX_TARGET,
  headersTimeout: 5000,
  // What is published has a minute of its own.
  requestTimeout: 120_000,
  connectionsCheckingInterval: 1000,
  keepAliveTimeout: 30_000
}

/** For requests that get no further than the socket. */
const rawAnswer = (status: string, text: string): string =>
  `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: ${text.length}\r\n\r\n${text}`

const TOO_LONG = `the request line is longer than ${MAX_TARGET} bytes\n`

const FULL = rawAnswer("503 Service Unavailable", "too many connections; try again later\n")

const NEWLINE = 10

/** Connections that the kernel keeps ready for us. */
const BACKLOG = 4096

const PATIENCE = "2 seconds"

type Problem = Error & { readonly code?: string; readonly rawPacket?: Uint8Array }

/** Whether it was the request line that did not end; as far as the last packet of the request tells. */
const isLineLong = (packet: Uint8Array | undefined): boolean => {
  const end = packet?.indexOf(NEWLINE) ?? 0
  return end < 0 || end > MAX_TARGET
}

/** What is said to a request that is none, and what is counted; nothing is said to a connection that is gone. */
const problemOf = (error: Problem): readonly [answer: string | undefined, trouble: Trouble | undefined] => {
  switch (error.code) {
    case "ECONNRESET":
    case "EPIPE":
      return [undefined, undefined]
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return [rawAnswer("408 Request Timeout", "the request was not there in time\n"), "timeout"]
    case "HPE_HEADER_OVERFLOW":
      return isLineLong(error.rawPacket)
        ? [rawAnswer("414 URI Too Long", TOO_LONG), "too-long"]
        : [rawAnswer("431 Request Header Fields Too Large", "the headers are too long\n"), "too-long"]
    default:
      return [rawAnswer("400 Bad Request", "this is not HTTP\n"), "malformed"]
  }
}

const TEXT = "text/plain"

const reply = (response: ServerResponse, body: string): void => {
  response.writeHead(200, ["Content-Type", TEXT, "Content-Length", `${body.length}`])
  // As a text, which Node writes in one piece with the head.
  response.end(body, "latin1")
}

const sendText = (
  response: ServerResponse,
  status: number,
  text: string,
  headers: ReadonlyArray<string> = []
): void => {
  response.writeHead(status, ["Content-Type", TEXT, "Content-Length", `${text.length}`, ...headers])
  response.end(text)
}

/** Answers what `node:http` has read; one for each listening socket. */
class Handler {
  readonly #desk: Desk
  readonly #options: HttpListenerOptions
  readonly #connections: Connections
  readonly #questions: HttpQuestions
  /** For the address of a request. */
  readonly #room = new Uint8Array(HostBytes.MAX_BYTES)
  /** Requests that wait for the one before them, by connection. */
  readonly #others = new Map<Connection, Array<() => void>>()

  constructor(desk: Desk, options: HttpListenerOptions, connections: Connections, questions: HttpQuestions) {
    this.#desk = desk
    this.#options = options
    this.#connections = connections
    this.#questions = questions
  }

  readonly handle = (request: IncomingMessage, response: ServerResponse): void => {
    const target = pathOf(request.url ?? "")
    const connection = this.#connections.of(request.socket)
    if (connection === undefined) return
    this.#connections.begin(connection)
    if (target.length > MAX_TARGET) return this.#tooLong(response, connection)
    const isAnnounce = isAt(target, "/announce")
    if (!isAnnounce && !isAt(target, "/scrape")) return this.#other(request, response, connection)
    if (request.method !== "GET") return this.#notAllowed(response, connection)
    const asker = this.#asker(request, response, connection)
    if (isAnnounce) this.#questions.announce(target.slice(10), asker)
    else this.#questions.scrape(target.slice(8), asker)
  }

  /** One at a time on a connection: Node would begin all that have come in one piece at once. */
  #other(request: IncomingMessage, response: ServerResponse, connection: Connection): void {
    const waiting = this.#others.get(connection)
    if (waiting !== undefined) return void waiting.push(() => this.#begin(request, response, connection))
    this.#others.set(connection, [])
    this.#begin(request, response, connection)
  }

  #begin(request: IncomingMessage, response: ServerResponse, connection: Connection): void {
    const ended = () => {
      this.#idle(connection)
      const next = this.#others.get(connection)?.shift()
      if (next === undefined) this.#others.delete(connection)
      else next()
    }
    // Its connection was lost while it waited for its turn.
    if (response.destroyed) return ended()
    this.#desk.counters.others++
    response.once("close", ended)
    const length = HostBytes.write(this.#hostOf(request, connection), this.#room, 0)
    const waitMs = waitOf(this.#desk, this.#room, length)
    if (waitMs > 0) return this.#tooOften(response, waitMs)
    this.#options.otherwise(request, response)
  }

  #tooOften(response: ServerResponse, waitMs: number): void {
    this.#desk.counters.troubles["rate-limited"]++
    sendText(response, 429, "too many requests from this address\n", ["Retry-After", `${Math.ceil(waitMs / 1000)}`])
  }

  #notAllowed(response: ServerResponse, connection: Connection): void {
    this.#desk.counters.troubles.malformed++
    sendText(response, 405, "announces and scrapes are asked for with GET\n", ["Allow", "GET"])
    this.#idle(connection)
  }

  #asker(request: IncomingMessage, response: ServerResponse, connection: Connection): Asker {
    return {
      host: this.#hostOf(request, connection),
      hear: (body) => {
        reply(response, body)
        this.#idle(connection)
      }
    }
  }

  #idle(connection: Connection): void {
    this.#connections.end(connection, this.#desk.elapsed())
  }

  #tooLong(response: ServerResponse, connection: Connection): void {
    this.#desk.counters.troubles["too-long"]++
    sendText(response, 414, TOO_LONG, ["Connection", "close"])
    this.#idle(connection)
  }

  /** Where a request comes from: the other end of the connection, or what the proxy says there; nowhere if it says nothing. */
  #hostOf(request: IncomingMessage, connection: Connection): string {
    return this.#options.trustProxy
      ? Forwarded.lastHop(`${request.headers["x-forwarded-for"] ?? ""}`)
      : connection.host
  }
}

/** What follows the host when a client asks as if we were its proxy (RFC 9112, section 3.2.2). */
const pathOf = (target: string): string => target.startsWith("/") ? target : target.replace(/^http:\/\/[^/?]*/i, "")

const isAt = (target: string, path: string): boolean =>
  target.startsWith(path) && (target.length === path.length || target.charCodeAt(path.length) === 0x3f)

/** Puts our bound of connections, and the fast lane, before Node's own way in. */
const guard = (
  server: Server,
  connections: Connections,
  questions: HttpQuestions,
  { counters, elapsed }: Desk,
  { trustProxy }: HttpListenerOptions
): void => {
  const ways = server.listeners("connection")
  server.removeAllListeners("connection")
  server.on("connection", (socket: Socket) => {
    const admitted = connections.admit(socket, elapsed())
    if (admitted?.gaveWay !== false) counters.troubles.connections++
    if (admitted === undefined) {
      socket.on("error", () => {})
      return socket.end(FULL, () => socket.destroy())
    }
    const { connection } = admitted
    const leave = () => ways.forEach((way) => way.call(server, socket))
    // What a proxy says of an address stands in a header.
    if (trustProxy) return leave()
    FastLane.serve(socket, connection.host, {
      questions,
      maxTarget: MAX_TARGET,
      maxHead: LIMITS.maxHeaderSize,
      headersTimeout: LIMITS.headersTimeout,
      keepAliveTimeout: LIMITS.keepAliveTimeout,
      begin: () => connections.begin(connection),
      end: () => connections.end(connection, elapsed()),
      leave
    })
  })
}

const newServer = (
  handler: Handler,
  connections: Connections,
  questions: HttpQuestions,
  desk: Desk,
  options: HttpListenerOptions
): Server => {
  const { troubles } = desk.counters
  const server = createServer(LIMITS, handler.handle)
  guard(server, connections, questions, desk, options)
  server.on("clientError", (error: Problem, socket: Socket) => {
    // What still comes after a request that was refused.
    if (!socket.writable) return
    const [answer, trouble] = problemOf(error)
    if (trouble !== undefined) troubles[trouble]++
    // Nothing may be put between the halves of an answer that is being written.
    if (answer === undefined || (connections.of(socket)?.busy ?? 0) > 0) socket.destroy()
    else socket.end(answer, () => socket.destroy())
  })
  return server
}

const open = (
  server: Server,
  { host, ipv6Only, port }: HttpListenerOptions
): Effect.Effect<AddressInfo, ListenError.TrackerServerError> =>
  Effect.callback((resume) => {
    const fail = (cause: Error) => resume(Effect.fail(ListenError.of("TCP", host, port, cause)))
    server.once("error", fail)
    server.listen({ port, backlog: BACKLOG, ...(host !== undefined && { host, ipv6Only }) }, () => {
      server.off("error", fail)
      resume(Effect.succeed(server.address() as AddressInfo))
    })
  })

/** Lets those that wait have their answers, but not for long, and closes all that is open. */
const close = (server: Server, connections: Connections): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    server.close()
    connections.closeIdle()
    connections.whenQuiet(() => resume(Effect.void))
  }).pipe(Effect.timeoutOption(PATIENCE), Effect.andThen(Effect.sync(() => connections.closeAll())))

/** Listens until the scope closes. */
export const listen = Effect.fnUntraced(function*(
  desk: Desk,
  options: HttpListenerOptions
): Effect.fn.Return<HttpListener, ListenError.TrackerServerError, Scope.Scope> {
  const connections = new Connections(options.maxConnections, desk.random)
  const questions = new HttpQuestions(desk)
  const handler = new Handler(desk, options, connections, questions)
  const server = newServer(handler, connections, questions, desk, options)
  const address = yield* Effect.acquireRelease(open(server, options), () => close(server, connections))
  // An accept that fails, for want of descriptors most likely, must not end the process.
  server.on("error", () => desk.counters.troubles.accept++)
  return {
    host: address.address,
    port: address.port,
    connections: () => connections.size,
    pending: () => questions.pending
  }
})
