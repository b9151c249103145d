/** The options of `tracker`: its settings, and what is about the program alone. */
import * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Values } from "./Flags.ts"
import * as TrackerSettings from "./TrackerSettings.ts"

type Text = Option.Option<string>

const check = (name: TrackerSettings.Name, text: string) =>
  TrackerSettings.readText(name, text) === undefined
    ? new CliError.InvalidValue({
      option: name,
      value: TrackerSettings.visible(name, text),
      expected: TrackerSettings.SPECS[name].expected,
      kind: "flag"
    })
    : Effect.succeed(text)

const toggleOf = (name: TrackerSettings.Name, description: string): Flag.Flag<Text> =>
  Flag.Boolean(name).pipe(
    Flag.withOptionalValue("true"),
    Flag.withDescription(description),
    Flag.map(String),
    Flag.optional
  )

/** A setting as its text: other sources give texts too, and all are read in one place. */
const flagOf = (name: TrackerSettings.Name): Flag.Flag<Text> => {
  const { description, isList, metavar }: TrackerSettings.Spec<unknown> = TrackerSettings.SPECS[name]
  if (metavar === undefined) return toggleOf(name, description)
  const one = Flag.String(name).pipe(
    Flag.withMetavar(metavar),
    Flag.withDescription(description),
    Flag.mapEffect((text) => check(name, text))
  )
  if (isList !== true) return Flag.optional(one)
  return Flag.atLeast(one, 0).pipe(
    Flag.map((all) => all.length === 0 ? Option.none() : Option.some(all.join(",")))
  )
}

const settings = Object.fromEntries(TrackerSettings.NAMES.map((name) => [name, flagOf(name)])) as {
  readonly [N in TrackerSettings.Name]: Flag.Flag<Text>
}

const off = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withOptionalValue("true"), Flag.withDescription(description), Flag.withDefault(false))

export const tracker = {
  ...settings,
  config: Flag.String("config").pipe(
    Flag.withMetavar("FILE.toml"),
    Flag.withDescription("settings by the names of the flags; flags and FRESHET_TRACKER_* go before it"),
    Flag.optional
  ),
  printConfig: off("print-config", "print the settings that come of all this, and exit"),
  json: off("json", "write records of what happens to stdout, one JSON object a line"),
  quiet: off("quiet", "say nothing unless something is wrong").pipe(Flag.withAlias("q"))
}

export type TrackerOptions = Values<typeof tracker>
