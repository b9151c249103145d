/** A catalogue on the loopback, with a tracker of few words beside it. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import type * as Scope from "effect/Scope"
import type * as http from "node:http"
import * as Bencode from "../../src/domain/Bencode.ts"
import type * as InfoHash from "../../src/domain/InfoHash.ts"
import type { Counts } from "../../src/domain/tracker/Offer.ts"
import type { Catalogue } from "../../src/services/Catalogue.ts"
import { SwarmStoreError } from "../../src/services/SwarmStore.ts"
import * as CatalogueHttp from "../../src/services/tracker/CatalogueHttp.ts"
import type { UploadLimits } from "../../src/services/tracker/Uploads.ts"
import { serveWeb } from "./httpTracker.ts"

export const NOBODY: Counts = { seeders: 0, leechers: 0, completed: 0, lastSeedAt: undefined }

export interface Options {
  /** Who has what; nobody has the others. */
  readonly swarms?: ReadonlyMap<string, Counts>
  readonly publishToken?: string
  readonly trackers?: ReadonlyArray<string>
  readonly uploads?: UploadLimits
  readonly onChange?: CatalogueHttp.CatalogueHttpOptions["onChange"]
  readonly udpPort?: () => number
  readonly trustProxy?: boolean
  /** Answers in place of the catalogue; `true` when it has. */
  readonly before?: (request: http.IncomingMessage, response: http.ServerResponse) => boolean
}

export interface Server {
  readonly origin: string
  /** How often the store was asked, and for how many. */
  readonly scrapes: Array<number>
  /** While the store is away. */
  isLost: boolean
}

/** Everyone who announced is told of everyone's port. */
const tracker = () => {
  const ports = new Set<number>()
  return (request: http.IncomingMessage, response: http.ServerResponse): boolean => {
    if (!request.url!.startsWith("/announce?")) return false
    const url = new URL(request.url!, "http://tracker")
    const port = Number(url.searchParams.get("port"))
    if (url.searchParams.get("event") === "stopped") ports.delete(port)
    else ports.add(port)
    const peers = Buffer.concat(Array.from(ports, (port) => Buffer.from([127, 0, 0, 1, port >> 8, port & 255])))
    response.end(Bencode.encode({ interval: 1800, peers: new Uint8Array(peers) }))
    return true
  }
}

export const serve = Effect.fnUntraced(
  function*(options: Options = {}): Effect.fn.Return<Server, never, Catalogue | Scope.Scope> {
    const scope = yield* Effect.scope
    const scrapes: Array<number> = []
    const server: { -readonly [K in keyof Server]: Server[K] } = { origin: "", scrapes, isLost: false }
    const counts = (infoHashes: ReadonlyArray<InfoHash.InfoHash>) =>
      Effect.suspend(() => {
        scrapes.push(infoHashes.length)
        return server.isLost
          ? new SwarmStoreError({ reason: "Unavailable", detail: "gone" })
          : Effect.succeed(infoHashes.map((infoHash) => options.swarms?.get(infoHash) ?? NOBODY))
      })
    const app = yield* CatalogueHttp.make({ ...options, counts })
    const handler = yield* NodeHttpServer.makeHandler(app, { scope }).pipe(
      Effect.provideService(HttpMiddleware.TracerDisabledWhen, () => true)
    )
    const announce = tracker()
    server.origin = yield* serveWeb((request, response) => {
      if (options.before?.(request, response) === true || announce(request, response)) return
      handler(request, response)
    })
    return server
  }
)
