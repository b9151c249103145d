/** A tracker on the loopback that remembers what it was told, and answers as a test wants. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as Bencode from "../../src/domain/Bencode.ts"

export interface Announce {
  /** `none` for a regular one. */
  readonly event: string
  readonly query: URLSearchParams
}

export interface HttpTracker {
  readonly url: string
  readonly announces: ReadonlyArray<Announce>
  /** Waits for the first announce with this event. */
  readonly heard: (event: string) => Effect.Effect<Announce>
}

/** A web server on the loopback, and the URL of its root. */
export const serveWeb = (listener: http.RequestListener): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<http.Server>((resume) => {
        const server = http.createServer(listener)
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.sync(() => {
          server.closeAllConnections()
          server.close()
        })
    ),
    (server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  )

/** @param hangs events that are heard but never answered */
export const make = (hangs: ReadonlySet<string> = new Set()): Effect.Effect<HttpTracker, never, Scope.Scope> =>
  Effect.suspend(() => {
    const announces: Array<Announce> = []
    const waiters = new Set<() => void>()
    const reply = Bencode.encode({ interval: 1800, peers: "" })
    const heard = (event: string) =>
      Effect.callback<Announce>((resume) => {
        const look = () => {
          const found = announces.find((announce) => announce.event === event)
          if (found !== undefined) resume(Effect.succeed(found))
        }
        waiters.add(look)
        look()
      })
    const listener: http.RequestListener = (request, response) => {
      const query = new URL(request.url!, "http://tracker").searchParams
      const event = query.get("event") ?? "none"
      announces.push({ event, query })
      if (!hangs.has(event)) response.end(reply)
      for (const look of waiters) look()
    }
    return Effect.map(serveWeb(listener), (root) => ({ url: `${root}/announce`, announces, heard }))
  })
