/** Opens connections to peers: so many at once for all torrents, from the addresses we are bound to, in time. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { InfoHash } from "../../domain/InfoHash.ts"
import * as PeerAddress from "../../domain/PeerAddress.ts"
import { type Link, type Transport, TransportError } from "../Transport.ts"
import type { Obfuscation } from "../transport/Obfuscation.ts"
import type { SessionOptions } from "./SessionOptions.ts"

/** Connections being opened at once. */
const HALF_OPEN = 32

const DIAL_TIMEOUT = "10 seconds"

/** A proxy may have a far host, or a chain of others, to reach first. */
const PROXIED_DIAL_TIMEOUT = "30 seconds"

/** See {@link Session}. */
export interface Dialling {
  readonly dial: (
    address: PeerAddress.PeerAddress,
    infoHash?: InfoHash
  ) => Effect.Effect<Link, TransportError, Scope.Scope>
  readonly proxyTrouble: () => string | undefined
}

export const make = (
  transport: Context.Service.Shape<typeof Transport>,
  obfuscation: Obfuscation,
  { bind, proxy }: Pick<SessionOptions, "bind" | "proxy">
): Dialling => {
  const halfOpen = Semaphore.makeUnsafe(HALF_OPEN)
  let proxyTrouble: string | undefined
  const noteProxy = (error?: TransportError) =>
    Effect.sync(() => {
      if (error?.code === "EPROXY") proxyTrouble = error.detail
      else if (error?.code !== "ETIMEDOUT") proxyTrouble = undefined
    })
  const { v4, v6 } = bind ?? {}
  const isBound = v4 !== undefined || v6 !== undefined
  const dial: Dialling["dial"] = (address, infoHash) => {
    const from = address.family === 4 ? v4 : v6
    // Whoever binds to one family, to a VPN's address perhaps, must not be seen at another.
    if (proxy === undefined && isBound && from === undefined) {
      const name = PeerAddress.format(address)
      return Effect.fail(new TransportError({ operation: "dial", code: "EAFNOSUPPORT", address: name }))
    }
    return transport.dial(address, { from }).pipe(
      Effect.timeoutOrElse({
        duration: proxy === undefined ? DIAL_TIMEOUT : PROXIED_DIAL_TIMEOUT,
        orElse: () =>
          Effect.fail(
            new TransportError({ operation: "dial", code: "ETIMEDOUT", address: PeerAddress.format(address) })
          )
      }),
      Effect.tap(() => noteProxy()),
      Effect.tapError(noteProxy),
      halfOpen.withPermit,
      Effect.map((link) => infoHash === undefined ? link : obfuscation.dialled(link, infoHash))
    )
  }
  return { dial, proxyTrouble: () => proxyTrouble }
}
