/** The extension of BEP 9 as long as the metadata is wanted: who has it, and what is asked of them. */
import * as MetadataMessage from "../wire/MetadataMessage.ts"
import type { Extension } from "./Extension.ts"
import type { MetadataFetch } from "./MetadataFetch.ts"
import type { Peer } from "./Peer.ts"

/** Handshakes of one peer: two or three are usual. */
const MOST_HANDSHAKES = 32

/** @param send see `Extensions.send` */
export const make = (
  fetch: MetadataFetch<Peer>,
  send: (peer: Peer, name: string, payload: Uint8Array) => boolean
): Extension => {
  const met = new WeakMap<Peer, number>()
  return {
    name: MetadataMessage.NAME,
    met: (peer, theirs, now) => {
      const times = (met.get(peer) ?? 0) + 1
      met.set(peer, times)
      if (times > MOST_HANDSHAKES) return "shakes hands without end"
      const { messages, metadataSize } = theirs
      if (metadataSize === undefined || !messages.has(MetadataMessage.NAME)) return undefined
      return fetch.offered(peer, metadataSize, now)
    },
    message: (peer, payload, now) => {
      const message = MetadataMessage.decode(payload)
      switch (message?._tag) {
        case undefined:
          return "sent a metadata message that cannot be read"
        case "Request":
          send(peer, MetadataMessage.NAME, MetadataMessage.reject(message.piece))
          return undefined
        case "Data":
          return fetch.data(peer, message, now)
        case "Reject":
          return fetch.rejected(peer, message.piece, now)
        case "Unknown":
          return undefined
      }
    },
    left: (peer, now) => fetch.left(peer, now),
    tick: (now) => fetch.tick(now)
  }
}
