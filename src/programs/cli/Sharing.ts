/** How long a program stays to share what is all there. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Wanted from "../../domain/Wanted.ts"
import type { Torrent } from "../../services/Torrent.ts"
import type { CommonOptions } from "./Flags.ts"

/** Whichever comes first; `Infinity` for never. */
export interface Policy {
  readonly ms: number
  /** Bytes uploaded per byte of the torrent. */
  readonly ratio: number
}

const LOOK = "1 second"

/** 0 is for ever, as in aria2's `--seed-ratio`; without any wish `stay` decides. */
export const policyOf = (options: Pick<CommonOptions, "seedTime" | "seedRatio">, stay: boolean): Policy => {
  const bound = (value: number) => value === 0 ? Infinity : value
  const ms = Option.map(options.seedTime, (minutes) => bound(minutes) * 60_000)
  const ratio = Option.map(options.seedRatio, bound)
  const none = Option.isNone(ms) && Option.isNone(ratio)
  return {
    ms: stay && none ? Infinity : Option.getOrElse(ms, () => none ? 0 : Infinity),
    ratio: Option.getOrElse(ratio, () => Infinity)
  }
}

/** Waits until the policy is fulfilled. */
export const share = Effect.fnUntraced(function*(torrent: Torrent, policy: Policy) {
  if (policy.ms === 0) return
  const size = Wanted.sizeOf(torrent.metainfo)
  const enough = Effect.gen(function*() {
    while (torrent.swarm.up.total < policy.ratio * size) yield* Effect.sleep(LOOK)
  })
  yield* Effect.timeoutOption(enough, policy.ms)
})
