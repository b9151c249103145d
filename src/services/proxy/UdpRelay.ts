/** Datagrams through a SOCKS5 proxy (UDP ASSOCIATE): its relay passes them on for as long as the connection to it stands. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as net from "node:net"
import type * as Host from "../../domain/Host.ts"
import * as PeerAddress from "../../domain/PeerAddress.ts"
import * as Proxy from "../../domain/Proxy.ts"
import * as Socks5 from "../../domain/wire/Socks5.ts"
import { Unreachable, Unsupported } from "../tracker/TrackerError.ts"
import * as UdpWire from "../tracker/UdpWire.ts"
import * as Gateway from "./Gateway.ts"
import type { ProxyError } from "./ProxyError.ts"

interface Association {
  readonly socket: net.Socket
  readonly bound: Host.Host
}

/** Where we send from is not known before the relay is. */
const ANYWHERE: Host.Host = { host: "0.0.0.0", port: 0 }

const associate = (
  { proxy }: Gateway.Gateway,
  place: Gateway.Place
): Effect.Effect<Association, ProxyError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Association, ProxyError>((resume) => {
      const talk = new Socks5.Dialogue("associate", ANYWHERE, proxy.login)
      const opening = Gateway.connect(
        proxy,
        place,
        talk,
        (error, socket, bound = ANYWHERE) => resume(error ? Effect.fail(error) : Effect.succeed({ socket, bound }))
      )
      return Effect.sync(() => opening.destroy())
    }),
    ({ socket }) => Effect.sync(() => socket.destroy()),
    { interruptible: true }
  )

/** A relay that names no address of its own is where the proxy is. */
const relayOf = ({ bound, socket }: Association): PeerAddress.PeerAddress | undefined => {
  const named = PeerAddress.make(bound.host, bound.port)
  return named !== undefined && (named.host === "0.0.0.0" || named.host === "::")
    ? PeerAddress.make(socket.remoteAddress ?? "", named.port)
    : named
}

const toUnreachable = ({ message }: ProxyError): Unreachable => new Unreachable({ detail: message })

/** A way for datagrams to `to`, whose name the proxy resolves. */
export const open = Effect.fnUntraced(function*(
  gateway: Gateway.Gateway,
  to: Host.Host
): Effect.fn.Return<UdpWire.UdpWire, Unreachable | Unsupported, Scope.Scope> {
  const { proxy } = gateway
  if (proxy.kind === "http") {
    return yield* new Unsupported({
      detail: `the proxy ${Proxy.format(proxy)} passes no UDP on; a SOCKS5 proxy can`
    })
  }
  const place = yield* Effect.mapError(gateway.place, toUnreachable)
  const association = yield* Effect.mapError(associate(gateway, place), toUnreachable)
  const { socket: control } = association
  const relay = relayOf(association)
  if (relay === undefined) {
    return yield* new Unreachable({ detail: `the proxy ${Proxy.format(proxy)} names no relay for UDP` })
  }
  const socket = yield* UdpWire.openSocket({
    ip: { address: relay.host, family: relay.family },
    port: relay.port,
    localAddress: place.localAddress
  })
  return {
    send: (packet, onError) =>
      socket.send(Socks5.wrap(to, packet), (cause) => {
        if (cause !== null) onError(cause)
      }),
    listen: (onMessage, onError) => {
      const hear = (bytes: Uint8Array) => {
        const datagram = Socks5.unwrap(bytes)
        if (datagram !== undefined) onMessage(datagram.payload, datagram.family ?? 4)
      }
      const onEnd = () => onError(new Error(`the proxy ${Proxy.format(proxy)} hangs up`))
      socket.on("message", hear).on("error", onError)
      control.once("close", onEnd)
      if (control.closed) onEnd()
      return () => {
        socket.off("message", hear).off("error", onError)
        control.off("close", onEnd)
      }
    }
  }
})
