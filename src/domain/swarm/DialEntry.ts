/** One address of a {@link DialQueue}: where it is from, what came of it, when it is worth the next call. */
import * as PeerAddress from "../PeerAddress.ts"
import type { Manner } from "../wire/mse/Policy.ts"
import type { Contact } from "../wire/PexMessage.ts"
import { type Due, OUTSIDE } from "./DueHeap.ts"
import type { Source } from "./Source.ts"

/** A peer that was met, for a later run. */
export interface Remembered extends Contact {
  readonly source: Source
  /** The first of the torrent's swarms in which it was met. */
  readonly swarm: number
  /** It was of use once. */
  readonly useful: boolean
  /** In a row. */
  readonly failures: number
  /** How long ago there was a connection with it (ms). */
  readonly age: number
}

/** Outside the heap while it is being dialled or is connected: it is busy then. */
export interface DialEntry extends Due {
  readonly address: PeerAddress.PeerAddress
  readonly key: string
  readonly source: Source
  /** The peer that told of it, until its word was judged. */
  teller: string | undefined
  /** What its teller says of it: bits of BEP 11. */
  flags: number
  user: boolean
  /** The first of the torrent's swarms in which it was met. */
  swarm: number
  failures: number
  /** It was of use once. */
  useful: boolean
  /** How it was spoken with last. */
  manner: Manner | undefined
  /** When the last connection with it ended; Infinity while there is one, `undefined` before. */
  metAt: number | undefined
  /** When it may be dialled: a time; negative when it was never tried; Infinity while it rests. */
  dueAt: number
  /** When a source that names it ends its rest. */
  restedAt: number
}

export const make = (address: PeerAddress.PeerAddress, source: Source, swarm: number): DialEntry => ({
  address,
  key: PeerAddress.format(address),
  source,
  teller: undefined,
  flags: 0,
  user: source === "user",
  swarm,
  failures: 0,
  useful: false,
  manner: undefined,
  metAt: undefined,
  dueAt: 0,
  restedAt: 0,
  at: OUTSIDE
})

/** As a later run is to know it, once it was met. */
export const remembered = (
  { address, failures, flags, metAt, source, swarm, useful }: DialEntry,
  now: number
): Remembered => ({
  address,
  flags,
  source,
  swarm,
  useful,
  failures,
  age: Math.max(0, now - metAt!)
})

/**
 * What is given up goes first, then what a peer told of and was not found, what failed lately, what was never tried, and last
 * what was of use.
 */
export const worth = ({ dueAt, metAt, source, useful }: DialEntry): number => {
  if (useful) return 4
  if (dueAt < 0) return 3
  return dueAt === Infinity ? 0 : source === "pex" && metAt === undefined ? 1 : 2
}
