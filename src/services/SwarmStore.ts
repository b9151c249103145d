/** Who is in which swarm, for every protocol that a tracker speaks. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as MemorySwarms from "./swarmstore/MemorySwarms.ts"
import type { RedisSwarmsOptions } from "./swarmstore/RedisSwarms.ts"
import type { Swarms } from "./swarmstore/Swarms.ts"
import { SwarmStoreError } from "./swarmstore/SwarmStoreError.ts"

export { SwarmStoreError }

/** Only who shares swarms needs the client of Redis, which is an optional package. */
const loadRedis = Effect.tryPromise({
  try: () => import("./swarmstore/RedisSwarms.ts"),
  catch: () => new SwarmStoreError({ reason: "Unavailable", detail: "the package \"redis\" is not installed" })
})

export class SwarmStore extends Context.Service<SwarmStore, Swarms>()("freshet/services/SwarmStore") {
  /** In the memory of this process; at a bound of peers whoever has been silent longest makes room. */
  static readonly layerMemory = (options: MemorySwarms.MemorySwarmsOptions = {}): Layer.Layer<SwarmStore> =>
    Layer.effect(SwarmStore, MemorySwarms.make(options))

  /** In Redis, shared by all trackers with the same URL and prefix; fails when Redis is not there to begin with. */
  static readonly layerRedis = (options: RedisSwarmsOptions): Layer.Layer<SwarmStore, SwarmStoreError> =>
    Layer.effect(SwarmStore, Effect.flatMap(loadRedis, ({ make }) => make(options)))
}
