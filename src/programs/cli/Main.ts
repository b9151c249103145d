/** Runs a command line to an exit code: signals, one-line errors, and an end without delay. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Runtime from "effect/Runtime"
import { ExitCode, TABLE } from "./ExitCode.ts"

declare const __FRESHET_VERSION__: string

/** Filled in by the build. */
export const VERSION: string = typeof __FRESHET_VERSION__ === "string" ? __FRESHET_VERSION__ : "0.0.0"

/** One run of a program: when it is asked to stop, and what it will exit with. */
export class Run extends Context.Service<Run, {
  /** Waits for the first INT, TERM or HUP. */
  readonly stopAsked: Effect.Effect<void>
  /** Set by the command when it has ended as expected. */
  code: ExitCode
}>()("freshet/programs/cli/Run") {}

/**
 * Runs `work` until it ends or a signal asks to stop; then everything `work` holds is closed in order. The exit code is
 * what `work` gives, or `stopped` says.
 */
export const untilStopped = Effect.fnUntraced(function*<E, R>(
  work: Effect.Effect<ExitCode, E, R>,
  stopped: () => ExitCode
) {
  const run = yield* Run
  run.code = yield* Effect.raceFirst(work, Effect.andThen(run.stopAsked, Effect.sync(stopped)))
})

/** What the program will exit with after this end of its work; `interrupted` when a signal ended it. */
export const codeOf = (exit: Exit.Exit<unknown, unknown>, interrupted: ExitCode): number => {
  if (Exit.isSuccess(exit)) return ExitCode.ok
  return Cause.hasInterruptsOnly(exit.cause) ? interrupted : Runtime.getErrorExitCode(Cause.squash(exit.cause))
}

const complain = (text: string): void => {
  process.stderr.write(`freshet: ${text.replaceAll("\n", " ")}\n`)
}

const exitCodes = (): string =>
  `EXIT CODES\n${TABLE.map(([code, meaning]) => `  ${String(code).padStart(3)}  ${meaning}`).join("\n")}\n`

/** Help goes to stdout with the table of exit codes; a wrong invocation is one line on stderr. */
const presenter: CliOutput.Presenter = {
  present: (event) =>
    Effect.sync(() => {
      const formatter = CliOutput.defaultFormatter({ colors: false })
      if (event._tag === "Help") process.stdout.write(`${formatter.formatHelpDoc(event.helpDoc)}\n${exitCodes()}`)
      else if (event._tag === "Version") process.stdout.write(`${formatter.formatVersion(event.name, event.version)}\n`)
      else if (event.errors.length === 0) process.stdout.write(`${formatter.formatHelpDoc(event.helpDoc)}\n`)
      else complain(`${event.errors[0]!.message}; see --help`)
    })
}

const isUsageError = (error: unknown): error is { readonly errors: ReadonlyArray<unknown> } =>
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

/** Ends the process once both streams have taken what was written; nothing else that is open may delay it. */
const leave = (code: number): void => {
  process.stdout.write("", () => process.stderr.write("", () => process.exit(code)))
}

/** A reader that goes away early, like `head`, is no reason to crash. */
const outliveReaders = (): void => {
  process.stdout.on("error", () => {})
  process.stderr.on("error", () => {})
}

/** Runs a command on the process's arguments, and ends the process. */
export const main = <Name extends string, Input, ContextInput, E>(
  command: Command.Command<Name, Input, ContextInput, E, Run | Command.Environment>
): void => {
  outliveReaders()
  const stop = Deferred.makeUnsafe<void>()
  const run = Run.of({ stopAsked: Deferred.await(stop), code: ExitCode.ok })
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (!Deferred.doneUnsafe(stop, Effect.void)) process.exit(ExitCode.secondSignal)
    })
  }
  const program = Command.runWith(command, { version: VERSION })(process.argv.slice(2)).pipe(
    Effect.tapCause((cause) => Effect.logDebug("failed", cause)),
    Effect.provide(Layer.mergeAll(
      NodeServices.layer,
      CliOutput.layerPresenter(presenter),
      Layer.succeed(Run, run),
      Layer.succeed(Logger.LogToStderr, true)
    ))
  )
  Effect.runFork(program).addObserver((exit) => leave(Exit.isSuccess(exit) ? run.code : concludeFailure(exit.cause)))
}
