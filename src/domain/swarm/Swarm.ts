/**
 * One torrent among its peers: a synchronous machine that connections drive and that keeps every promise of the
 * protocol. It announces only pieces that are verified and written, keeps all useful peers busy within the memory
 * budget, and answers with a reason when a peer must be dropped.
 */
import * as Bitfield from "../Bitfield.ts"
import * as PieceLayout from "../PieceLayout.ts"
import type { PieceTree } from "../PieceTrees.ts"
import * as HashMessage from "../wire/HashMessage.ts"
import { Board } from "./Board.ts"
import type { OpenPiece } from "./OpenPiece.ts"
import type { Peer } from "./Peer.ts"
import type { PieceBuffers } from "./PieceBuffers.ts"
import { type Order, PiecePicker } from "./PiecePicker.ts"
import { Rate } from "./Rate.ts"
import { Repairs } from "./Repairs.ts"
import { soleSender, Suspects } from "./Suspects.ts"
import type { TokenBucket } from "./TokenBucket.ts"

/** The largest block a peer may ask for; BEP 3 names 16 KiB, older clients ask for up to this. */
export const MAX_REQUEST = 131_072

/** Peers without work that are tried, to no avail, when a block or memory becomes free. */
const HUNGRY_TRIES = 8

/** A piece that has not moved for so long (ms) gives way to others. */
const STILL_MS = 30_000

/** How long (ms) the news of a piece waits for that of others while messages keep coming. */
const SAY_MS = 100

/** Blocks a peer may send unasked beyond those taken back from it, before it counts as flooding. */
const UNASKED_ALLOWANCE = 16

/** Why peers are banned. */
export const WRONG_BLOCKS = "sent wrong blocks"
const FALSE_HASHES = "sent false hashes"

/** Between a seed and somebody who has all that he wants. */
const NOTHING_TO_EXCHANGE = "has nothing to exchange"

/** Why a peer must be dropped; `undefined` when all is well. */
export type Verdict = string | undefined

/** What the machine asks of the services around it. */
export interface SwarmHooks {
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
  /** These blocks of a piece are wrong, from these peers by identity, negative for nobody; they are fetched again. */
  readonly onWrongBlocks: (piece: number, blocks: ReadonlyArray<number>, senders: ReadonlyArray<number>) => void
  /** Peers that are proven to have lied, by identity, and about what. */
  readonly onLiars: (identities: ReadonlyArray<number>, reason: string) => void
}

/** The hash trees of a version 2 torrent. */
export interface Trees {
  /** Where a piece lies in its file's tree. */
  readonly treeOf: (piece: number) => PieceTree
  /** The pieces root of a file, by its index. */
  readonly rootOf: (file: number) => Uint8Array
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
  readonly limit: TokenBucket
}

export class Swarm {
  readonly layout: PieceLayout.PieceLayout
  readonly fetched: PieceLayout.PieceLayout
  readonly board: Board
  readonly suspects = new Suspects()
  readonly #repairs: Repairs | undefined
  readonly #hooks: SwarmHooks
  readonly #limit: TokenBucket
  readonly #picker: PiecePicker
  readonly #have: Bitfield.Bitfield
  /** Wanted and not there. */
  readonly #missing: Bitfield.Bitfield
  readonly #peers = new Set<Peer>()
  /** Peers that could give more than could be asked of them. */
  readonly #hungry = new Set<Peer>()
  /** Peers with a cancel in the outbox, which helps only while the block is not on its way. */
  readonly #cancelled = new Set<Peer>()
  #saidAt = -Infinity
  /** A piece has landed that not all have been told of. */
  #hasNews = false
  #haveCount: number
  #missingCount: number
  /** Payload received and sent since the start. */
  readonly down = new Rate()
  readonly up = new Rate()

