/** The torrent, as its connections see it. */
import type { Peer } from "../../domain/swarm/Peer.ts"
import type { Verdict } from "../../domain/swarm/Swarm.ts"
import type { HashRange } from "../../domain/wire/HashMessage.ts"

/**
 * What a connection tells its torrent, synchronously. Bytes are valid during the call only. A verdict that is a text is
 * the reason to drop the peer.
 */
export interface Port {
  readonly opened: (peer: Peer) => void
  readonly closed: (peer: Peer, now: number) => void
  readonly bitfield: (peer: Peer, bits: Uint8Array) => Verdict
  readonly haveMessage: (peer: Peer, piece: number) => Verdict
  readonly choke: (peer: Peer, now: number) => void
  readonly unchoke: (peer: Peer) => void
  readonly interested: (peer: Peer, now: number) => void
  readonly notInterested: (peer: Peer) => void
  readonly request: (peer: Peer, piece: number, begin: number, length: number) => Verdict
  readonly block: (
    peer: Peer,
    piece: number,
    begin: number,
    bytes: Uint8Array,
    at: number,
    length: number,
    now: number
  ) => Verdict
  /** The peer does not want the block any more. */
  readonly cancel: (peer: Peer, piece: number, begin: number, length: number) => void
  // BEP 6, of peers that speak it.
  readonly haveAll: (peer: Peer) => Verdict
  readonly haveNone: (peer: Peer) => Verdict
  readonly suggest: (peer: Peer, piece: number) => Verdict
  /** The peer will not send a block that we have asked for. */
  readonly reject: (peer: Peer, piece: number, begin: number, length: number, now: number) => Verdict
  readonly allowedFast: (peer: Peer, piece: number, now: number) => Verdict
  /** `bytes` are the number of the extension and its message (BEP 10). */
  readonly extended: (peer: Peer, bytes: Uint8Array, now: number) => Verdict
  readonly hashRequest: (peer: Peer, range: HashRange) => Verdict
  /** `hashes` are as many as the range says, nodes and then uncles. */
  readonly hashes: (peer: Peer, range: HashRange, hashes: Uint8Array, now: number) => Verdict
  readonly hashReject: (peer: Peer, range: HashRange, now: number) => void
  /** All messages of one read were handled. */
  readonly batchEnded: (peer: Peer, now: number) => void
}
