/** Runs a command line to an exit code: signals, one-line errors, and an end without delay. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as CliConfig from "effect/cli/CliConfig"
import type * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Runtime from "effect/Runtime"
import * as SystemCode from "../../services/SystemCode.ts"
import { ExitCode } from "./ExitCode.ts"
import * as Format from "./Format.ts"
import * as Stderr from "./Stderr.ts"
import * as Stdout from "./Stdout.ts"
import * as Text from "./Text.ts"
import * as Usage from "./Usage.ts"

declare const __FRESHET_VERSION__: string

/** Filled in by the build. */
export const VERSION: string = typeof __FRESHET_VERSION__ === "string" ? __FRESHET_VERSION__ : "0.0.0"

/** One run of a program, and what it will exit with. */
export class Run extends Context.Service<Run, {
  /** Set by the command when it has ended as expected. */
  code: ExitCode
  /** The records of `--json` say already how it has ended. */
  toldOfEnd: boolean
  /** What to exit with when a signal has ended it. */
  whenStopped: () => ExitCode
  /** What a hang-up means; it ends the program when nothing is set. */
  whenHungUp: (() => void) | undefined
  /** Prints how things stand; USR2 does nothing when it is not set. */
  whenAsked: (() => void) | undefined
}>()("freshet/programs/cli/Run") {}

/**
 * Runs `work` to its exit code. When a signal ends it before that, everything it holds is closed in order, and the exit
 * code is what `stopped` says.
 */
export const untilStopped = Effect.fnUntraced(function*<E, R>(
  work: Effect.Effect<ExitCode, E, R>,
  stopped: () => ExitCode
) {
  const run = yield* Run
  run.whenStopped = stopped
  run.code = yield* work
})

/** What the program will exit with after this end of its work; `interrupted` when a signal ended it. */
export const codeOf = (exit: Exit.Exit<unknown, unknown>, interrupted: ExitCode): number => {
  if (Exit.isSuccess(exit)) return ExitCode.ok
  return Cause.hasInterruptsOnly(exit.cause) ? interrupted : Runtime.getErrorExitCode(Cause.squash(exit.cause))
}

/** What went wrong, when something did. */
export const messageOf = (exit: Exit.Exit<unknown, unknown>): string | undefined => {
  if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return undefined
  const error = Cause.squash(exit.cause)
  return error instanceof Error ? error.message : String(error)
}

const tell = (text: string): void => {
  const line = Format.printable(text.replaceAll("\n", " "))
  process.stderr.write(`${Text.paragraph(line, Stderr.columns() ?? Infinity, "  ").join("\n")}\n`)
}

/** One line for the user, on stderr; on a terminal as many as it takes there. */
export const complain = (text: string): void => tell(`freshet: ${text}`)

/** The same of what does not end the program. */
export const warn = (text: string): void => tell(`warning: ${text}`)

/** Help goes to stdout; a wrong invocation is one line on stderr. */
const presenter: CliOutput.Presenter = {
  present: (event) =>
    Effect.sync(() => {
      if (event._tag === "Help") process.stdout.write(Usage.help(event.helpDoc, Stdout.open().terminal?.columns))
      else if (event._tag === "Version") process.stdout.write(`freshet ${event.version}\n`)
      else complain(`${Usage.problem(event.errors[0]!)}; see ${event.commandPath.join(" ")} --help`)
    })
}

const isUsageError = (error: unknown): error is CliError.ShowHelp =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "ShowHelp"

/** The code of a failed run, after the user was told. */
const concludeFailure = (cause: Cause.Cause<unknown>): number => {
  const error = Cause.squash(cause)
  if (isUsageError(error)) return error.errors.length === 0 ? ExitCode.ok : ExitCode.usage
  const text = error instanceof Error ? error.message : String(error)
  if (error instanceof Error && Runtime.errorExitCode in error) complain(text)
  else complain(`internal error: ${text}; please report it with what --log-level debug prints`)
  return Runtime.getErrorExitCode(error)
}

/** What to exit with when stdout has not taken what was written. A reader that has gone away has seen enough. */
const codeOfLoss = (cause: Error | null): ExitCode | undefined => {
  const code = SystemCode.of(cause)
  if (cause === null || code === "EPIPE") return undefined
  complain(`cannot write to the standard output: ${SystemCode.describe(cause)}`)
  return code === "ENOSPC" || code === "EDQUOT" ? ExitCode.diskFull : ExitCode.fileError
}

