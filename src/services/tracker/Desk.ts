/** What the listeners of a tracker share: its rules, its counters, and the way to the store. */
import type * as InfoHash from "../../domain/InfoHash.ts"
import type { Announcing, Answer, Counts } from "../../domain/tracker/Announcing.ts"
import type { AskerRates } from "../../domain/tracker/AskerRates.ts"
import type { Counters } from "../../domain/tracker/Counters.ts"
import type { BatchOptions } from "./AnnounceBatch.ts"

/** Why a question gets no answer, in words for a user, and when to ask again (BEP 31), ms. */
export interface Refusal {
  readonly text: string
  readonly retryInMs: number | undefined
}

export const REFUSED = {
  storeLost: { text: "this tracker has lost its memory for now; it will be back", retryInMs: 60_000 },
  busy: { text: "this tracker has too much to do; ask again later", retryInMs: 60_000 },
  tableFull: { text: "this tracker has no room for another torrent now", retryInMs: 30 * 60_000 },
  notTracked: { text: "this torrent is not tracked here", retryInMs: undefined },
  scrapeAll: {
    text: "info_hash must be 20 bytes, percent-encoded; scrapes of everything are not answered",
    retryInMs: undefined
  },
  address: { text: "the address of this request is not known", retryInMs: undefined }
} as const satisfies Readonly<Record<string, Refusal>>

export const tooOften = (waitMs: number): Refusal => ({
  text: "too many requests from this address",
  retryInMs: waitMs
})

export interface Desk {
  readonly counters: Counters
  readonly rates: AskerRates
  /** Whether a torrent is tracked here, by the 20 bytes of its info hash. */
  readonly admits: (infoHash: Uint8Array) => boolean
  /** How long a peer is asked to wait, ms; with jitter, so that a restart does not bring everybody at once for ever. */
  readonly intervalMs: () => number
  readonly minIntervalMs: number
  /** The most peers in one answer, and how many when the asker does not say. */
  readonly maxNumWant: number
  readonly numWant: number
  /** Numbers in [0, 1). */
  readonly random: () => number
  /** Wall-clock time that does not go back, ms. */
  readonly now: () => number
  /** Elapsed time, ms. */
  readonly elapsed: () => number
  readonly submit: BatchOptions<never>["submit"]
  readonly scrape: (
    infoHashes: ReadonlyArray<InfoHash.InfoHash>,
    done: (counts: ReadonlyArray<Counts> | undefined) => void
  ) => void
  /** Is told of every announce that came to the store; not of those that were refused before. */
  readonly log: ((protocol: "udp" | "http", asked: Announcing, answer: Answer | undefined) => void) | undefined
}

/** How long this address has to wait before it may ask, ms; the time is not even looked up without a limit. */
export const waitOf = ({ elapsed, rates }: Desk, host: Uint8Array, length: 0 | 4 | 16): number =>
  rates.isLimited ? rates.take(host, length, elapsed()) : 0
