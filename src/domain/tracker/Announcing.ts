/** What a tracker's table of swarms is told and what it answers, whatever protocol is spoken outside. */
import type { Event } from "./Announce.ts"

/** What a peer has: not all, all that it wants of a torrent but not all of it (BEP 21), or all. */
export type Role = "leech" | "paused" | "seed"

/** One announce as the tracker's table takes it. Its bytes are another's once it is answered: who keeps them, copies them. */
export interface Announcing {
  /** 20 bytes. */
  readonly infoHash: Uint8Array
  /** 20 bytes. */
  readonly peerId: Uint8Array
  /** The form of BEP 23 or BEP 7: 6 or 18 bytes, port above zero. */
  readonly compact: Uint8Array
  /**
   * By which a peer is known when its address has changed (BEP 7), since it tells nobody else: an unsigned integer of 32 bits,
   * 0 for none.
   */
  readonly key: number
  /** A peer that does not say what is left is a leech. */
  readonly role: Role
  readonly event: Event | undefined
  /** The most peers to answer with, already bounded. */
  readonly numWant: number
  /** The families that the answer may hold. */
  readonly wants: "v4" | "v6" | "both"
  /** The answer is to hold the peers' ids. */
  readonly withIds: boolean
}

/** Others of the swarm, by chance; all byte arrays are the caller's to keep. */
export interface Sample {
  readonly seeders: number
  /** Including those that are paused. */
  readonly leechers: number
  /** How many peers have finished here. */
  readonly completed: number
  /** Entries of BEP 23, end to end. */
  readonly peers4: Uint8Array
  /** Entries of BEP 7, end to end. */
  readonly peers6: Uint8Array
  /** With `withIds`: 20 bytes for each entry of `peers4`, in its order. */
  readonly ids4: Uint8Array | undefined
  readonly ids6: Uint8Array | undefined
}

/** `TooManyTorrents` when the table is full of torrents that have peers. */
export type Answer = Sample | "TooManyTorrents"

/** The numbers of one swarm (BEP 48). */
export interface Counts {
  readonly seeders: number
  /** Including those that are paused. */
  readonly leechers: number
  /** Leeches that are not paused (BEP 21). */
  readonly downloaders: number
  readonly completed: number
  /** The `now` at which a seed was last heard. */
  readonly lastSeedAt: number | undefined
}

/** All swarms together. */
export interface Summary {
  /** Those that have peers. */
  readonly torrents: number
  readonly peers: number
  readonly peers4: number
  readonly peers6: number
  readonly seeders: number
  readonly leechers: number
  /** Of all torrents that are remembered. */
  readonly completed: number
}

export const NOBODY: Counts = { seeders: 0, leechers: 0, downloaders: 0, completed: 0, lastSeedAt: undefined }
