/**
 * Who has asked whom for which block. The Board owns the pieces that are being fetched, their memory and every request
 * in flight; connections call it, nothing else writes it. All calls are synchronous and, per block, O(1).
 */
import * as Bitfield from "../Bitfield.ts"
import * as PieceLayout from "../PieceLayout.ts"
import * as Endgame from "./Endgame.ts"
import { FREE, OpenPiece, RECEIVED, REQUESTED } from "./OpenPiece.ts"
import type { Peer } from "./Peer.ts"
import type { PieceBuffers } from "./PieceBuffers.ts"
import type { PiecePicker } from "./PiecePicker.ts"

/** A peer that fills a piece within this time (ms) opens one of its own; a slower one joins a piece that is open. */
const OWN_PIECE_MS = 10_000

/** What became of a block that arrived. */
export type Receipt = "Taken" | "Full" | "Unasked" | "Misfit"

export interface BoardOptions {
  readonly layout: PieceLayout.PieceLayout
  /** What of it must be asked for: a piece that is shorter here ends in zeros. */
  readonly fetched: PieceLayout.PieceLayout
  readonly picker: PiecePicker
  readonly buffers: PieceBuffers
  /** A request to a peer: encoded at once, written at the end of the batch. */
  readonly ask: (peer: Peer, piece: number, begin: number, length: number) => void
  /** Takes a request back. */
  readonly cancel: (peer: Peer, piece: number, begin: number, length: number) => void
}

export class Board {
  readonly #options: BoardOptions
  readonly #layout: PieceLayout.PieceLayout
  readonly #picker: PiecePicker
  readonly #buffers: PieceBuffers
  readonly #open = new Map<number, OpenPiece>()
  /** Open pieces with blocks that nobody was asked for. */
  readonly #unasked = new Set<OpenPiece>()
  /** Blocks of unfinished pieces that are on the disk, by piece. */
  readonly #onDisk = new Map<number, Bitfield.Bitfield>()
  /** Bytes that arrived twice or unasked. */
  wasted = 0
  /** Bytes that were asked for and not taken back, or came without: what a download limit counts. */
  counted = 0

  constructor(options: BoardOptions) {
    this.#options = options
    this.#layout = options.fetched
    this.#picker = options.picker
    this.#buffers = options.buffers
  }

  /** The pieces being fetched or on their way to the disk. */
  get open(): ReadonlyMap<number, OpenPiece> {
    return this.#open
  }

  /** Whether another piece of this torrent fits the budget now. */
  canOpen(): boolean {
    return this.#open.size === 0 || this.#buffers.fits(this.#layout.pieceLength)
  }

