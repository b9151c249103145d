import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as net from "node:net"
import { SwarmStore } from "../../../src/services/SwarmStore.ts"
import * as TrackerServer from "../../../src/services/TrackerServer.ts"
import { tcp } from "../../support/trackerClients.ts"

const onLoopback: TrackerServer.TrackerServerOptions = { port: 0, hosts: ["127.0.0.1"], udp: false }

const target = (port: number, more = "") =>
  `/announce?info_hash=${"%ff".repeat(20)}&peer_id=-FR0100-123456789012&port=${port}&left=0${more}`

const request = (path: string, headers = "") => `GET ${path} HTTP/1.1\r\nHost: tracker\r\n${headers}\r\n`

/** Descriptors that this process may have. */
const { userLimits } = process.report.getReport() as unknown as {
  readonly userLimits: { readonly open_files: Record<"soft" | "hard", number | "unlimited"> }
}

/** Fewer where descriptors are few: both ends are in this process, though what is refused is soon closed. */
const HALF_OPEN = Math.min(10_000, Math.floor(Number(userLimits.open_files.soft) * 0.5) || 10_000)

const Live = SwarmStore.layerMemory()

const REPLY = /d8:complete/g

const times = (count: number) => new RegExp(`(?:d8:complete[^]*){${count}}`)

