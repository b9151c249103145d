/** The words between the command line and its user: how arguments may be written, what `--help` says, what was wrong. */
import type * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import type * as HelpDoc from "effect/cli/HelpDoc"
import * as Option from "effect/Option"
import { CREATE_TABLE, DOCUMENT_TABLES, TABLE, type Table, TRACKER_TABLE } from "./ExitCode.ts"
import * as FlagGroups from "./FlagGroups.ts"
import * as Format from "./Format.ts"
import * as Synonyms from "./Synonyms.ts"
import * as Text from "./Text.ts"

/** Flags of one letter that take a value. */
const VALUED = new Set(["a", "b", "c", "d", "e", "f", "n", "o", "p", "s", "t", "u", "w", "x"])

/**
 * Takes `-d/data` and `-p6881` apart, as getopt does, and reads others' flags that stand for a value of ours; everything after
 * `--` stays as it is.
 */
export const expand = (args: ReadonlyArray<string>): ReadonlyArray<string> => {
  const end = args.includes("--") ? args.indexOf("--") : args.length
  return args.map((arg, at) => {
    if (at >= end) return arg
    const glued = /^-([a-zA-Z])([^=].*)$/s.exec(arg)
    return glued !== null && VALUED.has(glued[1]!) ? `-${glued[1]}=${glued[2]}` : Synonyms.expand(arg)
  })
}

/**
 * `help` and `help leech` mean what `--help` and `leech --help` do. What is no command stands alone: with `--help` the
 * help of all of them would hide that it is none.
 */
export const helpAsFlag = (commands: ReadonlyArray<string>) => (args: ReadonlyArray<string>): ReadonlyArray<string> => {
  const words = args[0] === "help" ? [...args.slice(1), "--help"] : args
  const [command] = words
  return command === undefined || command.startsWith("-") || commands.includes(command) ? words : [command]
}

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

/** Descriptions that have no room for this beside their flags stand below them. */
const LEAST_COLUMNS = 24

const BELOW = " ".repeat(6)

/** The flag of `  --dir, -d DIR    the folder that the files are in`, and the gap. */
const FLAG = /^( +\S.*?) {2,}(?=\S)/

const isRoomy = (row: string, columns: number): boolean => {
  const [left = ""] = FLAG.exec(row) ?? []
  const longest = Math.max(...row.slice(left.length).split(" ").map(Format.width))
  return columns - left.length >= Math.max(LEAST_COLUMNS, longest)
}

const fitted = (row: string, columns: number, isBeside: boolean): ReadonlyArray<string> => {
  const [left = "", flag = ""] = FLAG.exec(row) ?? []
  if (flag === "") return Text.paragraph(row, columns, row.slice(0, row.search(/\S/)))
  return isBeside
    ? Text.paragraph(row, columns, " ".repeat(left.length))
    : [flag, ...Text.paragraph(BELOW + row.slice(left.length), columns, BELOW)]
}

const COMMENT = "  # "

/** Commands of examples stay whole, to be copied. */
const fittedExample = (row: string, columns: number): ReadonlyArray<string> =>
  row.startsWith(COMMENT) ? Text.paragraph(row, columns, COMMENT) : [row]

/** The same, with no line wider than this but for what cannot be broken. */
const narrowed = (help: string, columns: number): string =>
  help.split("\n\n").map((part) => {
    const rows = part.split("\n")
    if (rows.some((row) => row.startsWith(COMMENT))) {
      return rows.flatMap((row) => fittedExample(row, columns)).join("\n")
    }
    const isBeside = rows.every((row) => Format.width(row) <= columns || isRoomy(row, columns))
    return rows.flatMap((row) => fitted(row, columns, isBeside)).join("\n")
  }).join("\n\n")

/** What `--help` prints, with the table of exit codes; for a terminal of so many columns, or for no terminal. */
export const help = (doc: HelpDoc.HelpDoc, columns = Infinity): string => narrowed(wide(doc), columns)

const wide = (doc: HelpDoc.HelpDoc): string =>
  `${
    FlagGroups.apart(FORMATTER.formatHelpDoc({
      ...doc,
      flags: doc.flags.map(shortened),
      globalFlags: (doc.globalFlags ?? []).map(inOurWords)
    }))
  }\n\nEXIT CODES\n${exitCodes(tableOf(doc))}\n`

const perhaps = (names: ReadonlyArray<string>): string =>
  names.length === 0 ? "" : `; did you mean ${names.join(" or ")}?`

const invalid = ({ expected, kind, option, value }: CliError.InvalidValue): string => {
  const flag = kind === "flag" ? `--${option}` : option
  const times = /^(\d+) (?:occurrences|values)$/.exec(value)
  if (times !== null) return `${flag} is given ${times[1]} times; it takes ${expected}`
  // Of a switch: the library names all the words that it takes.
  if (expected.startsWith("Expected \"true\"")) return `${flag} takes no value`
  if (value === "") return `${flag} needs a value: ${expected}`
  return expected.startsWith("omit") ? `${flag}: ${expected}` : `${flag}: "${value}" is not ${expected}`
}

/** What is wrong with a command line, in one line. */
export const problem = (error: CliError.CliError): string => {
  switch (error._tag) {
    case "UnrecognizedOption":
      if (Synonyms.isNeedless(error.option)) return `there is no ${Synonyms.needless(error.option)}`
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
