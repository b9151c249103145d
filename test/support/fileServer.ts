/** Node's own HTTP server with files that are in memory, which misbehaves as a test says. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as http from "node:http"
import * as https from "node:https"
import type { AddressInfo, Socket } from "node:net"

export interface FileServer {
  /** Ends without a slash. */
  readonly origin: string
  /** What was asked for, in order. */
  readonly requests: ReadonlyArray<http.IncomingMessage>
  /** Connections that were made. */
  readonly connections: () => number
  /** Where the last connection came from. */
  readonly callers: ReadonlySet<string>
  /** Ends the connections that are open. */
  readonly hangUp: Effect.Effect<void>
}

export type Handler = (request: http.IncomingMessage, response: http.ServerResponse) => void

export interface ServeOptions {
  readonly tls?: { readonly key: string; readonly cert: string } | undefined
}

export const serve = (handler: Handler, { tls }: ServeOptions = {}): Effect.Effect<FileServer, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<FileServer & { readonly close: Effect.Effect<void> }>((resume) => {
      const requests: Array<http.IncomingMessage> = []
      const callers = new Set<string>()
      const open = new Set<Socket>()
      let connections = 0
      const answer: Handler = (request, response) => {
        requests.push(request)
        handler(request, response)
      }
      const server = tls === undefined ? http.createServer(answer) : https.createServer(tls, answer)
      server.keepAliveTimeout = 60_000
      server.on("connection", (socket: Socket) => {
        connections++
        callers.add(socket.remoteAddress!)
        open.add(socket)
        socket.on("error", () => {}).on("close", () => open.delete(socket))
      })
      const hangUp = Effect.callback<void>((resume) => {
        const sockets = Array.from(open)
        let left = sockets.length
        if (left === 0) return resume(Effect.void)
        for (const socket of sockets) {
          socket.once("close", () => --left === 0 && resume(Effect.void))
          socket.destroy()
        }
      })
      const close = Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        for (const socket of open) socket.destroy()
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        const origin = `http${tls === undefined ? "" : "s"}://127.0.0.1:${port}`
        resume(Effect.succeed({ origin, requests, callers, connections: () => connections, hangUp, close }))
      })
    }),
    ({ close }) => close
  )

/** Sends a range of the content, as servers do. */
export const sendPart = (content: Uint8Array, request: http.IncomingMessage, response: http.ServerResponse): void => {
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? []
  const part = content.subarray(Number(from), Number(to) + 1)
  response.writeHead(206, { "content-range": `bytes ${from}-${to}/${content.length}`, "content-length": part.length })
  response.end(part)
}
