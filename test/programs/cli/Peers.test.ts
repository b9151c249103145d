import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Host from "../../../src/domain/Host.ts"
import * as PeerAddress from "../../../src/domain/PeerAddress.ts"
import * as Proxy from "../../../src/domain/Proxy.ts"
import * as Peers from "../../../src/programs/cli/Peers.ts"
import { type Ip, Resolver, ResolverError } from "../../../src/services/Resolver.ts"

const NAMES: Readonly<Record<string, ReadonlyArray<Ip>>> = {
  "both.example": [
    { address: "2001:db8::7", family: 6 },
    { address: "192.0.2.7", family: 4 },
    { address: "192.0.2.8", family: 4 },
    { address: "2001:db8::8", family: 6 }
  ],
  "six.example": [{ address: "2001:db8::9", family: 6 }]
}

const resolve = (...texts: ReadonlyArray<string>) => resolveWith(undefined, texts)

const resolveWith = (proxy: Proxy.Proxy | undefined, texts: ReadonlyArray<string>) =>
  Peers.resolve(texts.map((text) => Host.parse(text) ?? assert.fail(text)), { proxy }).pipe(
    Effect.map((addresses) => addresses.map(PeerAddress.format)),
    Effect.provideService(Resolver, {
      lookup: (host) => {
        const literal = PeerAddress.make(host, 1)
        const known = literal === undefined ? NAMES[host] : [{ address: literal.host, family: literal.family }]
        return known === undefined ? new ResolverError({ reason: "NotFound", host }) : Effect.succeed(known)
      }
    })
  )

describe("a peer", () => {
  it.effect("by address is that address, by name the first of each family", () =>
    Effect.gen(function*() {
      const texts = ["192.0.2.1:6881", "both.example:7", "[2001:db8::1]:65535", "six.example:1"]
      assert.deepStrictEqual(yield* resolve(...texts), [
        "192.0.2.1:6881",
        "192.0.2.7:7",
        "[2001:db8::7]:7",
        "[2001:db8::1]:65535",
        "[2001:db8::9]:1"
      ])
    }))

  it.effect("is not looked up where a proxy is to do that", () =>
    Effect.gen(function*() {
      const texts = ["192.0.2.1:6881", "no.example:7", "other.example:7"]
      assert.deepStrictEqual(yield* resolveWith(Proxy.parse("socks5://h")!, texts), texts)
    }))

  it.effect("whose name has no address is exit 19", () =>
    Effect.gen(function*() {
      const { code, message } = yield* Effect.flip(resolve("both.example:7", "no.example:7"))
      assert.strictEqual(code, 19)
      assert.strictEqual(message, "--peer: no.example has no address; check the name")
    }))
})
