/** What one process of a tracker, or all of them together, have done so far and hold now: plain data, to be sent. */
import { type Counted, type Trouble, TROUBLES, type Way, WAYS } from "./Counters.ts"

export interface Tally extends Counted {
  /** Open TCP connections. */
  readonly connections: number
  /** Questions that wait for the store. */
  readonly pending: number
  readonly residentBytes: number
  readonly heapBytes: number
  readonly cpuSeconds: number
  /** Unix time. */
  readonly startedAtMs: number
}

/** What remains of a process that has ended: what it has done, since a count must not go back. */
export const ended = (tally: Tally): Tally => ({ ...tally, connections: 0, pending: 0, residentBytes: 0, heapBytes: 0 })

const merge = <K extends string>(
  keys: ReadonlyArray<K>,
  a: Readonly<Record<K, number>>,
  b: Readonly<Record<K, number>>
): Record<K, number> => Object.fromEntries(keys.map((key) => [key, a[key] + b[key]])) as Record<K, number>

/** Both together; they have run since the first of them started. */
export const plus = (a: Tally, b: Tally): Tally => ({
  announces: merge<Way>(WAYS, a.announces, b.announces),
  scrapes: merge<Way>(WAYS, a.scrapes, b.scrapes),
  connects: a.connects + b.connects,
  others: a.others + b.others,
  troubles: merge<Trouble>(TROUBLES, a.troubles, b.troubles),
  durations: a.durations.map((count, at) => count + b.durations[at]!),
  durationSumMs: a.durationSumMs + b.durationSumMs,
  connections: a.connections + b.connections,
  pending: a.pending + b.pending,
  residentBytes: a.residentBytes + b.residentBytes,
  heapBytes: a.heapBytes + b.heapBytes,
  cpuSeconds: a.cpuSeconds + b.cpuSeconds,
  startedAtMs: Math.min(a.startedAtMs, b.startedAtMs)
})
