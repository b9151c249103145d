/** Elapsed time: it never goes back, and a TestClock may drive it. */
import type * as Clock from "effect/Clock"

/** Milliseconds since an arbitrary moment; about 60 ns a call, so once per batch is fine. */
export const millis = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
