/** What a {@link Swarm} is made of, and what it asks of the services around it. */
import type * as Bitfield from "../Bitfield.ts"
import type { InfoHash } from "../InfoHash.ts"
import type * as PieceLayout from "../PieceLayout.ts"
import type { BadPiecesHooks, Trees } from "./BadPieces.ts"
import type { Extensions } from "./Extensions.ts"
import type { OpenPiece } from "./OpenPiece.ts"
import type { Peer } from "./Peer.ts"
import type { PieceBuffers } from "./PieceBuffers.ts"
import type { Order } from "./PiecePicker.ts"
import type { RateLimit } from "./RateLimit.ts"
import type { End } from "./SuperSeed.ts"

/** What the machine asks of the services around it. */
export interface SwarmHooks extends BadPiecesHooks {
  /** All blocks are there: verify and write the piece. */
  readonly onFull: (piece: OpenPiece) => void
  /** A piece stands in the way of others: write its blocks, then {@link Swarm.spilled}. */
  readonly onSpill: (piece: OpenPiece) => void
  /** The peer waits for blocks of ours. */
  readonly onAsked: (peer: Peer) => void
  /** The peer wants blocks of ours, and may be choked. */
  readonly onInterested: (peer: Peer, now: number) => void
  /** The peer wants nothing more, or is gone: its slot is free. */
  readonly onNotInterested: (peer: Peer) => void
  /** The peer waits for hashes of ours. */
  readonly onHashesAsked: (peer: Peer) => void
}

export interface SwarmOptions {
  readonly layout: PieceLayout.PieceLayout
  /** See {@link Board}; all when absent. */
  readonly fetched?: PieceLayout.PieceLayout | undefined
  readonly have: Bitfield.Bitfield
  readonly wanted: Bitfield.Bitfield
  readonly order: Order
  readonly buffers: PieceBuffers
  /** Numbers in [0, 1). */
  readonly random: () => number
  readonly hooks: SwarmHooks
  /** Absent in version 1. */
  readonly trees?: Trees | undefined
  /** The download limit, spent where blocks are asked for. */
  readonly limit: RateLimit
  /** Super-seeds until then (BEP 16), if this is a seed; an ordinary one when absent. */
  readonly onSuperSeedEnd?: ((end: End) => void) | undefined
  /** See {@link Serving}. */
  readonly infoHash?: InfoHash | undefined
  /** None when absent. */
  readonly extensions?: Extensions | undefined
}
