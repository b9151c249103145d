/**
 * One torrent among its peers: a synchronous machine that connections drive and that keeps every promise of the
 * protocol. It announces only pieces that are verified and written, keeps all useful peers busy within the memory
 * budget, and answers with a reason when a peer must be dropped.
 */
import * as Bitfield from "../Bitfield.ts"
import * as PieceLayout from "../PieceLayout.ts"
import * as HashMessage from "../wire/HashMessage.ts"
import { BadPieces } from "./BadPieces.ts"
import { Board } from "./Board.ts"
import { Claims } from "./Claims.ts"
import * as DontHave from "./DontHave.ts"
import * as Extensions from "./Extensions.ts"
import { Feeder } from "./Feeder.ts"
import { Holdings } from "./Holdings.ts"
import { Misconduct, type Sent, type Sentence } from "./Misconduct.ts"
import { News } from "./News.ts"
import type { OpenPiece } from "./OpenPiece.ts"
import type { Peer } from "./Peer.ts"
import { Rate } from "./Rate.ts"
import { Refusals } from "./Refusals.ts"
import { Serving } from "./Serving.ts"
import { SuperSeed } from "./SuperSeed.ts"
import type { Suspects } from "./Suspects.ts"
import type { SwarmHooks, SwarmOptions } from "./SwarmOptions.ts"
import type { Verdict } from "./Verdict.ts"

export { MAX_REQUEST } from "./Serving.ts"
export type { SwarmHooks, SwarmOptions } from "./SwarmOptions.ts"
export type { Verdict } from "./Verdict.ts"

/** A piece that has not moved for so long (ms) gives way to others. */
const STILL_MS = 30_000

/** Blocks a peer may send unasked beyond those taken back from it, before it counts as flooding. */
const UNASKED_ALLOWANCE = 16

export class Swarm {
  readonly layout: PieceLayout.PieceLayout
  readonly fetched: PieceLayout.PieceLayout
  readonly board: Board
  readonly extensions: Extensions.Extensions
  readonly #hooks: SwarmHooks
  readonly #holdings: Holdings
  readonly #feeder: Feeder
  readonly #bad: BadPieces
  readonly #misconduct: Misconduct
  readonly #superSeed: SuperSeed | undefined
  readonly #claims: Claims
  readonly #serving: Serving
  readonly #refusals: Refusals
  readonly #peers = new Set<Peer>()
  readonly #news = new News(this.#peers)
  /** Payload received and sent since the start. */
  readonly down = new Rate()
  readonly up = new Rate()

