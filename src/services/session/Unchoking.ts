/** Carries the choker's decisions to the peers of all torrents of a session. */
import * as Choker from "../../domain/swarm/Choker.ts"
import type { Peer } from "../../domain/swarm/Peer.ts"
import type { Swarm } from "../../domain/swarm/Swarm.ts"

/** A torrent, as far as its slots go. */
interface Member {
  readonly swarm?: Swarm | undefined
}

export interface UnchokingOptions {
  readonly maxUploads?: number | undefined
  /** The upload limit, in bytes/s. */
  readonly uploadRate: () => number
}

const rowOf = (swarm: Swarm, peer: Peer, now: number): Choker.Row => ({
  id: peer.key,
  seeding: swarm.isDone,
  interested: peer.peerInterested && now >= peer.barredUntil,
  unchoked: !peer.amChoking,
  downRate: peer.downRate,
  upRate: peer.up.perSecond(now),
  unchokedAt: peer.unchokedAt,
  waitingSince: peer.waitingSince,
  uploadedSinceUnchoke: peer.uploadedSinceUnchoke,
  pieceLength: swarm.layout.pieceLength,
  snubbed: peer.window.snubbed,
  connectedAt: peer.connectedAt
})

export interface Unchoking {
  /** Decides about all peers anew; `now` in ms. */
  readonly round: (now: number) => void
  /** A peer wants to be unchoked: it is, when a slot is free. */
  readonly interested: (swarm: Swarm, peer: Peer, now: number) => void
  readonly released: (peer: Peer) => void
}

export const make = (
  random: () => number,
  members: ReadonlySet<Member>,
  { maxUploads, uploadRate }: UnchokingOptions
): Unchoking => {
  const choker = new Choker.Choker(random, maxUploads)
  const round: Unchoking["round"] = (now) => {
    const rows: Array<Choker.Row> = []
    const owners = new Map<number, readonly [Swarm, Peer]>()
    for (const { swarm } of members) {
      if (swarm === undefined) continue
      for (const peer of swarm.peers) {
        rows.push(rowOf(swarm, peer, now))
        owners.set(peer.key, [swarm, peer])
      }
    }
    const { choke, unchoke } = choker.round(rows, now, uploadRate())
    for (const [keys, act] of [[choke, "chokePeer"], [unchoke, "unchokePeer"]] as const) {
      for (const key of keys) {
        const [swarm, peer] = owners.get(key)!
        swarm[act](peer, now)
        peer.wire.flush()
      }
    }
  }
  return {
    round,
    interested: (swarm, peer, now) => {
      if (choker.onInterested(rowOf(swarm, peer, now))) swarm.unchokePeer(peer, now)
    },
    released: (peer) => choker.onReleased(peer.key)
  }
}
