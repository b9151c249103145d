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

/**
 * Where they listen: the first address of each family. A name that has none ends the program. With a proxy nothing is looked
 * up, since the proxy is given the names as they are.
 */
export const resolve = (
  peers: ReadonlyArray<Host>,
  proxy: Proxy | undefined
): Effect.Effect<ReadonlyArray<PeerAddress.PeerAddress>, Failure, Resolver> =>
  proxy === undefined
    ? Effect.forEach(peers, addressesOf).pipe(
      Effect.map((found) => found.flat()),
      Effect.mapError(({ message }) => failure(ExitCode.nameResolution, `--peer: ${message}`))
    )
    : Effect.succeed(
      peers.map(({ host, port }, nth) => PeerAddress.make(host, port) ?? PeerAddress.named(host, port, nth))
    )
