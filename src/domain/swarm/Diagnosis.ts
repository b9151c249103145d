/**
 * How a torrent stands, with the cause if nothing comes: a question that is put to the {@link Swarm} and to the facts that it
 * does not know. What is looked at comes in the order in which it stops a download: whom we know, what they have, whether they
 * let us ask, whether we can ask, whether they send.
 */
import { BLOCK } from "../PieceLayout.ts"
import type { Peer } from "./Peer.ts"
import type { StallCause } from "./StallCause.ts"
import type { Swarm } from "./Swarm.ts"

export type TorrentState =
  /** Of a magnet link, whose metadata is fetched: bytes of it; `cause` is why, if it does not come. */
  | {
    readonly _tag: "Metadata"
    readonly received: number
    readonly size: number | undefined
    readonly cause: StallCause
  }
  /** Files on the disk are hashed: bytes of it. */
  | { readonly _tag: "Checking"; readonly checked: number; readonly total: number }
  | { readonly _tag: "Downloading" }
  | { readonly _tag: "Stalled"; readonly cause: StallCause }
  /** All that is wanted is there. */
  | { readonly _tag: "Done" }

/** What a tracker said last. */
export interface TrackerFact {
  readonly url: string
  readonly result: "ok" | "warning" | "error"
  /** Empty when all is well. */
  readonly message: string
  /** How many peers it named. */
  readonly peers: number
  /** Until it is asked again (ms); `Infinity` for never. */
  readonly nextInMs: number
}

/** What the Swarm does not know. */
export interface Facts {
  /** Trackers that there are, and what those said that were asked. */
  readonly trackerCount: number
  readonly trackers: ReadonlyArray<TrackerFact>
  /** Addresses that may be called, calls under way, and those whose last call came to nothing. */
  readonly known: number
  /** Addresses apart from those that a blocklist keeps from being called. */
  readonly blocked: number
  readonly dialling: number
  readonly failed: number
  /** Why most of them did. */
  readonly refusal: string | undefined
  readonly banned: number
  /** Bytes/s, and whether it holds blocks back: see {@link isLimiting}. */
  readonly limit: number
  readonly isLimited: boolean
  /** Of the memory for pieces under way (bytes). */
  readonly memoryLimit: number
}

/** How far the metadata of a magnet link is. */
export interface MetadataFacts {
  /** Peers connected, and those of them that say they have the metadata. */
  readonly peers: number
  readonly givers: number
  /** Bytes. */
  readonly received: number
  readonly size: number | undefined
  /** The metadata is there, and piece layers are on their way. */
  readonly isLayers: boolean
  /** Bytes that somebody claims and that are over the limit. */
  readonly tooLarge: number | undefined
}

export const ofMetadata = (metadata: MetadataFacts, facts: Facts): TorrentState => {
  const { givers, isLayers, peers, received, size, tooLarge } = metadata
  const cause = (): StallCause => {
    if (peers === 0) return alone(facts)
    if (isLayers) return { _tag: "WaitingForHashes", peers }
    if (givers > 0) return { _tag: "WaitingForMetadata", peers: givers }
    return tooLarge === undefined ? { _tag: "NobodyHasMetadata", peers } : { _tag: "MetadataTooLarge", size: tooLarge }
  }
  return { _tag: "Metadata", received, size, cause: cause() }
}

/** Never fails: there is a cause for every stall. */
export const of = (swarm: Swarm, facts: Facts, now: number): TorrentState => {
  if (swarm.isDone) return { _tag: "Done" }
  if (swarm.down.perSecond(now) > 0) return { _tag: "Downloading" }
  const pieces = unwritten(swarm)
  if (pieces > 0 && pieces === swarm.missing) return { _tag: "Stalled", cause: { _tag: "DiskBehind", pieces } }
  return { _tag: "Stalled", cause: swarm.peers.size === 0 ? alone(facts) : among(swarm, facts, pieces) }
}

/** Pieces whose blocks are all there, or that give way to others. */
const unwritten = (swarm: Swarm): number => {
  let count = 0
  for (const piece of swarm.board.open.values()) if (piece.missing === 0 || piece.frozen) count++
  return count
}

const nextOf = (trackers: ReadonlyArray<TrackerFact>): number | undefined =>
  trackers.length === 0 ? undefined : Math.min(...trackers.map(({ nextInMs }) => nextInMs))

const alone = (facts: Facts): StallCause => {
  const { banned, blocked, dialling, failed, known, refusal, trackerCount, trackers } = facts
  if (failed > 0) return { _tag: "NobodyAnswers", tried: failed, refusal }
  if (dialling > 0) return { _tag: "Connecting", peers: dialling }
  if (banned > 0) return { _tag: "OnlyBadPeers", banned }
  if (known > 0) return { _tag: "Connecting", peers: known }
  if (blocked > 0) return { _tag: "OnlyBlocked", peers: blocked }
  const nextInMs = nextOf(trackers)
  const complaint = trackers.find(({ message }) => message !== "")
  const isTold = trackers.length > 0 && trackers.every(({ message }) => message !== "")
  if (complaint !== undefined && isTold) return { _tag: "TrackerSays", message: complaint.message, nextInMs }
  return { _tag: "NoPeersKnown", trackers: trackerCount, nextInMs }
}

const among = (swarm: Swarm, facts: Facts, pieces: number): StallCause => {
  const { board, peers } = swarm
  const helpful = Array.from(peers).filter((peer) => peer.wants > 0 && !peer.isLiar)
  if (helpful.length === 0) return nobodyHas(swarm, facts)
  const willing = helpful.filter((peer) => !peer.peerChoking)
  if (willing.length === 0) return { _tag: "AllChoke", peers: helpful.length }
  if (facts.isLimited) return { _tag: "DownloadLimit", rate: facts.limit }
  const asked = willing.filter(({ outstanding }) => outstanding > 0)
  if (asked.length === 0 && !board.canOpen()) {
    return pieces > 0 ? { _tag: "DiskBehind", pieces } : { _tag: "MemorySpent", limit: facts.memoryLimit }
  }
  // It has just let a block pass, for which nobody was asked yet.
  if (asked.length === 0 && facts.limit < Infinity) return { _tag: "DownloadLimit", rate: facts.limit }
  return {
    _tag: "WaitingForPeers",
    peers: asked.length === 0 ? willing.length : asked.length,
    blocks: asked.reduce((sum: number, peer: Peer) => sum + peer.outstanding, 0)
  }
}

const nobodyHas = (swarm: Swarm, facts: Facts): StallCause => {
  const { first, pieces } = swarm.nowhere()
  // Peers have what is missing, but those who have it have lied and are about to be closed.
  if (first === undefined) return { _tag: "OnlyBadPeers", banned: Math.max(1, facts.banned) }
  return { _tag: "NobodyHas", piece: first, others: pieces - 1, peers: swarm.peers.size }
}

/** What counts as the whole of a limit: nobody keeps to one exactly. */
const NEARLY = 0.9

/** Whether even one block must wait, or has just waited: so much comes as is allowed. `rate` in bytes/s. */
export const isLimiting = (
  limit: { readonly rate: number; readonly waitFor: (bytes: number, now: number) => number },
  rate: number,
  now: number
): boolean => limit.rate < Infinity && (limit.waitFor(BLOCK, now) > 0 || rate >= NEARLY * limit.rate)
