/**
 * What stands in the place of a torrent while its metadata is not there: it has nothing, wants no pieces, and keeps what peers
 * say of theirs.
 */
import type { Extensions } from "../../domain/swarm/Extensions.ts"
import type { LayerFetch } from "../../domain/swarm/LayerFetch.ts"
import type { Peer } from "../../domain/swarm/Peer.ts"
import { Said } from "../../domain/swarm/Said.ts"
import type { Verdict } from "../../domain/swarm/Verdict.ts"
import type { HashRange } from "../../domain/wire/HashMessage.ts"
import type { Port } from "../connection/Port.ts"

export class MetadataPort implements Port {
  readonly isDone = false
  readonly isSoleSource = (): boolean => false
  readonly said = new Map<Peer, Said>()
  /** Set once the metadata is there and says that piece layers are needed. */
  layers: LayerFetch | undefined
  readonly #extensions: Extensions

  constructor(extensions: Extensions) {
    this.#extensions = extensions
  }

  opened(peer: Peer): void {
    this.said.set(peer, new Said())
    this.#extensions.greet(peer)
    // BEP 6: first of all, and never to be left out.
    if (peer.fast) peer.outbox.haveNone()
  }

  closed(peer: Peer, now: number): void {
    if (!this.said.delete(peer)) return
    peer.isGone = true
    this.#extensions.left(peer, now)
    this.layers?.left(peer, now)
  }

  bitfield(peer: Peer, bits: Uint8Array): Verdict {
    this.said.get(peer)?.bitfield(bits)
    return undefined
  }

  haveAll(peer: Peer): Verdict {
    this.said.get(peer)?.haveAll()
    return undefined
  }

  haveNone(): Verdict {
    return undefined
  }

  haveMessage(peer: Peer, piece: number): Verdict {
    return this.said.get(peer)?.have(piece)
  }

  allowedFast(peer: Peer, piece: number): Verdict {
    this.said.get(peer)?.allowed(piece)
    return undefined
  }

  suggest(): Verdict {
    return undefined
  }

  choke(peer: Peer): void {
    this.#note(peer, (said) => said.unchoked = false)
  }

  unchoke(peer: Peer): void {
    this.#note(peer, (said) => said.unchoked = true)
  }

  interested(peer: Peer): void {
    this.#note(peer, (said) => said.interested = true)
  }

  notInterested(peer: Peer): void {
    this.#note(peer, (said) => said.interested = false)
  }

  request(peer: Peer, piece: number, begin: number, length: number): Verdict {
    if (peer.fast) peer.outbox.reject(piece, begin, length)
    return undefined
  }

  cancel(): void {}

  reject(): Verdict {
    return undefined
  }

  block(): Verdict {
    return "sends blocks that nobody asked for"
  }

  extended(peer: Peer, bytes: Uint8Array, now: number): Verdict {
    return this.#extensions.received(peer, bytes, now)
  }

  hashRequest(peer: Peer, range: HashRange): Verdict {
    if (!peer.v2) return "asked for hashes on a connection of version 1"
    peer.outbox.hashReject(range)
    return undefined
  }

  hashes(peer: Peer, range: HashRange, hashes: Uint8Array, now: number): Verdict {
    return this.layers === undefined
      ? "sent hashes that nobody asked for"
      : this.layers.hashes(peer, range, hashes, now)
  }

  hashReject(peer: Peer, range: HashRange, now: number): void {
    this.layers?.rejected(peer, range, now)
  }

  batchEnded(peer: Peer): void {
    peer.wire.flush()
  }

  #note(peer: Peer, note: (said: Said) => void): void {
    const said = this.said.get(peer)
    if (said !== undefined) note(said)
  }
}