/** Ends the process once both streams have taken what was written; nothing else that is open may delay it. */
const leave = (code: number): void => {
  process.stdout.write("", () => {
    const loss = codeOfLoss(process.stdout.errored)
    process.stderr.write("", () => process.exit(loss ?? code))
  })
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const

/**
 * Waits for the first signal to stop; the second one ends the process at once. A stdout that takes no more, like that of a
 * reader who has seen enough, counts as a signal; stderr is not missed.
 */
const stopAsked = Effect.flatMap(Run, (run) =>
  Effect.callback<void>((resume) => {
    let asked = false
    const ask = () => {
      asked = true
      resume(Effect.void)
    }
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        if (signal === "SIGHUP" && run.whenHungUp !== undefined) run.whenHungUp()
        else if (asked) process.exit(ExitCode.secondSignal)
        else ask()
      })
    }
    process.on("SIGUSR2", () => run.whenAsked?.())
    process.stdout.on("error", ask)
    process.stderr.on("error", () => {})
  }))

/** What is logged for those who run the program, in words; what is for those who look for a fault, with all there is. */
const lineOf = (options: Parameters<typeof Logger.formatLogFmt.log>[0]): string => {
  const isPlain = LogLevel.isGreaterThanOrEqualTo(options.logLevel, "Info") && options.cause.reasons.length === 0
  return isPlain
    ? `freshet: ${Format.printable([options.message].flat().map(String).join(" ").replaceAll("\n", " "))}`
    : Logger.formatLogFmt.log(options)
}

/** Whatever a log line meets on a terminal, a progress line perhaps, gives way to it. */
const logger = Logger.make((options) => {
  process.stderr.write(`${process.stderr.isTTY ? "\r\x1b[K" : ""}${lineOf(options)}\n`)
})

const builtIns = GlobalFlag.BuiltIns.filter((flag) => flag !== GlobalFlag.Wizard)

/** The record of a program that has failed before it had a torrent to report on. */
const recordFailure = Effect.fnUntraced(function*(cause: Cause.Cause<unknown>) {
  const error = Cause.squash(cause)
  if (Cause.hasInterruptsOnly(cause) || isUsageError(error)) return
  const Records = yield* Effect.promise(() => import("./Records.ts"))
  const time = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
  const message = error instanceof Error ? error.message : String(error)
  const exitCode = Runtime.getErrorExitCode(error)
  process.stdout.write(`${Records.encode({ type: "error", time, infoHash: null, message, exitCode })}\n`)
})

/**
 * Runs a command on these arguments to its exit code; fails with what the user has to be told. `stopAsked` ends it, with
 * the code that the command has for such an end.
 */
export const runWith = Effect.fnUntraced(function*<Name extends string, Input, ContextInput, E>(
  command: Command.Command<Name, Input, ContextInput, E, Run | Command.Environment>,
  args: ReadonlyArray<string>,
  stopAsked: Effect.Effect<void, never, Run>
) {
  const run = Run.of({
    code: ExitCode.ok,
    toldOfEnd: false,
    whenStopped: () => ExitCode.unfinished,
    whenHungUp: undefined,
    whenAsked: undefined
  })
  const program = Command.runWith(command, { version: VERSION })(Usage.expand(args)).pipe(
    Effect.map(() => run.code),
    Effect.tapCause((cause) => args.includes("--json") && !run.toldOfEnd ? recordFailure(cause) : Effect.void),
    Effect.provideService(Run, run)
  )
  const stopped = Effect.map(Effect.provideService(stopAsked, Run, run), () => run.whenStopped())
  return yield* Effect.raceFirst(program, stopped)
}, Effect.provide(CliConfig.layer({ builtIns })))

/** Runs a command on the process's arguments, as `read` takes them, and ends the process. */
export const main = <Name extends string, Input, ContextInput, E>(
  command: Command.Command<Name, Input, ContextInput, E, Run | Command.Environment>,
  read: (args: ReadonlyArray<string>) => ReadonlyArray<string> = (args) => args
): void => {
  const program = runWith(command, read(process.argv.slice(2)), stopAsked).pipe(
    Effect.provide(Layer.mergeAll(
      NodeServices.layer,
      CliOutput.layerPresenter(presenter),
      Logger.layer([logger])
    ))
  )
  Effect.runFork(program).addObserver((exit) => leave(Exit.isSuccess(exit) ? exit.value : concludeFailure(exit.cause)))
}
