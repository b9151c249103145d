import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as net from "node:net"
import * as PeerAddress from "../../../src/domain/PeerAddress.ts"
import * as Proxy from "../../../src/domain/Proxy.ts"
import * as ProxiedTransport from "../../../src/services/proxy/ProxiedTransport.ts"
import { Resolver } from "../../../src/services/Resolver.ts"
import { Transport } from "../../../src/services/Transport.ts"
import * as ProxyServer from "../../support/proxyServer.ts"
import { onlyTheProxy } from "./support.ts"

const HOST = "127.0.0.1"

const through = (url: string, localAddress?: { readonly v4?: string; readonly v6?: string }) =>
  ProxiedTransport.layer({ proxy: Proxy.parse(url)!, localAddress }).pipe(Layer.provide(onlyTheProxy))

/** Says its word to whoever connects, and then what it hears. */
const echo = (word: string) =>
  Effect.acquireRelease(
    Effect.callback<net.Server>((resume) => {
      const server = net.createServer((socket) => {
        socket.on("error", () => {}).write(word)
        socket.pipe(socket)
      })
      server.listen(0, HOST, () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  ).pipe(Effect.map((server) => (server.address() as net.AddressInfo).port))

/** What is heard over a link until there is so much of it. */
const heard = Effect.fnUntraced(function*(address: PeerAddress.PeerAddress, say: string, length: number) {
  const { dial } = yield* Transport
  const link = yield* dial(address)
  const whole = yield* Deferred.make<string>()
  let text = ""
  yield* Effect.forkScoped(link.receive((bytes, from, to) => {
    text += Buffer.from(bytes.subarray(from, to)).toString()
    if (text.length >= length) Deferred.doneUnsafe(whole, Exit.succeed(text))
  }))
  link.send([Buffer.from(say)])
  assert.deepStrictEqual(link.remote, address)
  return yield* Deferred.await(whole)
})

const failure = (url: string, address = PeerAddress.named("peer.example", 6881, 0)) =>
  Transport.use(({ dial }) => Effect.flip(Effect.scoped(dial(address)))).pipe(Effect.provide(through(url)))

describe("Transport through a proxy", () => {
  for (const scheme of ["socks5", "http"]) {
    it.live(`${scheme}: a peer by name, whose first words come with the proxy's last`, () =>
      Effect.gen(function*() {
        const port = yield* echo("hello ")
        const proxy = yield* ProxyServer.start({
          login: "me:secret",
          names: { "peer.example": HOST },
          early: Buffer.from("early ")
        })
        const address = PeerAddress.named("peer.example", port, 7)
        const text = yield* heard(address, "world", 17).pipe(
          Effect.provide(through(`${scheme}://me:secret@127.0.0.1:${proxy.port}`))
        )
        assert.strictEqual(text, "early hello world")
        assert.deepStrictEqual(proxy.asked, [`tcp peer.example:${port}`])
      }))

    it.live(`${scheme}: says what is wrong in one line without the password`, () =>
      Effect.gen(function*() {
        const { port } = yield* ProxyServer.start({ login: "me:secret" })
        const at = `127.0.0.1:${port}`
        const name = `the proxy ${scheme}://${at}`
        const wrong = yield* failure(`${scheme}://me:wrong@${at}`)
        assert.strictEqual(wrong.message, `cannot dial peer.example:6881: ${name} refuses this user and password`)
        assert.strictEqual((yield* failure(`${scheme}://${at}`)).detail, `${name} wants a user and password`)
        const unreachable = yield* failure(`${scheme}://me:secret@${at}`)
        assert.strictEqual(unreachable.code, "EHOSTUNREACH")
        assert.include(unreachable.detail, "cannot reach the host")
      }))
  }

  it.live("a proxy that is down, hangs up, or is of another kind", () =>
    Effect.gen(function*() {
      const speaks = yield* echo("SSH-2.0-none\r\n")
      assert.strictEqual(
        (yield* failure("socks5://127.0.0.1:1")).detail,
        "the proxy socks5://127.0.0.1:1 refuses connections"
      )
      for (const [scheme, spoken] of [["socks5", "SOCKS5"], ["http", "HTTP"]]) {
        const { code, detail } = yield* failure(`${scheme}://127.0.0.1:${speaks}`)
        assert.deepStrictEqual([code, detail], [
          "EPROXY",
          `the proxy ${scheme}://127.0.0.1:${speaks} does not speak ${spoken}`
        ])
      }
      const mute = yield* Effect.acquireRelease(
        Effect.callback<net.Server>((resume) => {
          const server = net.createServer((socket) => socket.end())
          server.listen(0, HOST, () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      const { port } = mute.address() as net.AddressInfo
      assert.match((yield* failure(`http://127.0.0.1:${port}`)).detail!, /(hangs up|cuts connections)$/)
    }))

  it.live("a proxy of several addresses is called at each in turn", () =>
    Effect.gen(function*() {
      const port = yield* echo("")
      const proxy = yield* ProxyServer.start({ names: { "peer.example": HOST } })
      const both = Layer.succeed(Resolver, {
        lookup: (host) =>
          host === "proxy.example"
            ? Effect.succeed([{ address: "::1", family: 6 }, { address: HOST, family: 4 }])
            : Effect.die(new Error(`looked up ${host}`))
      })
      const layer = ProxiedTransport.layer({ proxy: Proxy.parse(`socks5://proxy.example:${proxy.port}`)! })
      const address = PeerAddress.named("peer.example", port, 0)
      assert.strictEqual(yield* Effect.provide(heard(address, "x", 1), Layer.provide(layer, both)), "x")
    }))

  it.live("--bind is about the way to the proxy, and never left", () =>
    Effect.gen(function*() {
      const port = yield* echo("")
      const proxy = yield* ProxyServer.start({ names: { "peer.example": HOST } })
      const address = PeerAddress.named("peer.example", port, 0)
      const url = `socks5://127.0.0.1:${proxy.port}`
      yield* heard(address, "x", 1).pipe(Effect.provide(through(url, { v4: "127.0.0.9" })))
      assert.deepStrictEqual([...proxy.callers], ["127.0.0.9"])
      const error = yield* Transport.use(({ dial }) => Effect.flip(dial(address))).pipe(
        Effect.provide(through(url, { v6: "::1" }))
      )
      assert.strictEqual(error.detail, `the proxy ${url} has no address of the family that is bound`)
      assert.strictEqual(proxy.asked.length, 1)
    }))

  it.live("a stand-in without its name is not dialled", () =>
    Effect.gen(function*() {
      const proxy = yield* ProxyServer.start()
      const { name: _, ...nameless } = PeerAddress.named("peer.example", 6881, 3)
      assert.strictEqual((yield* failure(`socks5://127.0.0.1:${proxy.port}`, nameless)).code, "EADDRNOTAVAIL")
      assert.deepStrictEqual(proxy.asked, [])
    }))

  it.live("there is no listening", () =>
    Transport.use(({ listen }) => Effect.flip(listen({ port: 0 }))).pipe(
      Effect.provide(through("socks5://127.0.0.1:1")),
      Effect.map(({ code }) => assert.strictEqual(code, "EPROXY"))
    ))
})
