/** Something that is done again and again. What goes wrong in one turn is told of, and is not the end of the others. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/**
 * Runs `turn` after each wait, in the background until the scope closes.
 *
 * @param what what a defect is in, for the log
 */
export const start = (
  what: string,
  wait: Effect.Effect<unknown>,
  turn: () => void
): Effect.Effect<void, never, Scope.Scope> =>
  wait.pipe(
    Effect.andThen(Effect.sync(turn)),
    Effect.catchDefect((defect) => Effect.logError(`defect in ${what}`, defect)),
    Effect.forever({ disableYield: true }),
    Effect.forkScoped,
    Effect.asVoid
  )
