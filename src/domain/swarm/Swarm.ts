/**
 * One torrent among its peers: a synchronous machine that connections drive and that keeps every promise of the
 * protocol. It announces only pieces that are verified and written, keeps all useful peers busy within the memory
 * budget, and answers with a reason when a peer must be dropped.
 */
import * as Bitfield from "../Bitfield.ts"
import * as PieceLayout from "../PieceLayout.ts"
import * as HashMessage from "../wire/HashMessage.ts"
import { BadPieces, type BadPiecesHooks, type Trees } from "./BadPieces.ts"
import { Board } from "./Board.ts"
import { Feeder } from "./Feeder.ts"
import { Holdings } from "./Holdings.ts"
import { News } from "./News.ts"
import type { OpenPiece } from "./OpenPiece.ts"
import type { Peer } from "./Peer.ts"
import type { PieceBuffers } from "./PieceBuffers.ts"
import type { Order } from "./PiecePicker.ts"
import { Rate } from "./Rate.ts"
import type { RateLimit } from "./RateLimit.ts"
import type { Suspects } from "./Suspects.ts"

/** The largest block a peer may ask for; BEP 3 names 16 KiB, older clients ask for up to this. */
export const MAX_REQUEST = 131_072

/** A piece that has not moved for so long (ms) gives way to others. */
const STILL_MS = 30_000

/** Blocks a peer may send unasked beyond those taken back from it, before it counts as flooding. */
const UNASKED_ALLOWANCE = 16

/** Between a seed and somebody who has all that he wants. */
const NOTHING_TO_EXCHANGE = "has nothing to exchange"

/** Why a peer must be dropped; `undefined` when all is well. */
export type Verdict = string | undefined

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
}

export class Swarm {
  readonly layout: PieceLayout.PieceLayout
  readonly fetched: PieceLayout.PieceLayout
  readonly board: Board
  readonly #hooks: SwarmHooks
  readonly #holdings: Holdings
  readonly #feeder: Feeder
  readonly #bad: BadPieces
  readonly #peers = new Set<Peer>()
  readonly #news = new News(this.#peers)
  /** Payload received and sent since the start. */
  readonly down = new Rate()
  readonly up = new Rate()

