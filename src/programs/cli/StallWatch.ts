/** When to say that nothing comes, and why: after a while without a byte, and again when the cause is another. */
import type { TorrentState } from "../../domain/swarm/Diagnosis.ts"
import type { StallCause } from "../../domain/swarm/StallCause.ts"

/** ms without a byte. */
const QUIET_MS = 10_000

export interface Look {
  readonly downloaded: number
  readonly state: TorrentState
}

/** What is to be told: a cause that was not told yet, or that it moves again. */
export type News = { readonly cause: StallCause } | "Moving" | undefined

/** Owned by one screen. Times are monotonic ms. */
export class StallWatch {
  #downloaded = -1
  #movedAt = 0
  #told: StallCause | undefined

  /** The cause of the stall that was told of and lasts. */
  get cause(): StallCause | undefined {
    return this.#told
  }

  look({ downloaded, state }: Look, now: number): News {
    const isStalled = state._tag === "Stalled"
    if (downloaded !== this.#downloaded || !isStalled) {
      // A stop before anything is fetched counts from the first look.
      this.#downloaded = downloaded
      this.#movedAt = now
      const wasTold = this.#told !== undefined
      this.#told = undefined
      return wasTold ? "Moving" : undefined
    }
    if (now - this.#movedAt < QUIET_MS) return undefined
    const { cause } = state
    const isNew = this.#told?._tag !== cause._tag
    this.#told = cause
    return isNew ? { cause } : undefined
  }
}
