/** Trackers through a proxy: over HTTP, over TLS, and over UDP where it can be had. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as dgram from "node:dgram"
import * as net from "node:net"
import * as Bytes from "../../../src/domain/Bytes.ts"
import * as Proxy from "../../../src/domain/Proxy.ts"
import { Tracker } from "../../../src/services/Tracker.ts"
import * as HttpTracker from "../../support/httpTracker.ts"
import * as ProxyServer from "../../support/proxyServer.ts"
import { REQUEST } from "../../support/trackerClients.ts"
import { onlyTheProxy } from "./support.ts"

const HOST = "127.0.0.1"

const through = (url: string) => Tracker.layerNoDeps({ proxy: Proxy.parse(url)! }).pipe(Layer.provide(onlyTheProxy))

const ask = (proxy: string, tracker: string) =>
  Tracker.use(({ announce }) => announce(tracker, REQUEST)).pipe(Effect.provide(through(proxy)))

/** Answers as a tracker with one peer, of the family that is asked for. */
const udpTracker = Effect.acquireRelease(
  Effect.callback<dgram.Socket>((resume) => {
    const socket = dgram.createSocket("udp4")
    socket.on("message", (bytes, { address, port }) => {
      const answer = bytes.readUInt32BE(8) === 0
        ? Buffer.concat([Buffer.from([0, 0, 0, 0]), bytes.subarray(12, 16), Buffer.from("connect!")])
        : Buffer.concat([
          Buffer.from([0, 0, 0, 1]),
          bytes.subarray(12, 16),
          Buffer.from([0, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 1, 192, 0, 2, 1, 0x1a, 0xe1])
        ])
      socket.send(answer, port, address)
    })
    socket.bind(0, HOST, () => resume(Effect.succeed(socket)))
  }),
  (socket) => Effect.sync(() => socket.close())
).pipe(Effect.map((socket) => socket.address().port))

describe("Tracker through a proxy", () => {
  for (const scheme of ["socks5", "http"]) {
    it.live(`${scheme}: over HTTP, by its name`, () =>
      Effect.gen(function*() {
        const tracker = yield* HttpTracker.make()
        const proxy = yield* ProxyServer.start({ names: { "tracker.example": HOST } })
        const url = new URL(tracker.url)
        url.hostname = "tracker.example"
        const reply = yield* ask(`${scheme}://127.0.0.1:${proxy.port}`, url.href)
        assert.strictEqual(reply.intervalMs, 1_800_000)
        assert.deepStrictEqual(proxy.asked, [`tcp tracker.example:${url.port}`])
        assert.strictEqual(tracker.announces.length, 1)
      }))

    it.live(`${scheme}: over TLS with the tracker itself, not with the proxy`, () =>
      Effect.gen(function*() {
        let hello = Bytes.empty
        const server = yield* Effect.acquireRelease(
          Effect.callback<net.Server>((resume) => {
            const server = net.createServer((socket) =>
              socket.once("data", (bytes: Uint8Array) => {
                hello = bytes
                socket.destroy()
              }).on("error", () => {})
            )
            server.listen(0, HOST, () => resume(Effect.succeed(server)))
          }),
          (server) => Effect.sync(() => server.close())
        )
        const { port } = server.address() as net.AddressInfo
        const proxy = yield* ProxyServer.start({ names: { "tracker.example": HOST } })
        yield* Effect.flip(ask(`${scheme}://127.0.0.1:${proxy.port}`, `https://tracker.example:${port}/announce`))
        assert.deepStrictEqual(proxy.asked, [`tcp tracker.example:${port}`])
        assert.strictEqual(hello[0], 22)
        assert.include(Bytes.toLatin1(hello), "tracker.example")
      }))

    it.live(`${scheme}: a tracker of the torrent's does not lead to other services of the proxy's machine`, () =>
      Effect.gen(function*() {
        const proxy = yield* ProxyServer.start({ names: { localhost: HOST } })
        for (const host of [HOST, "localhost", "[::1]", "a.localhost"]) {
          const { reason } = yield* Effect.flip(ask(`${scheme}://127.0.0.1:${proxy.port}`, `http://${host}/admin`))
          assert.strictEqual(reason._tag, "Unsupported", host)
        }
        assert.deepStrictEqual(proxy.asked, [])
      }))

    it.live(`${scheme}: a proxy that is down is named, and nobody else is asked`, () =>
      Effect.gen(function*() {
        const tracker = yield* HttpTracker.make()
        const error = yield* Effect.flip(ask(`${scheme}://me:secret@127.0.0.1:1`, tracker.url))
        assert.strictEqual(
          error.reason.message,
          `unreachable: the proxy ${scheme}://127.0.0.1:1 refuses connections`
        )
        assert.deepStrictEqual(tracker.announces, [])
      }))
  }

  it.live("over UDP by the relay of a SOCKS5 proxy", () =>
    Effect.gen(function*() {
      const port = yield* udpTracker
      const proxy = yield* ProxyServer.start({ login: "me:secret", names: { "tracker.example": HOST } })
      const url = `socks5://me:secret@127.0.0.1:${proxy.port}`
      const reply = yield* ask(url, `udp://tracker.example:${port}`)
      assert.deepStrictEqual(reply.peers, [{ host: "192.0.2.1", port: 6881, family: 4 }])
      assert.deepStrictEqual(new Set(proxy.asked), new Set([`udp tracker.example:${port}`]))
    }))

  it.live("not over UDP where the proxy passes none on", () =>
    Effect.gen(function*() {
      const proxy = yield* ProxyServer.start()
      const error = yield* Effect.flip(ask(`http://127.0.0.1:${proxy.port}`, "udp://127.0.0.1:9"))
      assert.strictEqual(
        error.reason.message,
        `cannot be asked: the proxy http://127.0.0.1:${proxy.port} passes no UDP on; a SOCKS5 proxy can`
      )
      assert.strictEqual(proxy.callers.size, 0)
    }))
})
