/**
 * What a peer has said about its pieces before anybody knew how many there are: kept until the metadata is there, and then
 * told to the torrent as if it came that moment.
 */
import * as ExtensionHandshake from "../wire/ExtensionHandshake.ts"
import type { Peer } from "./Peer.ts"
import type { Verdict } from "./Verdict.ts"

/** Pieces named one by one. */
const MOST_HAVES = 16_384

/** Pieces that the peer gives while it chokes (BEP 6). */
const MOST_ALLOWED = 64

/** Who is told. */
export interface Listener {
  readonly bitfield: (peer: Peer, bits: Uint8Array) => Verdict
  readonly haveAll: (peer: Peer) => Verdict
  readonly haveMessage: (peer: Peer, piece: number) => Verdict
  readonly unchoke: (peer: Peer) => void
  readonly interested: (peer: Peer, now: number) => void
  readonly allowedFast: (peer: Peer, piece: number, now: number) => Verdict
  readonly extended: (peer: Peer, bytes: Uint8Array, now: number) => Verdict
}

export class Said {
  /** "All" after `have all`. */
  #bits: Uint8Array | "All" | undefined
  readonly #haves = new Set<number>()
  readonly #allowed = new Set<number>()
  unchoked = false
  interested = false

  /** The bytes are copied. */
  bitfield(bits: Uint8Array): void {
    this.#bits = Uint8Array.from(bits)
    this.#haves.clear()
  }

  haveAll(): void {
    this.#bits = "All"
    this.#haves.clear()
  }

  have(piece: number): Verdict {
    if (this.#bits !== "All") this.#haves.add(piece)
    return this.#haves.size > MOST_HAVES ? "has told more than is kept without the metadata" : undefined
  }

  allowed(piece: number): void {
    if (this.#allowed.size < MOST_ALLOWED) this.#allowed.add(piece)
  }

  /**
   * Tells all of it, of the same peer on a connection that goes on.
   *
   * @param theirs what the peer has said in its extension handshakes
   */
  tell(
    peer: Peer,
    theirs: ExtensionHandshake.ExtensionHandshake | undefined,
    listener: Listener,
    now: number
  ): Verdict {
    if (theirs !== undefined) {
      const verdict = listener.extended(peer, Uint8Array.of(0, ...ExtensionHandshake.encode(theirs)), now)
      if (verdict !== undefined) return verdict
    }
    const verdict = this.#tellPieces(peer, listener)
    if (verdict !== undefined) return verdict
    for (const piece of this.#allowed) {
      const verdict = listener.allowedFast(peer, piece, now)
      if (verdict !== undefined) return verdict
    }
    if (this.unchoked) listener.unchoke(peer)
    if (this.interested) listener.interested(peer, now)
    return undefined
  }

  #tellPieces(peer: Peer, listener: Listener): Verdict {
    const verdict = this.#bits === "All"
      ? listener.haveAll(peer)
      : this.#bits === undefined
      ? undefined
      : listener.bitfield(peer, this.#bits)
    if (verdict !== undefined) return verdict
    for (const piece of this.#haves) {
      const verdict = listener.haveMessage(peer, piece)
      if (verdict !== undefined) return verdict
    }
    return undefined
  }
}
