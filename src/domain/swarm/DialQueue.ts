/** Addresses where a torrent's peers may be, and when each is worth the next call. Permits to dial are the session's. */
import * as PeerAddress from "../PeerAddress.ts"
import { type Due, DueHeap, OUTSIDE } from "./DueHeap.ts"

/** Who named the address. What the user names is dialled first and never given up. */
export type Source = "user" | "tracker" | "dht" | "pex" | "lsd" | "incoming"

/** Addresses known; past it a random one that was of no use makes room. */
const LIMIT = 2000

/** Candidates looked at to make room. */
const SAMPLES = 8

/** Addresses shut out; the oldest goes first. */
const MOST_EXCLUDED = 256

/** ms until the first retry, the growth of the wait per failure, its bound, and how much of it chance may take off. */
const FIRST_WAIT = 10_000
const GROWTH = 3
const LONGEST_WAIT = 3_600_000
const LONGEST_WAIT_ALONE = 60_000
const JITTER = 0.25

/** Failures in a row after which an address rests; a source that names it after {@link LONGEST_WAIT} wakes it. */
const MOST_FAILURES = 8

/** Outside the heap while it is being dialled or is connected: it is busy then. */
interface Entry extends Due {
  readonly address: PeerAddress.PeerAddress
  readonly key: string
  user: boolean
  /** The first of the torrent's swarms in which it was met. */
  swarm: number
  failures: number
  /** It was of use once. */
  useful: boolean
  /** When it may be dialled: a time; negative when it was never tried; Infinity while it rests. */
  dueAt: number
  /** When a source that names it ends its rest. */
  restedAt: number
}

/**
 * Owned by one torrent. Times are monotonic ms, `random` gives numbers in [0, 1). Every address is here once or not at all, and
 * {@link DialQueue.next} gives it to one caller at a time, who reports back by `failed`, or `connected` and `disconnected`.
 */
export class DialQueue {
  readonly #random: () => number
  readonly #limit: number
  readonly #table = new Map<string, Entry>()
  readonly #excluded = new Set<string>()
  readonly #idle = new DueHeap<Entry>()

  constructor(random: () => number, limit = LIMIT) {
    this.#random = random
    this.#limit = limit
  }

  /** Addresses known. */
  get size(): number {
    return this.#table.size
  }

  /**
   * A source named an address. True when it is new here.
   *
   * @param swarm which of the torrent's swarms the source speaks of: a hybrid has two (BEP 52)
   */
  add(address: PeerAddress.PeerAddress, source: Source, now: number, swarm = 0): boolean {
    const key = PeerAddress.format(address)
    const user = source === "user"
    const known = this.#table.get(key)
    if (known === undefined) {
      const entry = this.#insert(address, key, user, swarm)
      if (entry !== undefined) this.#idle.put(entry, this.#random() - (user ? 2 : 1))
      return entry !== undefined
    }
    if (known.at !== OUTSIDE) {
      if (known.dueAt === Infinity && (user || now >= known.restedAt)) this.#idle.put(known, now)
      if (known.dueAt < 0 && user && !known.user) this.#idle.put(known, known.dueAt - 1)
    }
    known.user ||= user
    known.swarm = Math.min(known.swarm, swarm)
    return false
  }

  /** The address to dial next, if one is due: first what was never tried, then the retry that is due longest. */
  next(now: number): PeerAddress.PeerAddress | undefined {
    const first = this.#idle.first
    if (first === undefined || first.dueAt > now) return undefined
    this.#idle.remove(first)
    return first.address
  }

  /** The swarm in which to call the peer: one that is in both may be called in the first. */
  swarmOf(address: PeerAddress.PeerAddress): number {
    return this.#table.get(PeerAddress.format(address))?.swarm ?? 0
  }

