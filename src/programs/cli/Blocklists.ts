/** Reads the lists of `--blocklist`. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { IpFilter } from "../../domain/IpFilter.ts"
import * as Blocklist from "../../services/Blocklist.ts"
import { Resolver } from "../../services/Resolver.ts"
import type { LocalAddress } from "../../services/tracker/Route.ts"
import { ExitCode, type Failure, failure } from "./ExitCode.ts"
import type { CommonOptions } from "./Flags.ts"
import { warn } from "./Main.ts"

const CODES: Readonly<Record<Blocklist.BlocklistError["reason"], ExitCode>> = {
  NotFound: ExitCode.cannotOpen,
  Unreadable: ExitCode.cannotOpen,
  Unreachable: ExitCode.network,
  Malformed: ExitCode.usage,
  TooLarge: ExitCode.usage
}

/** The filter of all lists together, if there are any; what is odd in them is told of on stderr. */
export const load = Effect.fnUntraced(function*(
  { blocklist, proxy, quiet }: Pick<CommonOptions, "blocklist" | "proxy" | "quiet">,
  localAddress: LocalAddress
): Effect.fn.Return<IpFilter | undefined, Failure> {
  if (blocklist.length === 0) return undefined
  const { filter, notes } = yield* Blocklist.load(blocklist, {
    localAddress,
    proxy: Option.getOrUndefined(proxy)
  }).pipe(
    Effect.mapError(({ message, reason }) => failure(CODES[reason], message)),
    Effect.provide(Layer.fresh(Resolver.layer))
  )
  yield* Effect.logDebug(`${filter.size} ranges are blocked`)
  if (!quiet) notes.forEach((note) => warn(note))
  return filter
})
