/** `lt_donthave` (BEP 54): a piece that a peer had is there no more. */
import * as Bytes from "../Bytes.ts"
import type { Extension } from "./Extension.ts"
import type { Extensions } from "./Extensions.ts"
import type { Peer } from "./Peer.ts"
import type { Verdict } from "./Verdict.ts"

const NAME = "lt_donthave"

const LENGTH = 4

/** @param lost what the torrent makes of it */
export const make = (lost: (peer: Peer, piece: number, now: number) => Verdict): Extension => ({
  name: NAME,
  message: (peer, payload, now) =>
    payload.length === LENGTH
      ? lost(peer, Bytes.readUint32(payload, 0), now)
      : "sent a message of the wrong length"
})

/** Puts it into the outbox of a peer that understands it. */
export const tell = (extensions: Extensions, peer: Peer, piece: number): void => {
  const payload = new Uint8Array(LENGTH)
  Bytes.writeUint32(payload, 0, piece)
  extensions.send(peer, NAME, payload)
}
