import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { SwarmStore } from "../../src/services/SwarmStore.ts"
import { announce, announceAll, hosts, peer, summary } from "./swarmstore/announcing.ts"
import { examples } from "./swarmstore/examples.ts"

describe("SwarmStore in memory", () => {
  examples(SwarmStore.layerMemory)

  it.effect("draws by the Random service", () =>
    Effect.gen(function*() {
      const draw = Effect.gen(function*() {
        yield* announceAll(Array.from({ length: 100 }, (_, n) => peer(1, n)), 0)
        return hosts(yield* announce(peer(1, 200, { numWant: 5 }), 0))
      })
      const seeded = (seed: string) => draw.pipe(Effect.provide(SwarmStore.layerMemory()), Random.withSeed(seed))
      assert.deepStrictEqual(yield* seeded("a"), yield* seeded("a"))
      assert.notDeepEqual(yield* seeded("a"), yield* seeded("b"))
    }))

  it.effect("forgets torrents of which nothing is worth remembering", () =>
    Effect.gen(function*() {
      for (let n = 0; n < 50; n++) {
        yield* announce(peer(n, 1), 0)
        yield* announce(peer(n, 1, { event: "stopped" }), 0)
      }
      assert.strictEqual((yield* summary(0)).torrents, 0)
      assert.notStrictEqual(yield* announce(peer(99, 1), 0), "TooManyTorrents")
    }).pipe(Effect.provide(SwarmStore.layerMemory({ maxTorrents: 3 }))))
})
