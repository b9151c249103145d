import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as http from "node:http"
import * as net from "node:net"
import * as Bencode from "../../src/domain/Bencode.ts"
import * as Bytes from "../../src/domain/Bytes.ts"
import * as InfoHash from "../../src/domain/InfoHash.ts"
import * as PeerAddress from "../../src/domain/PeerAddress.ts"
import type { PeerId } from "../../src/domain/PeerId.ts"
import type { AnnounceRequest } from "../../src/domain/tracker/Announce.ts"
import * as HttpTracker from "../../src/domain/tracker/HttpTracker.ts"
import * as HttpTrackerServer from "../../src/domain/tracker/HttpTrackerServer.ts"
import { SwarmStore, SwarmStoreError } from "../../src/services/SwarmStore.ts"
import { Tracker } from "../../src/services/Tracker.ts"
import * as TrackerServer from "../../src/services/TrackerServer.ts"

const HASH = InfoHash.parse("25ff002b".repeat(5))!

const request = (n: number, fields: Partial<AnnounceRequest> = {}): AnnounceRequest => ({
  infoHash: HASH,
  peerId: `-FR0100-%+${String(n).padStart(10, "0")}` as PeerId,
  port: 6880 + n,
  uploaded: 0,
  downloaded: 0,
  left: 1,
  event: "started",
  numWant: 50,
  key: n,
  trackerId: undefined,
  ...fields
})

const announce = (url: string, announcing: AnnounceRequest) =>
  Tracker.use((tracker) => tracker.announce(url, announcing))

/** A plain GET, so that odd requests can be made. */
const get = (url: string) =>
  Effect.callback<{ readonly status: number; readonly body: Uint8Array }>((resume) => {
    http.get(url, (response) => {
      const chunks: Array<Uint8Array> = []
      response.on("data", (chunk: Uint8Array) => chunks.push(chunk))
      response.on("end", () => resume(Effect.succeed({ status: response.statusCode!, body: Bytes.concat(chunks) })))
    })
  })

const failureOf = (body: Uint8Array): string => {
  const reply = Result.getOrThrow(HttpTracker.decodeReply(body))
  return "_tag" in reply ? reply.detail : assert.fail("no failure")
}

const onLoopback: TrackerServer.TrackerServerOptions = { port: 0, host: "127.0.0.1", intervalMs: 120_000 }

const Live = Layer.mergeAll(Tracker.layer(), SwarmStore.layerMemory())

