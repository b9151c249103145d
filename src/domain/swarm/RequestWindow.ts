/**
 * How many blocks to have asked of one peer at a time, and how long to wait for them. Too few and the wire idles between
 * question and answer; too many and blocks sit with a peer that has become slow. Plain numbers, no allocation per call.
 */
import { BLOCK } from "../PieceLayout.ts"
import { Rate } from "./Rate.ts"

/** Blocks asked of a peer we know nothing about. */
const START = 8

/** Fewest blocks asked of a peer that gives: one on its way, one waiting there. */
const LEAST = 2

/** The depth for a peer that did not state how many requests it queues. */
const UNSTATED_REQQ = 500

/** However many requests a peer says it queues, we have no more than this out. */
const MOST = 2000

/** ms of a peer's rate that are kept requested. */
const HORIZON = 3000

/** ms between two looks at the growth of the rate in slow start, and the growth that keeps it going. */
const ROUND = 1000
const GROWTH = 1.1

/** Bounds of the time-out in ms, and what holds before the first block. */
const SHORTEST_TIMEOUT = 2000
const LONGEST_TIMEOUT = 60_000
const FIRST_TIMEOUT = 20_000

/** Owned by one connection. Times are monotonic ms. */
export class RequestWindow {
  readonly #rate = new Rate()
  #cap = UNSTATED_REQQ
  #depth = START
  #slowStart = true
  #snubbed = false
  #roundStart = -1
  #roundBytes = 0
  #lastRound = 0
  #progressAt = 0
  #mean = -1
  #deviation = 0

  /** Blocks that may be outstanding. */
  depth(): number {
    return this.#snubbed ? 1 : this.#depth
  }

  /** Whether it is worth asking again: under three quarters of the window, so that requests go out in batches. */
  needsRefill(outstanding: number): boolean {
    return outstanding < 0.75 * this.depth()
  }

  /** A peer that let us wait past the time-out gives one block at a time until it answers. */
  get snubbed(): boolean {
    return this.#snubbed
  }

  /** What the peer gives, in bytes/s. */
  rate(now: number): number {
    return this.#rate.perSecond(now)
  }

  /** The peer's `reqq` (BEP 10); nonsense is ignored. */
  setReqq(reqq: number): void {
    if (!(reqq >= 1)) return
    this.#cap = Math.min(Math.floor(reqq), MOST)
    this.#depth = Math.min(this.#depth, this.#cap)
  }

  /** The peer unchoked us: what it gave before the choke says little, so the window opens anew. */
  onUnchoked(): void {
    this.#slowStart = true
    this.#roundStart = -1
    this.#depth = Math.min(START, this.#cap)
  }

  /** Requests went out while `outstanding` others were already: from an empty queue the wait for an answer starts now. */
  onRequested(outstanding: number, now: number): void {
    if (outstanding === 0) this.#progressAt = now
  }

  /** Blocks that we had asked for came, once per socket batch. */
  onBlocks(count: number, bytes: number, now: number): void {
    this.#rate.add(bytes, now)
    this.#sample(now - this.#progressAt)
    this.#progressAt = now
    this.#snubbed = false
    if (this.#slowStart) this.#grow(count, bytes, now)
    // However it grew, a slow peer is left with little: what many ask of it twice, it gives twice.
    const enough = this.#clamp(Math.ceil(this.#rate.perSecond(now) * HORIZON / 1000 / BLOCK))
    if (!this.#slowStart || this.#depth > enough) this.#depth = enough
  }

  /** The caller found {@link isTimedOut}; it has taken back what it wants to ask of others. */
  onTimedOut(now: number): void {
    this.#snubbed = true
    this.#slowStart = false
    this.#progressAt = now
  }

  /** ms since a block came, or since the first request after a time without. */
  waited(now: number): number {
    return now - this.#progressAt
  }

  /** ms without a block, requests being out, after which the peer counts as snubbing. */
  timeout(): number {
    if (this.#mean < 0) return FIRST_TIMEOUT
    const slack = 4 * Math.max(this.#deviation, this.#mean / 2)
    return Math.min(LONGEST_TIMEOUT, Math.max(SHORTEST_TIMEOUT, this.#mean + slack))
  }

  isTimedOut(outstanding: number, now: number): boolean {
    return outstanding > 0 && now - this.#progressAt > this.timeout()
  }

  #clamp(depth: number): number {
    return Math.min(this.#cap, Math.max(LEAST, depth))
  }

  /** One more request per block doubles the window each round trip, until a round no longer brings much more. */
  #grow(count: number, bytes: number, now: number): void {
    this.#depth = this.#clamp(this.#depth + count)
    if (this.#roundStart < 0) {
      this.#roundStart = now
      this.#lastRound = 0
      this.#roundBytes = 0
    }
    this.#roundBytes += bytes
    const elapsed = now - this.#roundStart
    if (elapsed < ROUND) return
    const round = this.#roundBytes / elapsed
    if (round < this.#lastRound * GROWTH) this.#slowStart = false
    this.#lastRound = round
    this.#roundStart = now
    this.#roundBytes = 0
  }

  /**
   * RFC 6298's mean and deviation, of the wait between two arrivals: with a full pipe the time from request to block says
   * how deep the pipe is, not how the peer fares.
   */
  #sample(wait: number): void {
    if (this.#mean < 0) {
      this.#mean = wait
      this.#deviation = wait / 2
      return
    }
    this.#deviation += (Math.abs(wait - this.#mean) - this.#deviation) / 4
    this.#mean += (wait - this.#mean) / 8
  }
}
