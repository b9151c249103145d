/** What a tracker has done since it started: plain numbers, since they grow with every message. */

/** By protocol, and by the family of the asker's address. */
export type Way = "udp4" | "udp6" | "http4" | "http6"

export const WAYS: ReadonlyArray<Way> = ["udp4", "udp6", "http4", "http6"]

/** Why a question had another end than its answer. */
export type Trouble =
  | "malformed"
  /** A UDP question with a connection id that is not ours, or no longer. */
  | "wrong-id"
  | "rate-limited"
  /** The torrent is denied, not allowed, or not in the catalogue. */
  | "not-tracked"
  /** The table of torrents is full. */
  | "table-full"
  | "store-lost"
  /** More questions wait for the store than may. */
  | "busy"
  | "too-long"
  /** A connection gave way to another, or was refused, at the bound of connections. */
  | "connections"
  /** Header or request were not there in time. */
  | "timeout"
  | "accept"
  | "send"

export const TROUBLES: ReadonlyArray<Trouble> = [
  "malformed",
  "wrong-id",
  "rate-limited",
  "not-tracked",
  "table-full",
  "store-lost",
  "busy",
  "too-long",
  "connections",
  "timeout",
  "accept",
  "send"
]

/** Upper bounds of the histogram of times from question to answer, ms. */
export const BOUNDS_MS: ReadonlyArray<number> = [0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 1000]

const zero = <K extends string>(keys: ReadonlyArray<K>): Record<K, number> =>
  Object.fromEntries(keys.map((key) => [key, 0])) as Record<K, number>

/** The numbers, for those that only read them. */
export interface Counted {
  readonly announces: Readonly<Record<Way, number>>
  readonly scrapes: Readonly<Record<Way, number>>
  /** UDP connection ids given out. */
  readonly connects: number
  /** HTTP requests for anything else. */
  readonly others: number
  readonly troubles: Readonly<Record<Trouble, number>>
  /** How many took at most the bound of the same place and more than the one before; the last is without a bound. */
  readonly durations: ReadonlyArray<number>
  readonly durationSumMs: number
}

export class Counters implements Counted {
  readonly announces: Record<Way, number> = zero(WAYS)
  readonly scrapes: Record<Way, number> = zero(WAYS)
  connects = 0
  others = 0
  readonly troubles: Record<Trouble, number> = zero(TROUBLES)
  readonly durations: Array<number> = Array.from({ length: BOUNDS_MS.length + 1 }, () => 0)
  durationSumMs = 0

  /** Counts questions that were answered in one batch; `ms` is the time of the first of them, the longest. */
  took(ms: number, count: number): void {
    let at = 0
    while (at < BOUNDS_MS.length && ms > BOUNDS_MS[at]!) at++
    this.durations[at]! += count
    this.durationSumMs += ms * count
  }
}
