/** Connections that a listener holds until somebody accepts them. */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type { Link } from "../Transport.ts"

/** Hangs up on those whom nobody has accepted, for the end of a listener. */
export const closeWaiting = (waiting: Queue.Queue<Link>): Effect.Effect<void> =>
  Effect.map(Queue.clear(waiting), (links) => {
    for (const link of links) link.close()
  })
