/** The web seeds of one torrent (BEP 19). They serve everybody alike, so a private torrent has them too (BEP 27 is about peers). */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as RawPaths from "../../domain/metainfo/RawPaths.ts"
import * as PeerId from "../../domain/PeerId.ts"
import type { Swarm } from "../../domain/swarm/Swarm.ts"
import * as SeedUrl from "../../domain/webseed/SeedUrl.ts"
import * as Trouble from "../../domain/webseed/Trouble.ts"
import { Session } from "../Session.ts"
import type { TorrentEvent } from "../TorrentEvent.ts"
import * as WebSeed from "../WebSeed.ts"
import type { Connector } from "../webseed/Connector.ts"
import type { TorrentOptions } from "./TorrentOptions.ts"

export interface WebSeeding {
  /** Fetches from them in the background until the scope closes or `completed` ends. */
  readonly run: (
    completed: Effect.Effect<unknown, unknown>
  ) => Effect.Effect<void, never, Session | Connector | Scope.Scope>
  /** Gives up those that are proven to have lied, by identity. */
  readonly convict: (identities: ReadonlyArray<number>, reason: string) => void
}

/** Web seeds asked at once; more wait until one of them is given up. */
const AT_ONCE = 16

/** Connections to one host, whichever web seeds it serves. */
const PER_HOST = 6

const distinct = (urls: ReadonlyArray<string>): ReadonlyArray<SeedUrl.SeedUrl> => {
  const found = new Map<string, SeedUrl.SeedUrl>()
  for (const url of urls) {
    const seed = SeedUrl.parse(url)
    if (seed !== undefined && !found.has(seed.base)) found.set(seed.base, seed)
  }
  return [...found.values()]
}

export const make = Effect.fnUntraced(function*(
  { metainfo, namedWebSeeds = [], webSeeds = [] }: TorrentOptions,
  swarm: Swarm,
  onEvent: (event: TorrentEvent) => void
): Effect.fn.Return<WebSeeding, never, Session> {
  const session = yield* Session
  const random = yield* Random.Random
  const named = new Set(distinct(namedWebSeeds).map(({ base }) => base))
  const seeds = distinct([...namedWebSeeds, ...webSeeds])
  const convicted = new Map<number, Deferred.Deferred<never, WebSeed.Failed>>()
  const hosts = new Map<string, Semaphore.Semaphore>()

  const permitsOf = (host: string): Semaphore.Semaphore => {
    const permits = hosts.get(host) ?? Semaphore.makeUnsafe(PER_HOST)
    hosts.set(host, permits)
    return permits
  }

  const runAll = Effect.suspend(() => {
    const namesOf = RawPaths.of(metainfo)
    return Effect.forEach(seeds, (seed) => {
      // Numbers are given to peer ids, so it takes one, which nobody else ever sees.
      const identity = session.identityOf(PeerId.make(() => random.nextDoubleUnsafe()))
      const conviction = Deferred.makeUnsafe<never, WebSeed.Failed>()
      convicted.set(identity, conviction)
      return WebSeed.run({
        metainfo,
        swarm,
        seed,
        isNamed: named.has(seed.base),
        namesOf,
        permits: permitsOf(new URL(seed.base).host),
        identity,
        convicted: Deferred.await(conviction),
        onEvent
      })
    }, { concurrency: AT_ONCE, discard: true })
  })

  return {
    convict: (identities, reason) => {
      for (const identity of identities) {
        const conviction = convicted.get(identity)
        if (conviction !== undefined) Deferred.doneUnsafe(conviction, Effect.fail({ trouble: Trouble.drop(reason) }))
      }
    },
    run: (completed) =>
      seeds.length === 0 || swarm.isDone
        ? Effect.void
        : Effect.asVoid(Effect.forkScoped(Effect.raceFirst(runAll, Effect.exit(completed))))
  }
})
