/**
 * Super-seeding (BEP 16): how a first seed brings a whole copy into the swarm with hardly more than one copy sent. It says
 * that it has nothing, shows each peer one piece at a time, a different one each, and shows it the next when the last was seen
 * at another peer: so every byte goes out once, to somebody who passes it on.
 *
 * What BEP 16 leaves open:
 * - Many clients do not tell a peer of pieces that it has itself: a piece also counts as theirs when all of it was sent.
 * - A peer that takes fast is shown more at a time, as much as it takes in {@link AHEAD_MS}; else one round trip a piece would
 *   be lost.
 * - Nobody waits for ever. A piece counts as passed on when nobody is there to pass it to, or after {@link PATIENCE_MS}: two
 *   peers behind firewalls cannot reach each other. A piece that a peer does not fetch is shown to another.
 * - While no peer says to have a piece, no other is shown one that somebody has.
 * - It ends when a peer has everything, or when every piece is at {@link COPIES} peers: one may leave then without loss, and
 *   an ordinary seed serves the rest faster.
 */
import * as Bitfield from "../Bitfield.ts"
import type { Sent } from "./Misconduct.ts"
import type { Peer } from "./Peer.ts"
import * as Shuffle from "./Shuffle.ts"

/** Peers that must have every piece. */
const COPIES = 2

/** A peer is shown what it takes in so many ms ahead, up to so many pieces. */
const AHEAD_MS = 1000
const MOST_SHOWN = 8

/** ms after which a piece that its peer has counts as passed on. */
const PATIENCE_MS = 30_000

/** A piece may be shown to another peer when its own has taken nothing for {@link IDLE_MS}, or is {@link SLOW_MS} at it. */
const IDLE_MS = 30_000
const SLOW_MS = 120_000

/** A peer that says nothing of what it has (ms) has nothing: BEP 3 lets it leave out the bitfield. */
const SILENT_MS = 1000

/** Pieces that one peer is told of at a time (some 150 KB) when super-seeding ends. */
const TOLD_AT_ONCE = 16_384

/** Why it has ended. */
export type End = "AnotherSeed" | "EnoughCopies"

export interface SuperSeedOptions {
  readonly pieces: number
  readonly pieceLength: number
  readonly sizeOf: (piece: number) => number
  /** What we have. */
  readonly have: Bitfield.Bitfield
  readonly peers: ReadonlySet<Peer>
  /** How many of the peers say to have a piece. */
  readonly availability: (piece: number) => number
  /** Numbers in [0, 1). */
  readonly random: () => number
  readonly onEnd: (end: End) => void
}

/** A piece that a peer was shown and that nobody else has yet. */
interface Shown {
  readonly piece: number
  readonly at: number
  /** Bytes of it still to be sent to the peer. */
  left: number
  /** When the peer had it, as it said or since all of it was sent; `undefined` while it fetches it. */
  gotAt: number | undefined
}

interface View {
  /** All that the peer was ever shown. */
  readonly bits: Bitfield.Bitfield
  /** What it was sent all of and has not spoken of. */
  readonly given: Bitfield.Bitfield
  open: Array<Shown>
  /** How many pieces the peer had when it was last looked through; `undefined` before. */
  heard: number | undefined
}

/** Owned by one torrent; told of everything that peers say. Times are monotonic ms. */
export class SuperSeed {
  readonly #options: SuperSeedOptions
  readonly #views = new Map<Peer, View>()
  /** Who was shown a piece that is not passed on. */
  readonly #shownTo = new Map<number, Set<Peer>>()
  /** Pieces that nobody has nor was shown, the next one last; some may have been seen elsewhere meanwhile. */
  readonly #fresh: Array<number>
  /** Up to which piece peers were told of all the rest, once it has ended. */
  readonly #telling = new Map<Peer, number>()
  /** How many peers were sent all of a piece and have not spoken of it. */
  readonly #given: Uint16Array
  /** Peers that may be due another piece. */
  readonly #due = new Set<Peer>()
  #isOver = false

