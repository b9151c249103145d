/**
 * Peers that want nothing more (BEP 21): said in the handshake, and in some clients by a message of one byte when it changes.
 */
import type { Extension } from "./Extension.ts"
import type { Extensions } from "./Extensions.ts"
import type { Peer } from "./Peer.ts"

const NAME = "upload_only"

/** @param onSaid the peer has said whether it is one: see {@link Peer.isUploadOnly} */
export const make = (onSaid: (peer: Peer) => void): Extension => ({
  name: NAME,
  message: (peer, payload) => {
    if (payload.length !== 1) return "sent a message of the wrong length"
    peer.isUploadOnly = payload[0] !== 0
    onSaid(peer)
    return undefined
  },
  met: (peer) => {
    onSaid(peer)
    return undefined
  }
})

/** We want nothing more: puts that into the outbox, in the way that the peer understands. */
export const tell = (extensions: Extensions, peer: Peer): void => {
  if (!extensions.send(peer, NAME, Uint8Array.of(1))) extensions.greetAgain(peer)
}
