/** Who is let in: one connection for each peer, and places for those we choose to call. */
import type * as PeerAddress from "../../domain/PeerAddress.ts"
import type * as PeerId from "../../domain/PeerId.ts"
import type { Peer } from "../../domain/swarm/Peer.ts"
import * as Places from "../../domain/swarm/Places.ts"
import type { Ranking } from "../../domain/swarm/Ranking.ts"
import type { Handshake } from "../../domain/wire/Handshake.ts"
import type { Session } from "../Session.ts"
import type { Link } from "../Transport.ts"
import type { Roster } from "./Roster.ts"
import type { Subject } from "./Subject.ts"

/**
 * The share of all connections that callers may take while we leech. Those we choose to call have the rest, so that nobody
 * can cut us off from the seeds by calling often enough.
 */
const CALLERS = 0.8

export interface DoorkeeperOptions {
  readonly session: Session["Service"]
  readonly subject: Subject
  readonly roster: Roster
  readonly ranking: Ranking
  /** Monotonic ms. */
  readonly now: () => number
}

/** Owned by a PeerPool. */
export class Doorkeeper {
  readonly #options: DoorkeeperOptions
  /** Those who say that they speak version 2, on whatever version they are connected. */
  readonly #bilingual = new Set<PeerId.PeerId>()

  constructor(options: DoorkeeperOptions) {
    this.#options = options
  }

  /** Why the peer is not let in; `undefined` when it is, for which another may have to go. */
  refusal(handshake: Handshake, link: Link, inbound: boolean): string | undefined {
    const { now, roster, session, subject } = this.#options
    if (subject.shutReason !== undefined) return subject.shutReason
    if (session.bans.isBanned(handshake.peerId, link.remote, now())) return "is banned"
    const existing = roster.withId(handshake.peerId)
    if (existing === undefined && !this.#hasRoom(inbound) && !this.#makeRoom(link.remote, inbound)) {
      return "finds no room"
    }
    if (existing !== undefined) {
      if (!this.#isBetter(existing, inbound)) return "is connected already"
      existing.wire.close("is connected twice")
    }
    if (handshake.v2) this.#bilingual.add(handshake.peerId)
    return undefined
  }

  /** Whether the peer has said that it speaks version 2. */
  isBilingual({ id }: Peer): boolean {
    return this.#bilingual.has(id)
  }

  left({ id }: Peer): void {
    if (this.#options.roster.withId(id) === undefined) this.#bilingual.delete(id)
  }

  /**
   * Two connections with one peer: both ends keep the one that the greater peer id has dialled, so that they never each
   * close the other's.
   */
  #isBetter(existing: Peer, inbound: boolean): boolean {
    return existing.inbound !== inbound && inbound === existing.id > this.#options.session.peerId
  }

  /** A leech keeps places for peers of its own choice. */
  #areCallersFull(): boolean {
    const { roster, subject } = this.#options
    const { maxPeers, swarm } = subject.options
    if (swarm.isDone) return false
    let callers = 0
    for (const peer of roster.peers()) if (peer.inbound) callers++
    return callers >= Math.ceil(CALLERS * maxPeers)
  }

  #hasRoom(inbound: boolean): boolean {
    const { roster, subject } = this.#options
    return roster.size < subject.options.maxPeers && !(inbound && this.#areCallersFull())
  }

  /**
   * Closes a peer for a newcomer: a caller for one that does nothing, so that nobody can fill a torrent with connections of no
   * use, else whoever ranks below it (BEP 40).
   */
  #makeRoom(address: PeerAddress.PeerAddress, inbound: boolean): boolean {
    const { ranking, roster, subject } = this.#options
    const now = this.#options.now()
    const newcomer = { rank: ranking.of(address), forCaller: inbound && this.#areCallersFull() }
    const leaver = (inbound ? Places.idler(roster.peers(), now) : undefined) ??
      Places.outranked(
        roster.peers(),
        newcomer,
        (peer) => ranking.of(peer.address),
        (peer) => subject.options.swarm.isSoleSource(peer),
        now
      )
    if (leaver === undefined) return false
    // Gone at once, lest the next one be given the same place.
    roster.vacate(leaver.peer)
    leaver.peer.wire.close(leaver.reason)
    return true
  }
}
