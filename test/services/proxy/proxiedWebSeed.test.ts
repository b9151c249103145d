/** Web servers through a proxy, and kept away by the filter. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Builder } from "../../../src/domain/IpFilter.ts"
import * as PeerAddress from "../../../src/domain/PeerAddress.ts"
import * as Proxy from "../../../src/domain/Proxy.ts"
import { Session } from "../../../src/services/Session.ts"
import * as Introducing from "../../../src/services/session/Introducing.ts"
import { Connector } from "../../../src/services/webseed/Connector.ts"
import * as Filtering from "../../../src/services/webseed/Filtering.ts"
import { far } from "../../domain/swarm/fakes.ts"
import * as FileServer from "../../support/fileServer.ts"
import * as Payload from "../../support/payload.ts"
import * as ProxyServer from "../../support/proxyServer.ts"
import { layerOf, network } from "../scriptedPeers.ts"
import { onlyTheProxy } from "./support.ts"

const content = Payload.noise(100_000)

const through = (url: string) => Connector.layerNoDeps({ proxy: Proxy.parse(url)! }).pipe(Layer.provide(onlyTheProxy))

/** Reads the whole content so many times over one line. */
const readTimes = (count: number, url: string) =>
  Effect.gen(function*() {
    const { addressesOf, line } = yield* Connector
    const ours = yield* line
    const target = new URL(url)
    for (let i = 0; i < count; i++) {
      yield* Effect.scoped(Effect.gen(function*() {
        const ips = yield* addressesOf(target)
        assert.deepStrictEqual(ips, [])
        const answered = yield* ours.get(target, ips, { range: `bytes=0-${content.length - 1}` })
        let length = 0
        yield* answered.read((bytes) => {
          length += bytes.length
          return true
        })
        assert.deepStrictEqual([answered.status, length], [206, content.length])
      }))
    }
  }).pipe(Effect.scoped)

describe("a line through a proxy", () => {
  for (const scheme of ["socks5", "http"]) {
    it.live(`${scheme}: asks again and again through one tunnel, by name`, () =>
      Effect.gen(function*() {
        const server = yield* FileServer.serve((request, response) => FileServer.sendPart(content, request, response))
        const proxy = yield* ProxyServer.start({ names: { "web.example": "127.0.0.1" } })
        const url = new URL(server.origin)
        url.hostname = "web.example"
        yield* Effect.provide(readTimes(3, url.href), through(`${scheme}://127.0.0.1:${proxy.port}`))
        assert.deepStrictEqual(proxy.asked, [`tcp web.example:${url.port}`])
        assert.strictEqual(server.connections(), 1)
      }))

    it.live(`${scheme}: rests when the proxy is down, and says so`, () =>
      Effect.gen(function*() {
        const { consequence, message } = yield* Effect.flip(
          Effect.provide(readTimes(1, "http://web.example/"), through(`${scheme}://me:secret@127.0.0.1:1`))
        )
        assert.strictEqual(consequence, "Rest")
        assert.include(message, `the proxy ${scheme}://127.0.0.1:1 refuses connections`)
      }))
  }
})

describe("a web server on the blocklist", () => {
  it.effect("has no address, or only those that are not on it", () =>
    Effect.gen(function*() {
      const net = yield* network
      const hosts: Record<string, ReadonlyArray<string>> = {
        "bad.example": ["192.0.2.1"],
        "half.example": ["192.0.2.1", "192.0.2.2"],
        "hidden.example": []
      }
      const connector = Layer.mock(Connector, {
        addressesOf: (url) => Effect.succeed(hosts[url.hostname]!.map((address) => ({ address, family: 4 as const })))
      })
      yield* Effect.gen(function*() {
        const session = yield* Session
        const builder = new Builder()
        builder.add4(0xc0000201, 0xc0000201)
        session.setFilter(builder.build())
        const { addressesOf } = yield* Filtering.connector
        const of = (host: string) => addressesOf(new URL(`http://${host}/`))
        const { consequence, message } = yield* Effect.flip(of("bad.example"))
        assert.deepStrictEqual([consequence, message], ["Drop", "is on the blocklist"])
        assert.deepStrictEqual(yield* of("half.example"), [{ address: "192.0.2.2", family: 4 }])
        assert.deepStrictEqual(yield* of("hidden.example"), [])
        assert.strictEqual(session.addressFilter.refused, 1)
      }).pipe(Effect.provide([Session.layer({}).pipe(Layer.provide(layerOf(net))), connector]))
    }))
})

describe("what a session says of itself", () => {
  const { peer } = far({ key: 1, pieces: 1 })
  const bind = { v4: "192.0.2.9", v6: "2001:db8::9" }

  it("names its addresses, but never those behind a proxy", () => {
    const open = Introducing.make({ bind }, 6881)(peer)
    assert.deepStrictEqual([...open.ipv4!], [192, 0, 2, 9])
    assert.strictEqual(open.port, 6881)
    const { ipv4, ipv6, port } = Introducing.make({ bind, proxy: Proxy.parse("socks5://h")! }, 0)(peer)
    assert.deepStrictEqual([ipv4, ipv6, port], [undefined, undefined, undefined])
  })

  it("tells no peer that it is at a stand-in", () => {
    const named = Object.create(peer, { address: { value: PeerAddress.named("peer.example", 1, 2) } })
    assert.isUndefined(Introducing.make({}, 0)(named).yourIp)
    assert.isDefined(Introducing.make({}, 0)(peer).yourIp)
  })
})
