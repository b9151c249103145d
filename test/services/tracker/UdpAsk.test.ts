import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/testing/TestClock"
import * as dgram from "node:dgram"
import * as Bytes from "../../../src/domain/Bytes.ts"
import * as InfoHash from "../../../src/domain/InfoHash.ts"
import * as PeerAddress from "../../../src/domain/PeerAddress.ts"
import * as UdpTracker from "../../../src/domain/tracker/UdpTracker.ts"
import * as UdpTrackerServer from "../../../src/domain/tracker/UdpTrackerServer.ts"
import { type Ip, Resolver, ResolverError } from "../../../src/services/Resolver.ts"
import { TIMEOUT_MS, Tracker } from "../../../src/services/Tracker.ts"
import type { LocalAddress } from "../../../src/services/tracker/Route.ts"
import { FIRST_TIMEOUT_MS } from "../../../src/services/tracker/UdpAsk.ts"
import { REQUEST } from "../../support/trackerClients.ts"

const PEERS4 = Uint8Array.of(192, 0, 2, 1, 0x1a, 0xe1)
const PEERS6 = Uint8Array.of(0x20, 1, 0xd, 0xb8, ...new Uint8Array(11), 1, 0x1a, 0xe1)
const SAMPLE = {
  seeders: 3,
  leechers: 4,
  completed: 0,
  peers4: PEERS4,
  peers6: PEERS6,
  ids4: undefined,
  ids6: undefined
}

interface Seen {
  readonly bytes: Uint8Array
  readonly source: dgram.RemoteInfo
}

interface Server {
  readonly port: number
  readonly url: string
  readonly heard: Queue.Queue<Seen>
  readonly send: (to: dgram.RemoteInfo, reply: Uint8Array) => void
}

/** What the server does with a request; nothing makes it a lost packet. */
type Script = (request: Seen, reply: (bytes: Uint8Array) => void, server: Server) => void

/** A socket that does as it is told. */
const serve = (script: Script, host = "127.0.0.1") =>
  Effect.gen(function*() {
    const heard = yield* Queue.unbounded<Seen>()
    const socket = yield* Effect.acquireRelease(
      Effect.callback<dgram.Socket>((resume) => {
        const made = dgram.createSocket(host.includes(":") ? "udp6" : "udp4")
        made.bind(0, host, () => resume(Effect.succeed(made)))
      }),
      (socket) => Effect.sync(() => socket.close())
    )
    const { port } = socket.address()
    const send = (to: dgram.RemoteInfo, reply: Uint8Array) => socket.send(reply, to.port, to.address)
    const server = { port, heard, send, url: `udp://${host.includes(":") ? `[${host}]` : host}:${port}/announce?k=v` }
    socket.on("message", (bytes, source) => {
      Queue.offerUnsafe(heard, { bytes, source })
      script({ bytes, source }, (reply) => send(source, reply), server)
    })
    return server
  })

const transactionOf = UdpTrackerServer.transactionOf

const connected = (bytes: Uint8Array, id: number): Uint8Array => {
  const out = new Uint8Array(16).fill(id)
  UdpTrackerServer.writeConnect(out, 0, transactionOf(bytes))
  return out
}

const announced = (bytes: Uint8Array, family: 4 | 6 = 4): Uint8Array => {
  const out = new Uint8Array(100)
  return out.subarray(0, UdpTrackerServer.writeAnnounce(out, 0, transactionOf(bytes), SAMPLE, family, 1_800_000))
}

const failed = (bytes: Uint8Array, reason: string): Uint8Array => {
  const out = new Uint8Array(100)
  return out.subarray(0, UdpTrackerServer.writeError(out, 0, transactionOf(bytes), reason, 100))
}

/** Answers everything, with connection ids that count up. */
const good = (family: 4 | 6 = 4): Script => {
  let ids = 0
  return ({ bytes }, reply) =>
    reply(UdpTrackerServer.actionOf(bytes) === UdpTracker.CONNECT ? connected(bytes, ++ids) : announced(bytes, family))
}

const actions = (server: Server) =>
  Effect.map(Queue.clear(server.heard), (seen) => seen.map(({ bytes }) => UdpTrackerServer.actionOf(bytes)))

const idOf = ({ bytes }: Seen): number => bytes[0]!

