/** The built programs as processes, watched through their records. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as Records from "../../src/programs/cli/Records.ts"

const DIST = new URL("../../dist/programs/", import.meta.url).pathname

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly out: string
  readonly err: string
  /** What `--json` printed, every line of it decoded. */
  readonly records: ReadonlyArray<Records.Record>
}

interface Waiter {
  readonly on: (record: Records.Record) => boolean
  readonly onEnd: () => void
}

/** A program that runs. Records come from `--json`; without it there are none. */
export class Program {
  readonly #child: ChildProcess
  readonly #waiters = new Set<Waiter>()
  readonly #isJson: boolean
  readonly #readers = new Set<() => void>()
  readonly records: Array<Records.Record> = []
  readonly #ended: Promise<Ended>
  #isOver = false
  #out = ""
  #err = ""
  #line = ""
  #undecodable: string | undefined

  constructor(child: ChildProcess, isJson: boolean) {
    this.#child = child
    this.#isJson = isJson
    child.stdout?.setEncoding("utf8").on("data", (text: string) => this.#read(text))
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#err += text
    })
    this.#ended = new Promise((resolve) =>
      child.on("close", (code, signal) => {
        if (isJson && this.#line !== "" && signal === null) this.#undecodable ??= this.#line
        resolve({ code, signal, out: this.#out, err: this.#err, records: this.records })
        for (const { onEnd } of this.#waiters) onEnd()
        this.#isOver = true
        for (const read of this.#readers) read()
      })
    )
  }

  #read(text: string): void {
    this.#out += text
    for (const read of Array.from(this.#readers)) read()
    if (!this.#isJson) return
    const lines = (this.#line + text).split("\n")
    this.#line = lines.pop()!
    for (const line of lines) {
      try {
        this.#tell(Records.decode(line))
      } catch {
        this.#undecodable ??= line
      }
    }
  }

  #tell(record: Records.Record): void {
    this.records.push(record)
    // A copy: whoever waited may wait anew at once, for the next.
    for (const waiter of Array.from(this.#waiters)) if (waiter.on(record)) this.#waiters.delete(waiter)
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** All that it wrote to stderr so far. */
  get err(): string {
    return this.#err
  }

  readonly kill = (signal: NodeJS.Signals): Effect.Effect<void> => Effect.sync(() => void this.#child.kill(signal))

  /** Closes the reader's end of its stdout. */
  readonly hangUp: Effect.Effect<void> = Effect.sync(() => this.#child.stdout?.destroy())

  /** Waits for the `count`th record from the start that is so; fails when the program ends before. */
  readonly until = (
    matches: (record: Records.Record) => boolean,
    count = 1
  ): Effect.Effect<Records.Record, Error> =>
    Effect.callback((resume) => {
      let left = count
      const isLast = (record: Records.Record): boolean => {
        if (!matches(record) || --left > 0) return false
        resume(Effect.succeed(record))
        return true
      }
      if (this.records.some(isLast)) return
      const onEnd = () => resume(Effect.fail(new Error(`ended too early\n${this.#err}\n${this.#out.slice(-2000)}`)))
      this.#waiters.add({ on: isLast, onEnd })
    })

  /** Waits for the first match in what it has written to stdout; fails when the program ends without one. */
  readonly prints = (pattern: RegExp): Effect.Effect<RegExpExecArray, Error> =>
    Effect.callback((resume) => {
      const read = () => {
        const match = pattern.exec(this.#out)
        if (match !== null) resume(Effect.succeed(match))
        else if (!this.#isOver) return
        else resume(Effect.fail(new Error(`ended without ${pattern}\n${this.#err}\n${this.#out.slice(-2000)}`)))
        this.#readers.delete(read)
      }
      this.#readers.add(read)
      read()
    })

  /** Waits for the end of the program and of its output; a line of `--json` that is no record is a defect. */
  readonly ended: Effect.Effect<Ended> = Effect.promise(() => this.#ended).pipe(
    Effect.tap(() =>
      this.#undecodable === undefined ? Effect.void : Effect.die(new Error(`no record: ${this.#undecodable}`))
    )
  )
}

export interface StartOptions {
  /** For its stdin. */
  readonly input?: Uint8Array | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly cwd?: string | undefined
  /** Descriptors that it may have. */
  readonly maxFiles?: number | undefined
}

export type Name = "leech" | "seed" | "tracker" | "show" | "verify" | "edit"

/** Programs whose `--json` is one object and not a line for each thing that happens. */
const TELL_AT_ONCE: ReadonlySet<Name> = new Set(["show", "verify", "edit"])

/** Starts a program; it is killed at the end of the scope if it still runs. */
export const start = (
  program: Name,
  args: ReadonlyArray<string>,
  options: StartOptions = {}
): Effect.Effect<Program, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const file = `${DIST}${program}.js`
      if (!fs.existsSync(file)) throw new Error(`${file} is not there: npm run build`)
      const limit = options.maxFiles === undefined ? [] : ["sh", "-c", `ulimit -n ${options.maxFiles}; exec "$@"`, "sh"]
      const [command, ...rest] = [...limit, process.execPath, file, ...args] as [string, ...Array<string>]
      const child = spawn(command, rest, {
        stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
        env: { ...process.env, ...options.env },
        cwd: options.cwd
      })
      child.stdin?.on("error", () => {}).end(options.input)
      return new Program(child, args.includes("--json") && !TELL_AT_ONCE.has(program))
    }),
    (running) => Effect.andThen(running.kill("SIGKILL"), running.ended)
  )

/** Runs a program to its end. */
export const run = (
  program: Name,
  args: ReadonlyArray<string>,
  options?: StartOptions
): Effect.Effect<Ended> => Effect.scoped(Effect.flatMap(start(program, args, options), ({ ended }) => ended))

/** Whether the record tells of a piece that has come to the disk. */
export const isLanded = (record: Records.Record): boolean => record.type === "piece" && record.state === "landed"

/** The pieces that came to the disk. */
export const landed = (records: ReadonlyArray<Records.Record>): Array<number> =>
  records.flatMap((record) => record.type === "piece" && record.state === "landed" ? [record.index] : [])

export const summaryOf = ({ records }: Ended): Extract<Records.Record, { type: "summary" }> => {
  const last = records.at(-1)
  if (last?.type !== "summary") throw new Error(`no summary: ${JSON.stringify(last)}`)
  return last
}

/** What a user is told when something ends in an expected way. */
export const ONE_LINE = /^freshet: [^\n]+\n$/
