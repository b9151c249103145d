/** How a torrent stands: gathers what the {@link Swarm} does not know, and puts the question. */
import * as Bitfield from "../../domain/Bitfield.ts"
import * as ClientName from "../../domain/ClientName.ts"
import * as PeerAddress from "../../domain/PeerAddress.ts"
import * as Diagnosis from "../../domain/swarm/Diagnosis.ts"
import type { Peer } from "../../domain/swarm/Peer.ts"
import * as PeerState from "../../domain/swarm/PeerState.ts"
import type { RateLimit } from "../../domain/swarm/RateLimit.ts"
import type { Swarm } from "../../domain/swarm/Swarm.ts"
import type { PeerPool } from "../PeerPool.ts"
import type { Session } from "../Session.ts"
import * as TrackerFacts from "./TrackerFacts.ts"

/** One connected peer, for screens. Rates in bytes/s. */
export interface PeerStanding {
  /** Of a web seed, how it is shown. */
  readonly address: string
  /** It is one of the connections to a web seed. */
  readonly isWeb: boolean
  /** The program and its version; may hold foreign words. */
  readonly client: string
  /** See {@link PeerState.flags}. */
  readonly flags: string
  /** Pieces that it has, of all. */
  readonly pieces: number
  readonly downRate: number
  readonly upRate: number
  /** Blocks that may be asked of it at once, and that are. */
  readonly window: number
  readonly asked: number
  readonly state: PeerState.PeerState
}

/** The answer to "why is it slow?". */
export interface Report {
  readonly state: Diagnosis.TorrentState
  readonly trackers: ReadonlyArray<Diagnosis.TrackerFact>
  readonly peers: ReadonlyArray<PeerStanding>
  /** Of the torrent; 0 as long as that is not known. */
  readonly pieces: number
  /** Bytes of pieces under way, over all torrents, and the most there may be. */
  readonly memory: { readonly used: number; readonly limit: number }
  /** Addresses that may be called. */
  readonly known: number
  readonly banned: number
}

export interface Standing {
  readonly onAnnounced: TrackerFacts.TrackerFacts["onAnnounced"]
  readonly state: () => Diagnosis.TorrentState
  readonly report: () => Report
}

export interface StandingOptions {
  /** The download limit. */
  readonly limit: RateLimit
  readonly swarm: Swarm
  readonly pool: PeerPool
  readonly session: Session["Service"]
  /** Announce URLs there are. */
  readonly trackers: number
  /** Monotonic ms. */
  readonly now: () => number
}

export const standingOf = (peer: Peer, state: PeerState.PeerState, now: number): PeerStanding => ({
  address: peer.webSeed ?? PeerAddress.format(peer.address),
  isWeb: peer.webSeed !== undefined,
  client: peer.webSeed === undefined ? ClientName.of(peer.id, peer.theirs?.version) : "web seed",
  flags: PeerState.flags(peer),
  pieces: Bitfield.count(peer.bits),
  downRate: peer.window.rate(now),
  upRate: peer.up.perSecond(now),
  window: peer.window.depth(),
  asked: peer.outstanding,
  state
})

export const make = ({ limit, now, pool, session, swarm, trackers }: StandingOptions): Standing => {
  const trackerFacts = TrackerFacts.make(now)

  const isLimited = () => Diagnosis.isLimiting(limit, swarm.down.perSecond(now()), now())

  const facts = (): Diagnosis.Facts => ({
    ...pool.facts(),
    trackerCount: trackers,
    trackers: trackerFacts.list(),
    limit: limit.rate,
    isLimited: isLimited(),
    memoryLimit: session.buffers.limit
  })

  const state = () => Diagnosis.of(swarm, facts(), now())

  const peers = (): Array<PeerStanding> => {
    const at = now()
    const limited = isLimited()
    return Array.from(
      swarm.peers,
      (peer) => standingOf(peer, PeerState.of(peer, { unread: pool.unread(peer), isLimited: limited }, at), at)
    )
  }

  return {
    onAnnounced: trackerFacts.onAnnounced,
    state,
    report: () => {
      const { banned, known } = pool.facts()
      const { limit, used } = session.buffers
      const { pieces } = swarm.layout
      return {
        state: state(),
        trackers: trackerFacts.list(),
        peers: peers(),
        pieces,
        memory: { used, limit },
        known,
        banned
      }
    }
  }
}
