/** The filter of a session, which may be changed while it runs, and how often it was of use. */
import type { IpFilter } from "../../domain/IpFilter.ts"
import type { PeerAddress } from "../../domain/PeerAddress.ts"

/** Why a peer is not talked to. */
export const BLOCKED = "is on the blocklist"

/** Hosts remembered, so that each is counted once. */
const REMEMBERED = 4096

/** Owned by the session. */
export class AddressFilter {
  #filter: IpFilter | undefined
  #refused = 0
  readonly #hosts = new Set<string>()

  constructor(filter: IpFilter | undefined) {
    this.#filter = filter
  }

  /** Hosts that were not called, or were hung up on when they called. */
  get refused(): number {
    return this.#refused
  }

  set(filter: IpFilter | undefined): void {
    this.#filter = filter
  }

  /** Of whom is known by name alone only the proxy knows the address. */
  isBlocked({ host, name }: Pick<PeerAddress, "host" | "name">): boolean {
    return name === undefined && host !== "0.0.0.0" && this.#filter !== undefined && this.#filter.isBlocked(host)
  }

  /** The same, counted. */
  refuses(address: Pick<PeerAddress, "host" | "name">): boolean {
    if (!this.isBlocked(address)) return false
    const { host } = address
    if (!this.#hosts.has(host)) {
      this.#refused++
      this.#hosts.add(host)
      if (this.#hosts.size > REMEMBERED) this.#hosts.delete(this.#hosts.values().next().value!)
    }
    return true
  }
}