const ask = (url: string, request = REQUEST) => Tracker.use((tracker) => tracker.announce(url, request))
const reasonOf = (url: string) => Effect.map(Effect.flip(ask(url)), (error) => error.reason)
const texts = (reply: { readonly peers: ReadonlyArray<PeerAddress.PeerAddress> }) => reply.peers.map(PeerAddress.format)

const V4: Ip = { address: "127.0.0.1", family: 4 }
const V6: Ip = { address: "::1", family: 6 }
const OTHER: Ip = { address: "127.0.0.9", family: 4 }

const NAMES: Record<string, ReadonlyArray<Ip>> = {
  "127.0.0.1": [V4],
  "::1": [V6],
  "two.example": [V6, V4],
  "four.example": [OTHER, V4],
  "xn--bcher-kva.example": [V4]
}

const Live = (localAddress?: LocalAddress) =>
  Tracker.layerNoDeps({ localAddress }).pipe(Layer.provide(Layer.succeed(Resolver, {
    lookup: (host: string) =>
      NAMES[host] ? Effect.succeed(NAMES[host]) : Effect.fail(new ResolverError({ reason: "NotFound", host }))
  })))

describe("UdpAsk", () => {
  it.live("connects, announces, and says which URL it has", () =>
    Effect.gen(function*() {
      const server = yield* serve(good())
      assert.deepStrictEqual(yield* ask(server.url), {
        peers: [{ host: "192.0.2.1", port: 6881, family: 4 }],
        intervalMs: 1_800_000,
        minIntervalMs: undefined,
        seeders: 3,
        leechers: 4,
        trackerId: undefined,
        warning: undefined,
        externalIp: undefined
      })
      const [connect, announce] = yield* Queue.clear(server.heard)
      assert.deepStrictEqual(Uint8Array.from(connect!.bytes), UdpTracker.encodeConnect(transactionOf(connect!.bytes)))
      assert.notStrictEqual(transactionOf(connect!.bytes), transactionOf(announce!.bytes))
      assert.deepStrictEqual(
        Uint8Array.from(announce!.bytes),
        UdpTracker.encodeAnnounce(new Uint8Array(8).fill(1), transactionOf(announce!.bytes), REQUEST, "/announce?k=v")
      )
      yield* ask(`udp://127.0.0.1:${server.port}`)
      const bare = (yield* Queue.clear(server.heard)).at(-1)!
      assert.strictEqual(bare.bytes.length, UdpTracker.ANNOUNCE_BYTES)
    }).pipe(Effect.provide(Live())))

  it.live("speaks IPv6", () =>
    Effect.gen(function*() {
      const server = yield* serve(good(6), "::1")
      assert.deepStrictEqual(texts(yield* ask(server.url)), ["[2001:db8::1]:6881"])
    }).pipe(Effect.provide(Live())))

  it.effect("uses a connection id for a minute", () =>
    Effect.gen(function*() {
      const server = yield* serve(good())
      yield* ask(server.url)
      yield* TestClock.adjust(59_000)
      yield* ask(server.url)
      assert.deepStrictEqual(yield* actions(server), [UdpTracker.CONNECT, UdpTracker.ANNOUNCE, UdpTracker.ANNOUNCE])
      yield* TestClock.adjust(1000)
      yield* ask(server.url)
      const seen = yield* Queue.clear(server.heard)
      assert.deepStrictEqual(seen.map(({ bytes }) => UdpTrackerServer.actionOf(bytes)), [0, 1])
      assert.strictEqual(idOf(seen[1]!), 2)
    }).pipe(Effect.provide(Live())))

  it.live("takes a new id when the tracker knows the old one no more", () =>
    Effect.gen(function*() {
      let ids = 0
      let valid = 1
      const server = yield* serve((seen, reply) => {
        const { bytes } = seen
        if (UdpTrackerServer.actionOf(bytes) === UdpTracker.CONNECT) return reply(connected(bytes, ++ids))
        return reply(idOf(seen) === valid ? announced(bytes) : failed(bytes, "connection id is not valid"))
      })
      yield* ask(server.url)
      valid = 2
      assert.deepStrictEqual(texts(yield* ask(server.url)), ["192.0.2.1:6881"])
      assert.deepStrictEqual(yield* actions(server), [0, 1, 1, 0, 1])
      valid = 99
      assert.strictEqual((yield* reasonOf(server.url)).message, "refused: connection id is not valid")
      assert.deepStrictEqual(yield* actions(server), [1, 0, 1])
    }).pipe(Effect.provide(Live())))

  it.live("passes on what the tracker refuses", () =>
    Effect.gen(function*() {
      const announcing = yield* serve(({ bytes }, reply) =>
        reply(
          UdpTrackerServer.actionOf(bytes) === UdpTracker.CONNECT
            ? connected(bytes, 1)
            : failed(bytes, "unknown torrent\u0007")
        )
      )
      const error = yield* Effect.flip(ask(announcing.url))
      assert.strictEqual(error.message, `tracker udp://127.0.0.1:${announcing.port}: refused: unknown torrent`)
      const connecting = yield* serve(({ bytes }, reply) => reply(failed(bytes, "closed")))
      assert.strictEqual((yield* reasonOf(connecting.url)).message, "refused: closed")
    }).pipe(Effect.provide(Live())))

  it.live("believes no other transaction, no other action and no other source", () =>
    Effect.gen(function*() {
      const spoofer = yield* serve(() => {})
      const server = yield* serve(({ bytes, source }, reply) => {
        const isConnect = UdpTrackerServer.actionOf(bytes) === UdpTracker.CONNECT
        const right = isConnect ? connected(bytes, 1) : announced(bytes)
        const wrong = right.slice()
        Bytes.writeUint32(wrong, 4, transactionOf(bytes) ^ 1)
        const spoofed = right.slice()
        if (isConnect) spoofed.fill(66, 8)
        else spoofed.set([6, 6, 6, 6], 20)
        spoofer.send(source, spoofed)
        reply(wrong)
        reply(isConnect ? announced(bytes) : connected(bytes, 9))
        reply(right.subarray(0, 7))
        reply(new Uint8Array(0))
        reply(right)
      })
      assert.deepStrictEqual(texts(yield* ask(server.url)), ["192.0.2.1:6881"])
      const announce = (yield* Queue.clear(server.heard))[1]!
      assert.strictEqual(idOf(announce), 1)
    }).pipe(Effect.provide(Live())))

  it.effect("asks again after 15 s", () =>
    Effect.gen(function*() {
      let packets = 0
      const answer = good()
      const server = yield* serve((seen, reply, self) => {
        if (++packets > 1) answer(seen, reply, self)
      })
      const connecting = yield* Effect.forkChild(ask(server.url))
      yield* Queue.take(server.heard)
      yield* TestClock.adjust(FIRST_TIMEOUT_MS - 1)
      assert.strictEqual(packets, 1)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(texts(yield* Fiber.join(connecting)), ["192.0.2.1:6881"])
      assert.deepStrictEqual(yield* actions(server), [UdpTracker.CONNECT, UdpTracker.ANNOUNCE])
    }).pipe(Effect.provide(Live())))

  it.effect("connects anew when an old id meets silence", () =>
    Effect.gen(function*() {
      let deaf = false
      const answer = good()
      const server = yield* serve((seen, reply, self) => {
        if (!deaf) answer(seen, reply, self)
      })
      yield* ask(server.url)
      yield* Queue.clear(server.heard)
      deaf = true
      const asking = yield* Effect.forkChild(ask(server.url))
      assert.strictEqual(UdpTrackerServer.actionOf((yield* Queue.take(server.heard)).bytes), UdpTracker.ANNOUNCE)
      deaf = false
      yield* TestClock.adjust(FIRST_TIMEOUT_MS)
      yield* Fiber.join(asking)
      assert.deepStrictEqual(yield* actions(server), [UdpTracker.CONNECT, UdpTracker.ANNOUNCE])
    }).pipe(Effect.provide(Live())))

  it.effect("gives up on a tracker that does not answer", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => {})
      const asking = yield* Effect.forkChild(reasonOf(server.url))
      yield* Queue.take(server.heard)
      yield* TestClock.adjust(FIRST_TIMEOUT_MS)
      yield* Queue.take(server.heard)
      yield* TestClock.adjust(TIMEOUT_MS - FIRST_TIMEOUT_MS - 1)
      assert.isUndefined(asking.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(asking))._tag, "TimedOut")
      assert.strictEqual(yield* Queue.size(server.heard), 0)
    }).pipe(Effect.provide(Live())))

  it.live("knows at once that nobody listens, and tries the next address", () =>
    Effect.gen(function*() {
      const gone = yield* Effect.scoped(serve(() => {}))
      assert.strictEqual((yield* reasonOf(gone.url)).message, "unreachable: connection refused")
      const server = yield* serve(good())
      assert.deepStrictEqual(texts(yield* ask(`udp://two.example:${server.port}`)), ["192.0.2.1:6881"])
    }).pipe(Effect.provide(Live())))

  it.effect("tries the next address after a silence, and begins with the one that answered", () =>
    Effect.gen(function*() {
      const deaf = yield* Deferred.make<void>()
      const server = yield* serve(good())
      const silent = yield* Effect.acquireRelease(
        Effect.callback<dgram.Socket>((resume) => {
          const socket = dgram.createSocket("udp4")
          socket.bind(server.port, OTHER.address, () => resume(Effect.succeed(socket)))
        }),
        (socket) => Effect.sync(() => socket.close())
      )
      let packets = 0
      silent.on("message", () => {
        packets++
        Deferred.doneUnsafe(deaf, Effect.void)
      })
      const url = `udp://four.example:${server.port}/announce`
      const asking = yield* Effect.forkChild(ask(url))
      yield* Deferred.await(deaf)
      yield* TestClock.adjust(FIRST_TIMEOUT_MS)
      yield* Fiber.join(asking)
      yield* TestClock.adjust(120_000)
      yield* ask(url)
      assert.strictEqual(packets, 1)
    }).pipe(Effect.provide(Live())))

  it.live("leaves from the local address that is bound, over its family only", () =>
    Effect.gen(function*() {
      const four = yield* serve(good())
      const six = yield* serve(good(6), "::1")
      yield* Effect.gen(function*() {
        yield* ask(`udp://two.example:${four.port}`)
        assert.strictEqual((yield* Queue.take(four.heard)).source.address, "127.0.0.2")
        assert.match((yield* reasonOf(six.url)).message, /no address of the family/)
      }).pipe(Effect.provide(Live({ v4: "127.0.0.2" })))
      yield* Effect.gen(function*() {
        yield* ask(six.url)
        assert.strictEqual((yield* Queue.take(six.heard)).source.address, "::1")
      }).pipe(Effect.provide(Live({ v6: "::1" })))
      assert.match(
        (yield* reasonOf(four.url).pipe(Effect.provide(Live({ v4: "192.0.2.1" })))).message,
        /local address to bind to is not on this machine/
      )
    }))

  it.live("reads names as the web does, and wants a port", () =>
    Effect.gen(function*() {
      const server = yield* serve(good())
      for (const host of ["B\u00fccher.example", "0x7f.1", "127.0.0.1"]) yield* ask(`udp://${host}:${server.port}/`)
      for (const url of ["udp://127.0.0.1/announce", "udp://127.0.0.1:0/announce", "udp:127.0.0.1:80", "udp:///x"]) {
        assert.strictEqual((yield* reasonOf(url))._tag, "Unsupported", url)
      }
      assert.match((yield* reasonOf("udp://nowhere.example:80")).message, /nowhere\.example has no address/)
    }).pipe(Effect.provide(Live())))

  it.live("scrapes as many torrents as it is asked about", () =>
    Effect.gen(function*() {
      const server = yield* serve(({ bytes }, reply) => {
        if (UdpTrackerServer.actionOf(bytes) === UdpTracker.CONNECT) return reply(connected(bytes, 1))
        const counts = UdpTrackerServer.readScrape(bytes).map((hash) => {
          const n = Number.parseInt(hash.slice(0, 4), 16)
          return { seeders: n, completed: n + 1, leechers: n + 2 }
        })
        const out = new Uint8Array(UdpTrackerServer.MAX_REPLY)
        return reply(out.subarray(0, UdpTrackerServer.writeScrape(out, 0, transactionOf(bytes), counts)))
      })
      const hashes = Array.from({ length: 75 }, (_, i) =>
        InfoHash.parse(i.toString(16).padStart(4, "0").padEnd(40, "0"))!)
      const found = yield* Tracker.use((tracker) =>
        tracker.scrape(server.url, hashes)
      )
      assert.strictEqual(found.size, 75)
      for (const [i, hash] of hashes.entries()) {
        assert.deepStrictEqual(found.get(hash), {
          seeders: i,
          completed: i + 1,
          leechers: i + 2,
          downloaders: undefined
        })
      }
      assert.deepStrictEqual(yield* actions(server), [UdpTracker.CONNECT, UdpTracker.SCRAPE, UdpTracker.SCRAPE])
    }).pipe(Effect.provide(Live())))
})