  constructor(options: SwarmOptions) {
    this.layout = options.layout
    this.fetched = options.fetched ?? options.layout
    this.extensions = options.extensions ?? Extensions.none()
    this.#hooks = options.hooks
    this.#misconduct = new Misconduct({ size: this.layout.totalLength, pieceLength: this.layout.pieceLength })
    const { pieces } = this.layout
    this.#holdings = new Holdings({ ...options, pieces })
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
    const { onSuperSeedEnd } = options
    this.#superSeed = onSuperSeedEnd === undefined || !this.isSeed ? undefined : new SuperSeed({
      pieces: this.layout.pieces,
      pieceLength: this.layout.pieceLength,
      sizeOf: (piece) => PieceLayout.pieceSize(this.layout, piece),
      have: this.have,
      peers: this.#peers,
      availability: (piece) => this.#holdings.picker.availability.of(piece),
      random: options.random,
      onEnd: onSuperSeedEnd
    })
    this.#bad = new BadPieces({
      board: this.board,
      peers: this.#peers,
      trees: options.trees,
      hooks: options.hooks,
      dismiss: (peer, now) => this.#dismiss(peer, now),
      onFree: (now) => this.feed(now)
    })
    this.#claims = new Claims({ pieces, board: this.board, feeder: this.#feeder, holdings: this.#holdings })
    this.#serving = new Serving({
      layout: this.layout,
      holdings: this.#holdings,
      infoHash: options.infoHash,
      isShown: (peer, piece) => this.#superSeed?.isShown(peer, piece) !== false,
      hidesNothing: () => !this.isSuperSeeding,
      random: options.random
    })
    this.#refusals = new Refusals({
      pieces,
      board: this.board,
      feeder: this.#feeder,
      claims: this.#claims
    })
  }

  /** Peers are shown one piece at a time (BEP 16). */
  get isSuperSeeding(): boolean {
    return this.#superSeed?.isOver === false
  }

  get peers(): ReadonlySet<Peer> {
    return this.#peers
  }

  /** Peers without the connections to web seeds. */
  get peerCount(): number {
    let count = 0
    for (const peer of this.#peers) if (peer.webSeed === undefined) count++
    return count
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

  /** Whether the peer has a piece that we lack and nobody else here could give. */
  isSoleSource(peer: Peer): boolean {
    return this.#holdings.isSoleSource(peer)
  }

  /** The missing pieces that no peer has: the first, and how many there are. */
  nowhere(): { readonly first: number | undefined; readonly pieces: number } {
    return this.#holdings.nowhere()
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
    this.extensions.greet(peer)
    this.#misconduct.opened(peer)
    if (this.isSuperSeeding) this.#superSeed!.opened(peer)
    else this.#serving.introduce(peer)
  }

  /** A peer is gone; what it was asked for is free again. */
  closed(peer: Peer, now: number): void {
    if (!this.#peers.delete(peer)) return
    peer.isGone = true
    this.extensions.left(peer, now)
    this.#feeder.left(peer)
    this.#hooks.onNotInterested(peer)
    peer.asked.clear()
    peer.askedHashes.length = 0
    this.#bad.left(peer, now)
    this.#misconduct.left(peer)
    this.#holdings.left(peer)
    this.#superSeed?.left(peer)
    this.#serving.left(peer)
    if (this.board.release(peer)) this.feed(now)
  }

  bitfield(peer: Peer, bits: Uint8Array): Verdict {
    const verdict = this.#claims.bitfield(peer, bits)
    this.#heard(peer)
    return verdict
  }

  haveAll(peer: Peer): Verdict {
    const verdict = this.#claims.haveAll(peer)
    this.#heard(peer)
    return verdict
  }

  haveNone(peer: Peer): Verdict {
    const verdict = this.#claims.haveNone(peer)
    this.#heard(peer)
    return verdict
  }

  /** The peer has said for the first time what it has. */
  #heard(peer: Peer): void {
    if (this.isSuperSeeding) this.#superSeed!.hasMany(peer)
    else this.#serving.offer(peer)
  }

  haveMessage(peer: Peer, piece: number): Verdict {
    const verdict = this.#claims.have(peer, piece)
    if (verdict === undefined) this.#superSeed?.has(peer, piece)
    return verdict
  }

  dontHave(peer: Peer, piece: number, now: number): Verdict {
    return this.#claims.dontHave(peer, piece, now)
  }

  /** The peer has said something by which it may be of no use, nor we to it. */
  reconsider(peer: Peer): void {
    this.#claims.reconsider(peer)
  }

  /** Voids what we have asked for (BEP 3), unless the peer speaks the fast extension: then it refuses each block. */
  choke(peer: Peer, now: number): void {
    peer.peerChoking = true
    this.#feeder.remove(peer)
    if (peer.fast) this.board.choked(peer)
    else if (this.board.release(peer)) this.feed(now)
  }

  unchoke(peer: Peer): void {
    if (peer.isLiar) return
    peer.peerChoking = false
    peer.window.onUnchoked()
    this.#refusals.unchoked(peer)
  }

  /** Nothing is asked of the peer any more. */
  #dismiss(peer: Peer, now: number): void {
    peer.peerChoking = true
    peer.allowed = undefined
    this.#feeder.remove(peer)
    if (this.board.release(peer)) this.feed(now)
  }

  interested(peer: Peer, now: number): void {
    if (peer.peerInterested) return
    peer.peerInterested = true
    peer.waitingSince = now
    if (now >= peer.barredUntil) this.#hooks.onInterested(peer, now)
  }

  notInterested(peer: Peer): void {
    peer.peerInterested = false
    this.#hooks.onNotInterested(peer)
  }

  /** The choker's word: the peer may ask for blocks. */
  unchokePeer(peer: Peer, now: number): void {
    peer.tenure.unchoked(now)
    this.#serving.unchoke(peer, now)
  }

  /** The choker's word: what the peer has asked for is dropped. */
  chokePeer(peer: Peer, now: number): void {
    peer.tenure.choked(now)
    this.#serving.choke(peer, now)
  }

  /** A batch of blocks has left for a peer: so many bytes, these blocks. */
  sent(peer: Peer, bytes: number, now: number, blocks: ReadonlyArray<Sent>): void {
    peer.up.add(bytes, now)
    peer.tenure.exchanged(now)
    peer.uploadedSinceUnchoke += bytes
    this.up.add(bytes, now)
    this.#superSeed?.sent(peer, blocks, now)
    this.#punish(peer, this.#misconduct.sent(peer, bytes, blocks, now), now)
  }

  #punish(peer: Peer, sentence: Sentence, now: number): void {
    if (sentence === undefined || peer.isGone) return
    if (sentence._tag === "Banned") return this.#hooks.onBanned([peer.identity], sentence.cause)
    peer.barredUntil = sentence.until
    if (peer.amChoking) return
    this.chokePeer(peer, now)
    peer.wire.flush()
    this.#hooks.onNotInterested(peer)
  }

  request(peer: Peer, piece: number, begin: number, length: number): Verdict {
    return this.#serving.request(peer, piece, begin, length)
  }

  cancel(peer: Peer, piece: number, begin: number, length: number): void {
    this.#serving.cancel(peer, piece, begin, length)
  }

  reject(peer: Peer, piece: number, begin: number, length: number, now: number): Verdict {
    return this.#refusals.reject(peer, piece, begin, length, now)
  }

  suggest(peer: Peer, piece: number): Verdict {
    return this.#refusals.suggest(peer, piece)
  }

  allowedFast(peer: Peer, piece: number): Verdict {
    return peer.isLiar ? undefined : this.#refusals.allowedFast(peer, piece)
  }

  extended(peer: Peer, bytes: Uint8Array, now: number): Verdict {
    return this.extensions.received(peer, bytes, now)
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
      peer.tenure.exchanged(now)
      peer.window.onBlocks(peer.batchBlocks, peer.batchBytes, now)
      peer.downRate = peer.window.rate(now)
      peer.batchBlocks = 0
      peer.batchBytes = 0
    }
    this.#superSeed?.batchEnded(now)
    if (peer.asked.length > 0) {
      peer.tenure.asked(now)
      this.#hooks.onAsked(peer)
    }
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
      if (this.#refusals.hasRested(peer, now)) this.#feeder.add(peer)
      if (!peer.window.isTimedOut(peer.outstanding, now)) continue
      peer.window.onTimedOut(now)
      this.board.release(peer)
      silent.push(peer)
    }
    for (const peer of silent) this.#punish(peer, this.#misconduct.unanswered(peer, this.down.total, now), now)
    this.#superSeed?.tick(now)
    this.#bad.tick(now)
    this.extensions.tick(now)
    if (!this.isSuperSeeding) this.#serving.tick(this.#peers)
    if (!this.board.canOpen()) this.#freezeStill(now)
    this.#feeder.tellCancelled(now)
    this.#news.say(now, this.isDone)
    this.feed(now)
    // What a silent peer has held goes to others first.
    for (const peer of silent) if (!peer.isGone) this.#feeder.add(peer)
  }

  /** The piece is verified and on the disk: everybody may know. */
  landed(piece: OpenPiece, now: number): void {
    const index = piece.index
    this.#bad.passed(piece, now)
    this.board.finish(piece)
    this.#holdings.landed(index)
    for (const peer of this.#peers) {
      const hasIt = Bitfield.has(peer.bits, index)
      // Seeds, too, want to know what is rare.
      if (!hasIt || (peer.isSeed && peer.webSeed === undefined)) peer.outbox.have(index)
      if (hasIt && --peer.wants === 0) this.#claims.updateInterest(peer)
      this.#claims.reconsider(peer)
    }
    this.#news.add()
    this.#news.say(now, this.isDone)
    this.feed(now)
  }

  /**
   * The piece cannot be read any more: it is neither offered to new peers nor served, and peers that understand it are told
   * (BEP 54). Returns whether it was there.
   */
  lose(piece: number): boolean {
    if (!this.#holdings.lose(piece)) return false
    this.#serving.lost(piece, this.#peers)
    for (const peer of this.#peers) DontHave.tell(this.extensions, peer, piece)
    this.#news.add()
    return true
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