  constructor(options: SwarmOptions) {
    this.layout = options.layout
    this.fetched = options.fetched ?? options.layout
    this.#hooks = options.hooks
    this.#holdings = new Holdings({ ...options, pieces: this.layout.pieces })
    this.board = new Board({
      layout: this.layout,
      fetched: this.fetched,
      picker: this.#holdings.picker,
      buffers: options.buffers,
      ask: (peer, piece, begin, length) => peer.outbox.request(piece, begin, length),
      cancel: (peer, piece, begin, length) => {
        peer.outbox.cancel(piece, begin, length)
        this.#feeder.cancelled(peer)
      }
    })
    this.#feeder = new Feeder(this.board, options.limit)
    this.#bad = new BadPieces({
      board: this.board,
      peers: this.#peers,
      trees: options.trees,
      hooks: options.hooks,
      dismiss: (peer, now) => this.choke(peer, now),
      onFree: (now) => this.feed(now)
    })
  }

  get peers(): ReadonlySet<Peer> {
    return this.#peers
  }

  get have(): Bitfield.Bitfield {
    return this.#holdings.have
  }

  get haveCount(): number {
    return this.#holdings.haveCount
  }

  /** Pieces still to fetch. */
  get missing(): number {
    return this.#holdings.missing
  }

  /** All that is wanted is verified and written. */
  get isDone(): boolean {
    return this.#holdings.missing === 0
  }

  /** Every piece of the torrent is there. */
  get isSeed(): boolean {
    return this.#holdings.haveCount === this.layout.pieces
  }

  /** The download is limited, perhaps by what all torrents share. */
  get isLimited(): boolean {
    return this.#feeder.isLimited
  }

  get suspects(): Suspects {
    return this.#bad.suspects
  }

  /** A peer has shaken hands: greet it. */
  opened(peer: Peer): void {
    this.#peers.add(peer)
    this.#bad.opened(peer)
    if (this.haveCount > 0) peer.outbox.bitfield(this.have)
  }

  /** A peer is gone; what it was asked for is free again. */
  closed(peer: Peer, now: number): void {
    if (!this.#peers.delete(peer)) return
    peer.isGone = true
    this.#feeder.left(peer)
    this.#hooks.onNotInterested(peer)
    peer.asked.clear()
    peer.askedHashes.length = 0
    this.#bad.left(peer, now)
    this.#holdings.left(peer)
    if (this.board.release(peer)) this.feed(now)
  }

  /** BEP 3 has it first or never, but aria2 sends another when that is shorter than the `have`s it owes. */
  bitfield(peer: Peer, bits: Uint8Array): Verdict {
    if (!Bitfield.isValid(bits, this.layout.pieces)) return "sent a bitfield of the wrong size"
    if (peer.has > 0) return this.#moreHaves(peer, bits)
    this.#holdings.bitfield(peer, bits)
    return this.#learnt(peer)
  }

  #moreHaves(peer: Peer, bits: Uint8Array): Verdict {
    for (let piece = 0; piece < this.layout.pieces; piece++) {
      if (!Bitfield.has(bits, piece)) continue
      const verdict = this.haveMessage(peer, piece)
      if (verdict !== undefined) return verdict
    }
    return undefined
  }

  haveMessage(peer: Peer, piece: number): Verdict {
    if (piece >= this.layout.pieces) return "announced a piece that does not exist"
    const { wants } = peer
    if (!this.#holdings.add(peer, piece)) return undefined
    if (peer.wants > wants && peer.outstanding === 0) this.#feeder.add(peer)
    return this.#learnt(peer)
  }

  /** The peer has said what it has. */
  #learnt(peer: Peer): undefined {
    if (peer.isSeed && this.isDone) peer.wire.close(NOTHING_TO_EXCHANGE)
    this.#updateInterest(peer)
  }

  #updateInterest(peer: Peer): void {
    const interested = peer.wants > 0
    if (interested === peer.amInterested) return
    peer.amInterested = interested
    if (interested) return peer.outbox.interested()
    this.#feeder.remove(peer)
    peer.outbox.notInterested()
  }

  choke(peer: Peer, now: number): void {
    peer.peerChoking = true
    this.#feeder.remove(peer)
    if (this.board.release(peer)) this.feed(now)
  }

  unchoke(peer: Peer): void {
    if (peer.isLiar) return
    peer.peerChoking = false
    peer.window.onUnchoked()
  }

  interested(peer: Peer, now: number): void {
    if (peer.peerInterested) return
    peer.peerInterested = true
    peer.waitingSince = now
    this.#hooks.onInterested(peer, now)
  }

  notInterested(peer: Peer): void {
    peer.peerInterested = false
    this.#hooks.onNotInterested(peer)
  }

  /** The choker's word: the peer may ask for blocks. */
  unchokePeer(peer: Peer, now: number): void {
    peer.amChoking = false
    peer.unchokedAt = now
    peer.uploadedSinceUnchoke = 0
    peer.outbox.unchoke()
  }

  /** The choker's word: what the peer has asked for is dropped (BEP 3). */
  chokePeer(peer: Peer, now: number): void {
    peer.amChoking = true
    peer.waitingSince = now
    peer.asked.clear()
    peer.outbox.choke()
  }

  /** A batch of blocks has left for a peer. */
  sent(peer: Peer, bytes: number, now: number): void {
    peer.up.add(bytes, now)
    peer.uploadedSinceUnchoke += bytes
    this.up.add(bytes, now)
  }

  request(peer: Peer, piece: number, begin: number, length: number): Verdict {
    if (length > MAX_REQUEST || !PieceLayout.isInside(this.layout, piece, begin, length)) {
      return "asked for bytes that do not exist"
    }
    // A request that crossed our choke is no offence; nor is one for a piece that we never had, in some clients.
    if (peer.amChoking || !Bitfield.has(this.have, piece)) return undefined
    return peer.asked.push(piece, begin, length) ? undefined : "asked for more blocks than anybody may queue"
  }

  /** Takes a block out of `bytes[at, at + length)`; the bytes are copied before this returns. */
  block(peer: Peer, piece: number, begin: number, bytes: Uint8Array, at: number, length: number, now: number): Verdict {
    const receipt = this.board.receive(peer, piece, begin, bytes, at, length, now)
    if (receipt === "Misfit") return "sent a block that does not exist"
    peer.batchBlocks++
    peer.batchBytes += length
    if (receipt === "Full") this.#hooks.onFull(this.board.open.get(piece)!)
    else if (receipt === "Unasked" && ++peer.unasked > UNASKED_ALLOWANCE) return "sends blocks that nobody asked for"
    return undefined
  }

  hashRequest(peer: Peer, range: HashMessage.HashRange): Verdict {
    if (!peer.v2) return "asked for hashes on a connection of version 1"
    if (peer.askedHashes.length >= HashMessage.MOST_OPEN) peer.outbox.hashReject(range)
    else peer.askedHashes.push(range)
    this.#hooks.onHashesAsked(peer)
    return undefined
  }

  /** Takes `hashes` that are as many as the range says. */
  hashes(peer: Peer, range: HashMessage.HashRange, hashes: Uint8Array, now: number): Verdict {
    return this.#bad.hashes(peer, range, hashes, now)
  }

  hashReject(peer: Peer, range: HashMessage.HashRange, now: number): void {
    this.#bad.rejected(peer, range, now)
  }

  /** All messages of one read were handled: measure, and ask for more in one write. */
  batchEnded(peer: Peer, now: number): void {
    if (peer.batchBlocks > 0) {
      this.down.add(peer.batchBytes, now)
      peer.received += peer.batchBytes
      peer.window.onBlocks(peer.batchBlocks, peer.batchBytes, now)
      peer.downRate = peer.window.rate(now)
      peer.batchBlocks = 0
      peer.batchBytes = 0
    }
    if (peer.asked.length > 0) this.#hooks.onAsked(peer)
    this.#feeder.refill(peer, now)
    peer.wire.flush()
    this.#feeder.tellCancelled(now)
    this.#news.say(now, this.isDone)
  }

  /** Once a second: rates, silent peers, pieces that stand still, and peers that wait for a rate limit. */
  tick(now: number): void {
    const silent: Array<Peer> = []
    for (const peer of this.#peers) {
      peer.downRate = peer.window.rate(now)
      if (!peer.window.isTimedOut(peer.outstanding, now)) continue
      peer.window.onTimedOut(now)
      this.board.release(peer)
      silent.push(peer)
    }
    this.#bad.tick(now)
    if (!this.board.canOpen()) this.#freezeStill(now)
    this.#feeder.tellCancelled(now)
    this.#news.say(now, this.isDone)
    this.feed(now)
    // What a silent peer has held goes to others first.
    for (const peer of silent) this.#feeder.add(peer)
  }

  /** The piece is verified and on the disk: everybody may know. */
  landed(piece: OpenPiece, now: number): void {
    const index = piece.index
    this.#bad.passed(piece, now)
    this.board.finish(piece)
    this.#holdings.landed(index)
    for (const peer of this.#peers) {
      if (!Bitfield.has(peer.bits, index)) peer.outbox.have(index)
      else if (--peer.wants === 0) this.#updateInterest(peer)
      if (peer.isSeed && this.isDone) peer.wire.close(NOTHING_TO_EXCHANGE)
    }
    this.#news.add()
    this.#news.say(now, this.isDone)
    this.feed(now)
  }

  /**
   * The piece cannot be read any more: it is neither offered to new peers nor served. BEP 3 has no way to take a `have`
   * back. Returns whether it was there.
   */
  lose(piece: number): boolean {
    return this.#holdings.lose(piece)
  }

  /** The piece failed its hash: all of it is fetched again, or what of it is wrong. */
  corrupt(piece: OpenPiece, now: number): void {
    this.#bad.failed(piece, now)
  }

  /** The blocks of a piece given to `onSpill` are written. */
  spilled(piece: OpenPiece, now: number): void {
    this.#bad.forget(piece)
    this.board.spill(piece)
    this.feed(now)
  }

  /** Something became free: peers that wait for it are asked for more. */
  feed(now: number): void {
    this.#feeder.feed(now)
  }

  #freezeStill(now: number): void {
    for (const piece of this.board.open.values()) {
      if (piece.frozen || piece.missing === 0 || now - piece.movedAt < STILL_MS) continue
      this.board.freeze(piece)
      this.#hooks.onSpill(piece)
      return
    }
  }
}
