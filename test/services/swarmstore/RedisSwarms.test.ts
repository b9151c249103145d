import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { SwarmStore } from "../../../src/services/SwarmStore.ts"
import { describeWithRedis, RedisServer } from "../../support/redisServer.ts"
import { examples } from "./examples.ts"

let prefixes = 0

describeWithRedis("SwarmStore in Redis", (it) => {
  examples(it, (options) =>
    Layer.unwrap(
      Effect.map(RedisServer, ({ url }) => SwarmStore.layerRedis({ ...options, url, prefix: `test${prefixes++}` }))
    ))
})
