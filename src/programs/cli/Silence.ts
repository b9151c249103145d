/** What `--stop-timeout` waits for. */
import * as Effect from "effect/Effect"

/**
 * Ends, with the time in words, when nothing has come for so long.
 *
 * @param received bytes so far; `undefined` once all is there, after which it never ends
 */
export const wait = Effect.fnUntraced(function*(seconds: number, received: () => number | undefined) {
  let most = 0
  for (let quiet = 0; quiet < seconds; quiet++) {
    yield* Effect.sleep("1 second")
    const now = received()
    if (now === undefined) return yield* Effect.never
    if (now > most) quiet = -1
    most = Math.max(most, now)
  }
  return seconds === 1 ? "a second" : `${seconds} seconds`
})
