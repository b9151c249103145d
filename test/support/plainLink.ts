/** Connections between clients that offer each other nothing beyond BEP 3, as older ones do. */
import * as Effect from "effect/Effect"
import * as Handshake from "../../src/domain/wire/Handshake.ts"
import type { Link } from "../../src/services/Transport.ts"
import type { Host } from "../../src/services/transport/MemoryNetwork.ts"

/** Where the bits of the fast extension and of extension messages stand in a handshake. */
const BITS = [[25, 0x10], [27, 0x04]] as const

/** Clears the bits that lie in `bytes[from, to)`, which begins at byte `start` of a connection. */
const clear = (bytes: Uint8Array, from: number, to: number, start: number): void => {
  for (const [place, bit] of BITS) {
    const at = from + place - start
    if (at >= from && at < to) bytes[at]! &= ~bit
  }
}

const plain = (link: Link): Link => {
  let heard = 0
  let said = 0
  return {
    remote: link.remote,
    queued: link.queued,
    drained: link.drained,
    close: link.close,
    send: (parts, sent) => {
      if (said >= Handshake.LENGTH) return link.send(parts, sent)
      link.send(
        parts.map((part) => {
          const copy = part.slice()
          clear(copy, 0, copy.length, said)
          said += copy.length
          return copy
        }),
        sent
      )
    },
    receive: (onBytes) =>
      link.receive((bytes, from, to) => {
        if (heard >= Handshake.LENGTH) return onBytes(bytes, from, to)
        const copy = bytes.slice(from, to)
        clear(copy, 0, copy.length, heard)
        heard += copy.length
        onBytes(copy, 0, copy.length)
      })
  }
}

export const plainHost = (host: Host): Host => ({
  ...host,
  dial: (address, options) => Effect.map(host.dial(address, options), plain),
  listen: (options) =>
    Effect.map(host.listen(options), (listener) => ({ ...listener, accept: Effect.map(listener.accept, plain) }))
})
