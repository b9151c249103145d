/** A progress line for the time in which a torrent is made, or data is compared with one. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Monotonic from "../../services/Monotonic.ts"
import * as Painter from "./Painter.ts"
import * as Stderr from "./Stderr.ts"

export interface HashingOptions {
  /** Of what is hashed. */
  readonly name: string
  /** `hashing` by default. */
  readonly phase?: "hashing" | "checking" | undefined
  readonly quiet: boolean
  /** Seconds between lines where stderr is no terminal. */
  readonly summaryInterval: number
}

const FRAME_MS = 200

/** Draws the line, for `MakeOptions.onProgress` and its like; it goes with the scope. */
export const progress = Effect.fnUntraced(function*(
  { name, phase = "hashing", quiet, summaryInterval }: HashingOptions
): Effect.fn.Return<(hashed: number, total: number) => void, never, Scope.Scope> {
  const clock = yield* Clock.Clock
  const { isTerminal, screen, style } = Stderr.open()
  yield* Effect.addFinalizer(() => Effect.sync(() => screen.clear()))
  const every = isTerminal ? FRAME_MS : summaryInterval * 1000
  let shownAt = Monotonic.millis(clock)
  return (checked, total) => {
    const now = Monotonic.millis(clock)
    if (quiet || now - shownAt < every) return
    shownAt = now
    screen.paint(Painter.render({ ...Painter.IDLE, phase, name, checked, total }, screen.width, style))
  }
})
