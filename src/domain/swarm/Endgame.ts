/**
 * Which blocks to ask of a second peer: when nothing is free, a peer with nothing to do takes over from one that would be
 * longer at it. That is the end of every download, and also how a slow peer is kept from holding a piece up before.
 */
import * as Bitfield from "../Bitfield.ts"
import { BLOCK } from "../PieceLayout.ts"
import type { OpenPiece } from "./OpenPiece.ts"
import type { Peer } from "./Peer.ts"

/** How much faster a peer must be than the holder of a block to ask for it as well while pieces are left to pick. */
const FASTER = 2

/** A holder that is through with its blocks sooner (ms) is left to it, and so is one that has just connected. */
const PATIENCE_MS = 1000

/** While pieces are left to pick, a holder is left to what it is through with sooner (ms). */
const STUCK_MS = 20_000

/** A block that another peer was asked for. */
export interface Held {
  readonly piece: OpenPiece
  readonly block: number
}

const NONE: ReadonlyArray<Held> = []

/**
 * Up to `most` blocks that the slowest other peer holds, the last ones of a piece first: those it would come to last. At most
 * half of what it has ahead of it, and at most two askers a block.
 *
 * @param isLast whether no piece is left to pick
 */
export const blocksFor = (
  peer: Peer,
  open: ReadonlyMap<number, OpenPiece>,
  most: number,
  isLast: boolean,
  now: number
): ReadonlyArray<Held> => {
  const holder = slowestHolder(peer, open, isLast, now)
  if (holder === undefined) return NONE
  const limit = Math.min(most, Math.max(1, holder.outstanding >>> 1))
  const found: Array<Held> = []
  for (const piece of open.values()) {
    if (!mayJoin(peer, piece)) continue
    for (let block = piece.blocks - 1; block >= 0; block--) {
      if (piece.holder[block] !== holder || !mayReplace(peer, piece.second[block])) continue
      found.push({ piece, block })
      if (found.length === limit) return found
    }
  }
  return found
}

/** The holder of a block this peer could fetch as well, for whom it would take longest. */
const slowestHolder = (
  peer: Peer,
  open: ReadonlyMap<number, OpenPiece>,
  isLast: boolean,
  now: number
): Peer | undefined => {
  let slowest: Peer | undefined
  for (const piece of open.values()) {
    if (!mayJoin(peer, piece)) continue
    for (let block = 0; block < piece.blocks; block++) {
      const holder = piece.holder[block]
      if (holder === undefined || holder === peer || holder === slowest) continue
      if (!mayReplace(peer, piece.second[block])) continue
      if (slowest !== undefined && holder.downRate >= slowest.downRate) continue
      if (isSlow(holder, peer, isLast, now)) slowest = holder
    }
  }
  return slowest
}

const isSlow = (holder: Peer, peer: Peer, isLast: boolean, now: number): boolean => {
  if (peer.window.snubbed) return false
  if (holder.window.snubbed) return true
  if (now - holder.connectedAt < PATIENCE_MS) return false
  if (holder.received > 0 && peer.downRate <= holder.downRate) return false
  if (holder.outstanding * BLOCK * 1000 < holder.downRate * PATIENCE_MS) return false
  return isLast || isStuck(holder, now) && holder.downRate * FASTER < peer.downRate
}

/** What it holds would come late, or it has been silent for long. */
const isStuck = (holder: Peer, now: number): boolean =>
  holder.window.waited(now) > STUCK_MS ||
  (holder.downRate > 0 && holder.outstanding * BLOCK * 1000 > holder.downRate * STUCK_MS)

const mayJoin = (peer: Peer, piece: OpenPiece): boolean =>
  piece.missing > 0 && piece.exclusive === undefined && Bitfield.has(peer.bits, piece.index)

/** Two peers that give nothing must not hold a block between them: one that gives takes the place of the second. */
const mayReplace = (peer: Peer, second: Peer | undefined): boolean =>
  second === undefined ||
  (second !== peer && peer.received > 0 && (second.received === 0 || second.window.snubbed))
