/**
 * Who is not let in, and until when. Many peers share one IP address, so a ban covers what was seen of one peer: its id, and
 * the address and port it was dialled at. A whole host falls only while several identities are banned there.
 */
import * as PeerAddress from "../PeerAddress.ts"
import type { PeerId } from "../PeerId.ts"

/** Identities banned at one host before the host itself is. */
const HOST_STRIKES = 3

/** Entries per table; the oldest goes when one more comes. */
const LIMIT = 4096

/** Owned by the session. Times are monotonic ms; a ban for good ends at `Infinity`. */
export class Bans {
  readonly #limit: number
  readonly #ids = new Map<PeerId, number>()
  readonly #addresses = new Map<string, number>()
  readonly #hosts = new Map<string, Map<PeerId, number>>()

  constructor(limit = LIMIT) {
    this.#limit = limit
  }

  /**
   * Bans one peer until that time; a longer ban that it has stays. `dialled` says whether we called it at this address: the
   * port of a caller is a passing one, which may be another's tomorrow, so only its host is held against it.
   */
  ban(peerId: PeerId, address: PeerAddress.PeerAddress, dialled = true, until = Infinity, now = -Infinity): void {
    extend(this.#ids, peerId, until)
    this.#trim(this.#ids)
    if (dialled) {
      extend(this.#addresses, PeerAddress.format(address), until)
      this.#trim(this.#addresses)
    }
    const strikes = this.#hosts.get(address.host) ?? new Map<PeerId, number>()
    for (const [id, end] of strikes) if (end <= now) strikes.delete(id)
    if (strikes.size < HOST_STRIKES || strikes.has(peerId)) extend(strikes, peerId, until)
    else this.#replaceSoonest(strikes, peerId, until)
    this.#hosts.set(address.host, strikes)
    this.#trim(this.#hosts)
  }

  /** Before the handshake the peer id is not known: then the address alone decides. */
  isBanned(peerId: PeerId | undefined, address: PeerAddress.PeerAddress, now: number): boolean {
    return this.endOf(peerId, address, now) > now
  }

  /** When the ban in force ends: at `Infinity` one for good, at `-Infinity` where there is none. */
  endOf(peerId: PeerId | undefined, address: PeerAddress.PeerAddress, now: number): number {
    const ends = [
      peerId === undefined ? undefined : this.#ids.get(peerId),
      this.#addresses.get(PeerAddress.format(address)),
      this.#endOfHost(address.host, now)
    ]
    return Math.max(...ends.map((end) => end !== undefined && end > now ? end : -Infinity))
  }

  /** The host is banned for as long as enough identities are. */
  #endOfHost(host: string, now: number): number {
    const strikes = this.#hosts.get(host)
    if (strikes === undefined || strikes.size < HOST_STRIKES) return -Infinity
    const end = Math.min(...strikes.values())
    return end > now ? end : -Infinity
  }

  /** Of more identities than count, those that are banned longest are kept. */
  #replaceSoonest(strikes: Map<PeerId, number>, peerId: PeerId, until: number): void {
    const [soonest, end] = Array.from(strikes).reduce((a, b) => b[1] < a[1] ? b : a)
    if (end >= until) return
    strikes.delete(soonest)
    strikes.set(peerId, until)
  }

  /** Maps list their keys in the order of insertion, so the first is the oldest. */
  #trim(table: Map<unknown, unknown>): void {
    if (table.size <= this.#limit) return
    for (const oldest of table.keys()) {
      table.delete(oldest)
      return
    }
  }
}

const extend = <K>(table: Map<K, number>, key: K, until: number): void => {
  table.set(key, Math.max(until, table.get(key) ?? -Infinity))
}
