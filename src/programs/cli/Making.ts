/** What `create` and `seed` share: a torrent is made under a progress line, and what was left out of it is told. */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Version } from "../../domain/Metainfo.ts"
import type { Why } from "../../domain/SourceFilter.ts"
import type { LeftOut } from "../../services/SourceFiles.ts"
import {
  type Made,
  type MakeOptions,
  type Plan,
  type PlanOptions,
  TorrentMaker,
  type TorrentMakerError
} from "../../services/TorrentMaker.ts"
import { ExitCode, type Failure, failure } from "./ExitCode.ts"
import * as Hashing from "./Hashing.ts"
import { VERSION } from "./Main.ts"

/** What a torrent says that it was made with. */
export const CREATED_BY = `freshet/${VERSION}`

const UNMADE: Readonly<Record<TorrentMakerError["reason"], ExitCode>> = {
  NotFound: ExitCode.notFound,
  Unreadable: ExitCode.fileError,
  Changed: ExitCode.fileError,
  Empty: ExitCode.usage,
  Invalid: ExitCode.usage
}

const toFailure = ({ message, reason }: TorrentMakerError): Failure => failure(UNMADE[reason], message)

export const versionOf = (
  { hybrid, v1 = false, v2 }: { readonly v1?: boolean; readonly v2: boolean; readonly hybrid: boolean }
): Effect.Effect<Version, Failure> =>
  Number(v1) + Number(v2) + Number(hybrid) > 1
    ? Effect.fail(failure(ExitCode.usage, "--v1, --v2 and --hybrid exclude each other"))
    : Effect.succeed(v2 ? "2" : hybrid ? "hybrid" : "1")

/** Unix time in seconds; builds that are to be the same each time set it (reproducible-builds.org/specs/source-date-epoch). */
export const creationDate: Effect.Effect<number, Failure> = Effect.gen(function*() {
  const set = yield* Effect.orDie(Config.option(Config.String("SOURCE_DATE_EPOCH")))
  if (Option.isNone(set)) return Math.floor((yield* Clock.currentTimeMillis) / 1000)
  return /^\d{1,12}$/.test(set.value)
    ? Number(set.value)
    : yield* failure(ExitCode.usage, `SOURCE_DATE_EPOCH is "${set.value}": it must be a number of seconds`)
})

export const plan = (options: PlanOptions): Effect.Effect<Plan, Failure, TorrentMaker> =>
  TorrentMaker.use((maker) => maker.plan(options)).pipe(Effect.mapError(toFailure))

/** Makes the torrent, while a line says how far the hashing is. */
export const make = (
  plan: Plan,
  options: MakeOptions,
  progress: Omit<Hashing.HashingOptions, "name">
): Effect.Effect<Made, Failure, TorrentMaker> =>
  Effect.scoped(
    Effect.flatMap(
      Hashing.progress({ ...progress, name: plan.name }),
      (onProgress) => TorrentMaker.use((maker) => maker.make(plan, { ...options, onProgress }))
    )
  ).pipe(Effect.mapError(toFailure))

const WHY: Readonly<Record<Why, string>> = {
  Junk: "left by a desktop",
  Hidden: "hidden",
  Excluded: "excluded",
  Link: "a symbolic link",
  Special: "no regular file"
}

/** Names in one note. */
const SHOWN = 3

/** What was left out, a line for each reason. */
export const notes = (leftOut: ReadonlyArray<LeftOut>): ReadonlyArray<string> =>
  (Object.keys(WHY) as Array<Why>).flatMap((why) => {
    const paths = leftOut.flatMap((entry) => entry.why === why ? [entry.path] : [])
    if (paths.length === 0) return []
    const more = paths.length > SHOWN ? ` and ${paths.length - SHOWN} more` : ""
    return [`left out, ${WHY[why]}: ${paths.slice(0, SHOWN).join(", ")}${more}`]
  })
