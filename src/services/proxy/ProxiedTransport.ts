/** Byte streams between peers, all of them through a proxy. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as net from "node:net"
import * as PeerAddress from "../../domain/PeerAddress.ts"
import * as Tunnel from "../../domain/wire/Tunnel.ts"
import { Resolver } from "../Resolver.ts"
import { type Link, reader, RECEIVE_BUFFER, TcpLink, Transport, TransportError } from "../Transport.ts"
import * as Gateway from "./Gateway.ts"
import { ProxyError } from "./ProxyError.ts"

/** What the proxy says until the tunnel stands is kept from the link, which then reads as any other. */
const dialProxied = (
  buffer: Uint8Array,
  { proxy }: Gateway.Gateway,
  place: Gateway.Place,
  address: PeerAddress.PeerAddress
): Effect.Effect<Link, ProxyError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<TcpLink, ProxyError>((resume) => {
      const { onread, target } = reader(buffer)
      const socket = net.connect({ ...place, noDelay: true, onread })
      const link = new TcpLink(socket, address)
      const talk = Tunnel.connect(proxy, { host: address.name ?? address.host, port: address.port })
      const feed = Gateway.converse(proxy, socket, talk, (outcome) => {
        if (outcome instanceof ProxyError) {
          socket.destroy()
          return resume(Effect.fail(outcome))
        }
        target.link = link
        if (outcome.rest.length > 0) link.take(outcome.rest.length, outcome.rest)
        return resume(Effect.succeed(link))
      })
      target.link = {
        take: (length, bytes) => {
          feed(bytes.subarray(0, length))
          return !socket.destroyed
        }
      }
      return Effect.sync(() => socket.destroy())
    }),
    (link) => Effect.sync(link.close),
    { interruptible: true }
  )

const make = (gateway: Gateway.Gateway): Context.Service.Shape<typeof Transport> => {
  const buffer = new Uint8Array(RECEIVE_BUFFER)
  return Transport.of({
    dial: (address) =>
      // A stand-in whose name was lost; a proxy may take it for itself.
      address.name === undefined && address.host.startsWith("0.")
        ? Effect.fail(
          new TransportError({ operation: "dial", code: "EADDRNOTAVAIL", address: PeerAddress.format(address) })
        )
        : gateway.place.pipe(
          Effect.flatMap((place) => dialProxied(buffer, gateway, place, address)),
          Effect.mapError(({ blames, code, message }) =>
            new TransportError({
              operation: "dial",
              code: blames === "proxy" ? "EPROXY" : code,
              address: PeerAddress.format(address),
              detail: message
            })
          )
        ),
    listen: ({ port }) =>
      Effect.fail(
        new TransportError({
          operation: "listen",
          code: "EPROXY",
          address: `*:${port}`,
          detail: "nobody can call through a proxy"
        })
      )
  })
}

/**
 * Every connection goes through the proxy, which resolves the names of peers. Where it leaves from is said here, not by whoever
 * dials. Listening fails.
 */
export const layer = (options: Gateway.GatewayOptions): Layer.Layer<Transport, never, Resolver> =>
  Layer.effect(Transport, Effect.map(Resolver, (resolver) => make(Gateway.make(resolver, options))))
