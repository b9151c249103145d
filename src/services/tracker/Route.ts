/** Which addresses of a tracker are asked, and from where. */
import type { LookupFunction } from "node:net"
import { ProxyError } from "../proxy/ProxyError.ts"
import type { Ip } from "../Resolver.ts"
import * as SystemCode from "../SystemCode.ts"
import { Unreachable } from "./TrackerError.ts"

export interface LocalAddress {
  readonly v4?: string | undefined
  readonly v6?: string | undefined
}

/** Addresses that are reached from one local address, or from any. */
export interface Route {
  readonly ips: ReadonlyArray<Ip>
  readonly localAddress: string | undefined
}

/** When a local address is given, a family without one is not used at all. */
export const routesOf = (ips: ReadonlyArray<Ip>, local: LocalAddress | undefined): ReadonlyArray<Route> =>
  local?.v4 === undefined && local?.v6 === undefined
    ? [{ ips, localAddress: undefined }]
    : [{ family: 4, localAddress: local.v4 }, { family: 6, localAddress: local.v6 }].flatMap((bound) => {
      const reached = ips.filter((ip) => ip.family === bound.family)
      return bound.localAddress === undefined || reached.length === 0
        ? []
        : [{ ips: reached, localAddress: bound.localAddress }]
    })

// Node gives up on an address after 250 ms by default when it has another; a far tracker takes longer than that.
export const ATTEMPT_MS = 3000

/** Answers Node with addresses that are known already, so that no look-up of its own happens. */
export const lookupOf = (ips: ReadonlyArray<Ip>): LookupFunction => (_host, options, callback) => {
  if (options.all === true) return callback(null, [...ips])
  return callback(null, ips[0]!.address, ips[0]!.family)
}

export const noRoute = (host: string): Unreachable =>
  new Unreachable({ detail: `${host} has no address of the family that is bound` })

const COMMON: Record<string, string> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "the connection was cut",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to its network",
  EADDRNOTAVAIL: "the local address to bind to is not on this machine",
  ETIMEDOUT: "the connection timed out"
}

/** What the system said when there was no way; `fallback` where its cause is none of Node's errors. */
export const unreachable = (cause: unknown, fallback = "unknown trouble"): Unreachable => {
  if (cause instanceof ProxyError) return new Unreachable({ detail: cause.message })
  const detail = COMMON[SystemCode.of(cause) ?? ""] ?? (cause instanceof Error ? cause.message : fallback)
  return new Unreachable({ detail: detail.replace(/[\p{Cc}]+/gu, " ").slice(0, 200) })
}
