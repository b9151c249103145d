/**
 * The peers of one torrent, as a tracker knows them. Every operation is O(1) per peer it touches, however large the
 * swarm. Plain mutable data: the store that made it owns it. Times are milliseconds of any one clock.
 */
import * as PeerAddress from "../PeerAddress.ts"
import type * as PeerId from "../PeerId.ts"
import type { Event } from "./Announce.ts"

export interface Peer {
  readonly peerId: PeerId.PeerId
  readonly address: PeerAddress.PeerAddress
  /** The address in the form of BEP 23 or BEP 7, made once. */
  readonly compact: Uint8Array
}

interface Entry extends Peer {
  seed: boolean
  /** Its `completed` has been counted. */
  finished: boolean
  expiresAt: number
  /** Where it stands in its pool. */
  index: number
}

export interface Counts {
  readonly seeders: number
  readonly leechers: number
  /** How many peers have finished here. */
  readonly completed: number
}

export interface Sample extends Counts {
  readonly peers: ReadonlyArray<Peer>
}

export interface Swarm {
  /**
   * By the text of the address, the one that has been silent longest first. An address and not an id makes a peer,
   * so that a client that starts anew takes its own old place, and nobody can take another's.
   */
  readonly entries: Map<string, Entry>
  readonly seeds: Array<Entry>
  readonly leeches: Array<Entry>
  completed: number
}

/** One announce, with the time at which the peer is forgotten unless it announces again. */
export interface Visit {
  readonly address: PeerAddress.PeerAddress
  readonly peerId: PeerId.PeerId
  readonly seed: boolean
  readonly event: Event | undefined
  readonly expiresAt: number
}

export const make = (): Swarm => ({ entries: new Map(), seeds: [], leeches: [], completed: 0 })

export const counts = (swarm: Swarm): Counts => ({
  seeders: swarm.seeds.length,
  leechers: swarm.leeches.length,
  completed: swarm.completed
})

const poolOf = (swarm: Swarm, seed: boolean): Array<Entry> => seed ? swarm.seeds : swarm.leeches

const place = (pool: Array<Entry>, index: number, entry: Entry): void => {
  pool[index] = entry
  entry.index = index
}

const enterPool = (swarm: Swarm, entry: Entry): void => {
  const pool = poolOf(swarm, entry.seed)
  place(pool, pool.length, entry)
}

const leavePool = (swarm: Swarm, entry: Entry): void => {
  const pool = poolOf(swarm, entry.seed)
  const last = pool.pop()!
  if (last !== entry) place(pool, entry.index, last)
}

const drop = (swarm: Swarm, key: string, entry: Entry): void => {
  swarm.entries.delete(key)
  leavePool(swarm, entry)
}

/** Forgets the peer that has been silent longest. */
export const dropOldest = (swarm: Swarm): void => {
  for (const [key, entry] of swarm.entries) return drop(swarm, key, entry)
}

/** Forgets everyone whose time is over; `expiresAt` must have grown from visit to visit. */
export const expire = (swarm: Swarm, now: number): void => {
  for (const [key, entry] of swarm.entries) {
    if (entry.expiresAt > now) return
    drop(swarm, key, entry)
  }
}

const renew = (swarm: Swarm, known: Entry | undefined, visit: Visit): Entry => {
  if (known === undefined || known.peerId !== visit.peerId) {
    if (known !== undefined) leavePool(swarm, known)
    const { address, expiresAt, peerId, seed } = visit
    const compact = known?.compact ?? PeerAddress.toCompact(address)
    const entry: Entry = { peerId, address, compact, seed, finished: false, expiresAt, index: 0 }
    enterPool(swarm, entry)
    return entry
  }
  known.expiresAt = visit.expiresAt
  if (known.seed !== visit.seed) {
    leavePool(swarm, known)
    known.seed = visit.seed
    enterPool(swarm, known)
  }
  return known
}

/**
 * Takes in, moves or removes one peer. `completed` counts once for a peer that is a seed by then; `stopped` removes
 * only the peer that says it. Beyond `maxPeers` the peer that has been silent longest makes room.
 */
export const visit = (swarm: Swarm, visit: Visit, maxPeers: number): void => {
  const key = PeerAddress.format(visit.address)
  const known = swarm.entries.get(key)
  if (visit.event === "stopped") {
    if (known?.peerId === visit.peerId) drop(swarm, key, known)
    return
  }
  if (known === undefined && swarm.entries.size >= maxPeers) dropOldest(swarm)
  const entry = renew(swarm, known, visit)
  swarm.entries.delete(key)
  swarm.entries.set(key, entry)
  if (visit.event === "completed" && entry.seed && !entry.finished) {
    entry.finished = true
    swarm.completed++
  }
}

/** Moves one of the first `left` entries behind the others of them, and returns it. */
const draw = (pool: Array<Entry>, left: number, at: number): Entry => {
  const entry = pool[at]!
  place(pool, at, pool[left - 1]!)
  place(pool, left - 1, entry)
  return entry
}

// Draws that may be lost on the asker's own other addresses.
const SPARE = 8

/**
 * Up to `want` peers, every one as likely as any other: never the asker, whatever its address, and no seeds for a seed.
 * `random` gives numbers in [0, 1).
 */
export const sample = (
  swarm: Swarm,
  asker: { readonly peerId: PeerId.PeerId; readonly seed: boolean },
  want: number,
  random: () => number
): Array<Peer> => {
  const out: Array<Peer> = []
  let seeds = asker.seed ? 0 : swarm.seeds.length
  let leeches = swarm.leeches.length
  for (let draws = want + SPARE; out.length < want && seeds + leeches > 0 && draws > 0; draws--) {
    const at = Math.floor(random() * (seeds + leeches))
    const entry = at < seeds ? draw(swarm.seeds, seeds--, at) : draw(swarm.leeches, leeches--, at - seeds)
    if (entry.peerId !== asker.peerId) out.push(entry)
  }
  return out
}
