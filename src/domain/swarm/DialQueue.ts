/** Addresses where a torrent's peers may be, and when each is worth the next call. Permits to dial are the session's. */
import * as PeerAddress from "../PeerAddress.ts"
import type { Manner } from "../wire/mse/Policy.ts"
import * as PexMessage from "../wire/PexMessage.ts"
import * as DialEntry from "./DialEntry.ts"
import { DueHeap, OUTSIDE } from "./DueHeap.ts"
import { Hearsay } from "./Hearsay.ts"
import type { Source } from "./Source.ts"

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

/** Failures after which what only a peer has told of is forgotten, if nobody was ever met there. */
const MOST_FAILURES_OF_HEARSAY = 2

/** Where what was never tried begins in the order of dialling, by who named it. */
const USER_FIRST = -3
const PROVED_FIRST = -2
const OTHERS_FIRST = -1

/**
 * Owned by one torrent. Times are monotonic ms, `random` gives numbers in [0, 1). Every address is here once or not at all, and
 * {@link DialQueue.next} gives it to one caller at a time, who reports back by `failed`, or `connected` and `disconnected`.
 */
export class DialQueue {
  readonly #random: () => number
  readonly #limit: number
  readonly #rank: (address: PeerAddress.PeerAddress) => number
  readonly #table = new Map<string, DialEntry.DialEntry>()
  readonly #excluded = new Set<string>()
  readonly #idle = new DueHeap<DialEntry.DialEntry>()
  readonly #hearsay: Hearsay
  /** What peers tell of and retries take turns, so that neither waits for the other's end. */
  #isTurnOfHearsay = true

  /** @param rank the order among equals that were never tried: in [0, 1), the greatest first; by chance when absent */
  constructor(random: () => number, limit = LIMIT, rank: (address: PeerAddress.PeerAddress) => number = random) {
    this.#random = random
    this.#limit = limit
    this.#rank = rank
    this.#hearsay = new Hearsay(rank)
  }

