import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Latch from "effect/Latch"
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
import { announcePacket, connectionOf, errorOf, scrapePacket, udp } from "../support/trackerClients.ts"

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

const gone = Effect.fail(new SwarmStoreError({ reason: "Unavailable", detail: "gone" }))

const onLoopback: TrackerServer.TrackerServerOptions = { port: 0, hosts: ["127.0.0.1"], intervalMs: 120_000 }

const Live = Layer.mergeAll(Tracker.layer(), SwarmStore.layerMemory())

describe("TrackerServer", () => {
  it.live("brings peers together", () =>
    Effect.gen(function*() {
      const server = yield* TrackerServer.make(onLoopback)
      assert.strictEqual(server.url, `http://127.0.0.1:${server.port}/announce`)
      const first = yield* announce(server.url, request(1, { left: 0 }))
      const { intervalMs, ...others } = first
      assert.isTrue(intervalMs! >= 108_000 && intervalMs! <= 132_000, `${intervalMs}`)
      assert.deepStrictEqual(others, {
        peers: [],
        minIntervalMs: 60_000,
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
      const counts = { seeders: 1, leechers: 0, downloaders: 0, completed: 1 }
      assert.deepStrictEqual(scrape.body, HttpTrackerServer.encodeScrape(new Map([[HASH, counts]])))
    }).pipe(Effect.provide(Live)))

  it.live("packs IPv6 peers too, and lists peers for those that ask", () =>
    Effect.gen(function*() {
      const server = yield* TrackerServer.make({ ...onLoopback, hosts: ["::"] })
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

  it.live.each([["0.0.0.0", "::"], ["::", "127.0.0.1"]])(
    "listens on %s and %s, each family on its own",
    (hosts) =>
      Effect.gen(function*() {
        const { port, urls } = yield* TrackerServer.make({ ...onLoopback, hosts })
        const loopbacks = hosts.map((host) => host === "::" ? "[::1]" : "127.0.0.1")
        const expected = ["http", "udp"].flatMap((scheme) =>
          loopbacks.map((host) => `${scheme}://${host}:${port}/announce`)
        )
        assert.deepStrictEqual(urls, expected)
        for (const [n, host] of ["127.0.0.1", "[::1]"].entries()) {
          const { seeders } = yield* announce(`http://${host}:${port}/announce`, request(n, { left: 0 }))
          assert.strictEqual(seeders, n + 1)
        }
        yield* connectionOf(yield* udp(port))
        yield* connectionOf(yield* udp(port, "::1"))
      }).pipe(Effect.provide(Live))
  )

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
      const scrape = yield* get(`${server.url.replace("announce", "scrape")}?info_hash=${"%00".repeat(20)}`)
      assert.match(failureOf(scrape.body), /lost its memory/)
      assert.include(Bytes.toLatin1(body), "8:retry ini1e")
      assert.strictEqual((yield* get(server.url.replace("announce", "health"))).status, 503)
      const client = yield* udp(server.port)
      const id = yield* connectionOf(client)
      const told = yield* client.ask(announcePacket(id, { infoHash: HASH, port: 7000 }))
      assert.match(errorOf(told) ?? "", /lost its memory/)
      assert.match(errorOf(yield* client.ask(scrapePacket(id, [HASH]))) ?? "", /lost its/)
      assert.strictEqual(server.counters.troubles["store-lost"], 4)
    }).pipe(Effect.provide(Layer.mock(SwarmStore, {
      announce: () => gone,
      scrape: () => gone,
      summary: () => gone,
      connectionKey: Effect.succeed(new Uint8Array(32))
    }))))

  it.live("runs several in one process, and says when a port is taken", () =>
    Effect.gen(function*() {
      const one = yield* TrackerServer.make(onLoopback)
      const two = yield* TrackerServer.make(onLoopback)
      assert.notStrictEqual(one.port, two.port)
      yield* announce(one.url, request(1))
      assert.strictEqual((yield* announce(two.url, request(2))).peers.length, 1)
      const taken = yield* Effect.flip(TrackerServer.make({ ...onLoopback, port: one.port }))
      assert.strictEqual(taken.message, `port ${one.port} (TCP) is taken; choose another`)
      const nowhere = yield* Effect.flip(TrackerServer.make({ ...onLoopback, hosts: ["192.0.2.1"] }))
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

  it.live("brings peers of both protocols together, each family to its own", () =>
    Effect.gen(function*() {
      const server = yield* TrackerServer.make({ port: 0, intervalMs: 120_000 })
      const client = yield* udp(server.port)
      const id = yield* connectionOf(client)
      yield* announce(server.url, request(1))
      const reply = yield* client.ask(announcePacket(id, { infoHash: HASH, port: 7000, left: 5 }))
      const [action, transaction, seconds, leechers, seeders] = [0, 4, 8, 12, 16].map((at) =>
        Bytes.readUint32(reply, at)
      )
      assert.deepStrictEqual([action, transaction, leechers, seeders], [1, 2, 2, 0])
      assert.isTrue(seconds! >= 108 && seconds! <= 132)
      assert.deepStrictEqual(PeerAddress.fromCompact(reply.subarray(20), 4).map(PeerAddress.format), ["127.0.0.1:6881"])
      const { peers } = yield* announce(server.url, request(1, { event: undefined }))
      assert.deepStrictEqual(peers.map(PeerAddress.format), ["127.0.0.1:7000"])
      const six = yield* udp(server.port, "::1")
      const sixId = yield* connectionOf(six)
      const none = yield* six.ask(announcePacket(sixId, { infoHash: HASH, port: 7006 }))
      assert.strictEqual(none.length, 20)
      const other = yield* six.ask(announcePacket(sixId, { infoHash: HASH, port: 7007, left: 1 }))
      assert.deepStrictEqual(PeerAddress.fromCompact(other.subarray(20), 6).map(PeerAddress.format), ["[::1]:7006"])
      const { announces } = server.counters
      assert.deepStrictEqual(announces, { udp4: 1, udp6: 2, http4: 2, http6: 0 })
    }).pipe(Effect.provide(Live)))

  it.live("leaves a protocol out", () =>
    Effect.gen(function*() {
      // Nobody else's ports are at this address.
      const alone = { ...onLoopback, hosts: ["127.0.0.77"] }
      const onlyUdp = yield* TrackerServer.make({ ...alone, http: false })
      assert.deepStrictEqual(onlyUdp.urls, [`udp://127.0.0.77:${onlyUdp.port}/announce`])
      yield* connectionOf(yield* udp(onlyUdp.port, "127.0.0.77"))
      // The port of the other protocol is free.
      const onlyHttp = yield* TrackerServer.make({ ...alone, port: onlyUdp.port, udp: false })
      assert.deepStrictEqual(onlyHttp.urls, [`http://127.0.0.77:${onlyUdp.port}/announce`])
      yield* announce(onlyHttp.url, request(1))
      const taken = yield* Effect.flip(TrackerServer.make({ ...alone, port: onlyUdp.port, http: false }))
      assert.strictEqual(taken.reason, "PortTaken")
    }).pipe(Effect.provide(Live)))

  it.live("takes the last hop for the asker, only when it is told to", () =>
    Effect.gen(function*() {
      const ask = (url: string, hops: string) =>
        Effect.callback<Uint8Array>((resume) => {
          http.get(url, { headers: { "X-Forwarded-For": hops } }, (response) => {
            const chunks: Array<Uint8Array> = []
            response.on("data", (chunk: Uint8Array) => chunks.push(chunk))
            response.on("end", () => resume(Effect.succeed(Bytes.concat(chunks))))
          })
        })
      const external = (body: Uint8Array) => {
        const reply = Result.getOrThrow(HttpTracker.decodeReply(body))
        return "_tag" in reply ? reply.detail : reply.externalIp
      }
      const behind = yield* TrackerServer.make({ ...onLoopback, trustProxy: true })
      const direct = yield* TrackerServer.make(onLoopback)
      const url = (server: TrackerServer.Running) => HttpTracker.announceUrl(server.url, request(1))
      assert.strictEqual(external(yield* ask(url(behind), "10.1.1.1, 198.51.100.7")), "198.51.100.7")
      assert.strictEqual(external(yield* ask(url(behind), "[2001:db8::7]:80")), "2001:db8::7")
      assert.strictEqual(external(yield* ask(url(direct), "198.51.100.7")), "127.0.0.1")
      assert.match(external(yield* ask(url(behind), "a.example")) ?? "", /address/)
      // What the proxy says is not on this machine, so its `ip` is not believed.
      assert.strictEqual(external(yield* ask(`${url(behind)}&ip=203.0.113.1`, "198.51.100.7")), "198.51.100.7")
    }).pipe(Effect.provide(Live)))

  it.live("tells of private and local peers only where they can be reached", () =>
    Effect.gen(function*() {
      const server = yield* TrackerServer.make({ ...onLoopback, trustProxy: true })
      const as = (host: string, n: number) =>
        Effect.callback<ReadonlyArray<string>>((resume) => {
          const url = HttpTracker.announceUrl(server.url, request(n))
          http.get(url, { headers: { "X-Forwarded-For": host } }, (response) => {
            response.on("data", (chunk: Uint8Array) => {
              const reply = Result.getOrThrow(HttpTracker.decodeReply(chunk))
              resume(Effect.succeed("_tag" in reply ? [reply.detail] : reply.peers.map(({ host }) => host).sort()))
            })
          })
        })
      yield* as("127.0.0.1", 1)
      yield* as("192.168.1.1", 2)
      yield* as("198.51.100.1", 3)
      assert.deepStrictEqual(yield* as("198.51.100.2", 4), ["198.51.100.1"])
      assert.deepStrictEqual(yield* as("10.0.0.1", 5), ["192.168.1.1", "198.51.100.1", "198.51.100.2"])
      assert.strictEqual((yield* as("127.0.0.2", 6)).length, 5)
    }).pipe(Effect.provide(Live)))

  it.live("tracks what it is told to, and says so of the rest", () =>
    Effect.gen(function*() {
      const server = yield* TrackerServer.make({ ...onLoopback, admits: (infoHash) => infoHash === HASH })
      yield* announce(server.url, request(1))
      const other = InfoHash.parse("0".repeat(40))!
      const { body } = yield* get(HttpTracker.announceUrl(server.url, request(1, { infoHash: other })))
      assert.strictEqual(failureOf(body), "this torrent is not tracked here")
      const client = yield* udp(server.port)
      const told = yield* client.ask(announcePacket(yield* connectionOf(client), { infoHash: other, port: 1 }))
      assert.strictEqual(errorOf(told), "this torrent is not tracked here")
    }).pipe(Effect.provide(Live)))

  it.live("lets one address ask so often and no more, over both protocols", () =>
    Effect.gen(function*() {
      const server = yield* TrackerServer.make({ ...onLoopback, maxRate: 0.1 })
      yield* announce(server.url, request(1))
      const { body } = yield* get(HttpTracker.announceUrl(server.url, request(1)))
      assert.match(failureOf(body), /too many requests/)
      assert.include(Bytes.toLatin1(body), "8:retry ini1e")
      const client = yield* udp(server.port)
      const id = yield* connectionOf(client)
      for (const packet of [announcePacket(id, { infoHash: HASH, port: 7000 }), scrapePacket(id, [HASH])]) {
        const told = yield* client.ask(packet)
        assert.match(errorOf(told) ?? "", /^too many requests/)
        assert.isAtMost(told.length, packet.length)
      }
      assert.strictEqual(server.counters.troubles["rate-limited"], 3)
    }).pipe(Effect.provide(Live)))

  it.live("shows how it is, and gives everything else to whoever it is told to", () =>
    Effect.gen(function*() {
      const otherwise = Effect.map(
        HttpServerRequest.HttpServerRequest,
        ({ method, url }) => HttpServerResponse.text(`${method} ${url}`, { status: 202 })
      )
      const server = yield* TrackerServer.make({ ...onLoopback, otherwise, worker: 3 })
      yield* announce(server.url, request(1))
      const root = server.url.replace("/announce", "")
      const text = (path: string) => Effect.map(get(`${root}${path}`), ({ body }) => Bytes.toUtf8(body))
      assert.strictEqual(yield* text("/health"), "well\n")
      const stats = JSON.parse(yield* text("/stats.json"))
      assert.strictEqual(stats.worker, 3)
      assert.strictEqual(stats.announces.http4, 1)
      assert.strictEqual(stats.peers, 1)
      assert.match(yield* text("/stats"), /^announces\.http4 +1$/m)
      assert.match(yield* text("/metrics"), /^freshet_tracker_peers\{role="leech"\} 1$/m)
      const other = yield* get(`${root}/torrents?x=1`)
      assert.deepStrictEqual([other.status, Bytes.toUtf8(other.body)], [202, "GET /torrents?x=1"])
    }).pipe(Effect.provide(Live)))

  it.live("writes a line for every announce when it is asked to", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const server = yield* TrackerServer.make({ ...onLoopback, log: (line) => lines.push(line) })
      yield* announce(server.url, request(1))
      assert.strictEqual(lines.length, 1)
      assert.match(
        lines[0]!,
        new RegExp(`^\\d{4}-\\S+Z http 127\\.0\\.0\\.1:6881 announce ${HASH} started leech 0 peers$`)
      )
    }).pipe(Effect.provide(Live)))

  it.live("answers what is in flight before it closes", () =>
    Effect.gen(function*() {
      const begun = yield* Latch.make()
      const go = yield* Latch.make()
      const slow = Layer.mock(SwarmStore, {
        announce: (batch) =>
          begun.open.pipe(Effect.andThen(go.await), Effect.as(batch.map(() => "TooManyTorrents" as const))),
        connectionKey: Effect.succeed(new Uint8Array(32))
      })
      yield* Effect.gen(function*() {
        const scope = yield* Scope.make()
        const server = yield* Scope.provide(TrackerServer.make(onLoopback), scope)
        const asked = yield* Effect.forkChild(get(HttpTracker.announceUrl(server.url, request(1))))
        yield* begun.await
        const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
        yield* go.open
        assert.match(failureOf((yield* Fiber.join(asked)).body), /no room/)
        yield* Fiber.join(closing)
      }).pipe(Effect.provide(slow))
    }))
})
