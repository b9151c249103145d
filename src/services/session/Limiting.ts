/**
 * The rate limits of a session and of its torrents, which may change at any time. What waits for a download limit is
 * looked at often while there is one; without any this costs nothing.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import { RateLimit } from "../../domain/swarm/RateLimit.ts"
import type { Swarm } from "../../domain/swarm/Swarm.ts"
import * as Monotonic from "../Monotonic.ts"
import * as Pulse from "../Pulse.ts"

/** Payload in bytes/s; `Infinity` for no limit. What is absent stays as it is, or has no limit from the start. */
export interface Rates {
  readonly download?: number | undefined
  readonly upload?: number | undefined
}

export interface Limits {
  readonly download: RateLimit
  readonly upload: RateLimit
}

/** The limits of one session or torrent, and how to change them. Dies with a RangeError for what is no rate. */
export interface Adjustable {
  readonly limits: Limits
  readonly setLimits: (rates: Rates) => Effect.Effect<void>
}

/** A torrent, as far as its limits go. */
interface Member {
  readonly swarm?: Swarm | undefined
}

export interface Limiting extends Adjustable {
  /** Limits for a torrent, under those of the session. */
  readonly under: (rates: Rates) => Adjustable
  /** A torrent has come or gone. */
  readonly changed: () => void
}

/** How often those who wait for a download limit are looked at: twice before what can be saved up is full. */
const PACE = "50 millis"

export const make = Effect.fnUntraced(function*(
  clock: Clock.Clock,
  members: ReadonlySet<Member>,
  rates: Rates
): Effect.fn.Return<Limiting, never, Scope.Scope> {
  const now = () => Monotonic.millis(clock)
  const limitsOf = ({ download, upload }: Rates, over?: Limits): Limits => ({
    download: new RateLimit(download ?? Infinity, now(), over?.download),
    upload: new RateLimit(upload ?? Infinity, now(), over?.upload)
  })
  const session = limitsOf(rates)
  const limited = yield* Latch.make()

  const changed = () => {
    const isLimited = Array.from(members).some(({ swarm }) => swarm?.isLimited === true)
    if (isLimited) limited.openUnsafe()
    else limited.closeUnsafe()
  }

  const adjustable = (limits: Limits): Adjustable => ({
    limits,
    setLimits: ({ download, upload }) =>
      Effect.sync(() => {
        if (download !== undefined) limits.download.setRate(download, now())
        if (upload !== undefined) limits.upload.setRate(upload, now())
        changed()
        // Whoever waited under the old limit goes on under the new one, or under none.
        for (const { swarm } of members) swarm?.feed(now())
      })
  })

  yield* Pulse.start(
    "the download limit",
    Effect.andThen(limited.await, Effect.sleep(PACE)),
    () => session.download.turns.serve(now())
  )

  return {
    ...adjustable(session),
    under: (rates) => adjustable(limitsOf(rates, session)),
    changed
  }
})
