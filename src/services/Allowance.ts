/** Waiting for a rate limit, which may change meanwhile. */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Monotonic from "./Monotonic.ts"

/** A wait is looked at again after so many ms: the limit may be another, or who waited may be gone. */
const LOOK_AGAIN = 250

/** Until `left`, the ms that are left to wait, is 0. */
export const wait = (clock: Clock.Clock, left: (now: number) => number): Effect.Effect<void> =>
  Effect.suspend(() => {
    const ms = left(Monotonic.millis(clock))
    return ms === 0 ? Effect.void : Effect.andThen(Effect.sleep(Math.min(ms, LOOK_AGAIN)), wait(clock, left))
  })
