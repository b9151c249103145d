/** A program run for a test: what it prints can be waited for, and it dies with the scope. */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as ChildProcess from "node:child_process"
import * as os from "node:os"

/** What went wrong with a program, with the end of what it printed. */
export class ChildError extends Data.TaggedError("ChildError")<{ readonly message: string }> {}

export interface Child {
  readonly name: string
  readonly pid: number
  /** What it has printed on both of its streams, the last 256 KiB. */
  readonly log: () => string
  /** Waits for the first match in what it has printed; fails when it ends without one. */
  readonly prints: (pattern: RegExp, within?: Duration.Input) => Effect.Effect<RegExpExecArray, ChildError>
  /** Waits for its end: the exit code, or 128 and the signal's number. */
  readonly exit: (within?: Duration.Input) => Effect.Effect<number, ChildError>
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
}

export interface Options {
  readonly cwd?: string
  readonly env?: Record<string, string>
  readonly within?: Duration.Input
}

const keptLog = 256 * 1024
const shownLines = 40

export const tail = (child: Child): string =>
  `--- ${child.name} printed\n${child.log().trimEnd().split(/[\r\n]+/).slice(-shownLines).join("\n")}\n`

/** Starts `argv` in a process group of its own; the whole group is killed when the scope closes. */
export const spawn = Effect.fnUntraced(function*(
  name: string,
  argv: ReadonlyArray<string>,
  options: Options = {}
): Effect.fn.Return<Child, never, Scope.Scope> {
  return yield* Effect.acquireRelease(Effect.sync(() => start(name, argv, options)), (child) => child.end)
})

interface Started extends Child {
  readonly end: Effect.Effect<void>
}

const start = (name: string, argv: ReadonlyArray<string>, options: Options): Started => {
  const process_ = ChildProcess.spawn(argv[0]!, argv.slice(1), {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, ...options.env }
  })
  const within = options.within ?? "40 seconds"
  let log = ""
  let code: number | undefined
  const watchers = new Set<() => void>()
  const changed = () => {
    for (const watcher of watchers) watcher()
  }
  const hear = (chunk: string) => {
    log = (log + chunk).slice(-keptLog)
    changed()
  }
  process_.stdout.setEncoding("utf8").on("data", hear)
  process_.stderr.setEncoding("utf8").on("data", hear)
  const closed = (value: number) => {
    code ??= value
    changed()
  }
  process_.once("error", (cause) => {
    log += String(cause)
    closed(127)
  })
  process_.once("close", (value, signal) => closed(value ?? 128 + os.constants.signals[signal ?? "SIGKILL"]))

  const when = <A>(look: () => A | undefined) =>
    Effect.callback<A>((resume) => {
      const watcher = () => {
        const found = look()
        if (found === undefined) return
        watchers.delete(watcher)
        resume(Effect.succeed(found))
      }
      watchers.add(watcher)
      watcher()
      return Effect.sync(() => watchers.delete(watcher))
    })
  const failure = (what: string) => Effect.fail(new ChildError({ message: `${name} ${what}\n${tail(child)}` }))
  const kill = (signal: NodeJS.Signals) => {
    if (process_.pid === undefined || code !== undefined) return
    try {
      process.kill(-process_.pid, signal)
    } catch {
      process_.kill(signal)
    }
  }
  const child: Started = {
    name,
    pid: process_.pid ?? -1,
    log: () => log,
    prints: (pattern, limit = within) =>
      when((): { readonly found: RegExpExecArray | null } | undefined => {
        const found = pattern.exec(log)
        return found === null && code === undefined ? undefined : { found }
      }).pipe(
        Effect.flatMap(({ found }) =>
          found === null ? failure(`ended with ${code} and did not print ${pattern}`) : Effect.succeed(found)
        ),
        Effect.timeoutOrElse({ duration: limit, orElse: () => failure(`did not print ${pattern} in time`) })
      ),
    exit: (limit = within) =>
      when(() => code).pipe(
        Effect.timeoutOrElse({ duration: limit, orElse: () => failure("did not end in time") })
      ),
    signal: (signal) => Effect.sync(() => process_.kill(signal)),
    end: Effect.andThen(Effect.sync(() => kill("SIGKILL")), Effect.asVoid(when(() => code)))
  }
  return child
}