  /** Remembers blocks that an earlier run left on the disk; the piece must not be open. */
  remember(piece: number, blocks: Bitfield.Bitfield): void {
    // What is not asked for is never on its way, whatever a record says.
    for (let block = PieceLayout.blocksIn(this.#layout, piece); block < 8 * blocks.length; block++) {
      Bitfield.clear(blocks, block)
    }
    // A piece with every block but no verdict gets one block again, and with its arrival a verdict.
    if (Bitfield.count(blocks) === PieceLayout.blocksIn(this.#layout, piece)) Bitfield.clear(blocks, 0)
    if (Bitfield.count(blocks) > 0) this.#onDisk.set(piece, blocks)
  }

  /** Asks `peer` for up to `count` blocks; returns how many were found. */
  fill(peer: Peer, count: number, now: number): number {
    let left = count
    peer.window.onRequested(peer.outstanding, now)
    while (left > 0) {
      const piece = peer.peerChoking ? this.#nextAllowed(peer, now) : this.#next(peer, now)
      if (piece === undefined) break
      left -= this.#take(peer, piece, left)
    }
    if (left > 0 && !peer.peerChoking) left -= this.#double(peer, left, now)
    return count - left
  }

  /**
   * Takes `bytes[at, at + length)`, a block that `peer` sent. The caller has checked nothing but the frame. A block that
   * was asked for and taken back is used if it is still missing, but not where a peer on parole is to have sent all.
   */
  receive(
    peer: Peer,
    index: number,
    begin: number,
    bytes: Uint8Array,
    at: number,
    length: number,
    now: number
  ): Receipt {
    const block = begin / PieceLayout.BLOCK
    if (index >= this.#layout.pieces || !Number.isInteger(block)) return "Misfit"
    if (begin >= PieceLayout.pieceSize(this.#layout, index)) return "Misfit"
    if (length !== PieceLayout.blockSize(this.#layout, index, block)) return "Misfit"
    const piece = this.#open.get(index)
    if (piece === undefined || !this.#answers(peer, piece, block)) {
      this.wasted += length
      this.counted += length
      if (peer.forgiven === 0) return "Unasked"
      peer.forgiven--
      if (piece === undefined || piece.frozen || piece.state[block] === RECEIVED) return "Taken"
      if (piece.exclusive !== undefined && piece.exclusive !== peer) return "Taken"
      this.wasted -= length
    }
    this.#settle(piece, block, peer)
    piece.bytes.set(bytes.subarray(at, at + length), begin)
    piece.sender[block] = peer.identity
    piece.movedAt = now
    return piece.missing === 0 ? "Full" : "Taken"
  }

  /** Frees all requests of a peer that choked us, went away or fell silent; returns whether there were any. */
  release(peer: Peer): boolean {
    this.#leave(peer)
    if (peer.outstanding === 0) return false
    for (const piece of this.#open.values()) {
      if (piece.missing === 0) continue
      if (piece.exclusive === peer) piece.exclusive = undefined
      for (let block = 0; block < piece.blocks; block++) {
        if (piece.second[block] === peer) piece.second[block] = undefined
        else if (piece.holder[block] === peer) this.#drop(piece, block)
        else continue
        peer.forgiven++
        this.counted -= PieceLayout.blockSize(this.#layout, piece.index, block)
      }
    }
    peer.outstanding = 0
    return true
  }

  /**
   * The peer will not send this block (BEP 6): it is free for others, unless somebody else was asked as well. `false` when
   * the peer does not owe it, be it that the request was taken back.
   */
  refused(peer: Peer, index: number, begin: number, length: number): boolean {
    const piece = this.#open.get(index)
    const block = begin / PieceLayout.BLOCK
    if (piece === undefined || !Number.isInteger(block) || block >= piece.blocks) return false
    if (length !== PieceLayout.blockSize(this.#layout, index, block) || !this.#answers(peer, piece, block)) return false
    this.#disown(peer, piece, block)
    return true
  }

  /** The peer has this piece no more, and will not say what becomes of our requests: they are free for others. */
  lost(peer: Peer, index: number): void {
    const piece = this.#open.get(index)
    if (piece === undefined || piece.missing === 0) return
    for (let block = 0; block < piece.blocks; block++) {
      if (!this.#answers(peer, piece, block)) continue
      this.#disown(peer, piece, block)
      peer.forgiven++
    }
    if (peer.current === piece) this.#leave(peer)
  }

  /** The peer chokes us but owes answers still (BEP 6): the piece it fills may be filled by others. */
  choked(peer: Peer): void {
    if (peer.current !== undefined && peer.allowed?.has(peer.current.index) !== true) this.#leave(peer)
  }

  /** The piece is on the disk: it leaves the board for good. */
  finish(piece: OpenPiece): void {
    this.#close(piece)
    this.#onDisk.delete(piece.index)
  }

  /** The piece was wrong: all of it may be picked again. */
  reject(piece: OpenPiece): void {
    this.#onDisk.delete(piece.index)
    this.#close(piece)
    this.#picker.list(piece.index)
  }

  /** These blocks of a full piece are wrong: they are to be fetched again, the others stay. */
  reopen(piece: OpenPiece, blocks: ReadonlyArray<number>, now: number): void {
    for (const block of blocks) {
      piece.state[block] = FREE
      piece.sender[block] = -1
      if (piece.onDisk !== undefined) Bitfield.clear(piece.onDisk, block)
    }
    piece.free += blocks.length
    piece.missing += blocks.length
    piece.cursor = Math.min(piece.cursor, blocks[0]!)
    piece.exclusive = undefined
    piece.movedAt = now
    if (piece.onDisk !== undefined && Bitfield.count(piece.onDisk) === 0) this.#onDisk.delete(piece.index)
    this.#unasked.add(piece)
  }

  /** Asks for a block that is there: nobody waits for it, and it is used only if it has become free when it comes. */
  askAgain(peer: Peer, piece: OpenPiece, block: number, now: number): void {
    peer.forgiven++
    peer.window.onRequested(peer.outstanding, now)
    const begin = block * PieceLayout.BLOCK
    this.#options.ask(peer, piece.index, begin, PieceLayout.blockSize(this.#layout, piece.index, block))
  }

  /** The received blocks are on the disk and the memory is given back: the piece may be opened again with them. */
  spill(piece: OpenPiece): void {
    const mask = piece.received()
    this.#close(piece)
    if (Bitfield.count(mask) > 0) this.#onDisk.set(piece.index, mask)
    this.#picker.list(piece.index)
  }

  /**
   * Takes a piece that stands still off the peers, with all its requests, so that its blocks can be written and the
   * memory used for another. It stays open until {@link spill}.
   */
  freeze(piece: OpenPiece): void {
    this.#unasked.delete(piece)
    piece.frozen = true
    for (let block = 0; block < piece.blocks; block++) {
      for (const peer of [piece.holder[block], piece.second[block]]) {
        if (peer === undefined) continue
        if (peer.current === piece) this.#leave(peer)
        this.#takeBack(peer, piece, block)
      }
      piece.holder[block] = undefined
      piece.second[block] = undefined
    }
    piece.free = 0
  }

  /** Unfinished pieces on the disk with their blocks. */
  get remembered(): ReadonlyMap<number, Bitfield.Bitfield> {
    return this.#onDisk
  }

  #disown(peer: Peer, piece: OpenPiece, block: number): void {
    peer.outstanding--
    if (peer.current === piece) this.#leave(peer)
    if (piece.second[block] === peer) piece.second[block] = undefined
    else this.#drop(piece, block)
  }

  /** The piece to ask this peer for next: its own, one that others left, a new one, or one that others fill. */
  #next(peer: Peer, now: number): OpenPiece | undefined {
    const current = peer.current
    if (current !== undefined) {
      if (current.free > 0) return current
      this.#leave(peer)
    }
    const slow = !peer.onParole && peer.downRate * (OWN_PIECE_MS / 1000) < this.#layout.pieceLength
    const joined = this.#join(peer, slow, peer.onParole)
    if (joined !== undefined) return this.#work(peer, joined)
    if (this.canOpen()) {
      const index = this.#following(peer) ??
        this.#picker.pick(peer.bits, peer.isSeed, peer.suggested)
      if (index !== undefined) return this.#work(peer, this.#start(index, now))
    }
    // On parole, too: were the rest of a begun piece kept from the only peer that has it, nobody would ever fetch it.
    const shared = slow ? undefined : this.#join(peer, true, false)
    return shared === undefined ? undefined : this.#work(peer, shared)
  }

  /** What a peer that chokes us gives all the same (BEP 6). */
  #nextAllowed(peer: Peer, now: number): OpenPiece | undefined {
    if (peer.allowed === undefined) return undefined
    const current = peer.current
    if (current !== undefined) {
      if (current.free > 0) return current
      this.#leave(peer)
    }
    for (const index of peer.allowed) {
      if (!Bitfield.has(peer.bits, index)) continue
      const piece = this.#open.get(index)
      if (piece === undefined) {
        if (this.#picker.mayOpen(index) && this.canOpen()) return this.#work(peer, this.#start(index, now))
      } else if (piece.free > 0 && piece.exclusive === undefined) return this.#work(peer, piece)
    }
    return undefined
  }

  /**
   * A web seed goes on with the next piece (BEP 19, "piece selection"): each run of pieces is one request, and every request
   * costs it a round trip.
   */
  #following(peer: Peer): number | undefined {
    if (peer.webSeed === undefined || peer.latest === undefined) return undefined
    const next = peer.latest + 1
    return this.#picker.mayOpen(next) && Bitfield.has(peer.bits, next) ? next : undefined
  }

  /** An open piece with blocks to ask for: only one without a worker unless `shared`, a `clean` one is all free. */
  #join(peer: Peer, shared: boolean, clean: boolean): OpenPiece | undefined {
    for (const piece of this.#unasked) {
      if (piece.exclusive !== undefined || (clean && piece.free < piece.blocks)) continue
      if ((shared || piece.workers === 0) && Bitfield.has(peer.bits, piece.index)) return piece
    }
    return undefined
  }

  #start(index: number, now: number): OpenPiece {
    this.#picker.unlist(index)
    const bytes = this.#buffers.take(PieceLayout.pieceSize(this.#options.layout, index))
    bytes.fill(0, PieceLayout.pieceSize(this.#layout, index))
    const blocks = PieceLayout.blocksIn(this.#layout, index)
    const piece = new OpenPiece(index, blocks, bytes, this.#onDisk.get(index), now)
    this.#open.set(index, piece)
    if (piece.free > 0) this.#unasked.add(piece)
    return piece
  }

  #work(peer: Peer, piece: OpenPiece): OpenPiece {
    peer.current = piece
    peer.latest = piece.index
    piece.workers++
    if (peer.onParole && piece.free === piece.blocks) piece.exclusive = peer
    return piece
  }

  #leave(peer: Peer): void {
    const piece = peer.current
    if (piece === undefined) return
    piece.workers--
    if (piece.exclusive === peer && piece.free > 0) piece.exclusive = undefined
    peer.current = undefined
  }

  /** Asks for free blocks of one piece, in order. */
  #take(peer: Peer, piece: OpenPiece, most: number): number {
    let taken = 0
    let block = piece.cursor
    for (; taken < most && piece.free > 0; block++) {
      if (piece.state[block] !== FREE) continue
      piece.state[block] = REQUESTED
      piece.holder[block] = peer
      piece.free--
      taken++
      this.#ask(peer, piece, block)
    }
    piece.cursor = block
    if (piece.free === 0) this.#unasked.delete(piece)
    return taken
  }

  #ask(peer: Peer, piece: OpenPiece, block: number): void {
    const size = PieceLayout.blockSize(this.#layout, piece.index, block)
    peer.outstanding++
    this.counted += size
    this.#options.ask(peer, piece.index, block * PieceLayout.BLOCK, size)
  }

  /** Endgame: asks for blocks that slower peers hold. */
  #double(peer: Peer, most: number, now: number): number {
    if (peer.outstanding > 0 || this.#open.size === 0) return 0
    const blocks = Endgame.blocksFor(peer, this.#open, most, this.#picker.left === 0, now)
    for (const { block, piece } of blocks) {
      const second = piece.second[block]
      if (second !== undefined) this.#takeBack(second, piece, block)
      piece.second[block] = peer
      this.#ask(peer, piece, block)
    }
    return blocks.length
  }

  /** The peer need not send the block any more, but still may. */
  #takeBack(peer: Peer, piece: OpenPiece, block: number): void {
    peer.outstanding--
    peer.forgiven++
    const size = PieceLayout.blockSize(this.#layout, piece.index, block)
    this.counted -= size
    this.#options.cancel(peer, piece.index, block * PieceLayout.BLOCK, size)
  }

  #answers(peer: Peer, piece: OpenPiece, block: number): boolean {
    return piece.holder[block] === peer || piece.second[block] === peer
  }

  /** Marks a block as received from `peer`, and takes it back from whoever else was asked. */
  #settle(piece: OpenPiece, block: number, peer: Peer): void {
    const holder = piece.holder[block]
    const second = piece.second[block]
    if (holder === peer || second === peer) peer.outstanding--
    if (holder !== undefined && holder !== peer) this.#takeBack(holder, piece, block)
    if (second !== undefined && second !== peer) this.#takeBack(second, piece, block)
    piece.holder[block] = undefined
    piece.second[block] = undefined
    if (piece.state[block] === FREE) {
      piece.free--
      if (piece.free === 0) this.#unasked.delete(piece)
    }
    piece.state[block] = RECEIVED
    piece.missing--
  }

  /** The holder of a block is gone: the second takes its place, or the block is free again. */
  #drop(piece: OpenPiece, block: number): void {
    const second = piece.second[block]
    piece.second[block] = undefined
    piece.holder[block] = second
    if (second !== undefined) return
    piece.state[block] = FREE
    piece.free++
    // Whoever had the piece alone has let go of it: others must be able to finish it.
    piece.exclusive = undefined
    if (block < piece.cursor) piece.cursor = block
    this.#unasked.add(piece)
  }

  #close(piece: OpenPiece): void {
    this.#open.delete(piece.index)
    this.#unasked.delete(piece)
    this.#buffers.give(piece.bytes)
  }
}
