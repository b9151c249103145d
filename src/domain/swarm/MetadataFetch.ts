/**
 * Gets metadata that nobody can vouch for part by part (BEP 9): only the whole of it has a hash. Peers that claim the same
 * size fill it together. When that comes out wrong, each of its senders is asked for all of it alone, and whoever is wrong
 * then is a proven liar. Several sizes are tried at once, within a bound; those that bring nothing give way to others, for
 * longer each time, so that one honest peer is enough, whatever the others do.
 */
import * as MetadataMessage from "../wire/MetadataMessage.ts"
import { type Giver, MetadataAttempt } from "./MetadataAttempt.ts"

export type { Giver } from "./MetadataAttempt.ts"

/** Attempts at once. */
export const MOST_ATTEMPTS = 8

/** What all attempts may claim together, in largest sizes; one may always be tried. */
const LARGEST_AT_ONCE = 2

/** Parts that one peer is asked for at once: libtorrent answers two in a row and queues the others. */
const WINDOW = 4

/** Time for an answer (ms). */
const ANSWER_MS = 10_000

/** A peer that did not answer, or would not, is left alone for so long (ms), and twice as long each time. */
const REST_MS = 15_000
const LONGEST_REST_MS = 300_000

/** An attempt has so long (ms) while others wait, and twice as long each time. */
const TURN_MS = 15_000

/** Parts that a peer may send unasked, or too late twice, before it counts as flooding. */
const UNASKED_ALLOWANCE = 16

/** Identities that are remembered as suspects. */
const MOST_SUSPECTS = 1000

/** Why a peer must be dropped; `undefined` when all is well. */
type Verdict = string | undefined

export interface MetadataFetchOptions<P extends Giver> {
  /** The largest size that is fetched, in bytes. */
  readonly maxSize: number
  readonly isRight: (metadata: Uint8Array) => boolean
  /** Asks the peer for a part. */
  readonly ask: (peer: P, piece: number) => void
  /** The metadata, whose hash is right: the end of it all. */
  readonly onFound: (metadata: Uint8Array) => void
  /** The peers of this identity have sent metadata that is wrong, all of it alone. */
  readonly onLiar: (identity: number) => void
}

interface Record<P extends Giver> {
  readonly peer: P
  /** What the peer says that the metadata takes. */
  readonly size: number
  attempt: MetadataAttempt<P> | undefined
  /** Parts that it owes, and since when; a late one is not counted on. */
  readonly owes: Map<number, { readonly at: number; isLate: boolean }>
  unasked: number
  /** Rests until then. */
  notBefore: number
  failures: number
  /** Attempts that had to give way. */
  turns: number
}

export class MetadataFetch<P extends Giver> {
  readonly #options: MetadataFetchOptions<P>
  readonly #records = new Map<P, Record<P>>()
  readonly #attempts = new Set<MetadataAttempt<P>>()
  readonly #suspects = new Set<number>()
  #tooLarge: number | undefined
  #isOver = false

  constructor(options: MetadataFetchOptions<P>) {
    this.#options = options
  }

  /** The attempt that has come furthest: bytes there, and of how many. */
  get progress(): { readonly received: number; readonly size: number } | undefined {
    let best: MetadataAttempt<P> | undefined
    for (const attempt of this.#attempts) {
      if (best === undefined || attempt.received / attempt.size > best.received / best.size) best = attempt
    }
    return best && { received: best.received, size: best.size }
  }