  constructor(options: SwarmOptions) {
    this.layout = options.layout
    this.fetched = options.fetched ?? options.layout
    this.#hooks = options.hooks
    this.#limit = options.limit
    this.#have = options.have
    this.#missing = options.wanted.map((byte, i) => byte & ~options.have[i]!)
    this.#haveCount = Bitfield.count(this.#have)
    this.#missingCount = Bitfield.count(this.#missing)
    this.#picker = new PiecePicker(this.layout.pieces, this.#missing, options.order, options.random)
    this.board = new Board({
      layout: this.layout,
      fetched: this.fetched,
      picker: this.#picker,
      buffers: options.buffers,
      ask: (peer, piece, begin, length) => peer.outbox.request(piece, begin, length),
      cancel: (peer, piece, begin, length) => {
        peer.outbox.cancel(piece, begin, length)
        this.#cancelled.add(peer)
      }
    })
    this.#repairs = options.trees && new Repairs({
      ...options.trees,
      peers: this.#peers,
      askAgain: (peer, piece, block) => this.board.askAgain(peer, piece, block),
      mayHold: () => this.board.canOpen(),
      onKnown: (piece, wrong, now) => this.#found(wrong, piece, now),
      onGivenUp: (piece, now) => this.#found([], piece, now)
    })
  }

  get peers(): ReadonlySet<Peer> {
    return this.#peers
  }

  get have(): Bitfield.Bitfield {
    return this.#have
  }

  get haveCount(): number {
    return this.#haveCount
  }

  /** Pieces still to fetch. */
  get missing(): number {
    return this.#missingCount
  }

  /** All that is wanted is verified and written. */
  get isDone(): boolean {
    return this.#missingCount === 0
  }

  /** Every piece of the torrent is there. */
  get isSeed(): boolean {
    return this.#haveCount === this.layout.pieces
  }

  /** A peer has shaken hands: greet it. */
  opened(peer: Peer): void {
    this.#peers.add(peer)
    peer.onParole = this.suspects.isSuspect(peer.identity)
    if (this.#haveCount > 0) peer.outbox.bitfield(this.#have)
  }

  /** A peer is gone; what it was asked for is free again. */
  closed(peer: Peer, now: number): void {
    if (!this.#peers.delete(peer)) return
    peer.isGone = true
    this.#hungry.delete(peer)
    this.#cancelled.delete(peer)
    this.#hooks.onNotInterested(peer)
    peer.asked.clear()
    peer.askedHashes.length = 0
    this.#repairs?.left(peer, now)
    if (peer.isSeed) this.#picker.availability.removeSeed()
    else this.#picker.availability.removeAll(peer.bits)
    if (this.board.release(peer)) this.feed(now)
  }

  /** BEP 3 has it first or never, but aria2 sends another when that is shorter than the `have`s it owes. */
  bitfield(peer: Peer, bits: Uint8Array): Verdict {
    if (!Bitfield.isValid(bits, this.layout.pieces)) return "sent a bitfield of the wrong size"
    if (peer.has > 0) return this.#moreHaves(peer, bits)
    peer.bits.set(bits)
    peer.has = Bitfield.count(bits)
    peer.wants = Bitfield.countBoth(bits, this.#missing)
    if (peer.has === this.layout.pieces) this.#becameSeed(peer)
    else this.#picker.availability.addAll(bits)
    return this.#updateInterest(peer)
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
    if (Bitfield.has(peer.bits, piece)) return undefined
    Bitfield.set(peer.bits, piece)
    peer.has++
    this.#picker.availability.add(piece)
    if (Bitfield.has(this.#missing, piece)) {
      peer.wants++
      if (peer.outstanding === 0) this.#hungry.add(peer)
    }
    if (peer.has === this.layout.pieces) {
      this.#picker.availability.removeAll(peer.bits)
      this.#becameSeed(peer)
    }
    return this.#updateInterest(peer)
  }

  choke(peer: Peer, now: number): void {
    peer.peerChoking = true
    this.#hungry.delete(peer)
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
    if (peer.amChoking || !Bitfield.has(this.#have, piece)) return undefined
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
    const outcome = this.#repairs === undefined ? "Unasked" : this.#repairs.hashes(peer, range, hashes, now)
    if (outcome === "Unasked") return "sent hashes that nobody asked for"
    if (outcome === undefined) return undefined
    this.#convict([peer.identity], now)
    this.#hooks.onLiars([peer.identity], FALSE_HASHES)
    return FALSE_HASHES
  }

  hashReject(peer: Peer, range: HashMessage.HashRange, now: number): void {
    this.#repairs?.rejected(peer, range, now)
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
    // Under a limit it takes its turn: whoever is served would have all that is allowed, and the others nothing.
    if (this.#limit.rate < Infinity && this.#hungry.size > 0) {
      this.#hungry.delete(peer)
      this.#hungry.add(peer)
      this.feed(now)
    } else this.#refill(peer, now)
    peer.wire.flush()
    if (this.#cancelled.size > 0) this.#releaseCancelled(now)
    this.#say(now)
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
    this.#repairs?.tick(now)
    if (!this.board.canOpen()) this.#freezeStill(now)
    this.#releaseCancelled(now)
    this.#say(now)
    this.feed(now)
    // What a silent peer has held goes to others first.
    for (const peer of silent) this.#hungry.add(peer)
  }

  /** The piece is verified and on the disk: everybody may know. */
  landed(piece: OpenPiece, now: number): void {
    const index = piece.index
    if (this.suspects.size > 0) this.#clear(piece)
    this.#repairs?.forget(piece)
    this.board.finish(piece)
    Bitfield.set(this.#have, index)
    this.#haveCount++
    if (Bitfield.has(this.#missing, index)) {
      Bitfield.clear(this.#missing, index)
      this.#missingCount--
    }
    for (const peer of this.#peers) {
      if (!Bitfield.has(peer.bits, index)) peer.outbox.have(index)
      else if (--peer.wants === 0) this.#updateInterest(peer)
      if (peer.isSeed && this.isDone) peer.wire.close(NOTHING_TO_EXCHANGE)
    }
    this.#hasNews = true
    this.#say(now)
    this.feed(now)
  }

  /**
   * Writes what waits for the peers. Pieces that land faster than every {@link SAY_MS} are announced together: one write per
   * piece and peer cost a fifth of the rate with 200 peers.
   */
  #say(now: number): void {
    if (!this.#hasNews || (now - this.#saidAt < SAY_MS && !this.isDone)) return
    this.#saidAt = now
    this.#hasNews = false
    for (const peer of this.#peers) if (peer.outbox.length > 0) peer.wire.flush()
  }

  /**
   * The piece cannot be read any more: it is neither offered to new peers nor served. BEP 3 has no way to take a `have`
   * back. Returns whether it was there.
   */
  lose(piece: number): boolean {
    if (!Bitfield.has(this.#have, piece)) return false
    Bitfield.clear(this.#have, piece)
    this.#haveCount--
    return true
  }

  /**
   * The piece failed its hash. In version 2 its blocks are told apart, at once or when peers have said their hashes, and only
   * wrong ones are fetched again; else all of it is, and its senders are watched. Returns proven liars.
   */
  corrupt(piece: OpenPiece, now: number): ReadonlyArray<number> {
    const sole = soleSender(piece.sender)
    if (sole !== undefined) this.#convict([sole], now)
    const wrong = this.#repairs?.begin(piece, now)
    if (wrong === "Asked") return sole === undefined ? [] : [sole]
    const liars = this.#fetchAgain(wrong ?? [], piece, now)
    this.feed(now)
    return liars
  }

  /** What came of a piece that peers were asked about; no blocks when nobody knew. */
  #found(wrong: ReadonlyArray<number>, piece: OpenPiece, now: number): void {
    // At the end of a run all pieces are taken off the board, and only then the last peers leave.
    if (this.board.open.get(piece.index) !== piece) return
    const liars = this.#fetchAgain(wrong, piece, now)
    if (liars.length > 0) this.#hooks.onLiars(liars, WRONG_BLOCKS)
    this.feed(now)
  }

  /** Fetches the wrong blocks of a piece again, or all when it is not known which these are. Returns proven liars. */
  #fetchAgain(wrong: ReadonlyArray<number>, piece: OpenPiece, now: number): ReadonlyArray<number> {
    if (wrong.length === 0) return this.#reject(piece, now)
    const senders = wrong.map((block) => piece.sender[block]!)
    const liars = Array.from(new Set(senders.filter((sender) => sender >= 0)))
    this.#hooks.onWrongBlocks(piece.index, wrong, senders)
    this.#convict(liars, now)
    this.board.reopen(piece, wrong, now)
    return liars
  }

  #reject(piece: OpenPiece, now: number): ReadonlyArray<number> {
    const liars = this.suspects.failed(piece.index, piece.sender, (block) => this.#blockOf(piece, block))
    this.#convict(liars, now)
    this.#repairs?.forget(piece)
    this.board.reject(piece)
    this.#watch()
    return liars
  }

  /** Whoever has lied gets nothing more to do; the service closes the connection. */
  #convict(identities: ReadonlyArray<number>, now: number): void {
    if (identities.length === 0) return
    for (const peer of Array.from(this.#peers)) {
      if (!identities.includes(peer.identity)) continue
      peer.isLiar = true
      this.choke(peer, now)
    }
  }

  /** The blocks of a piece given to `onSpill` are written. */
  spilled(piece: OpenPiece, now: number): void {
    this.#repairs?.forget(piece)
    this.board.spill(piece)
    this.feed(now)
  }

  /** Liars found when a piece that once failed came right; the service bans them. */
  takeLiars(): ReadonlyArray<number> {
    const liars = this.#liars
    this.#liars = []
    return liars
  }
  #liars: ReadonlyArray<number> = []

  #clear(piece: OpenPiece): void {
    const liars = this.suspects.passed(piece.index, piece.sender, (block) => this.#blockOf(piece, block))
    this.#liars = [...this.#liars, ...liars]
    this.#watch()
  }

  #watch(): void {
    for (const peer of this.#peers) peer.onParole = this.suspects.isSuspect(peer.identity)
  }

  #blockOf(piece: OpenPiece, block: number): Uint8Array {
    return piece.bytes.subarray(block * PieceLayout.BLOCK, (block + 1) * PieceLayout.BLOCK)
  }

  #becameSeed(peer: Peer): void {
    peer.isSeed = true
    this.#picker.availability.addSeed()
    if (this.isDone) peer.wire.close(NOTHING_TO_EXCHANGE)
  }

  #updateInterest(peer: Peer): undefined {
    const interested = peer.wants > 0
    if (interested === peer.amInterested) return
    peer.amInterested = interested
    if (interested) peer.outbox.interested()
    else {
      this.#hungry.delete(peer)
      peer.outbox.notInterested()
    }
  }

  #refill(peer: Peer, now: number): void {
    if (peer.peerChoking || !peer.amInterested) return
    if (peer.outstanding > 0 && !peer.window.needsRefill(peer.outstanding)) return
    const wanted = peer.window.depth() - peer.outstanding
    if (wanted <= 0) return
    const granted = this.#limit.take(wanted * PieceLayout.BLOCK, now)
    const asked = this.board.fill(peer, Math.floor(granted / PieceLayout.BLOCK), now)
    this.#limit.charge(asked * PieceLayout.BLOCK - granted, now)
    if (asked < wanted) this.#hungry.add(peer)
    else this.#hungry.delete(peer)
  }

  /** Something became free: those who wait are served in turn, until several in a row find nothing. */
  feed(now: number): void {
    let misses = 0
    let turns = this.#hungry.size
    for (const peer of this.#hungry) {
      // Whoever stays hungry goes to the end of the line, where this loop would meet it again.
      if (turns-- === 0) return
      const before = peer.outstanding
      this.#hungry.delete(peer)
      this.#refill(peer, now)
      if (peer.outbox.length > 0) peer.wire.flush()
      misses = peer.outstanding === before ? misses + 1 : 0
      if (misses === HUNGRY_TRIES) return
    }
  }

  /** Tells peers what was taken back from them, and what to send instead. */
  #releaseCancelled(now: number): void {
    for (const peer of this.#cancelled) {
      this.#refill(peer, now)
      peer.wire.flush()
    }
    this.#cancelled.clear()
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
