/** Where callers say that they can be called. Such an address is not dialled while its peer is connected, but may be later. */
import * as PeerAddress from "../../domain/PeerAddress.ts"
import type { DialQueue } from "../../domain/swarm/DialQueue.ts"
import type { Peer } from "../../domain/swarm/Peer.ts"

/** Owned by a PeerPool. */
export class Listeners {
  readonly #queue: DialQueue
  readonly #addresses = new Map<Peer, PeerAddress.PeerAddress>()

  constructor(queue: DialQueue) {
    this.#queue = queue
  }

  addressOf(peer: Peer): PeerAddress.PeerAddress | undefined {
    return this.#addresses.get(peer)
  }

  add(peer: Peer, address: PeerAddress.PeerAddress, now: number): void {
    if (!peer.inbound || this.#addresses.has(peer)) return
    this.#addresses.set(peer, address)
    this.#queue.connected(address, now)
  }

  /** The peer is another object from now on, which tells its address again. */
  forget(peer: Peer): void {
    this.#addresses.delete(peer)
  }

  /**
   * The peer is gone.
   *
   * @param isTwin another connection with it goes on
   */
  left(peer: Peer, now: number, { alone, isTwin, isUseful }: Leaving): void {
    const address = this.#addresses.get(peer)
    this.#addresses.delete(peer)
    if (address !== undefined && !isTwin) this.#queue.disconnected(address, now, isUseful, alone)
  }

  /** Whether a caller that is connected listens there. */
  holds(address: PeerAddress.PeerAddress): boolean {
    const key = PeerAddress.format(address)
    for (const other of this.#addresses.values()) if (PeerAddress.format(other) === key) return true
    return false
  }
}

interface Leaving {
  readonly alone: boolean
  readonly isTwin: boolean
  readonly isUseful: boolean
}
