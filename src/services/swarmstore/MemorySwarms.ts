/** All swarms in the memory of this process. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import type { Summary } from "../../domain/tracker/Announcing.ts"
import { KEY_BYTES } from "../../domain/tracker/ConnectionIds.ts"
import { SwarmTable } from "../../domain/tracker/SwarmTable.ts"
import * as SnapshotFile from "./SnapshotFile.ts"
import { boundsOf, type Swarms, type SwarmsOptions } from "./Swarms.ts"

/** Peers forgotten at one go, so that nobody waits long. */
const SWEEP = 1024

const SWEEP_EVERY = "1 second"

const SAVE_EVERY = "1 minute"

const newKey = (): Uint8Array => Uint8Array.from(randomBytes(KEY_BYTES))

/** After an hour of silence a million peers leave at once; nobody waits for that. */
const sweeper = (table: SwarmTable): Effect.Effect<never> =>
  Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    while (table.sweep(now, SWEEP)) yield* Effect.yieldNow
    yield* Effect.sleep(SWEEP_EVERY)
  }).pipe(Effect.forever({ disableYield: true }))

export interface MemorySwarmsOptions extends SwarmsOptions {
  /** The file that remembers the swarms and the connection key from one run to the next; none unless given. */
  readonly snapshot?: string | undefined
  /** Told what the last snapshot holds, once it is written. */
  readonly whenSaved?: ((summary: Summary) => Effect.Effect<void>) | undefined
}

/** Restores the snapshot, keeps it fresh, and writes it once more when the scope closes. Gives its connection key. */
const remember = Effect.fnUntraced(function*(
  place: string,
  table: SwarmTable,
  whenSaved: MemorySwarmsOptions["whenSaved"]
) {
  const connectionKey = (yield* SnapshotFile.restore(place, table)) ?? newKey()
  const save = SnapshotFile.save(place, table, connectionKey)
  yield* Effect.addFinalizer(() =>
    Effect.flatMap(save, (isSaved) => isSaved && whenSaved !== undefined ? whenSaved(table.summary()) : Effect.void)
  )
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(SAVE_EVERY), save), { disableYield: true }))
  return connectionKey
})

export const make = Effect.fnUntraced(
  function*(options: MemorySwarmsOptions): Effect.fn.Return<Swarms, never, Scope.Scope> {
    const random = yield* Random.Random
    const secret = randomBytes(8)
    const hashKey = Int32Array.of(secret.readInt32LE(0), secret.readInt32LE(4))
    const table = new SwarmTable(boundsOf(options), () => random.nextDoubleUnsafe(), hashKey)
    const connectionKey = options.snapshot === undefined
      ? newKey()
      : yield* remember(options.snapshot, table, options.whenSaved)
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
  }
)