  constructor(options: SuperSeedOptions) {
    this.#options = options
    this.#given = new Uint16Array(options.pieces)
    this.#fresh = Shuffle.pieces(options.pieces, options.random)
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Whether the peer was told of the piece: no other is served. */
  isShown(peer: Peer, piece: number): boolean {
    if (this.#isOver) return true
    const view = this.#views.get(peer)
    return view !== undefined && Bitfield.has(view.bits, piece)
  }

  /** Says that we have nothing. */
  opened(peer: Peer): void {
    if (peer.fast && !peer.isIntroduced) peer.outbox.haveNone()
    peer.isIntroduced = true
    this.#views.set(peer, {
      bits: Bitfield.make(this.#options.pieces),
      given: Bitfield.make(this.#options.pieces),
      open: [],
      heard: undefined
    })
  }

  /** The peer is gone, and is in the availability no more: what only it had or was shown is to be given anew. */
  left(peer: Peer): void {
    this.#telling.delete(peer)
    this.#due.delete(peer)
    const view = this.#views.get(peer)
    this.#views.delete(peer)
    if (view === undefined || this.#isOver) return
    for (const shown of view.open) this.#close(peer, shown.piece)
    Bitfield.forEach(view.given, (piece) => this.#given[piece]!--)
    for (let piece = 0; piece < this.#options.pieces; piece++) {
      const wasThere = Bitfield.has(peer.bits, piece) || Bitfield.has(view.bits, piece)
      if (wasThere && this.#copies(piece) === 0 && !this.#shownTo.has(piece)) this.#fresh.push(piece)
    }
  }

  /** The peer has said that it has this piece. */
  has(peer: Peer, piece: number): void {
    if (this.#isOver) return
    this.#spoken(peer, piece)
    if (this.#isWhole(peer)) return this.#end("AnotherSeed")
    for (const other of this.#shownTo.get(piece) ?? []) this.#due.add(other)
    this.#due.add(peer)
  }

  /** The peer has said what it has, perhaps again: nobody can make us look through that with a message of five bytes each. */
  hasMany(peer: Peer): void {
    if (this.#isOver) return
    const view = this.#views.get(peer)
    if (view === undefined || view.heard === peer.has) return
    view.heard = peer.has
    for (let piece = 0; piece < this.#options.pieces; piece++) {
      if (Bitfield.has(peer.bits, piece)) this.#spoken(peer, piece)
    }
    if (this.#isWhole(peer)) return this.#end("AnotherSeed")
    for (const other of this.#views.keys()) this.#due.add(other)
  }

  /** Blocks have left for the peer. */
  sent(peer: Peer, blocks: ReadonlyArray<Sent>, now: number): void {
    const view = this.#views.get(peer)
    if (view === undefined || this.#isOver) return
    for (const { length, piece } of blocks) {
      const shown = view.open.find((shown) => shown.piece === piece)
      if (shown === undefined || shown.gotAt !== undefined || (shown.left -= length) > 0) continue
      shown.gotAt = now
      if (!Bitfield.has(peer.bits, piece)) {
        Bitfield.set(view.given, piece)
        this.#given[piece]!++
        if (this.#isWhole(peer)) return this.#end("AnotherSeed")
      }
      for (const other of this.#shownTo.get(piece) ?? []) this.#due.add(other)
    }
    this.batchEnded(now)
  }

  /** The peer speaks of a piece: it was sent all of it perhaps, and is not to be counted twice. */
  #spoken(peer: Peer, piece: number): void {
    const given = this.#views.get(peer)?.given
    if (given === undefined || !Bitfield.has(given, piece)) return
    Bitfield.clear(given, piece)
    this.#given[piece]!--
  }

  /** It has what it said and what it was sent, of which it may never speak; it hangs up on whom it needs no more. */
  #isWhole(peer: Peer): boolean {
    const given = this.#views.get(peer)?.given
    return peer.isSeed || (given !== undefined && peer.has + Bitfield.count(given) === this.#options.pieces)
  }

  #copies(piece: number): number {
    return this.#options.availability(piece) + this.#given[piece]!
  }

  /** All messages of one read were handled: what was passed on makes room for more. */
  batchEnded(now: number): void {
    if (this.#due.size === 0) return
    for (const peer of this.#due) this.#show(peer, now)
    this.#due.clear()
  }

  /** Once a second. */
  tick(now: number): void {
    if (this.#isOver) return this.#tellAll()
    for (const peer of this.#views.keys()) if (now - peer.connectedAt >= SILENT_MS) this.#show(peer, now)
    if (this.#views.size > 0 && this.#isSpread()) this.#end("EnoughCopies")
  }

  /** Forgets what the peer has passed on, and shows it as much anew. */
  #show(peer: Peer, now: number): void {
    const view = this.#views.get(peer)
    if (view === undefined || peer.isSeed) return
    view.open = view.open.filter((shown) => {
      if (!this.#isPassed(peer, shown, now)) return true
      this.#close(peer, shown.piece)
      return false
    })
    const { pieceLength } = this.#options
    const ahead = Math.floor(peer.up.perSecond(now) * AHEAD_MS / 1000 / pieceLength)
    const most = Math.min(MOST_SHOWN, 1 + ahead)
    while (view.open.length < most) {
      const piece = this.#choose(view, peer, now)
      if (piece === undefined) break
      this.#open(peer, view, piece, now)
    }
    if (peer.outbox.length > 0) peer.wire.flush()
  }

  #open(peer: Peer, view: View, piece: number, now: number): void {
    Bitfield.set(view.bits, piece)
    view.open.push({ piece, at: now, left: this.#options.sizeOf(piece), gotAt: undefined })
    const holders = this.#shownTo.get(piece)
    if (holders === undefined) this.#shownTo.set(piece, new Set([peer]))
    else holders.add(peer)
    peer.outbox.have(piece)
  }

  #close(peer: Peer, piece: number): void {
    const holders = this.#shownTo.get(piece)
    holders?.delete(peer)
    if (holders?.size === 0) this.#shownTo.delete(piece)
  }

  #isPassed(peer: Peer, shown: Shown, now: number): boolean {
    if (Bitfield.has(peer.bits, shown.piece)) shown.gotAt ??= now
    if (shown.gotAt === undefined) return false
    const copies = this.#copies(shown.piece)
    return copies > 1 || copies >= this.#options.peers.size || now - shown.gotAt >= PATIENCE_MS
  }

  /** The piece to show next: one that nobody has or gets, or gets only from a peer that idles; then the rarest. */
  #choose(view: View, peer: Peer, now: number): number | undefined {
    const fresh = this.#takeFresh()
    if (fresh !== undefined) return fresh
    let isWhole = true
    for (const [piece, holders] of this.#shownTo) {
      if (this.#options.availability(piece) > 0) continue
      isWhole = false
      if (!Bitfield.has(view.bits, piece) && this.#isStuck(piece, holders, now)) return piece
    }
    return isWhole ? this.#rarest(view, peer) : undefined
  }

  #takeFresh(): number | undefined {
    while (this.#fresh.length > 0) {
      const piece = this.#fresh.pop()!
      const isThere = Bitfield.has(this.#options.have, piece)
      if (isThere && this.#copies(piece) === 0 && !this.#shownTo.has(piece)) return piece
    }
    return undefined
  }

  #isStuck(piece: number, holders: ReadonlySet<Peer>, now: number): boolean {
    for (const holder of holders) {
      const { at, gotAt } = this.#views.get(holder)!.open.find((shown) => shown.piece === piece)!
      if (gotAt !== undefined) return false
      const isIdle = now - at >= IDLE_MS && holder.up.perSecond(now) === 0
      if (!isIdle && now - at < SLOW_MS) return false
    }
    return true
  }

  #rarest(view: View, peer: Peer): number | undefined {
    const { have, pieces, random } = this.#options
    const start = Math.floor(random() * pieces)
    let best: number | undefined
    let fewest = Infinity
    for (let i = 0; i < pieces; i++) {
      const piece = (start + i) % pieces
      if (!Bitfield.has(have, piece) || Bitfield.has(peer.bits, piece) || Bitfield.has(view.bits, piece)) continue
      const copies = this.#copies(piece) + (this.#shownTo.get(piece)?.size ?? 0)
      if (copies >= fewest) continue
      fewest = copies
      best = piece
    }
    return best
  }

  #isSpread(): boolean {
    const { have, pieces } = this.#options
    for (let piece = 0; piece < pieces; piece++) {
      if (Bitfield.has(have, piece) && this.#copies(piece) < COPIES) return false
    }
    return true
  }

  #end(end: End): void {
    this.#isOver = true
    this.#shownTo.clear()
    this.#due.clear()
    for (const peer of this.#views.keys()) if (!peer.isSeed) this.#telling.set(peer, 0)
    this.#tellAll()
    this.#options.onEnd(end)
  }

  /** A bitfield comes first or never (BEP 3), so peers are told piece by piece. */
  #tellAll(): void {
    const { have, pieces } = this.#options
    for (const [peer, from] of this.#telling) {
      const { bits } = this.#views.get(peer)!
      const to = Math.min(pieces, from + TOLD_AT_ONCE)
      for (let piece = from; piece < to; piece++) {
        if (Bitfield.has(have, piece) && !Bitfield.has(bits, piece)) peer.outbox.have(piece)
      }
      if (peer.outbox.length > 0) peer.wire.flush()
      if (to < pieces) this.#telling.set(peer, to)
      else this.#telling.delete(peer)
    }
  }
}
