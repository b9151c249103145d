/**
 * How a seed brings a first whole copy into a swarm though it hides nothing: it suggests to each peer other pieces, which nobody
 * has or is given ("super-seeding without throughput reduction", BEP 6). Left to themselves, peers ask for the same piece
 * before either has it: a hundred leeches of 256 pieces took 1.4 copies until they had one between them.
 */
import * as Bitfield from "../Bitfield.ts"
import { BLOCK } from "../PieceLayout.ts"
import type { Availability } from "./Availability.ts"
import type { Peer } from "./Peer.ts"
import * as Shuffle from "./Shuffle.ts"

/** What a peer may ask for when it is unchoked, before it hears of more (bytes); and pieces at the least. */
const AHEAD = 8 * BLOCK
const LEAST_AHEAD = 2

/** Pieces under way to one peer that are remembered. */
const REMEMBERED = 64

export interface FirstCopyOptions {
  readonly pieces: number
  readonly pieceLength: number
  readonly availability: Pick<Availability, "of">
  /** Numbers in [0, 1). */
  readonly random: () => number
}

/** What one peer is to fetch that nobody had at that time. */
interface Share {
  /** Suggested, and not asked for. */
  waiting: Array<number>
  asked: Array<number>
  last: number
}

/** Owned by one torrent that is a seed. */
export class FirstCopy {
  readonly #options: FirstCopyOptions
  readonly #ahead: number
  /** Pieces to suggest, the next one last; some may be out or with somebody meanwhile. */
  #fresh: Array<number> | undefined
  /** Those that come after them: somebody was to fetch them, and did not, as far as we know. */
  #again: Array<number> = []
  /** Pieces in anybody's share. */
  readonly #out: Bitfield.Bitfield
  readonly #shares = new Map<Peer, Share>()

  constructor(options: FirstCopyOptions) {
    this.#options = options
    this.#out = Bitfield.make(options.pieces)
    this.#ahead = Math.max(LEAST_AHEAD, Math.ceil(AHEAD / options.pieceLength))
  }

  /** The peer may ask for blocks from here on. If it is not the only one: puts suggestions into the outbox. */
  guide(peer: Peer): void {
    if (!peer.fast) return
    const share = this.#shareOf(peer)
    // A single peer fetches nothing twice.
    if (this.#shares.size < 2) return
    // What it has of others meanwhile it does not ask us for.
    share.waiting = share.waiting.filter((piece) => this.#isRare(piece))
    while (share.waiting.length < this.#ahead) {
      const piece = this.#next()
      if (piece === undefined) return
      Bitfield.set(this.#out, piece)
      share.waiting.push(piece)
      peer.outbox.suggest(piece)
    }
  }

  /** The unchoked peer has asked for a block of the piece. */
  asked(peer: Peer, piece: number): void {
    const share = this.#shareOf(peer)
    if (piece === share.last) return
    share.last = piece
    const at = share.waiting.indexOf(piece)
    if (at >= 0) share.waiting.splice(at, 1)
    if (this.#isRare(piece) && !share.asked.includes(piece)) {
      Bitfield.set(this.#out, piece)
      share.asked.push(piece)
      if (share.asked.length > REMEMBERED) share.asked.shift()
    }
    this.guide(peer)
    // Ahead of the block, which may take long: when it comes the peer asks for more.
    if (peer.outbox.length > 0) peer.wire.flush()
  }

  /** The peer is choked: what it was not sent goes to others. Called while its requests are in the queue. */
  choked(peer: Peer): void {
    const share = this.#shares.get(peer)
    if (share === undefined) return
    const unsent = new Set<number>()
    for (let i = 0; i < peer.asked.length; i++) unsent.add(peer.asked.piece(i))
    this.#giveBack([...share.asked.filter((piece) => unsent.has(piece)), ...share.waiting])
    share.asked = share.asked.filter((piece) => !unsent.has(piece))
    share.waiting = []
    share.last = -1
  }

  /** The peer is gone, and is in the availability no more. */
  left(peer: Peer): void {
    const share = this.#shares.get(peer)
    if (share === undefined) return
    this.#shares.delete(peer)
    this.#giveBack([...share.asked, ...share.waiting])
  }

  #giveBack(pieces: ReadonlyArray<number>): void {
    for (const piece of pieces) {
      Bitfield.clear(this.#out, piece)
      if (this.#isRare(piece)) this.#again.push(piece)
    }
  }

  #shareOf(peer: Peer): Share {
    const known = this.#shares.get(peer)
    if (known !== undefined) return known
    const share: Share = { waiting: [], asked: [], last: -1 }
    this.#shares.set(peer, share)
    return share
  }

  #isRare(piece: number): boolean {
    return this.#options.availability.of(piece) === 0
  }

  #next(): number | undefined {
    this.#fresh ??= Shuffle.pieces(this.#options.pieces, this.#options.random)
    while (this.#fresh.length + this.#again.length > 0) {
      if (this.#fresh.length === 0) [this.#fresh, this.#again] = [this.#again.toReversed(), []]
      const piece = this.#fresh.pop()!
      if (this.#isRare(piece) && !Bitfield.has(this.#out, piece)) return piece
    }
    return undefined
  }
}
