/** A built program on a terminal of its own, and what it shows there. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import * as fs from "node:fs"

const DIST = new URL("../../dist/programs/", import.meta.url).pathname

/** From util-linux. */
const SCRIPT = "/usr/bin/script"

export const isAvailable = (): boolean => fs.existsSync(SCRIPT)

export interface OnTerminal {
  /** Waits for the first match in all that was written to the terminal; fails when the program ends without one. */
  readonly shows: (pattern: RegExp) => Effect.Effect<RegExpExecArray, Error>
  readonly kill: (signal: NodeJS.Signals) => Effect.Effect<void>
}

/** Starts a program; it is killed at the end of the scope if it still runs. */
export const start = Effect.fnUntraced(function*(
  program: "leech" | "seed",
  args: ReadonlyArray<string>,
  columns: number
): Effect.fn.Return<OnTerminal, Error, Scope.Scope> {
  const quoted = [process.execPath, `${DIST}${program}.js`, ...args].map((word) => `'${word}'`).join(" ")
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(SCRIPT, ["-qefc", `stty cols ${columns} rows 24; echo "[$$]"; exec ${quoted}`, "/dev/null"], {
        stdio: ["ignore", "pipe", "inherit"],
        env: { ...process.env, TERM: "xterm", LC_ALL: "C.UTF-8" }
      })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )
  let out = ""
  let isOver = false
  const readers = new Set<() => void>()
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text
    for (const read of Array.from(readers)) read()
  })
  child.on("close", () => {
    isOver = true
    for (const read of Array.from(readers)) read()
  })
  const shows: OnTerminal["shows"] = (pattern) =>
    Effect.callback((resume) => {
      const read = () => {
        const match = pattern.exec(out)
        if (match !== null) resume(Effect.succeed(match))
        else if (isOver) resume(Effect.fail(new Error(`ended without ${pattern}\n${out.slice(-2000)}`)))
        else return
        readers.delete(read)
      }
      readers.add(read)
      read()
    })
  const pid = Number((yield* shows(/\[(\d+)\]/))[1])
  // It may be gone a moment before that is known here.
  const kill = (signal: NodeJS.Signals) => Effect.ignore(Effect.try(() => process.kill(pid, signal)))
  yield* Effect.addFinalizer(() => kill("SIGKILL"))
  return { shows, kill }
})
