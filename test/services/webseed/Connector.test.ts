/** What a web server can do to a connection; Node's own serves. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as net from "node:net"
import type { Socket } from "node:net"
import * as path from "node:path"
import { Connector } from "../../../src/services/webseed/Connector.ts"
import type { Line } from "../../../src/services/webseed/Connector.ts"
import * as FileServer from "../../support/fileServer.ts"
import * as Payload from "../../support/payload.ts"

const content = Payload.noise(300_000)

const read = Effect.fnUntraced(function*(line: Line, url: string, from = 0, to = content.length - 1) {
  const { addressesOf } = yield* Connector
  const target = new URL(url)
  const answered = yield* line.get(target, yield* addressesOf(target), { range: `bytes=${from}-${to}` })
  const chunks: Array<Uint8Array> = []
  yield* answered.read((bytes) => {
    chunks.push(Uint8Array.from(bytes))
    return true
  })
  return { status: answered.status, header: answered.header, body: Buffer.concat(chunks) }
}, Effect.scoped)

const withLine = <A, E>(body: (line: Line) => Effect.Effect<A, E, Connector>): Effect.Effect<A, E> =>
  Effect.gen(function*() {
    const { line } = yield* Connector
    return yield* body(yield* line)
  }).pipe(Effect.scoped, Effect.provide(CONNECTOR))

const CONNECTOR = Connector.layer()

const messageOf = (origin: string) =>
  Effect.map(
    Effect.flip(withLine((line) => read(line, origin))),
    ({ consequence, message }) => `${consequence}: ${message}`
  )

const served = (response: string) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly origin: string; readonly close: Effect.Effect<void> }>((resume) => {
      const open = new Set<Socket>()
      const server = net.createServer((socket) => {
        open.add(socket)
        socket.on("error", () => {}).once("data", () => socket.end(Buffer.from(response, "latin1")))
      })
      const close = Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        for (const socket of open) socket.destroy()
      })
      server.listen(0, "127.0.0.1", () => {
        resume(Effect.succeed({ origin: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`, close }))
      })
    }),
    ({ close }) => close
  )

describe("a line", () => {
  it.live("asks again and again over one connection", () =>
    Effect.gen(function*() {
      const server = yield* FileServer.serve((request, response) => FileServer.sendPart(content, request, response))
      yield* withLine((line) =>
        Effect.gen(function*() {
          for (let from = 0; from < 5; from++) {
            const { body, header, status } = yield* read(line, `${server.origin}/a%20b`, from, 200_000 + from)
            assert.isTrue(body.equals(content.subarray(from, 200_001 + from)))
            assert.strictEqual(status, 206)
            assert.strictEqual(header("content-range"), `bytes ${from}-${200_000 + from}/300000`)
          }
        })
      )
      assert.strictEqual(server.connections(), 1)
      assert.isTrue(server.requests.every(({ url }) => url === "/a%20b"))
    }))

  it.live("reads bodies in chunks and without a length", () =>
    Effect.gen(function*() {
      const chunked = yield* FileServer.serve((_, response) => {
        for (let at = 0; at < content.length; at += 7001) response.write(content.subarray(at, at + 7001))
        response.end()
      })
      const toTheEnd = yield* served(`HTTP/1.0 200 OK\r\n\r\n${Buffer.from(content).toString("latin1")}`)
      for (const { origin } of [chunked, toTheEnd]) {
        assert.isTrue((yield* withLine((line) => read(line, origin))).body.equals(content))
      }
    }))

  it.live("tries once more, and tells nobody, when a kept connection had been closed", () =>
    Effect.gen(function*() {
      let first = true
      const server = yield* FileServer.serve((request, response) => {
        // The second request on a connection finds it closed, as when it meets the server's own time-out.
        if (!first && server.connections() === 1) return void request.socket.destroy()
        first = false
        FileServer.sendPart(content, request, response)
      })
      yield* withLine((line) =>
        Effect.gen(function*() {
          assert.isTrue((yield* read(line, server.origin)).body.equals(content))
          assert.isTrue((yield* read(line, server.origin)).body.equals(content))
        })
      )
      assert.strictEqual(server.connections(), 2)
    }))

  it.live("leaves from the address that is bound, and not at all when that is of another family", () =>
    Effect.gen(function*() {
      const server = yield* FileServer.serve((request, response) => FileServer.sendPart(content, request, response))
      const readBound = (localAddress: { readonly v4?: string; readonly v6?: string }) =>
        Effect.gen(function*() {
          return yield* read(yield* (yield* Connector).line, server.origin)
        }).pipe(Effect.scoped, Effect.provide(Connector.layer({ localAddress })))
      yield* readBound({ v4: "127.0.0.9" })
      assert.deepStrictEqual([...server.callers], ["127.0.0.9"])
      const { consequence } = yield* Effect.flip(readBound({ v6: "::1" }))
      assert.strictEqual(consequence, "Drop")
    }))

  it.live("closes the connection when no more is wanted", () =>
    Effect.gen(function*() {
      const closed = yield* Deferred.make<void>()
      const server = yield* FileServer.serve((request, response) => {
        request.socket.on("close", () => Deferred.doneUnsafe(closed, Effect.void))
        response.writeHead(200, { "content-length": 1e12 })
        response.write(content)
      })
      const url = new URL(server.origin)
      yield* withLine((line) =>
        Effect.scoped(Effect.gen(function*() {
          const answered = yield* line.get(url, [{ address: "127.0.0.1", family: 4 }], {})
          yield* answered.read(() => false)
          yield* Deferred.await(closed)
        }))
      )
    }))

  const raw: ReadonlyArray<readonly [string, string, string]> = [
    ["closes without a word", "", "Rest: unreachable: "],
    ["speaks another protocol", "220 ftp.example ready\r\n", "Rest: does not speak HTTP as it should"],
    [
      "stops in the middle",
      "HTTP/1.1 206 x\r\ncontent-length: 100\r\n\r\nabc",
      "Rest: cut the connection in the middle"
    ],
    [
      "stops in a chunk",
      "HTTP/1.1 206 x\r\ntransfer-encoding: chunked\r\n\r\nff\r\nabc",
      "Rest: cut the connection in"
    ],
    [
      "breaks its chunks",
      "HTTP/1.1 206 x\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\nabc",
      "Rest: cut the connection in the middle"
    ],
    [
      "has no end of headers",
      `HTTP/1.1 206 x\r\nx: ${"y".repeat(50_000)}\r\n\r\n`,
      "Rest: does not speak HTTP as it should"
    ]
  ]
  for (const [what, response, expected] of raw) {
    it.live(`${what}: a cause that can be told`, () =>
      Effect.gen(function*() {
        const { origin } = yield* served(response)
        const message = yield* messageOf(origin)
        assert.include(message, expected)
        assert.notInclude(message, "\n")
      }))
  }

  it.live("refuses a certificate that nobody vouches for", () =>
    Effect.gen(function*() {
      const dir = yield* Payload.temporary
      const [key, cert] = [path.join(dir, "key"), path.join(dir, "cert")]
      const make = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
      execFileSync("openssl", [...make, "-keyout", key, "-out", cert, "-subj", "/CN=x"], { stdio: "ignore" })
      const tls = { key: fs.readFileSync(key, "utf8"), cert: fs.readFileSync(cert, "utf8") }
      const server = yield* FileServer.serve(() => assert.fail("it was trusted"), { tls })
      const message = yield* messageOf(server.origin)
      assert.match(message, /^Drop: cannot be trusted: .*self-signed certificate/)
    }))

  it.live("says that nobody listens", () =>
    Effect.gen(function*() {
      const { close, origin } = yield* Effect.scoped(served(""))
      yield* close.pipe(Effect.ignore)
      const message = yield* messageOf(origin)
      assert.strictEqual(message, "Rest: unreachable: connection refused")
    }))

  it.effect("waits 30 s for an answer", () =>
    Effect.gen(function*() {
      const heard = yield* Deferred.make<void>()
      const server = yield* FileServer.serve(() => Deferred.doneUnsafe(heard, Effect.void))
      const asked = yield* Effect.forkChild(
        messageOf(server.origin)
      )
      yield* Deferred.await(heard)
      yield* TestClock.adjust("29 seconds")
      assert.isUndefined(asked.pollUnsafe())
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(asked), "Rest: no answer within 30 s")
    }))
})