  /** Addresses known, those apart that wait as {@link Hearsay}. */
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
      this.#hearsay.remove(address)
      const entry = this.#insert(address, source, swarm)
      if (entry !== undefined) this.#idle.put(entry, this.#place(address, user ? USER_FIRST : OTHERS_FIRST))
      return entry !== undefined
    }
    this.#namedAgain(known, user, swarm, now)
    return false
  }

  #namedAgain(known: DialEntry.DialEntry, user: boolean, swarm: number, now: number): void {
    if (known.at !== OUTSIDE) {
      if (known.dueAt === Infinity && (user || now >= known.restedAt)) this.#idle.put(known, now)
      if (known.dueAt < 0 && user && !known.user) this.#idle.put(known, this.#place(known.address, USER_FIRST))
    }
    known.user ||= user
    known.swarm = Math.min(known.swarm, swarm)
  }

  /** A time before all times, by which what was never tried stands in line. */
  #place(address: PeerAddress.PeerAddress, first: number): number {
    return first - this.#rank(address)
  }

  /**
   * A peer tells of another (BEP 11). What is new here waits until its teller's turn comes; see {@link Hearsay}.
   *
   * @param teller the host of the peer that tells
   */
  told(contact: PexMessage.Contact, teller: string, now: number, swarm = 0): void {
    const key = PeerAddress.format(contact.address)
    const known = this.#table.get(key)
    if (known !== undefined) {
      known.flags |= contact.flags
      this.#namedAgain(known, false, swarm, now)
    } else if (!this.#excluded.has(key)) this.#hearsay.add({ ...contact, teller, swarm }, now)
  }

  /** The peer that told of the address has lost it; others may still know it. */
  untold(address: PeerAddress.PeerAddress, teller: string): void {
    this.#hearsay.remove(address, teller)
  }

  /** Peers of an earlier run, to be tried again. */
  recall(list: ReadonlyArray<DialEntry.Remembered>, now: number): void {
    for (const { address, age, failures, flags, source, swarm, useful } of list) {
      if (this.#table.has(PeerAddress.format(address))) continue
      const entry = this.#insert(address, source === "user" ? "resume" : source, swarm)
      if (entry === undefined) continue
      Object.assign(entry, { flags, failures, useful, metAt: now - age })
      this.#idle.put(entry, this.#place(address, useful ? PROVED_FIRST : OTHERS_FIRST))
    }
  }

  /** The peers worth a call in a later run: those that were met at an address of their own, the best first. */
  memory(now: number, most: number): ReadonlyArray<DialEntry.Remembered> {
    return Array.from(this.#table.values())
      .filter(({ address, failures, metAt }) =>
        metAt !== undefined && failures < MOST_FAILURES && address.name === undefined
      )
      .sort((a, b) => Number(b.useful) - Number(a.useful) || a.failures - b.failures || b.metAt! - a.metAt!)
      .slice(0, most)
      .map((entry) => DialEntry.remembered(entry, now))
  }

  /**
   * The address to dial next, if one is due: first what was never tried, then in turns what peers have told of and the retry
   * that is due longest.
   */
  next(now: number): PeerAddress.PeerAddress | undefined {
    const first = this.#idle.first
    const isDue = first !== undefined && first.dueAt <= now
    if (!isDue || (first.dueAt >= 0 && this.#isTurnOfHearsay)) {
      const rumour = this.#nextOfHearsay(now)
      if (rumour !== undefined) return rumour.address
    }
    if (!isDue) return undefined
    if (first.dueAt >= 0) this.#isTurnOfHearsay = true
    this.#idle.remove(first)
    return first.address
  }

  #nextOfHearsay(now: number): DialEntry.DialEntry | undefined {
    const rumour = this.#hearsay.next(now)
    if (rumour === undefined) return undefined
    this.#isTurnOfHearsay = false
    const entry = this.#insert(rumour.address, "pex", rumour.swarm)
    if (entry === undefined) {
      this.#hearsay.judge(rumour.teller, false, now)
      return undefined
    }
    entry.flags = rumour.flags
    entry.teller = rumour.teller
    return entry
  }

  /** The swarm in which to call the peer: one that is in both may be called in the first. */
  swarmOf(address: PeerAddress.PeerAddress): number {
    return this.#table.get(PeerAddress.format(address))?.swarm ?? 0
  }

  /** The torrent's swarms have other numbers, as when more is known of it than its magnet link said. */
  renumber(to: (swarm: number) => number): void {
    for (const entry of this.#table.values()) entry.swarm = to(entry.swarm)
  }

  /** How the peer was spoken with last, or is said to prefer it (BEP 11); `undefined` when nobody knows. */
  mannerOf(address: PeerAddress.PeerAddress): Manner | undefined {
    const entry = this.#table.get(PeerAddress.format(address))
    const prefersEncryption = entry !== undefined && (entry.flags & PexMessage.PREFERS_ENCRYPTION) !== 0
    return entry?.manner ?? (prefersEncryption ? "encrypted" : undefined)
  }

  /** The peer has shaken hands when it was called like this. */
  answered(address: PeerAddress.PeerAddress, manner: Manner): void {
    const entry = this.#table.get(PeerAddress.format(address))
    if (entry !== undefined) entry.manner = manner
  }

  /**
   * When {@link DialQueue.next} gives something if nothing is added: negative for at once, Infinity for never. What peers
   * have told of does not count.
   */
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
    this.#judge(entry, false, now)
    entry.failures++
    if (
      entry.source === "pex" && entry.metAt === undefined && entry.failures >= MOST_FAILURES_OF_HEARSAY && !entry.user
    ) {
      return this.#remove(entry)
    }
    entry.restedAt = now + LONGEST_WAIT
    const hopeful = alone && (entry.useful || entry.user)
    const resting = entry.failures >= MOST_FAILURES && !entry.user && !hopeful
    const wait = this.#backOff(entry.failures, hopeful ? LONGEST_WAIT_ALONE : LONGEST_WAIT)
    this.#idle.put(entry, resting ? Infinity : now + wait)
  }

  /** There is a connection with the peer that listens here, whoever dialled: do not dial it. */
  connected(address: PeerAddress.PeerAddress, now: number, swarm = 0): void {
    this.#hearsay.remove(address)
    const entry = this.#table.get(PeerAddress.format(address)) ?? this.#insert(address, "incoming", swarm)
    if (entry === undefined) return
    this.#idle.remove(entry)
    this.#judge(entry, true, now)
    entry.metAt = Infinity
  }

  /** What is known of the peer that listens here: its flags by BEP 11, and whether it has given or taken something. */
  note(address: PeerAddress.PeerAddress, flags: number, isUseful: boolean): void {
    const entry = this.#table.get(PeerAddress.format(address))
    if (entry === undefined) return
    entry.flags = flags
    entry.useful ||= isUseful
  }

  /** The word of whoever told of the address is put to the test once. */
  #judge(entry: DialEntry.DialEntry, wasPeer: boolean, now: number): void {
    if (entry.teller !== undefined) this.#hearsay.judge(entry.teller, wasPeer, now)
    entry.teller = undefined
  }

  /** The connection ended. A useful one wipes out earlier failures, a useless one counts as a failure. */
  disconnected(address: PeerAddress.PeerAddress, now: number, wasUseful: boolean, alone = false): void {
    const entry = this.#table.get(PeerAddress.format(address))
    if (entry === undefined || entry.at !== OUTSIDE) return
    entry.metAt = now
    if (!wasUseful) return this.failed(address, now, alone)
    entry.failures = 0
    entry.useful = true
    this.#idle.put(entry, now + this.#backOff(1))
  }

  /** We have ended the connection to call the peer anew: it is due at once, and no worse for it. */
  again(address: PeerAddress.PeerAddress, now: number): void {
    const entry = this.#table.get(PeerAddress.format(address))
    if (entry === undefined || entry.at !== OUTSIDE) return
    entry.metAt = now
    this.#idle.put(entry, now)
  }

  /** One of our own addresses, or one that is banned: forgotten and not taken in again. */
  exclude(address: PeerAddress.PeerAddress): void {
    const key = PeerAddress.format(address)
    this.#hearsay.remove(address)
    this.#excluded.add(key)
    if (this.#excluded.size > MOST_EXCLUDED) this.#excluded.delete(this.#excluded.keys().next().value!)
    const entry = this.#table.get(key)
    if (entry !== undefined) this.#remove(entry)
  }

  /** Forgets all that the user has not named, as when the tracker that named them no longer counts (BEP 27). */
  forget(): void {
    this.#hearsay.clear()
    for (const entry of Array.from(this.#table.values())) if (!entry.user) this.#remove(entry)
  }

  #insert(address: PeerAddress.PeerAddress, source: Source, swarm: number): DialEntry.DialEntry | undefined {
    const key = PeerAddress.format(address)
    if (this.#excluded.has(key) || (this.size >= this.#limit && !this.#makeRoom())) return undefined
    const entry = DialEntry.make(address, source, swarm)
    this.#table.set(key, entry)
    return entry
  }

  /** At random, so that whoever floods the table cannot choose what is lost. */
  #makeRoom(): boolean {
    let victim: DialEntry.DialEntry | undefined
    for (let i = 0; i < SAMPLES; i++) {
      const entry = this.#idle.any(this.#random())
      if (
        entry !== undefined && !entry.user && (victim === undefined || DialEntry.worth(entry) < DialEntry.worth(victim))
      ) victim = entry
    }
    if (victim !== undefined) this.#remove(victim)
    return victim !== undefined
  }

  #remove(entry: DialEntry.DialEntry): void {
    if (entry.teller !== undefined) this.#hearsay.judge(entry.teller, false, 0)
    this.#idle.remove(entry)
    this.#table.delete(entry.key)
  }

  #backOff(failures: number, longest = LONGEST_WAIT): number {
    return Math.min(longest, FIRST_WAIT * GROWTH ** (failures - 1)) * (1 - JITTER * this.#random())
  }
}
