/** A board among random peers, with every rule that must hold after each step. */
import { assert } from "@effect/vitest"
import * as Bitfield from "../../../src/domain/Bitfield.ts"
import * as PieceLayout from "../../../src/domain/PieceLayout.ts"
import { Board, type Receipt } from "../../../src/domain/swarm/Board.ts"
import type { OpenPiece } from "../../../src/domain/swarm/OpenPiece.ts"
import { PieceBuffers } from "../../../src/domain/swarm/PieceBuffers.ts"
import { PiecePicker } from "../../../src/domain/swarm/PiecePicker.ts"
import { noise } from "../../support/payload.ts"
import { bitsOf, type Far, far } from "./fakes.ts"
import { below } from "./seeded.ts"

export interface BoardModelOptions {
  readonly random: () => number
  readonly pieces: number
  readonly pieceLength: number
  /** Bytes that the last piece lacks. */
  readonly short: number
  readonly memory: number
  /** Share of the pieces that end in padding. */
  readonly padded?: number
}

const FREE = 0
const RECEIVED = 2

export class BoardModel {
  readonly whole: PieceLayout.PieceLayout
  /** Without padding. */
  readonly layout: PieceLayout.PieceLayout
  readonly payload: Uint8Array
  readonly buffers: PieceBuffers
  readonly picker: PiecePicker
  readonly board: Board
  readonly random: () => number
  readonly peers: Array<Far> = []
  readonly landed = new Set<number>()
  readonly full: Array<OpenPiece> = []
  readonly frozen: Array<OpenPiece> = []
  now = 0
  #keys = 0

  constructor({ memory, padded = 0, pieceLength, pieces, random, short }: BoardModelOptions) {
    this.random = random
    this.whole = PieceLayout.make(pieces * pieceLength - short, pieceLength)
    this.payload = noise(this.whole.totalLength, 1 + below(random, 1e9))
    const ends = new Map<number, number>()
    for (let piece = 0; piece < pieces; piece++) {
      const size = PieceLayout.pieceSize(this.whole, piece)
      if (random() >= padded) continue
      ends.set(piece, 1 + below(random, size))
      this.payload.fill(0, piece * pieceLength + ends.get(piece)!, piece * pieceLength + size)
    }
    this.layout = { ...this.whole, short: ends }
    this.buffers = new PieceBuffers(memory)
    this.picker = new PiecePicker(pieces, Bitfield.full(pieces), random() < 0.5 ? "Rarest" : "Sequential", random)
    this.board = new Board({
      layout: this.whole,
      fetched: this.layout,
      picker: this.picker,
      buffers: this.buffers,
      ask: (peer, piece, begin, length) => {
        assert.isTrue(Bitfield.has(peer.bits, piece), "asked of a peer that lacks the piece")
        assert.isFalse(peer.peerChoking, "asked of a peer that chokes us")
        assert.strictEqual(length, PieceLayout.blockSize(this.layout, piece, begin / PieceLayout.BLOCK))
        peer.outbox.request(piece, begin, length)
      },
      cancel: (peer, piece, begin, length) => peer.outbox.cancel(piece, begin, length)
    })
  }

  get isDone(): boolean {
    return this.landed.size === this.layout.pieces
  }

