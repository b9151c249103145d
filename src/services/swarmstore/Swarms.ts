/** What every kind of swarm store does. */
import type * as Effect from "effect/Effect"
import type * as InfoHash from "../../domain/InfoHash.ts"
import * as AnnounceInterval from "../../domain/tracker/AnnounceInterval.ts"
import type { Announcing, Answer, Counts, Summary } from "../../domain/tracker/Announcing.ts"
import type { Bounds } from "../../domain/tracker/SwarmTable.ts"
import type { SwarmStoreError } from "./SwarmStoreError.ts"

/** `now` is milliseconds of the wall clock, which must not go back within one process; stores with a clock go by their own. */
export interface Swarms {
  /**
   * Takes every peer of the batch in (or out, when it stops), one after another, and answers each with others of its swarm:
   * chosen by chance, never the asker, no seeds for a seed, and nobody that the asker could not reach. The batch may be
   * reused once the effect has ended. An announce that failed alone has no answer.
   */
  readonly announce: (
    batch: ReadonlyArray<Announcing>,
    now: number
  ) => Effect.Effect<ReadonlyArray<Answer | undefined>, SwarmStoreError>
  /** In the order of the hashes; a torrent that is not known has nobody. */
  readonly scrape: (
    hashes: ReadonlyArray<InfoHash.InfoHash>,
    now: number
  ) => Effect.Effect<ReadonlyArray<Counts>, SwarmStoreError>
  /** All swarms together, from running totals. */
  readonly summary: (now: number) => Effect.Effect<Summary, SwarmStoreError>
  /**
   * 32 secret bytes that outlive the process, the same for all trackers that share a store: connection ids of UDP (BEP 15)
   * are signed with them.
   */
  readonly connectionKey: Effect.Effect<Uint8Array, SwarmStoreError>
}

export interface SwarmsOptions {
  /** 100,000 unless given. */
  readonly maxTorrents?: number | undefined
  /** 100,000 unless given. */
  readonly maxPeersPerTorrent?: number | undefined
  /** Of all torrents together; 2,000,000 unless given. */
  readonly maxPeers?: number | undefined
  /** How long a peer is remembered after its last announce; what the default interval asks for unless given. */
  readonly lifeMs?: number | undefined
}

export const boundsOf = (options: SwarmsOptions): Bounds => ({
  maxTorrents: options.maxTorrents ?? 100_000,
  maxPeersPerTorrent: options.maxPeersPerTorrent ?? 100_000,
  maxPeers: options.maxPeers ?? 2_000_000,
  lifeMs: options.lifeMs ?? AnnounceInterval.lifeOf(AnnounceInterval.DEFAULT_MS)
})
