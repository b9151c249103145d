/**
 * Addresses that peers tell of (BEP 11), before anybody has tried them. A peer may tell what it likes, so each teller has a
 * line of its own: the lines are served in turn, few of a line are tried at once, and a teller whose addresses come to
 * nothing loses its credit. So no flood can crowd out what others tell, nor turn us on a victim.
 */
import * as PeerAddress from "../PeerAddress.ts"
import type { Contact } from "../wire/PexMessage.ts"

/** Addresses that wait: of one teller, and of all. */
const LINE = 100
const MOST = 1000

/** Tellers remembered; the one that was silent longest goes first. */
const TELLERS = 256

/** Addresses of one host that wait: several peers may share one, but a host may also be a victim. */
const PER_HOST = 4

/** Addresses of one teller that are tried at once. */
const TRIED_AT_ONCE = 4

/** Trials that a teller is good for. Each costs one, a peer that is found gives back {@link REWARD}, and so does time (ms). */
const CREDIT = 8
const REWARD = 2
const REGAIN = 60_000

/** One address that waits. */
export interface Rumour extends Contact {
  readonly teller: string
  /** In which of the torrent's swarms the teller was met. */
  readonly swarm: number
}

interface Line {
  readonly waiting: Map<string, Rumour>
  tried: number
  credit: number
  /** When the credit was reckoned. */
  creditAt: number
}

/** Belongs to a DialQueue. Tellers are named by their host; times are monotonic ms. */
export class Hearsay {
  readonly #rank: (address: PeerAddress.PeerAddress) => number
  /** In the order in which they are served next. */
  readonly #lines = new Map<string, Line>()
  readonly #tellers = new Map<string, string>()
  readonly #hosts = new Map<string, number>()

  /** @param rank what is tried first in a line: the greatest */
  constructor(rank: (address: PeerAddress.PeerAddress) => number) {
    this.#rank = rank
  }

  /** Addresses that wait. */
  get size(): number {
    return this.#tellers.size
  }

  /** Takes an address in, unless it waits already or its teller or host has its share. True when it waits. */
  add(rumour: Rumour, now: number): boolean {
    const { address, teller } = rumour
    const key = PeerAddress.format(address)
    const ofHost = this.#hosts.get(address.host) ?? 0
    if (this.#tellers.has(key) || ofHost >= PER_HOST) return false
    const line = this.#line(teller, now)
    if (line.waiting.size >= LINE || (this.size >= MOST && !this.#makeRoom(line.waiting.size))) return false
    line.waiting.set(key, rumour)
    this.#tellers.set(key, teller)
    this.#hosts.set(address.host, ofHost + 1)
    return true
  }

  /** The address to try next, which its teller answers for: see {@link Hearsay.judge}. */
  next(now: number): Rumour | undefined {
    for (const [teller, line] of this.#lines) {
      if (line.waiting.size === 0 || line.tried >= TRIED_AT_ONCE || this.#creditOf(line, now) < 1) continue
      const rumour = this.#best(line)
      this.remove(rumour.address)
      line.tried++
      line.credit--
      this.#lines.delete(teller)
      this.#lines.set(teller, line)
      return rumour
    }
    return undefined
  }

  /** What came of an address: whether a peer of the torrent was there. */
  judge(teller: string, wasPeer: boolean, now: number): void {
    const line = this.#lines.get(teller)
    if (line === undefined || line.tried === 0) return
    line.tried--
    if (wasPeer) line.credit = Math.min(CREDIT, this.#creditOf(line, now) + REWARD)
  }

  /** The address waits no more: it was dropped by who told of it, or is known by a better source. */
  remove(address: PeerAddress.PeerAddress, teller?: string): void {
    const key = PeerAddress.format(address)
    const of = this.#tellers.get(key)
    if (of === undefined || (teller !== undefined && teller !== of)) return
    this.#tellers.delete(key)
    this.#lines.get(of)!.waiting.delete(key)
    const left = this.#hosts.get(address.host)! - 1
    if (left > 0) this.#hosts.set(address.host, left)
    else this.#hosts.delete(address.host)
  }

  /** All that waits goes; what is under way is still judged. */
  clear(): void {
    for (const { waiting } of this.#lines.values()) waiting.clear()
    this.#tellers.clear()
    this.#hosts.clear()
  }

  #line(teller: string, now: number): Line {
    const known = this.#lines.get(teller)
    if (known !== undefined) return known
    if (this.#lines.size >= TELLERS) this.#dropLine()
    const line: Line = { waiting: new Map(), tried: 0, credit: CREDIT, creditAt: now }
    this.#lines.set(teller, line)
    return line
  }

  /** Gives up a teller of whom nothing waits or is under way, else the first. */
  #dropLine(): void {
    let victim: string | undefined
    for (const [teller, { tried, waiting }] of this.#lines) {
      victim ??= teller
      if (waiting.size > 0 || tried > 0) continue
      victim = teller
      break
    }
    for (const { address } of Array.from(this.#lines.get(victim!)!.waiting.values())) this.remove(address)
    this.#lines.delete(victim!)
  }

  /** The longest line gives one, if it is longer than the one that wants room. */
  #makeRoom(length: number): boolean {
    let longest: Line | undefined
    for (const line of this.#lines.values()) {
      if (line.waiting.size > (longest?.waiting.size ?? length)) longest = line
    }
    const victim = longest?.waiting.values().next().value
    if (victim !== undefined) this.remove(victim.address)
    return victim !== undefined
  }

  #best({ waiting }: Line): Rumour {
    let best: Rumour | undefined
    let highest = -Infinity
    for (const rumour of waiting.values()) {
      const rank = this.#rank(rumour.address)
      if (rank <= highest) continue
      highest = rank
      best = rumour
    }
    return best!
  }

  #creditOf(line: Line, now: number): number {
    const regained = Math.floor((now - line.creditAt) / REGAIN)
    if (regained > 0) {
      line.credit = Math.min(CREDIT, line.credit + regained)
      line.creditAt += regained * REGAIN
    }
    return line.credit
  }
}
