/** Looks up the peers of `--peer`. */
import * as Effect from "effect/Effect"
import type { Host } from "../../domain/Host.ts"
import * as PeerAddress from "../../domain/PeerAddress.ts"
import type { Proxy } from "../../domain/Proxy.ts"
import { Resolver } from "../../services/Resolver.ts"
import { ExitCode, type Failure, failure } from "./ExitCode.ts"

const addressesOf = Effect.fnUntraced(function*({ host, port }: Host) {
  const ips = yield* (yield* Resolver).lookup(host)
  return ([4, 6] as const).flatMap((family) => {
    const ip = ips.find((ip) => ip.family === family)
    return ip === undefined ? [] : [{ host: ip.address, port, family }]
  })
})

export interface ResolveOptions {
  readonly proxy: Proxy | undefined
  /** Where they were named. */
  readonly option?: string | undefined
  /** How many were named elsewhere, and come before them. */
  readonly before?: number | undefined
}

/**
 * Where they listen: the first address of each family. A name that has none ends the program. With a proxy nothing is looked
 * up, since the proxy is given the names as they are.
 */
export const resolve = (
  peers: ReadonlyArray<Host>,
  { before = 0, option = "--peer", proxy }: ResolveOptions
): Effect.Effect<ReadonlyArray<PeerAddress.PeerAddress>, Failure, Resolver> =>
  proxy === undefined
    ? Effect.forEach(peers, addressesOf).pipe(
      Effect.map((found) => found.flat()),
      Effect.mapError(({ message }) => failure(ExitCode.nameResolution, `${option}: ${message}`))
    )
    : Effect.succeed(
      peers.map(({ host, port }, nth) => PeerAddress.make(host, port) ?? PeerAddress.named(host, port, before + nth))
    )