  /** Bytes kept of metadata that is not proven yet. */
  get held(): number {
    let held = 0
    for (const { received } of this.#attempts) held += received
    return held
  }

  /** Peers that say that they have the metadata, and can be believed so far. */
  get givers(): number {
    return this.#records.size
  }

  /** A size that was refused because it is over the limit, if any was. */
  get tooLarge(): number | undefined {
    return this.#tooLarge
  }

  /** Whether the peer has said that it has the metadata. */
  isGiver(peer: P): boolean {
    return this.#records.has(peer)
  }

  /** Whether the peer is asked for something, or may be soon. */
  isOfUse(peer: P, now: number): boolean {
    const record = this.#records.get(peer)
    return record !== undefined && (record.attempt !== undefined || record.notBefore <= now)
  }

  /** The peer says how many bytes the metadata has. */
  offered(peer: P, size: number, now: number): Verdict {
    const known = this.#records.get(peer)
    if (known !== undefined) return known.size === size ? undefined : "changes the size of its metadata"
    if (this.#isOver || size <= 0) return undefined
    if (size > this.#options.maxSize) {
      this.#tooLarge = size
      return undefined
    }
    const owes = new Map<number, { at: number; isLate: boolean }>()
    const record = { peer, size, attempt: undefined, owes, unasked: 0, notBefore: now, failures: 0, turns: 0 }
    this.#records.set(peer, record)
    this.#assign(now)
    return undefined
  }

  /** The peer sent a part; the bytes are copied. */
  data(peer: P, { data, piece, totalSize }: Part, now: number): Verdict {
    const record = this.#records.get(peer)
    const owed = record?.owes.get(piece)
    if (record === undefined || owed === undefined) return this.#unasked(record)
    record.owes.delete(piece)
    const isWhole = data.length === MetadataMessage.lengthOf(record.size, piece)
    if (!isWhole || (totalSize ?? record.size) !== record.size) {
      record.attempt?.release(peer, piece)
      return isWhole ? "changes the size of its metadata" : "sent metadata of the wrong length"
    }
    record.failures = 0
    record.notBefore = now
    const attempt = record.attempt ?? this.#sharedOf(record)
    if (attempt === undefined) return undefined
    attempt.put(peer, piece, data)
    if (attempt.isWhole) this.#judge(attempt, now)
    else this.#assign(now)
    return undefined
  }

  /** The peer will not send a part. */
  rejected(peer: P, piece: number, now: number): Verdict {
    const record = this.#records.get(peer)
    if (record === undefined || !record.owes.delete(piece)) return this.#unasked(record)
    record.attempt?.release(peer, piece)
    this.#rest(record, now)
    this.#assign(now)
    return undefined
  }

  /** The peer is gone. */
  left(peer: P, now: number): void {
    const record = this.#records.get(peer)
    if (record === undefined) return
    this.#leave(record)
    this.#records.delete(peer)
    this.#assign(now)
  }

  /** Once a second. */
  tick(now: number): void {
    for (const record of this.#records.values()) {
      let isSilent = false
      for (const owed of record.owes.values()) {
        if (owed.isLate || now - owed.at < ANSWER_MS) continue
        owed.isLate = isSilent = true
      }
      if (isSilent) this.#rest(record, now)
    }
    this.#assign(now)
    if (!this.#hasWaiting(now)) return
    for (const attempt of Array.from(this.#attempts)) {
      const turns = Math.max(...Array.from(attempt.members, (peer) => this.#records.get(peer)!.turns))
      if (now - attempt.startedAt < TURN_MS * 2 ** turns) continue
      for (const peer of Array.from(attempt.members)) {
        const record = this.#records.get(peer)!
        record.turns++
        this.#leave(record)
      }
    }
    this.#assign(now)
  }

  #unasked(record: Record<P> | undefined): Verdict {
    if (this.#isOver) return undefined
    if (record === undefined || ++record.unasked > UNASKED_ALLOWANCE) return "sends metadata that nobody asked for"
    return undefined
  }

  #sharedOf({ peer, size }: Record<P>): MetadataAttempt<P> | undefined {
    if (this.#suspects.has(peer.identity)) return undefined
    for (const attempt of this.#attempts) {
      if (attempt.owner === undefined && attempt.size === size) return attempt
    }
    return undefined
  }

  /** The peer takes part in no attempt; an attempt without peers ends. */
  #leave(record: Record<P>): void {
    const { attempt, owes, peer } = record
    if (attempt === undefined) return
    for (const [piece, owed] of owes) {
      owed.isLate = true
      attempt.release(peer, piece)
    }
    record.attempt = undefined
    attempt.members.delete(peer)
    if (attempt.members.size === 0) this.#attempts.delete(attempt)
  }

  #rest(record: Record<P>, now: number): void {
    record.notBefore = now + Math.min(LONGEST_REST_MS, REST_MS * 2 ** Math.min(record.failures++, 10))
    this.#leave(record)
  }

  #judge(attempt: MetadataAttempt<P>, now: number): void {
    const metadata = attempt.join()
    const { senders } = attempt
    const isRight = this.#options.isRight(metadata)
    for (const peer of Array.from(attempt.members)) this.#leave(this.#records.get(peer)!)
    if (isRight) {
      this.#isOver = true
      this.#records.clear()
      this.#attempts.clear()
      return this.#options.onFound(metadata)
    }
    if (senders.length === 1) this.#convict(senders[0]!)
    else senders.forEach((identity) => this.#suspect(identity))
    this.#assign(now)
  }

  #suspect(identity: number): void {
    this.#suspects.add(identity)
    if (this.#suspects.size > MOST_SUSPECTS) this.#suspects.delete(this.#suspects.values().next().value!)
  }

  #convict(identity: number): void {
    for (const record of Array.from(this.#records.values())) {
      if (record.peer.identity !== identity) continue
      this.#leave(record)
      this.#records.delete(record.peer)
    }
    this.#options.onLiar(identity)
  }

  /** Peers that could be asked, if there were room for one more attempt. */
  #hasWaiting(now: number): boolean {
    for (const { attempt, notBefore } of this.#records.values()) {
      if (attempt === undefined && notBefore <= now) return true
    }
    return false
  }

  /** Puts idle peers to work: in the attempt of all that claim the same, or in one of its own. */
  #assign(now: number): void {
    if (this.#isOver) return
    const waiting: Array<Record<P>> = []
    for (const record of this.#records.values()) {
      if (record.attempt !== undefined || record.notBefore > now) continue
      const shared = this.#sharedOf(record)
      if (shared === undefined) waiting.push(record)
      else this.#join(record, shared)
    }
    // Small ones first: they are proven or refuted soonest.
    waiting.sort((a, b) => a.turns - b.turns || a.size - b.size)
    for (const record of waiting) {
      const shared = this.#sharedOf(record)
      if (shared !== undefined) this.#join(record, shared)
      else if (this.#hasRoom(record.size)) {
        const owner = this.#suspects.has(record.peer.identity) ? record.peer : undefined
        const attempt = new MetadataAttempt(record.size, owner, now)
        this.#attempts.add(attempt)
        this.#join(record, attempt)
      }
    }
    for (const attempt of this.#attempts) this.#pump(attempt, now)
  }

  #join(record: Record<P>, attempt: MetadataAttempt<P>): void {
    record.attempt = attempt
    attempt.members.add(record.peer)
  }

  #hasRoom(size: number): boolean {
    let claimed = size
    for (const attempt of this.#attempts) claimed += attempt.size
    return this.#attempts.size === 0 ||
      (this.#attempts.size < MOST_ATTEMPTS && claimed <= LARGEST_AT_ONCE * this.#options.maxSize)
  }

  #pump(attempt: MetadataAttempt<P>, now: number): void {
    for (const peer of attempt.members) {
      const { owes } = this.#records.get(peer)!
      let open = 0
      for (const { isLate } of owes.values()) if (!isLate) open++
      while (open < WINDOW) {
        const piece = attempt.next(peer, now)
        if (piece === undefined) break
        owes.set(piece, { at: now, isLate: false })
        open++
        this.#options.ask(peer, piece)
      }
    }
  }
}

interface Part {
  readonly piece: number
  readonly totalSize: number | undefined
  readonly data: Uint8Array
}
