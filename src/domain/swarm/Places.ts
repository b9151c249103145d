/** Who gives up a place when a torrent has no more of them. */
import type { Peer } from "./Peer.ts"

/** A peer that must go, and why. */
export interface Leaver {
  readonly peer: Peer
  readonly reason: string
}

/** Peers of the lowest ranks that are looked at more closely. */
const CANDIDATES = 4

/**
 * A caller that does nothing with its place: it wants nothing and has nothing that we want, or says that it wants something,
 * may ask and never does. Peers come in the order in which they connected.
 */
export const idler = (peers: Iterable<Peer>, now: number): Leaver | undefined => {
  for (const peer of peers) {
    // Those behind are younger still.
    if (!peer.tenure.isSettled(now)) return undefined
    if (!peer.inbound || peer.amInterested) continue
    if (!peer.peerInterested) return { peer, reason: "idles while others wait" }
    if (peer.tenure.isSilent(now)) return { peer, reason: "asks for nothing that it may have while others wait" }
  }
  return undefined
}

/** Something is exchanged with it, or would be as soon as we ask. */
const isUseful = (peer: Peer, now: number): boolean =>
  peer.tenure.isExchanging(now) || (peer.amInterested && !peer.peerChoking)

export interface Newcomer {
  /** See BEP 40: the greater stays. */
  readonly rank: number
  /** Only a caller may give way to it. */
  readonly forCaller: boolean
}

/**
 * The peer of lowest rank that is of no use, if the newcomer ranks higher (BEP 40). Whoever has a piece that
 * nobody else can give stays.
 */
export const outranked = (
  peers: Iterable<Peer>,
  { forCaller, rank }: Newcomer,
  rankOf: (peer: Peer) => number,
  isSoleSource: (peer: Peer) => boolean,
  now: number
): Leaver | undefined => {
  const lower: Array<{ readonly peer: Peer; readonly rank: number }> = []
  for (const peer of peers) {
    if (!peer.tenure.isSettled(now)) break
    if (isUseful(peer, now) || (forCaller && !peer.inbound)) continue
    const own = rankOf(peer)
    if (own < rank) lower.push({ peer, rank: own })
  }
  lower.sort((a, b) => a.rank - b.rank)
  const found = lower.slice(0, CANDIDATES).find(({ peer }) => !isSoleSource(peer))
  return found && { peer: found.peer, reason: "gives way to a peer of higher priority" }
}
