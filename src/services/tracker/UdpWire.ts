/** Datagrams to and from one place. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as dgram from "node:dgram"
import type { Ip } from "../Resolver.ts"
import * as Route from "./Route.ts"
import type { Unreachable } from "./TrackerError.ts"

export interface UdpWire {
  readonly send: (packet: Uint8Array, onError: (cause: unknown) => void) => void
  /**
   * Tells of what comes, with the family of the address that it comes from, and of trouble; the function that is returned
   * ends that.
   */
  readonly listen: (
    onMessage: (bytes: Uint8Array, family: 4 | 6) => void,
    onError: (cause: unknown) => void
  ) => () => void
}

/** One address of a tracker, or of what passes datagrams on. */
export interface Target {
  readonly ip: Ip
  readonly port: number
  readonly localAddress: string | undefined
}

/** A socket that talks to one address only. */
export const openSocket = (
  { ip, localAddress, port }: Target
): Effect.Effect<dgram.Socket, Unreachable, Scope.Scope> =>
  Effect.callback<dgram.Socket, Unreachable>((resume) => {
    const socket = dgram.createSocket(ip.family === 4 ? "udp4" : "udp6")
    const fail = (cause: unknown): void => {
      socket.close()
      resume(Effect.fail(Route.unreachable(cause)))
    }
    socket.once("error", fail)
    socket.bind({ port: 0, ...(localAddress !== undefined && { address: localAddress }) }, () => {
      socket.off("error", fail)
      socket.connect(port, ip.address, (cause?: Error) => {
        if (cause !== undefined) return fail(cause)
        // Errors between two questions have nobody to hear them, and would end the process.
        return resume(Effect.succeed(socket.on("error", () => {})))
      })
    })
  }).pipe((opening) => Effect.acquireRelease(opening, (socket) => Effect.sync(() => socket.close())))

export const open = (target: Target): Effect.Effect<UdpWire, Unreachable, Scope.Scope> =>
  Effect.map(openSocket(target), (socket) => ({
    send: (packet, onError) =>
      socket.send(packet, (cause) => {
        if (cause !== null) onError(cause)
      }),
    listen: (onMessage, onError) => {
      const hear = (bytes: Uint8Array) => onMessage(bytes, target.ip.family)
      socket.on("message", hear).on("error", onError)
      return () => void socket.off("message", hear).off("error", onError)
    }
  }))