describe("HttpListener", () => {
  it.live("answers pipelined requests in their order, announces and others", () =>
    Effect.gen(function*() {
      const { port } = yield* TrackerServer.make(onLoopback)
      const client = yield* tcp(port)
      const many = Array.from({ length: 50 }, (_, at) => request(target(at + 1))).join("")
      yield* client.write(`${many}${request("/nowhere")}${request(target(99), "Connection: close\r\n")}`)
      const text = yield* client.closed
      const statuses = [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)
      assert.deepStrictEqual(statuses, [...Array.from({ length: 50 }, () => "200"), "404", "200"])
      assert.strictEqual(text.match(REPLY)?.length, 51)
      const seeds = [...text.matchAll(/8:completei(\d+)e/g)].map(([, count]) => Number(count))
      assert.deepStrictEqual(seeds, Array.from({ length: 51 }, (_, at) => at + 1))
    }).pipe(Effect.provide(Live)))

  it.live("reads a request however it is cut, and keeps the connection", () =>
    Effect.gen(function*() {
      const { port } = yield* TrackerServer.make(onLoopback)
      const client = yield* tcp(port)
      const whole = request(target(1))
      for (let at = 0; at < whole.length; at += 7) yield* client.write(whole.slice(at, at + 7))
      yield* client.until(times(1))
      yield* client.write(request(target(2)))
      yield* client.until(times(2))
    }).pipe(Effect.provide(Live)))

  it.live("is asked with GET, by its path or its whole URL", () =>
    Effect.gen(function*() {
      const { port } = yield* TrackerServer.make(onLoopback)
      const client = yield* tcp(port)
      const asked = request(target(1))
      yield* client.write(asked.replace("GET ", "GET http://tracker"))
      yield* client.until(/8:completei1e/)
      for (const method of ["HEAD", "POST", "OPTIONS"]) yield* client.write(asked.replace("GET", method))
      yield* client.write(request("/nowhere", "Connection: close\r\n"))
      const text = yield* client.closed
      assert.strictEqual(text.match(/HTTP\/1\.1 405 /g)?.length, 3)
      assert.strictEqual(text.match(/Allow: GET/g)?.length, 3)
      assert.strictEqual(text.match(REPLY)?.length, 1)
    }).pipe(Effect.provide(Live)))

  it.live("begins the next of other requests when the one before it is answered", () =>
    Effect.gen(function*() {
      let begun = 0
      const gate = yield* Deferred.make<void>()
      const started = yield* Deferred.make<void>()
      const otherwise = Effect.gen(function*() {
        begun++
        yield* Deferred.succeed(started, undefined)
        yield* Deferred.await(gate)
        return HttpServerResponse.text("slow")
      })
      const { port } = yield* TrackerServer.make({ ...onLoopback, otherwise })
      const client = yield* tcp(port)
      yield* client.write(request("/torrents").repeat(20))
      yield* Deferred.await(started)
      // Another connection is answered, by which time all of the first would have begun.
      const other = yield* tcp(port)
      yield* other.write(request(target(1)))
      yield* other.until(times(1))
      assert.strictEqual(begun, 1)
      yield* Deferred.succeed(gate, undefined)
      yield* client.until(/(?:slow[^]*){20}/)
      assert.strictEqual(begun, 20)
    }).pipe(Effect.provide(Live)))

  it.live("lets one address ask for other things as often as for peers, and no more", () =>
    Effect.gen(function*() {
      const { counters, port } = yield* TrackerServer.make({ ...onLoopback, maxRate: 2 })
      const client = yield* tcp(port)
      yield* client.write(request("/nowhere").repeat(60) + request("/nowhere", "Connection: close\r\n"))
      const text = yield* client.closed
      const refused = text.match(/HTTP\/1\.1 429 [^]*?Retry-After: \d+/g)?.length ?? 0
      assert.isAbove(refused, 10)
      assert.strictEqual(counters.troubles["rate-limited"], refused)
      assert.strictEqual(text.match(/HTTP\/1\.1 404/g)?.length, 61 - refused)
    }).pipe(Effect.provide(Live)))

  it.live("says what is too long, and what is not HTTP", () =>
    Effect.gen(function*() {
      const { counters, port } = yield* TrackerServer.make(onLoopback)
      const answerTo = Effect.fnUntraced(function*(text: string) {
        const client = yield* tcp(port)
        yield* client.write(text)
        return (yield* client.closed).split("\r\n")[0]
      })
      const pad = (length: number) => "x".repeat(length)
      assert.strictEqual(
        yield* answerTo(request(target(1, `&x=${pad(8000)}`), "Connection: close\r\n")),
        "HTTP/1.1 200 OK"
      )
      assert.strictEqual(yield* answerTo(request(target(1, `&x=${pad(8192)}`))), "HTTP/1.1 414 URI Too Long")
      assert.strictEqual(yield* answerTo(request(`/${pad(100_000)}`)), "HTTP/1.1 414 URI Too Long")
      assert.strictEqual(
        yield* answerTo(request("/", `X: ${pad(20_000)}\r\n`)),
        "HTTP/1.1 431 Request Header Fields Too Large"
      )
      assert.strictEqual(yield* answerTo("\x13BitTorrent protocol\r\n\r\n"), "HTTP/1.1 400 Bad Request")
      assert.strictEqual(counters.troubles["too-long"], 3)
      assert.strictEqual(counters.troubles.malformed, 1)
    }).pipe(Effect.provide(Live)))

  it.live("says so when a header does not come in time", () =>
    Effect.gen(function*() {
      const { counters, port } = yield* TrackerServer.make(onLoopback)
      const client = yield* tcp(port)
      yield* client.write("GET /announce?")
      assert.match(yield* client.closed, /^HTTP\/1\.1 408 /)
      assert.strictEqual(counters.troubles.timeout, 1)
    }).pipe(Effect.provide(Live)), 15_000)

  it.effect("lets the longest idle connection give way to a new one", () =>
    Effect.gen(function*() {
      const { counters, port } = yield* TrackerServer.make({ ...onLoopback, maxConnections: 1 })
      const idle = yield* tcp(port)
      yield* idle.write(request(target(1)))
      yield* idle.until(times(1))
      // What has been answered a moment ago is kept.
      const refused = yield* tcp(port)
      assert.match(yield* refused.closed, /^HTTP\/1\.1 503 [^]*too many connections/)
      yield* TestClock.adjust("2 seconds")
      const next = yield* tcp(port)
      yield* next.write(request(target(2)))
      yield* next.until(times(1))
      yield* idle.closed
      assert.strictEqual(counters.troubles.connections, 2)
    }).pipe(Effect.provide(Live)))

  it.effect("serves while thousands of connections say nothing", () =>
    Effect.gen(function*() {
      const mayHaveAll = !(Number(userLimits.open_files.hard) < 20_000)
      if (process.env["FRESHET_INTEROP"] === "required" && mayHaveAll) {
        assert.strictEqual(HALF_OPEN, 10_000, "ulimit -n")
      }
      const kept = Math.min(1000, HALF_OPEN / 2)
      const { counters, port } = yield* TrackerServer.make({ ...onLoopback, maxConnections: kept })
      const allAccepted = yield* Deferred.make<void>()
      let refused = 0
      const open = Effect.acquireRelease(
        Effect.callback<net.Socket>((resume) => {
          const socket = net.connect(port, "127.0.0.1", () => {
            socket.write("GET /announce?info_hash=")
            resume(Effect.succeed(socket))
          })
          socket.on("error", () => {})
          socket.once("close", () => {
            if (++refused === HALF_OPEN - kept) Deferred.doneUnsafe(allAccepted, Exit.void)
          })
          // Else the end of what it says would not be seen.
          socket.resume()
        }),
        (socket) => Effect.sync(() => socket.destroy())
      )
      yield* Effect.forEach(Array.from({ length: HALF_OPEN }), () => open, { concurrency: 100, discard: true })
      yield* Deferred.await(allAccepted)
      yield* TestClock.adjust("2 seconds")
      for (let n = 1; n <= 20; n++) {
        const client = yield* tcp(port)
        yield* client.write(request(target(n)))
        yield* client.until(times(1))
      }
      // On a slow machine some have had their five seconds meanwhile.
      const { connections, timeout } = counters.troubles
      assert.isAtLeast(connections + timeout, HALF_OPEN - kept)
    }).pipe(Effect.provide(Live)), 60_000)

  it.live("finishes nothing for those that leave, and goes on", () =>
    Effect.gen(function*() {
      const { port } = yield* TrackerServer.make(onLoopback)
      for (let n = 1; n <= 50; n++) {
        yield* Effect.scoped(Effect.flatMap(tcp(port), (client) => client.write(request(target(n)).repeat(3))))
      }
      const client = yield* tcp(port)
      yield* client.write(request(target(99)))
      yield* client.until(times(1))
    }).pipe(Effect.provide(Layer.fresh(Live))))
})
