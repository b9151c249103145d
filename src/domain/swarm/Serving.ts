/**
 * The side that answers: which requests of a peer are queued for the upload server, and which are refused. With the fast
 * extension (BEP 6) each request gets its block or one reject, whatever happens to the piece or the slot meanwhile.
 */
import * as Bitfield from "../Bitfield.ts"
import type { InfoHash } from "../InfoHash.ts"
import * as PieceLayout from "../PieceLayout.ts"
import * as AllowedFast from "./AllowedFast.ts"
import { CAPACITY } from "./AskedBlocks.ts"
import { FirstCopy } from "./FirstCopy.ts"
import type { Holdings } from "./Holdings.ts"
import type { Peer } from "./Peer.ts"
import { Suggestions } from "./Suggestions.ts"
import type { Verdict } from "./Verdict.ts"

/** The largest block a peer may ask for; BEP 3 names 16 KiB, older clients ask for up to this. */
export const MAX_REQUEST = 131_072

/** Requests of a choked peer that are refused; more can hardly have crossed our choke. */
const CHOKED_ALLOWANCE = CAPACITY

const NOTHING: ReadonlySet<number> = new Set()

export interface ServingOptions {
  readonly layout: PieceLayout.PieceLayout
  readonly holdings: Holdings
  /** By which the allowed fast sets are made; none are when absent. */
  readonly infoHash?: InfoHash | undefined
  /** Whether the peer may know of a piece that we have: not of all in super-seeding (BEP 16); of all when absent. */
  readonly isShown?: ((peer: Peer, piece: number) => boolean) | undefined
  /** Whether peers are shown all that we have; so when absent. */
  readonly hidesNothing?: (() => boolean) | undefined
  /** Numbers in [0, 1). */
  readonly random: () => number
}

export class Serving {
  readonly #layout: PieceLayout.PieceLayout
  readonly #holdings: Holdings
  readonly #infoHash: InfoHash | undefined
  readonly #fastSize: number
  readonly #isShown: (peer: Peer, piece: number) => boolean
  readonly #hidesNothing: () => boolean
  readonly #suggestions: Suggestions
  readonly #firstCopy: FirstCopy

  constructor({ hidesNothing = () => true, holdings, infoHash, isShown = () => true, layout, random }: ServingOptions) {
    this.#layout = layout
    this.#holdings = holdings
    this.#infoHash = infoHash
    this.#isShown = isShown
    this.#hidesNothing = hidesNothing
    this.#fastSize = AllowedFast.sizeFor(layout)
    const { availability } = holdings.picker
    this.#suggestions = new Suggestions(availability)
    this.#firstCopy = new FirstCopy({ ...layout, availability, random })
  }

  /** Says what we have, at once and once (BEP 6); what comes later is said piece by piece. */
  introduce(peer: Peer): void {
    const { have, haveCount } = this.#holdings
    if (peer.isIntroduced) return Bitfield.forEach(have, (piece) => peer.outbox.have(piece))
    peer.isIntroduced = true
    if (peer.fast && haveCount === this.#layout.pieces) return peer.outbox.haveAll()
    if (haveCount > 0) return peer.outbox.bitfield(have)
    if (peer.fast) peer.outbox.haveNone()
  }

  /**
   * The peer has said what it has: one with next to nothing hears which pieces it may have though choked. Not while some are rare:
   * all peers of one /24 would take the same few from the first seed, before anybody has the others.
   */
  offer(peer: Peer): void {
    if (!peer.fast || peer.given !== undefined || this.#infoHash === undefined) return
    const isStarting = peer.has <= this.#fastSize && this.#holdings.picker.availability.isSpread()
    const { pieces } = this.#layout
    peer.given = isStarting ? AllowedFast.make(this.#infoHash, pieces, peer.address, this.#fastSize) : NOTHING
    for (const piece of peer.given) {
      peer.givenBytes += PieceLayout.pieceSize(this.#layout, piece)
      peer.outbox.allowedFast(piece)
    }
  }

  request(peer: Peer, piece: number, begin: number, length: number): Verdict {
    if (length > MAX_REQUEST || !PieceLayout.isInside(this.#layout, piece, begin, length)) {
      return "asked for bytes that do not exist"
    }
    // One for a piece that we never had is no offence, in some clients.
    if (!Bitfield.has(this.#holdings.have, piece) || !this.#isShown(peer, piece)) {
      return this.#refuse(peer, piece, begin, length)
    }
    if (peer.amChoking && !this.#gives(peer, piece, length)) {
      if (peer.fast && ++peer.askedInVain > CHOKED_ALLOWANCE) return "keeps asking while it is choked"
      // Without the fast extension it may have crossed our choke, and is void.
      return this.#refuse(peer, piece, begin, length)
    }
    if (peer.asked.push(piece, begin, length)) {
      this.#suggestions.note(piece)
      if (this.#isOpenSeed) this.#firstCopy.asked(peer, piece)
      return undefined
    }
    return peer.fast
      ? this.#refuse(peer, piece, begin, length)
      : "asked for more blocks than anybody may queue"
  }

  /** A block that is being read is sent all the same. */
  cancel(peer: Peer, piece: number, begin: number, length: number): void {
    if (peer.asked.cancel(piece, begin, length)) this.#refuse(peer, piece, begin, length)
  }

  unchoke(peer: Peer, now: number): void {
    peer.amChoking = false
    peer.askedInVain = 0
    peer.unchokedAt = now
    peer.uploadedSinceUnchoke = 0
    // First, lest it asks for others at once.
    if (this.#isOpenSeed) this.#firstCopy.guide(peer)
    peer.outbox.unchoke()
  }

  /** What the peer has asked for is void (BEP 3), or refused, but for what it may have though choked (BEP 6). */
  choke(peer: Peer, now: number): void {
    peer.amChoking = true
    peer.waitingSince = now
    this.#firstCopy.choked(peer)
    peer.outbox.choke()
    this.#keep(peer, (piece) => peer.given?.has(piece) === true)
  }

  /** The peer is gone. */
  left(peer: Peer): void {
    this.#firstCopy.left(peer)
  }

  /** The piece cannot be read any more. */
  lost(lost: number, peers: ReadonlySet<Peer>): void {
    this.#suggestions.forget(lost)
    for (const peer of peers) this.#keep(peer, (piece) => piece !== lost)
  }

  /** Once a second. */
  tick(peers: ReadonlySet<Peer>): void {
    this.#suggestions.tick(peers)
  }

  /** A seed that hides nothing. */
  get #isOpenSeed(): boolean {
    return this.#holdings.haveCount === this.#layout.pieces && this.#hidesNothing()
  }

  /** Whether a choked peer may have the block: as often as all that it is given has bytes. */
  #gives(peer: Peer, piece: number, length: number): boolean {
    if (peer.given?.has(piece) !== true || peer.has > this.#fastSize || peer.givenBytes < length) return false
    peer.givenBytes -= length
    return true
  }

  #refuse(peer: Peer, piece: number, begin: number, length: number): undefined {
    if (peer.fast) peer.outbox.reject(piece, begin, length)
  }

  /** Refuses all that is queued but for some pieces. */
  #keep(peer: Peer, keeps: (piece: number) => boolean): void {
    const { asked } = peer
    for (let left = asked.length; left > 0; left--) {
      const piece = asked.piece(0)
      const begin = asked.begin(0)
      const length = asked.size(0)
      asked.shift(1)
      if (keeps(piece)) asked.push(piece, begin, length)
      else this.#refuse(peer, piece, begin, length)
    }
  }
}
