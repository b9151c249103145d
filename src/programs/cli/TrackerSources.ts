/** Where the settings of `tracker` come from: flags go before the environment, the environment before the file. */
import * as Effect from "effect/Effect"
import * as Toml from "effect/encoding/Toml"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Bytes from "../../domain/Bytes.ts"
import * as BoundedFile from "../../services/BoundedFile.ts"
import * as SystemCode from "../../services/SystemCode.ts"
import { ExitCode, type Failure, failure } from "./ExitCode.ts"
import type { TrackerOptions } from "./TrackerFlags.ts"
import * as TrackerSettings from "./TrackerSettings.ts"

/** Bytes of a file of settings. */
const MAX_FILE = 1024 * 1024

const unreadable = (file: string, trouble: BoundedFile.Trouble): Failure => {
  if (trouble._tag === "TooLarge") return failure(ExitCode.usage, `${file}: it is larger than ${MAX_FILE} bytes`)
  const { cause } = trouble
  return failure(ExitCode.cannotOpen, `cannot read ${file}: ${SystemCode.describe(cause)}`)
}

const ofFile = Effect.fnUntraced(function*(file: string): Effect.fn.Return<TrackerSettings.Texts, Failure> {
  const bytes = yield* Effect.mapError(BoundedFile.read(file, MAX_FILE), (trouble) => unreadable(file, trouble))
  return yield* Effect.fromResult(
    Toml.parse(Bytes.toUtf8(bytes)).pipe(
      Result.mapError(({ message }) => message),
      Result.flatMap(TrackerSettings.ofFile),
      Result.mapError((problem) => failure(ExitCode.usage, `${file}: ${problem}`))
    )
  )
})

const ofFlags = (options: TrackerOptions): TrackerSettings.Texts =>
  Object.fromEntries(TrackerSettings.NAMES.flatMap((name) => {
    const text = options[name]
    return Option.isSome(text) ? [[name, text.value] as const] : []
  }))

const usage = (problem: string): Failure => failure(ExitCode.usage, problem)

/** The settings that all sources come to; a wrong one fails with a line that names it. */
export const read = Effect.fnUntraced(function*(
  options: TrackerOptions,
  env: Readonly<Record<string, string | undefined>>
): Effect.fn.Return<TrackerSettings.Settings, Failure> {
  const file = Option.getOrUndefined(options.config)
  const inEnvironment = yield* Effect.fromResult(Result.mapError(TrackerSettings.ofEnvironment(env), usage))
  const inFile = file === undefined ? {} : yield* ofFile(file)
  const settings = TrackerSettings.resolve([
    { texts: ofFlags(options), nameOf: (name) => `--${name}` },
    { texts: inEnvironment, nameOf: TrackerSettings.variableOf },
    { texts: inFile, nameOf: (name) => `${file}: ${name}` }
  ])
  return yield* Effect.fromResult(Result.mapError(settings, usage))
})
