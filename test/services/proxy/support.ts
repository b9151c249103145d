/** What the tests of proxies share. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PeerAddress from "../../../src/domain/PeerAddress.ts"
import { Resolver } from "../../../src/services/Resolver.ts"

/** Looks up the proxy, which is named by its address, and dies of anything else. */
export const onlyTheProxy: Layer.Layer<Resolver> = Layer.succeed(Resolver, {
  lookup: (host) => {
    const literal = PeerAddress.make(host, 1)
    return literal === undefined
      ? Effect.die(new Error(`looked up ${host}`))
      : Effect.succeed([{ address: literal.host, family: literal.family }])
  }
})
