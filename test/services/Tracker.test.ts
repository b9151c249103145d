import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as net from "node:net"
import { gzipSync } from "node:zlib"
import * as Bencode from "../../src/domain/Bencode.ts"
import * as Bytes from "../../src/domain/Bytes.ts"
import * as InfoHash from "../../src/domain/InfoHash.ts"
import * as PeerAddress from "../../src/domain/PeerAddress.ts"
import * as HttpTracker from "../../src/domain/tracker/HttpTracker.ts"
import * as HttpTrackerServer from "../../src/domain/tracker/HttpTrackerServer.ts"
import { type Ip, Resolver, ResolverError } from "../../src/services/Resolver.ts"
import { TIMEOUT_MS, Tracker } from "../../src/services/Tracker.ts"
import * as HttpGet from "../../src/services/tracker/HttpGet.ts"
import type { LocalAddress } from "../../src/services/tracker/Route.ts"
import { REQUEST } from "../support/trackerClients.ts"

const REPLY = Bencode.encode({ interval: 1800, peers: Uint8Array.of(192, 0, 2, 1, 0x1a, 0xe1) })
const PEERS = [{ host: "192.0.2.1", port: 6881, family: 4 as const }]

/** A web server that does as told; its origin without a slash. */
const web = (handler: http.RequestListener, host = "127.0.0.1") =>
  Effect.acquireRelease(
    Effect.callback<http.Server>((resume) => {
      const server = http.createServer(handler).listen(0, host, () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  ).pipe(Effect.map((server) => {
    const { address, port } = server.address() as AddressInfo
    return address.includes(":") ? `http://[${address}]:${port}` : `http://${address}:${port}`
  }))

/** A server below HTTP. */
const raw = (onConnection: (socket: net.Socket) => void) =>
  Effect.acquireRelease(
    Effect.callback<net.Server>((resume) => {
      const server = net.createServer((socket) => onConnection(socket.on("error", () => {})))
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  ).pipe(Effect.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`))

const ask = (url: string) => Tracker.use((tracker) => tracker.announce(url, REQUEST))
const reasonOf = (url: string) => Effect.map(Effect.flip(ask(url)), (error) => error.reason)
const tagOf = (url: string) => Effect.map(reasonOf(url), (reason) => reason._tag)

const names = (known: Record<string, ReadonlyArray<Ip>>) =>
  Layer.succeed(Resolver, {
    lookup: (host: string) =>
      known[host] ? Effect.succeed(known[host]) : Effect.fail(new ResolverError({ reason: "NotFound", host }))
  })

const V4: Ip = { address: "127.0.0.1", family: 4 }
const V6: Ip = { address: "::1", family: 6 }

describe("Tracker", () => {
  it.live("asks over HTTP as a tracker expects it, and says nothing else about us", () =>
    Effect.gen(function*() {
      const seen: Array<http.IncomingMessage> = []
      const origin = yield* web((request, response) => {
        seen.push(request)
        response.end(REPLY)
      })
      const reply = yield* ask(`${origin}/announce?passkey=%ff%2B`)
      assert.deepStrictEqual(reply.peers, PEERS)
      assert.strictEqual(reply.intervalMs, 1_800_000)
      assert.strictEqual(
        seen[0]!.url,
        HttpTracker.announceUrl("/announce?passkey=%ff%2B", REQUEST)
      )
      assert.deepStrictEqual(Object.keys(seen[0]!.headers).sort(), [
        "accept-encoding",
        "connection",
        "host",
        "user-agent"
      ])
    }).pipe(Effect.provide(Tracker.layer())))

  it.live("inflates replies, whatever the header says, up to a bound", () =>
    Effect.gen(function*() {
      const bodies: Record<string, Uint8Array> = {
        good: gzipSync(REPLY),
        bomb: gzipSync(new Uint8Array(100 * 1024 * 1024)),
        cut: gzipSync(REPLY).subarray(0, 20)
      }
      const origin = yield* web((request, response) => {
        const [, , name, isNamed] = request.url!.split(/[/?]/)
        if (isNamed === "named") response.setHeader("content-encoding", "gzip")
        response.end(bodies[name!] ?? REPLY)
      })
      const paths = ["good/named", "good/unnamed", "plain/named"]
      for (const path of paths) assert.deepStrictEqual((yield* ask(`${origin}/announce/${path}`)).peers, PEERS, path)
      assert.strictEqual(yield* tagOf(`${origin}/announce/bomb/named`), "TooLarge")
      assert.strictEqual(yield* tagOf(`${origin}/announce/cut/named`), "Malformed")
    }).pipe(Effect.provide(Tracker.layer())))

  it.live("stops reading a body that does not end", () =>
    Effect.gen(function*() {
      const closed = yield* Deferred.make<void>()
      const run = yield* Effect.context<never>().pipe(Effect.map(Effect.runForkWith))
      const origin = yield* web((request, response) => {
        if (request.url!.includes("announced")) return response.setHeader("content-length", 2 ** 40).flushHeaders()
        const block = Buffer.alloc(65_536, "1")
        const more = () => {
          while (response.write(block));
        }
        response.write("d8:intervali")
        response.on("drain", more).on("close", () => run(Deferred.succeed(closed, undefined)))
        more()
      })
      assert.strictEqual(yield* tagOf(`${origin}/announce`), "TooLarge")
      yield* Deferred.await(closed)
      assert.strictEqual(yield* tagOf(`${origin}/announced`), "TooLarge")
    }).pipe(Effect.provide(Tracker.layer())))

  it.live("follows a few redirects on the web, queries untouched", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const origin = yield* web((request, response) => {
        seen.push(request.url!)
        const left = Number(/\d+/.exec(request.url!)?.[0] ?? 0)
        if (left === 0) return response.end(REPLY)
        const location = left === 77
          ? "ftp://127.0.0.1/announce"
          : left === 88
          ? "/admin?erase"
          : `/announce/${left - 1}?h=%ff`
        return response.writeHead(302, { location }).end("<html>moved")
      })
      assert.deepStrictEqual((yield* ask(`${origin}/announce/5`)).peers, PEERS)
      assert.strictEqual(seen.at(-1), "/announce/0?h=%ff")
      assert.strictEqual(yield* tagOf(`${origin}/announce/6`), "Redirects")
      assert.strictEqual(yield* tagOf(`${origin}/announce/77`), "Redirects")
      assert.strictEqual(yield* tagOf(`${origin}/announce/88`), "Unsupported")
      assert.isFalse(seen.includes("/admin?erase"))
    }).pipe(Effect.provide(Tracker.layer())))

  it.live("leaves other services of this machine alone", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const origin = yield* web((request, response) => {
        seen.push(request.url!)
        response.end(REPLY)
      })
      const { port } = new URL(origin)
      for (
        const url of [`${origin}/api/erase?x=`, `http://localhost:${port}/`, `http://[::ffff:127.0.0.1]:${port}/x`]
      ) {
        assert.strictEqual(yield* tagOf(url), "Unsupported", url)
      }
      assert.deepStrictEqual(seen, [])
    }).pipe(Effect.provide(Tracker.layer())))

  it("knows the local network", () => {
    const inside = [
      "127.0.0.1",
      "10.1.2.3",
      "172.31.0.1",
      "192.168.0.1",
      "169.254.1.1",
      "100.64.0.1",
      "0.0.0.0",
      "0.1.2.3",
      "::",
      "::1",
      "fe80::1",
      "fd00::1",
      "::ffff:127.0.0.1",
      "64:ff9b::7f00:1",
      "2002:a00:1::"
    ]
    const outside = [
      "192.0.2.1",
      "172.32.0.1",
      "8.8.8.8",
      "100.128.0.1",
      "2001:db8::1",
      "64:ff9b::808:808",
      "2002:808:808::"
    ]
    const leads = (address: string) => HttpGet.leadsInside([{ address, family: address.includes(":") ? 6 : 4 }])
    assert.deepStrictEqual(inside.filter((address) => !leads(address)), [])
    assert.deepStrictEqual(outside.filter(leads), [])
  })

  it.live("tells errors apart", () =>
    Effect.gen(function*() {
      const origin = yield* web((request, response) => {
        const [, , status, body] = request.url!.split(/[/?]/)
        response.writeHead(Number(status))
        response.end(
          body === "refuse"
            ? Bencode.encode({ "failure reason": "unknown torrent", "retry in": 10 })
            : "<html>oops</html>"
        )
      })
      assert.strictEqual(yield* tagOf(`${origin}/announce/200/html`), "Malformed")
      const status = yield* reasonOf(`${origin}/announce/503/html`)
      assert.isTrue(status._tag === "HttpStatus" && status.status === 503)
      for (const code of [200, 403]) {
        const refused = yield* reasonOf(`${origin}/announce/${code}/refuse`)
        assert.isTrue(refused._tag === "Refused" && refused.retryInMs === 600_000, refused.message)
        assert.strictEqual(refused.message, "refused: unknown torrent")
      }
      const gone = yield* Effect.scoped(web(() => {}))
      const error = yield* Effect.flip(ask(`${gone}/announce?passkey=secret`))
      assert.strictEqual(error.message, `tracker ${gone}: unreachable: connection refused`)
      const cut = yield* raw((socket) => socket.destroy())
      assert.strictEqual(yield* tagOf(`${cut}/announce`), "Unreachable")
      const early = yield* raw((socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nd8:interval"))
      assert.strictEqual(yield* tagOf(`${early}/announce`), "Unreachable")
      const noise = yield* raw((socket) => socket.end("220 smtp.example ESMTP\r\n"))
      assert.strictEqual(yield* tagOf(`${noise}/announce`), "Malformed")
    }).pipe(Effect.provide(Tracker.layer())))

  it.live("refuses what it cannot speak", () =>
    Effect.gen(function*() {
      for (
        const url of [
          "ftp://127.0.0.1:6969/announce",
          "wss://t.example",
          "nonsense",
          "http://t example/",
          "file:///etc/passwd"
        ]
      ) {
        assert.strictEqual(yield* tagOf(url), "Unsupported", url)
      }
      const tls = yield* raw((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"))
      assert.strictEqual(yield* tagOf(`${tls.replace("http:", "https:")}/announce`), "Unreachable")
      const missing = yield* reasonOf("http://nowhere.example/announce")
      assert.match(missing.message, /nowhere\.example has no address/)
    }).pipe(Effect.provide(Tracker.layerNoDeps().pipe(Layer.provide(names({ "127.0.0.1": [V4] }))))))

  it.live("scrapes beside the announce, in as many questions as it takes", () =>
    Effect.gen(function*() {
      const questions: Array<string> = []
      const known = Array.from({ length: 60 }, (_, i) => InfoHash.parse(i.toString(16).padStart(40, "0"))!)
      const origin = yield* web((request, response) => {
        const [path, query] = request.url!.split("?") as [string, string]
        questions.push(path)
        if (path === "/scrape-closed") return response.writeHead(403).end(HttpTrackerServer.encodeFailure("closed"))
        if (path === "/scrape.html") return response.end("<html>")
        const asked = HttpTrackerServer.parseScrape(query).filter((hash) => hash !== known[3])
        return response.end(
          HttpTrackerServer.encodeScrape(
            new Map(asked.map((hash) => [hash, { seeders: 1, leechers: 2, completed: 3, downloaders: 1 }]))
          )
        )
      })
      const scrape = (path: string) => Tracker.use((tracker) => tracker.scrape(`${origin}${path}`, known))
      const found = yield* scrape("/announce?passkey=x")
      assert.deepStrictEqual(questions, ["/scrape", "/scrape"])
      assert.strictEqual(found.size, 59)
      assert.deepStrictEqual(found.get(known[59]!), { seeders: 1, leechers: 2, completed: 3, downloaders: 1 })
      const reason = (path: string) => Effect.map(Effect.flip(scrape(path)), (error) => error.reason.message)
      assert.match(yield* reason("/announce.html"), /not a tracker's reply/)
      assert.strictEqual(yield* reason("/announce-closed"), "refused: closed")
      assert.match(yield* reason("/x/none"), /does not end in announce/)
      assert.match(yield* reason("/announce/x"), /does not end in announce/)
    }).pipe(Effect.provide(Tracker.layer())))

  const slow = (answer: (response: http.ServerResponse) => void) =>
    Effect.gen(function*() {
      const asked = yield* Deferred.make<void>()
      const closed = yield* Deferred.make<void>()
      const run = yield* Effect.context<never>().pipe(Effect.map(Effect.runForkWith))
      const origin = yield* web((_, response) => {
        response.on("close", () => run(Deferred.succeed(closed, undefined)))
        answer(response)
        run(Deferred.succeed(asked, undefined))
      })
      const asking = yield* Effect.forkChild(reasonOf(`${origin}/announce`))
      yield* Deferred.await(asked)
      yield* TestClock.adjust(TIMEOUT_MS - 1)
      assert.isUndefined(asking.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(asking))._tag, "TimedOut")
      yield* Deferred.await(closed)
    }).pipe(Effect.provide(Tracker.layerNoDeps().pipe(Layer.provide(names({ "127.0.0.1": [V4] })))))

  it.effect("gives up on a tracker that does not answer", () => slow(() => {}))

  it.effect("gives up on a tracker that never finishes its answer", () => slow((response) => response.write("d8:")))

  describe("bound to local addresses", () => {
    const from = (response: http.ServerResponse) => {
      const address = PeerAddress.make(response.socket!.remoteAddress!, 7)!
      response.end(Bencode.encode({ peers: [{ ip: Bytes.fromUtf8(address.host), port: 7 }] }))
    }
    const bound = (localAddress: LocalAddress, known: Record<string, ReadonlyArray<Ip>>) =>
      Effect.provide(Tracker.layerNoDeps({ localAddress }).pipe(Layer.provide(names(known))))
    const NAMES = { "two.example": [V6, V4], "six.example": [V6], "127.0.0.1": [V4], "::1": [V6] }

    it.live("leaves from there, over that family only", () =>
      Effect.gen(function*() {
        const four = new URL(yield* web((_, response) => from(response))).port
        const six = new URL(yield* web((_, response) => from(response), "::1")).port
        const host = (url: string) => Effect.map(ask(url), (reply) => reply.peers[0]!.host)
        yield* Effect.gen(function*() {
          assert.strictEqual(yield* host(`http://127.0.0.1:${four}/announce`), "127.0.0.2")
          assert.strictEqual(yield* host(`http://two.example:${four}/announce`), "127.0.0.2")
          assert.match((yield* reasonOf(`http://six.example:${six}/announce`)).message, /no address of the family/)
          assert.match((yield* reasonOf(`http://[::1]:${six}/announce`)).message, /no address of the family/)
        }).pipe(bound({ v4: "127.0.0.2" }, NAMES))
        yield* Effect.gen(function*() {
          assert.strictEqual(yield* host(`http://[::1]:${six}/announce`), "::1")
          assert.strictEqual(yield* host(`http://two.example:${six}/announce`), "::1")
        }).pipe(bound({ v6: "::1" }, NAMES))
        yield* Effect.gen(function*() {
          assert.strictEqual(yield* host(`http://two.example:${four}/announce`), "127.0.0.2")
          assert.strictEqual(yield* host(`http://two.example:${six}/announce`), "::1")
        }).pipe(bound({ v4: "127.0.0.2", v6: "::1" }, NAMES))
        assert.match(
          (yield* reasonOf(`http://127.0.0.1:${four}/announce`).pipe(bound({ v4: "192.0.2.1" }, NAMES))).message,
          /local address to bind to is not on this machine/
        )
      }))

    it.live("tries the other family when nothing is bound", () =>
      Effect.gen(function*() {
        const port = new URL(yield* web((_, response) => from(response))).port
        const reply = yield* ask(`http://two.example:${port}/announce`)
        assert.strictEqual(reply.peers[0]!.host, "127.0.0.1")
      }).pipe(bound({}, NAMES)))
  })
})
