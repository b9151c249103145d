/** All swarms in the memory of this process. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import { SwarmTable } from "../../domain/tracker/SwarmTable.ts"
import { boundsOf, type Swarms, type SwarmsOptions } from "./Swarms.ts"

/** Peers forgotten at one go: about 0.3 ms. */
const SWEEP = 1024

const SWEEP_EVERY = "1 second"

const KEY_BYTES = 32

/** After an hour of silence a million peers leave at once; nobody waits for that. */
const sweeper = (table: SwarmTable): Effect.Effect<never> =>
  Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    while (table.sweep(now, SWEEP)) yield* Effect.yieldNow
    yield* Effect.sleep(SWEEP_EVERY)
  }).pipe(Effect.forever({ disableYield: true }))

export const make = Effect.fnUntraced(function*(options: SwarmsOptions): Effect.fn.Return<Swarms, never, Scope.Scope> {
  const random = yield* Random.Random
  const secret = randomBytes(8)
  const key = Int32Array.of(secret.readInt32LE(0), secret.readInt32LE(4))
  const table = new SwarmTable(boundsOf(options), () => random.nextDoubleUnsafe(), key)
  const connectionKey = Uint8Array.from(randomBytes(KEY_BYTES))
  yield* Effect.forkScoped(sweeper(table))
  return {
    announce: (batch, now) =>
      Effect.sync(() => {
        table.sweep(now, SWEEP)
        return batch.map((announcing) => table.announce(announcing, now))
      }),
    scrape: (hashes, now) =>
      Effect.sync(() => {
        table.sweep(now, SWEEP)
        return hashes.map((infoHash) => table.scrape(infoHash))
      }),
    summary: (now) =>
      Effect.sync(() => {
        table.sweep(now, SWEEP)
        return table.summary()
      }),
    connectionKey: Effect.succeed(connectionKey)
  }
})
