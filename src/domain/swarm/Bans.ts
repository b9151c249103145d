/**
 * Who is not let in any more. Many peers share one IP address, so a ban covers what was seen of one peer: its id, and the
 * address and port it was dialled at. A whole host falls only when several identities were banned there.
 */
import * as PeerAddress from "../PeerAddress.ts"
import type { PeerId } from "../PeerId.ts"

/** Identities banned at one host before the host itself is. */
const HOST_STRIKES = 3

/** Entries per table; the oldest goes when one more comes. */
const LIMIT = 4096

/** Owned by the session. */
export class Bans {
  readonly #limit: number
  readonly #ids = new Set<PeerId>()
  readonly #addresses = new Set<string>()
  readonly #hosts = new Map<string, Set<PeerId>>()

  constructor(limit = LIMIT) {
    this.#limit = limit
  }

  /**
   * Bans one peer. `dialled` says whether we called it at this address: the port of a caller is a passing one, which may be
   * another's tomorrow, so only its host is held against it.
   */
  ban(peerId: PeerId, address: PeerAddress.PeerAddress, dialled = true): void {
    this.#ids.add(peerId)
    this.#trim(this.#ids)
    if (dialled) {
      this.#addresses.add(PeerAddress.format(address))
      this.#trim(this.#addresses)
    }
    const identities = this.#hosts.get(address.host) ?? new Set()
    if (identities.size < HOST_STRIKES) identities.add(peerId)
    this.#hosts.set(address.host, identities)
    this.#trim(this.#hosts)
  }

  /** Before the handshake the peer id is not known: then the address alone decides. */
  isBanned(peerId: PeerId | undefined, address: PeerAddress.PeerAddress): boolean {
    return (peerId !== undefined && this.#ids.has(peerId)) ||
      this.#addresses.has(PeerAddress.format(address)) ||
      (this.#hosts.get(address.host)?.size ?? 0) >= HOST_STRIKES
  }

  /** Sets and maps list their keys in the order of insertion, so the first is the oldest. */
  #trim<K>(table: Set<K> | Map<K, unknown>): void {
    if (table.size <= this.#limit) return
    for (const oldest of table.keys()) {
      table.delete(oldest)
      return
    }
  }
}
