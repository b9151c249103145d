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

/** Before that a rate says more of the start than of the disk. */
const SETTLED_MS = 500

/** Bytes/s since the start, and what is left at that rate. */
const outlook = (checked: number, total: number, ms: number): Pick<Painter.Status, "checkRate" | "etaMs"> =>
  ms < SETTLED_MS
    ? { etaMs: undefined }
    : { checkRate: checked * 1000 / ms, etaMs: (total - checked) * ms / checked }

/** Draws the line, for `MakeOptions.onProgress` and its like; it goes with the scope. */
export const progress = Effect.fnUntraced(function*(
  { name, phase = "hashing", quiet, summaryInterval }: HashingOptions
): Effect.fn.Return<(hashed: number, total: number) => void, never, Scope.Scope> {
  const clock = yield* Clock.Clock
  const { isTerminal, screen, style } = Stderr.open()
  yield* Effect.addFinalizer(() => Effect.sync(() => screen.clear()))
  const every = isTerminal ? FRAME_MS : summaryInterval * 1000
  const startedAt = Monotonic.millis(clock)
  let shownAt = startedAt
  return (checked, total) => {
    const now = Monotonic.millis(clock)
    if (quiet || now - shownAt < every) return
    shownAt = now
    const status = { ...Painter.IDLE, phase, name, checked, total } as const
    screen.paint(Painter.render({ ...status, ...outlook(checked, total, now - startedAt) }, screen.width, style))
  }
})
