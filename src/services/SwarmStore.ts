/** Who is in which swarm, for every protocol that a tracker speaks. */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as MemorySwarms from "./swarmstore/MemorySwarms.ts"
import type { Swarms, SwarmsOptions } from "./swarmstore/Swarms.ts"

export { SwarmStoreError } from "./swarmstore/SwarmStoreError.ts"

export class SwarmStore extends Context.Service<SwarmStore, Swarms>()("freshet/services/SwarmStore") {
  /** In the memory of this process; at a bound of peers whoever has been silent longest makes room. */
  static readonly layerMemory = (options: SwarmsOptions = {}): Layer.Layer<SwarmStore> =>
    Layer.effect(SwarmStore, MemorySwarms.make(options))
}
