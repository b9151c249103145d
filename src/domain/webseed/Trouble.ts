/** What is wrong with a web seed, and what follows from it. */

/**
 * `Rest`: it may be well again later. `File`: one file is not to be had there, others may be. `Drop`: nothing of it is to be
 * used in this run.
 */
export type Consequence = "Rest" | "File" | "Drop"

export interface Trouble {
  readonly _tag: "Trouble"
  readonly consequence: Consequence
  /** One line without the URL: `answers with HTTP 503`. */
  readonly message: string
  /** ms after which it wants to be asked again, when it says so. */
  readonly retryAfter?: number | undefined
}

const make = (consequence: Consequence) => (message: string, retryAfter?: number): Trouble => ({
  _tag: "Trouble",
  consequence,
  message,
  retryAfter
})

export const rest = make("Rest")
export const file = make("File")
export const drop = make("Drop")

/** ms between two tries of a web seed that has just failed for the first time, and the longest that it ever rests. */
const FIRST_REST = 2000
const LONGEST_REST = 600_000

/** What a server may ask for with Retry-After (ms). */
const LONGEST_WISH = 3_600_000

/** How long a web seed rests that has failed `failures` times since it last gave anything. */
export const restOf = ({ retryAfter }: Trouble, failures: number): number =>
  retryAfter === undefined
    ? Math.min(LONGEST_REST, FIRST_REST * 2 ** Math.min(failures - 1, 16))
    : Math.min(LONGEST_WISH, Math.max(FIRST_REST / 2, retryAfter))
