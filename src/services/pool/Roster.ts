/** The peers of a torrent that are connected, one connection for each, and for a while those that have left. */
import type { PeerId } from "../../domain/PeerId.ts"
import type { Peer } from "../../domain/swarm/Peer.ts"
import type { Move } from "../PeerConnection.ts"
import type { Link } from "../Transport.ts"

/** Peers remembered after they left, since a block of theirs may prove to be wrong only then. */
const GONE = 1000

/** What remains of a peer that has left. */
export type Gone = Pick<Peer, "id" | "address" | "identity" | "inbound">

/** Owned by a PeerPool. */
export class Roster {
  /** In the order in which they connected. */
  readonly #links = new Map<Peer, Link>()
  readonly #moves = new Map<Peer, Move>()
  readonly #byId = new Map<PeerId, Peer>()
  /** By identity, in the order in which they left. */
  readonly #gone = new Map<number, Gone>()

  get size(): number {
    return this.#links.size
  }

  /** In the order in which they connected. */
  peers(): Iterable<Peer> {
    return this.#links.keys()
  }

  has(peer: Peer): boolean {
    return this.#links.has(peer)
  }

  linkOf(peer: Peer): Link | undefined {
    return this.#links.get(peer)
  }

  withId(id: PeerId): Peer | undefined {
    return this.#byId.get(id)
  }

  gone(identity: number): Gone | undefined {
    return this.#gone.get(identity)
  }

  opened(peer: Peer, link: Link, move: Move): void {
    this.#links.set(peer, link)
    this.#moves.set(peer, move)
    this.#byId.set(peer.id, peer)
    this.#gone.delete(peer.identity)
  }

  closed(peer: Peer): void {
    this.vacate(peer)
    if (this.#byId.get(peer.id) === peer) this.#byId.delete(peer.id)
    if (peer.received > 0) this.#remember(peer)
  }

  /** Its place is free, though its connection may take a moment to end. */
  vacate(peer: Peer): void {
    this.#links.delete(peer)
    this.#moves.delete(peer)
  }

  /** All connections leave, to come again for another torrent. */
  moveOut(): ReadonlyArray<readonly [Peer, Move]> {
    const all = Array.from(this.#moves)
    for (const [peer] of all) this.vacate(peer)
    return all
  }

  closeAll(reason: string): void {
    this.#moves.clear()
    for (const peer of Array.from(this.#links.keys())) peer.wire.close(reason)
  }

  #remember({ address, id, identity, inbound }: Peer): void {
    this.#gone.delete(identity)
    this.#gone.set(identity, { address, id, identity, inbound })
    if (this.#gone.size > GONE) this.#gone.delete(this.#gone.keys().next().value!)
  }
}
