import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as http from "node:http"
import type * as InfoHash from "../../src/domain/InfoHash.ts"
import { Catalogue } from "../../src/services/Catalogue.ts"
import { CatalogueClient } from "../../src/services/CatalogueClient.ts"
import * as Server from "../support/catalogueServer.ts"
import { serveWeb } from "../support/httpTracker.ts"
import { document } from "../support/torrents.ts"

const Live = Layer.mergeAll(CatalogueClient.layer(), Catalogue.layerMemory({ maxBytes: 4096, maxTorrents: 3 }))

const HASH = "0123456789abcdef0123456789abcdef01234567" as InfoHash.InfoHash

const reasonOf = <A, E extends { readonly reason: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason)

describe("a catalogue of our own", () => {
  it.live("takes a torrent, finds it by name and gives it back", () =>
    Effect.gen(function*() {
      const a = document("holiday photos", 5)
      const swarms = new Map([[a.infoHash, { seeders: 1, leechers: 2, completed: 3, lastSeedAt: 0 }]])
      const { origin } = yield* Server.serve({ swarms })
      const client = yield* CatalogueClient
      // Whatever path the tracker's URL has.
      const url = new URL("/announce?key=1", origin)
      assert.deepStrictEqual(yield* client.publish(url, a.bytes, undefined), { isNew: true, name: "holiday photos" })
      assert.deepStrictEqual(yield* client.publish(url, a.bytes, "any"), { isNew: false, name: "holiday photos" })
      const [offer, ...others] = yield* client.find(url, "HOLIDAY")
      assert.deepStrictEqual(others, [])
      assert.deepInclude(offer, { name: "holiday photos", size: 5, infoHash: a.infoHash, seeds: 1, leeches: 2 })
      assert.deepStrictEqual(new Uint8Array(yield* client.fetch(url, a.infoHash, 4096)), a.bytes)
      assert.deepStrictEqual(yield* client.find(url, "x&limit=0"), [])
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("refuses in its own words", () =>
    Effect.gen(function*() {
      const { origin } = yield* Server.serve({ publishToken: "right" })
      const client = yield* CatalogueClient
      const publish = (bytes: Uint8Array, token?: string) => Effect.flip(client.publish(new URL(origin), bytes, token))
      const { bytes } = document("a")
      for (const token of [undefined, "wrong"]) {
        const error = yield* publish(bytes, token)
        assert.deepInclude(error, { reason: "Unauthorized", message: "publishing here takes the tracker's token" })
      }
      const noise = yield* publish(new TextEncoder().encode("de"), "right")
      assert.strictEqual(noise.reason, "Refused")
      assert.strictEqual(noise.message, "info is missing or not a dictionary")
      const large = yield* publish(document("a", 1, { comment: "x".repeat(5000) }).bytes, "right")
      assert.deepInclude(large, { reason: "Refused", message: "a torrent may have 4096 bytes here" })
      const none = yield* Effect.flip(client.fetch(new URL(origin), HASH, 4096))
      assert.deepInclude(none, { reason: "NotFound", message: "no such torrent is listed here" })
    }).pipe(Effect.scoped, Effect.provide(Live)))
})

describe("what is no catalogue", () => {
  /** A web server that answers everything so. */
  const answering = (listener: http.RequestListener) => Effect.map(serveWeb(listener), (origin) => new URL(origin))

  it.live("is told so", () =>
    Effect.gen(function*() {
      const client = yield* CatalogueClient
      const status = (code: number, body = "<html>") => answering((_, response) => response.writeHead(code).end(body))
      for (
        const [url, reason] of [
          [yield* status(200), "Malformed"],
          [yield* status(200, "[{}]"), "Malformed"],
          [yield* status(404), "NotFound"],
          [yield* status(405), "NotFound"],
          [yield* status(500), "Refused"],
          [yield* status(503, "{\"error\":\"evil\\u001b[2J\"}"), "Refused"],
          [new URL("http://127.0.0.1:1"), "Unreachable"]
        ] as const
      ) {
        assert.strictEqual(yield* reasonOf(client.find(url, "x")), reason)
        const { message, reason: again } = yield* Effect.flip(client.publish(url, document("a").bytes, undefined))
        assert.strictEqual(again, reason)
        assert.match(message, /^[ -~]{10,250}$/)
      }
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("cannot make us read without end", () =>
    Effect.gen(function*() {
      const client = yield* CatalogueClient
      const endless = yield* answering((_, response) => {
        const more = () => {
          while (response.write(Buffer.alloc(65_536, "[")));
        }
        response.on("drain", more)
        more()
      })
      assert.strictEqual(yield* reasonOf(client.find(endless, "x")), "TooLarge")
      assert.strictEqual(yield* reasonOf(client.fetch(endless, HASH, 10_000)), "TooLarge")
      assert.strictEqual(yield* reasonOf(client.publish(endless, document("a").bytes, undefined)), "TooLarge")
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("gets the token only where the user has sent it", () =>
    Effect.gen(function*() {
      const client = yield* CatalogueClient
      const heard: Array<string | undefined> = []
      const thief = yield* answering((request, response) => {
        heard.push(request.headers.authorization)
        response.end("{\"name\":\"a\"}")
      })
      const bait = yield* answering((_, response) => response.writeHead(307, { location: thief.href }).end())
      const error = yield* Effect.flip(client.publish(bait, document("a").bytes, "secret"))
      assert.deepInclude(error, { reason: "Refused", message: `it redirects to ${thief.origin}; give that address` })
      assert.deepStrictEqual(heard, [])
      const elsewhere = yield* answering((_, response) =>
        response.writeHead(302, { location: "file:///etc/passwd" }).end()
      )
      assert.strictEqual(yield* reasonOf(client.find(elsewhere, "x")), "Refused")
    }).pipe(Effect.scoped, Effect.provide(Live)))
})