  /** The torrent's swarms have other numbers, as when more is known of it than its magnet link said. */
  renumber(to: (swarm: number) => number): void {
    for (const entry of this.#table.values()) entry.swarm = to(entry.swarm)
  }

  /** When {@link DialQueue.next} gives something if nothing is added: negative for at once, Infinity for never. */
  dueAt(): number {
    return this.#idle.first?.dueAt ?? Infinity
  }

  /**
   * The dial or the handshake failed. `alone` says that no peer at all is connected: then it may well be our own network
   * that is gone, and what was of use is tried again soon however often it failed.
   */
  failed(address: PeerAddress.PeerAddress, now: number, alone = false): void {
    const entry = this.#table.get(PeerAddress.format(address))
    if (entry === undefined || entry.at !== OUTSIDE) return
    entry.failures++
    entry.restedAt = now + LONGEST_WAIT
    const hopeful = alone && (entry.useful || entry.user)
    const resting = entry.failures >= MOST_FAILURES && !entry.user && !hopeful
    const wait = this.#backOff(entry.failures, hopeful ? LONGEST_WAIT_ALONE : LONGEST_WAIT)
    this.#idle.put(entry, resting ? Infinity : now + wait)
  }

  /** There is a connection with the peer that listens here, whoever dialled: do not dial it. */
  connected(address: PeerAddress.PeerAddress): void {
    const key = PeerAddress.format(address)
    const entry = this.#table.get(key) ?? this.#insert(address, key, false, 0)
    if (entry !== undefined) this.#idle.remove(entry)
  }

  /** The connection ended. A useful one wipes out earlier failures, a useless one counts as a failure. */
  disconnected(address: PeerAddress.PeerAddress, now: number, wasUseful: boolean, alone = false): void {
    if (!wasUseful) return this.failed(address, now, alone)
    const entry = this.#table.get(PeerAddress.format(address))
    if (entry === undefined || entry.at !== OUTSIDE) return
    entry.failures = 0
    entry.useful = true
    this.#idle.put(entry, now + this.#backOff(1))
  }

  /** We have ended the connection to call the peer anew: it is due at once, and no worse for it. */
  recall(address: PeerAddress.PeerAddress, now: number): void {
    const entry = this.#table.get(PeerAddress.format(address))
    if (entry !== undefined && entry.at === OUTSIDE) this.#idle.put(entry, now)
  }

  /** One of our own addresses, or one that is banned: forgotten and not taken in again. */
  exclude(address: PeerAddress.PeerAddress): void {
    const key = PeerAddress.format(address)
    this.#excluded.add(key)
    if (this.#excluded.size > MOST_EXCLUDED) this.#excluded.delete(this.#excluded.keys().next().value!)
    const entry = this.#table.get(key)
    if (entry !== undefined) this.#remove(entry)
  }

  /** Forgets all that the user has not named, as when the tracker that named them no longer counts (BEP 27). */
  forget(): void {
    for (const entry of Array.from(this.#table.values())) if (!entry.user) this.#remove(entry)
  }

  #insert(address: PeerAddress.PeerAddress, key: string, user: boolean, swarm: number): Entry | undefined {
    if (this.#excluded.has(key) || (this.size >= this.#limit && !this.#makeRoom())) return undefined
    const entry: Entry = { address, key, user, swarm, failures: 0, useful: false, dueAt: 0, restedAt: 0, at: OUTSIDE }
    this.#table.set(key, entry)
    return entry
  }

  /** At random, so that whoever floods the table cannot choose what is lost. */
  #makeRoom(): boolean {
    let victim: Entry | undefined
    for (let i = 0; i < SAMPLES; i++) {
      const entry = this.#idle.any(this.#random())
      if (entry !== undefined && !entry.user && (victim === undefined || worth(entry) < worth(victim))) victim = entry
    }
    if (victim !== undefined) this.#remove(victim)
    return victim !== undefined
  }

  #remove(entry: Entry): void {
    this.#idle.remove(entry)
    this.#table.delete(entry.key)
  }

  #backOff(failures: number, longest = LONGEST_WAIT): number {
    return Math.min(longest, FIRST_WAIT * GROWTH ** (failures - 1)) * (1 - JITTER * this.#random())
  }
}

/** What is given up goes before what failed lately, that before what was never tried, and last what was of use. */
const worth = (entry: Entry): number => entry.useful ? 3 : entry.dueAt < 0 ? 2 : entry.dueAt < Infinity ? 1 : 0
