/** The words between the command line and its user: how arguments may be written, what `--help` says, what was wrong. */
import type * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import type * as HelpDoc from "effect/cli/HelpDoc"
import * as Option from "effect/Option"
import { CREATE_TABLE, DOCUMENT_TABLES, TABLE, type Table, TRACKER_TABLE } from "./ExitCode.ts"

/** Flags of one letter that take a value. */
const VALUED = new Set(["a", "c", "d", "f", "n", "o", "p", "s", "t", "u", "w", "x"])

/** Takes `-d/data` and `-p6881` apart, as getopt does; everything after `--` stays as it is. */
export const expand = (args: ReadonlyArray<string>): ReadonlyArray<string> => {
  const end = args.includes("--") ? args.indexOf("--") : args.length
  return args.map((arg, at) => {
    const glued = at < end ? /^-([a-zA-Z])([^=].*)$/s.exec(arg) : null
    return glued !== null && VALUED.has(glued[1]!) ? `-${glued[1]}=${glued[2]}` : arg
  })
}

/** `help` and `help leech` mean what `--help` and `leech --help` do. */
export const helpAsFlag = (args: ReadonlyArray<string>): ReadonlyArray<string> =>
  args[0] === "help" ? [...args.slice(1), "--help"] : args

const FORMATTER = CliOutput.defaultFormatter({ colors: false })

const isLetter = (alias: string): boolean => !alias.startsWith("--")

/** Other programs' names of a flag are accepted, but only its own and its letter are shown. */
const shortened = (flag: HelpDoc.FlagDoc): HelpDoc.FlagDoc => ({
  ...flag,
  aliases: flag.aliases.slice(0, 1).filter(isLetter),
  type: flag.type === "[=boolean]" ? "boolean" : flag.type
})

const GLOBAL: Readonly<Record<string, Partial<HelpDoc.FlagDoc>>> = {
  help: { description: Option.some("show this") },
  version: { description: Option.some("show the version") },
  completions: { type: "SHELL", description: Option.some("print completions for bash, zsh, fish or powershell") },
  "log-level": { type: "LEVEL", description: Option.some("log to stderr: debug, info, warn, error") }
}

const inOurWords = (flag: HelpDoc.FlagDoc): HelpDoc.FlagDoc => ({ ...shortened(flag), ...GLOBAL[flag.name] })

const exitCodes = (table: Table): string =>
  table.map(([code, meaning]) => `  ${String(code).padStart(3)}  ${meaning}`).join("\n")

const TABLES: Readonly<Record<string, Table>> = { ...DOCUMENT_TABLES, create: CREATE_TABLE, tracker: TRACKER_TABLE }

const tableOf = ({ commandPath = [] }: HelpDoc.HelpDoc): Table => TABLES[commandPath.at(-1) ?? ""] ?? TABLE

/** What `--help` prints, with the table of exit codes. */
export const help = (doc: HelpDoc.HelpDoc): string =>
  `${
    FORMATTER.formatHelpDoc({
      ...doc,
      flags: doc.flags.map(shortened),
      globalFlags: (doc.globalFlags ?? []).map(inOurWords)
    })
  }\n\nEXIT CODES\n${exitCodes(tableOf(doc))}\n`

const perhaps = (names: ReadonlyArray<string>): string =>
  names.length === 0 ? "" : `; did you mean ${names.join(" or ")}?`

const invalid = ({ expected, kind, option, value }: CliError.InvalidValue): string => {
  const flag = kind === "flag" ? `--${option}` : option
  const times = /^(\d+) (?:occurrences|values)$/.exec(value)
  if (times !== null) return `${flag} is given ${times[1]} times; it takes ${expected}`
  if (value === "") return `${flag} needs a value: ${expected}`
  return expected.startsWith("omit") ? `${flag}: ${expected}` : `${flag}: "${value}" is not ${expected}`
}

/** What is wrong with a command line, in one line. */
export const problem = (error: CliError.CliError): string => {
  switch (error._tag) {
    case "UnrecognizedOption":
      return `there is no ${error.option}${perhaps(error.suggestions.filter((name) => !isLetter(name)))}`
    case "UnknownSubcommand":
      return `there is no command ${error.subcommand}${perhaps(error.suggestions)}`
    case "MissingArgument":
      return `no ${error.argument} is given`
    case "UnexpectedArgument":
      return `one argument is enough; leave out ${error.arguments.join(" ")}`
    case "InvalidValue":
      return invalid(error)
    default:
      return error.message
  }
}