  join(share: number): Far {
    const { pieces } = this.layout
    const joined = far({ key: ++this.#keys, pieces, now: this.now })
    const { peer } = joined
    peer.bits.set(bitsOf(pieces, Array.from({ length: pieces }, (_, i) => i).filter(() => this.random() < share)))
    peer.isSeed = Bitfield.isFull(peer.bits, pieces)
    if (peer.isSeed) this.picker.availability.addSeed()
    else this.picker.availability.addAll(peer.bits)
    peer.peerChoking = false
    this.peers.push(joined)
    return joined
  }

  leave(gone: Far): void {
    const { peer } = gone
    this.peers.splice(this.peers.indexOf(gone), 1)
    if (peer.isSeed) this.picker.availability.removeSeed()
    else this.picker.availability.removeAll(peer.bits)
    const had = peer.outstanding > 0
    assert.strictEqual(this.board.release(peer), had)
    assert.strictEqual(peer.outstanding, 0)
  }

  choke({ peer, requests }: Far): void {
    peer.peerChoking = true
    this.board.release(peer)
    // Blocks on their way arrive all the same, in some clients.
    if (this.random() < 0.7) requests.length = 0
  }

  fill({ peer, read }: Far, count: number): number {
    if (peer.peerChoking) return 0
    const before = peer.outstanding
    const found = this.board.fill(peer, count, this.now)
    assert.isAtMost(found, count)
    assert.strictEqual(peer.outstanding, before + found)
    peer.wire.flush()
    read()
    return found
  }

  /** The peer answers one of its requests. */
  answer(from: Far): Receipt | undefined {
    from.peer.wire.flush()
    from.read()
    const [request] = from.requests.splice(this.random() < 0.8 ? 0 : below(this.random, from.requests.length), 1)
    return request === undefined ? undefined : this.send(from, request[0], request[1], request[2])
  }

  send({ peer }: Far, piece: number, begin: number, length: number): Receipt {
    const at = piece * this.layout.pieceLength + begin
    const before = this.board.open.get(piece)?.missing
    const receipt = this.board.receive(peer, piece, begin, this.payload, at, length, this.now)
    const open = this.board.open.get(piece)
    if (receipt === "Full") {
      assert.strictEqual(before, 1)
      assert.strictEqual(open!.missing, 0)
      this.full.push(open!)
    }
    return receipt
  }

  /** A full piece has come from the verifier; all bytes must be in place. */
  settle(good: boolean): void {
    const [piece] = this.full.splice(below(this.random, this.full.length), 1)
    if (piece === undefined) return
    const offset = PieceLayout.pieceOffset(this.layout, piece.index)
    for (let block = 0; block < piece.blocks; block++) {
      if (piece.onDisk !== undefined && Bitfield.has(piece.onDisk, block)) continue
      const [from, size] = [block * PieceLayout.BLOCK, PieceLayout.blockSize(this.layout, piece.index, block)]
      const want = this.payload.subarray(offset + from, offset + from + size)
      assert.strictEqual(Buffer.compare(piece.bytes.subarray(from, from + size), want), 0)
    }
    assert.strictEqual(piece.bytes.length, PieceLayout.pieceSize(this.whole, piece.index))
    assert.isTrue(piece.bytes.subarray(PieceLayout.pieceSize(this.layout, piece.index)).every((byte) => byte === 0))
    if (!good) return this.board.reject(piece)
    this.board.finish(piece)
    this.landed.add(piece.index)
  }

  freeze(): void {
    const open = [...this.board.open.values()].filter((piece) => !piece.frozen && piece.missing > 0)
    const piece = open[below(this.random, open.length)]
    if (piece === undefined) return
    this.board.freeze(piece)
    this.frozen.push(piece)
  }

  spill(): void {
    const piece = this.frozen.pop()
    if (piece === undefined) return
    const received = piece.received()
    this.board.spill(piece)
    assert.deepStrictEqual(
      this.board.remembered.get(piece.index),
      Bitfield.count(received) === 0 ? undefined : received
    )
  }

  check(): void {
    const held = new Map(this.peers.map(({ peer }) => [peer, 0]))
    let used = 0
    for (const piece of this.board.open.values()) {
      used += piece.bytes.length
      this.#checkPiece(piece, held)
    }
    for (const [peer, count] of held) assert.strictEqual(peer.outstanding, count, `outstanding of peer ${peer.key}`)
    assert.strictEqual(this.buffers.used, used)
    assert.isTrue(used <= this.buffers.limit || this.board.open.size === 1, "over the budget")
    for (let index = 0; index < this.layout.pieces; index++) {
      const places = Number(this.landed.has(index)) + Number(this.board.open.has(index)) +
        Number(this.picker.availability.isListed(index))
      assert.strictEqual(places, 1, `piece ${index} is in ${places} places`)
    }
  }

  #checkPiece(piece: OpenPiece, held: Map<Far["peer"], number>): void {
    let free = 0
    let missing = 0
    for (let block = 0; block < piece.blocks; block++) {
      const state = piece.state[block]!
      const holders = [piece.holder[block], piece.second[block]].filter((peer) => peer !== undefined)
      if (state === FREE) free++
      if (state === FREE) assert.isAtLeast(block, piece.cursor)
      if (state !== RECEIVED) missing++
      if (state === FREE || state === RECEIVED || piece.frozen) assert.lengthOf(holders, 0)
      else assert.isDefined(piece.holder[block], "asked of nobody")
      assert.strictEqual(new Set(holders).size, holders.length, "asked twice of one peer")
      for (const peer of holders) {
        assert.isTrue(held.has(peer), "held by a peer that is gone")
        held.set(peer, held.get(peer)! + 1)
        if (piece.exclusive !== undefined) assert.strictEqual(peer, piece.exclusive)
      }
    }
    assert.strictEqual(piece.free, piece.frozen ? 0 : free)
    assert.strictEqual(piece.missing, missing)
    const workers = this.peers.filter(({ peer }) => peer.current === piece).length
    assert.strictEqual(piece.workers, workers)
    const keeper = piece.exclusive
    if (keeper !== undefined && piece.free > 0) {
      assert.strictEqual(keeper.current, piece, "kept from all others for nobody")
    }
  }
}
