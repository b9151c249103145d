/** Where the settings of `tracker` come from: flags go before the environment, the environment before the file. */
import * as Effect from "effect/Effect"
import * as Toml from "effect/encoding/Toml"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as SystemCode from "../../services/SystemCode.ts"
import { ExitCode, type Failure, failure } from "./ExitCode.ts"
import type { TrackerOptions } from "./TrackerFlags.ts"
import * as TrackerSettings from "./TrackerSettings.ts"

/** Bytes of a file of settings. */
const MAX_FILE = 1024 * 1024

const readFile = (file: string): Result.Result<string, Failure> =>
  Result.try({
    try: () => {
      const { size } = fs.statSync(file)
      if (size > MAX_FILE) throw new Error(`it is larger than ${MAX_FILE} bytes`)
      return fs.readFileSync(file, "utf8")
    },
    catch: (cause) => {
      const code = SystemCode.of(cause)
      const problem = code ?? (cause instanceof Error ? cause.message : String(cause))
      return failure(ExitCode.cannotOpen, `cannot read ${file}: ${problem}`)
    }
  })

const ofFile = (file: string): Result.Result<TrackerSettings.Texts, Failure> =>
  Result.flatMap(readFile(file), (text) =>
    Toml.parse(text).pipe(
      Result.mapError(({ message }) => message),
      Result.flatMap(TrackerSettings.ofFile),
      Result.mapError((problem) => failure(ExitCode.usage, `${file}: ${problem}`))
    ))

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
  const inFile = file === undefined ? {} : yield* Effect.fromResult(ofFile(file))
  const settings = TrackerSettings.resolve([
    { texts: ofFlags(options), nameOf: (name) => `--${name}` },
    { texts: inEnvironment, nameOf: TrackerSettings.variableOf },
    { texts: inFile, nameOf: (name) => `${file}: ${name}` }
  ])
  return yield* Effect.fromResult(Result.mapError(settings, usage))
})