describe("TrackerServer", () => {
  it.live("brings peers together", () =>
    Effect.gen(function*() {
      const server = yield* TrackerServer.make(onLoopback)
      assert.strictEqual(server.url, `http://127.0.0.1:${server.port}/announce`)
      const first = yield* announce(server.url, request(1, { left: 0 }))
      assert.deepStrictEqual(first, {
        peers: [],
        intervalMs: 120_000,
        minIntervalMs: undefined,
        seeders: 1,
        leechers: 0,
        trackerId: undefined,
        warning: undefined,
        externalIp: "127.0.0.1"
      })
      const second = yield* announce(server.url, request(2))
      assert.deepStrictEqual(second.peers.map(PeerAddress.format), ["127.0.0.1:6881"])
      const { peers: count, ...counts4 } = yield* server.swarms
      assert.strictEqual(count, 2)
      assert.deepStrictEqual(counts4, { torrents: 1, peers4: 2, peers6: 0, seeders: 1, leechers: 1, completed: 0 })
      yield* announce(server.url, request(2, { event: "completed", left: 0 }))
      yield* announce(server.url, request(1, { event: "stopped", left: 0 }))
      assert.strictEqual((yield* server.swarms).completed, 1)
      const scrape = yield* get(
        `${server.url.replace("announce", "scrape")}?info_hash=%25%FF%00+%25%ff%00+%25%ff%00%2B%25%ff%00%2b%25%ff%00+`
      )
      const counts = { seeders: 1, leechers: 0, completed: 1, downloaders: 0 }
      assert.deepStrictEqual(scrape.body, HttpTrackerServer.encodeScrape(new Map([[HASH, counts]])))
    }).pipe(Effect.provide(Live)))

  it.live("packs IPv6 peers too, and lists peers for those that ask", () =>
    Effect.gen(function*() {
      const server = yield* TrackerServer.make({ ...onLoopback, host: "::" })
      const six = server.url.replace("127.0.0.1", "[::1]")
      yield* announce(six, request(1))
      yield* announce(server.url, request(2))
      const names = ["127.0.0.1:6882", "[::1]:6881"]
      const packed = yield* announce(server.url, request(3, { event: undefined }))
      assert.deepStrictEqual(packed.peers.map(PeerAddress.format).sort(), names)
      const url = HttpTracker.announceUrl(server.url, request(3)).replace("compact=1", "compact=0&no_peer_id=0")
      const { body } = yield* get(url)
      const listed = Result.getOrThrow(HttpTracker.decodeReply(body))
      assert.isTrue("peers" in listed && listed.peers.length === 2)
      const fields = Result.getOrThrow(Bencode.decodeClosed(body)).get("peers")
      assert.isTrue(Array.isArray(fields) && fields.every((peer) => peer.get("peer id").length === 20))
    }).pipe(Effect.provide(Live)))

  it.live("gives no more peers than it likes", () =>
    Effect.gen(function*() {
      const server = yield* TrackerServer.make({ ...onLoopback, maxNumWant: 7 })
      for (let n = 1; n <= 20; n++) yield* announce(server.url, request(n))
      const count = (numWant: number) =>
        Effect.map(announce(server.url, request(1, { numWant })), (reply) => reply.peers.length)
      assert.deepStrictEqual([yield* count(3), yield* count(0), yield* count(1e6)], [3, 0, 7])
    }).pipe(Effect.provide(Live)))

  it.live("believes an address only from this machine, and only a real one", () =>
    Effect.gen(function*() {
      const server = yield* TrackerServer.make(onLoopback)
      yield* get(`${HttpTracker.announceUrl(server.url, request(1))}&ip=192.0.2.77`)
      yield* get(`${HttpTracker.announceUrl(server.url, request(2))}&ip=evil.example`)
      const { peers } = yield* announce(server.url, request(3))
      assert.deepStrictEqual(peers.map(PeerAddress.format).sort(), ["127.0.0.1:6882", "192.0.2.77:6881"])
    }).pipe(Effect.provide(Live)))

  it.live("refuses with a reason and status 200", () =>
    Effect.gen(function*() {
      const server = yield* TrackerServer.make(onLoopback)
      const good = HttpTracker.announceUrl(server.url, request(1))
      for (
        const [url, reason] of [
          [server.url, /info_hash/],
          [good.replace("peer_id", "peerid"), /peer_id/],
          [good.replace("port=6881", "port=0"), /port/],
          [good + "&x=".repeat(1500), /too long/],
          [good.replace("/announce", "/scrape").replace("info_hash", "x"), /info_hash/]
        ] as const
      ) {
        const { body, status } = yield* get(url)
        assert.strictEqual(status, 200)
        assert.match(failureOf(body), reason)
      }
      assert.strictEqual((yield* get(server.url.replace("announce", "admin"))).status, 404)
      assert.strictEqual((yield* server.swarms).torrents, 0)
    }).pipe(Effect.provide(Live)))

  it.live("says so when its store is gone", () =>
    Effect.gen(function*() {
      const server = yield* TrackerServer.make(onLoopback)
      const { body } = yield* get(HttpTracker.announceUrl(server.url, request(1)))
      assert.match(failureOf(body), /lost its memory/)
    }).pipe(Effect.provide(Layer.mock(SwarmStore, {
      announce: () => Effect.fail(new SwarmStoreError({ reason: "Unavailable", detail: "gone" }))
    }))))

  it.live("runs several in one process, and says when a port is taken", () =>
    Effect.gen(function*() {
      const one = yield* TrackerServer.make(onLoopback)
      const two = yield* TrackerServer.make(onLoopback)
      assert.notStrictEqual(one.port, two.port)
      yield* announce(one.url, request(1))
      assert.strictEqual((yield* announce(two.url, request(2))).peers.length, 1)
      const taken = yield* Effect.flip(TrackerServer.make({ ...onLoopback, port: one.port }))
      assert.strictEqual(taken.message, `port ${one.port} is taken; choose another`)
      const nowhere = yield* Effect.flip(TrackerServer.make({ ...onLoopback, host: "192.0.2.1" }))
      assert.strictEqual(nowhere.reason, "CannotListen")
    }).pipe(Effect.provide(Live)))

  it.live("closes with its scope, though someone never finishes a request", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const server = yield* Scope.provide(TrackerServer.make(onLoopback), scope)
      const socket = yield* Effect.callback<net.Socket>((resume) => {
        const socket = net.connect(server.port, "127.0.0.1", () => {
          socket.write("GET /announce?", () => resume(Effect.succeed(socket)))
        })
      })
      const ended = Effect.callback<void>((resume) => {
        socket.on("error", () => {}).on("close", () => resume(Effect.void))
      })
      yield* Effect.all([Scope.close(scope, Exit.void), ended], { concurrency: 2 }).pipe(Effect.timeout("4 seconds"))
    }).pipe(Effect.provide(Live)))

  it.live("is a service", () =>
    Effect.gen(function*() {
      const { url } = yield* TrackerServer.TrackerServer
      assert.strictEqual((yield* announce(url, request(1))).leechers, 1)
    }).pipe(Effect.provide(TrackerServer.TrackerServer.layer(onLoopback).pipe(Layer.provideMerge(Live)))))
})
