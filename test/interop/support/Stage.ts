/** What one test of interoperation runs on: a folder, a tracker, and programs whose logs explain a failure. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Child from "./Child.ts"
import * as Namespace from "./Namespace.ts"

export const root = path.resolve(import.meta.dirname, "../../..")

/** The Node that the project pins: it runs the scripts of these tests. */
export const pinnedNode = path.join(root, "node_modules/.bin/node")

/** The Node that a user of this machine has, whatever npm has put before it. */
export const machineNode = (process.env["PATH"] ?? "").split(path.delimiter)
  .filter((dir) => !dir.includes("node_modules"))
  .map((dir) => path.join(dir, "node"))
  .find((file) => fs.existsSync(file)) ?? pinnedNode

export const script = (name: string): string => path.join(import.meta.dirname, name)

export const trackerUrl = (port = trackerPort): string => `http://${Namespace.address(1)}:${port}/announce`
const trackerPort = 6969

export interface Announce {
  readonly ip: string
  readonly port: number
  readonly event: "started" | "completed" | "stopped" | ""
  readonly left: number
  readonly uploaded: number
}

export interface Tracker {
  /** Waits for an announce of the peer that listens on `port`, to any swarm unless one is named. */
  readonly hears: (
    port: number,
    event: Announce["event"],
    within?: Duration.Input,
    infoHash?: string
  ) => Effect.Effect<Announce, Child.ChildError>
}

export interface Stage {
  readonly dir: string
  /** A new folder under the test's own. */
  readonly folder: (name: string) => string
  readonly spawn: (
    name: string,
    argv: ReadonlyArray<string>,
    options?: Child.Options
  ) => Effect.Effect<Child.Child, never, Scope.Scope>
  readonly tracker: (port?: number) => Effect.Effect<Tracker, Child.ChildError, Scope.Scope>
}

export const temporary: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const dir = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "freshet-interop-")))
    fs.chmodSync(dir, 0o755)
    return dir
  }),
  (dir) => Effect.sync(() => fs.rmSync(dir, { recursive: true, force: true }))
)

/** Runs a test inside a namespace of its own; its failure carries what every program printed. */
export const play = <A, E>(body: (stage: Stage) => Effect.Effect<A, E, Scope.Scope>) =>
  Effect.scoped(Effect.flatMap(Namespace.make, ({ inside }) => on(body, inside)))

/** The same on the machine's own network. */
export const playOnLoopback = <A, E>(body: (stage: Stage) => Effect.Effect<A, E, Scope.Scope>) =>
  on(body, (argv) => argv)

const on = <A, E>(
  body: (stage: Stage) => Effect.Effect<A, E, Scope.Scope>,
  inside: (argv: ReadonlyArray<string>) => ReadonlyArray<string>
) => {
  const children: Array<Child.Child> = []
  return Effect.gen(function*() {
    const dir = yield* temporary
    const spawn: Stage["spawn"] = (name, argv, options) =>
      Child.spawn(name, inside(argv), { cwd: dir, ...options }).pipe(
        Effect.tap((child) => Effect.sync(() => children.push(child)))
      )
    const folder = (name: string) => {
      const made = path.join(dir, name)
      fs.mkdirSync(made, { recursive: true })
      return made
    }
    return yield* body({ dir, folder, spawn, tracker: (port = trackerPort) => startTracker(spawn, port) })
  }).pipe(
    Effect.mapError((error) => new Error(`${error}\n\n${children.map(Child.tail).join("\n")}`, { cause: error })),
    Effect.scoped
  )
}

const startTracker = Effect.fnUntraced(function*(spawn: Stage["spawn"], port: number) {
  const child = yield* spawn(`tracker ${port}`, [pinnedNode, script("tracker.ts"), Namespace.address(1), String(port)])
  yield* child.prints(/listening/)
  return {
    hears: (peer, event, within, infoHash = "") =>
      Effect.map(
        child.prints(new RegExp(`^\\{"ip":"[^"]*","port":${peer},"event":"${event}".*${infoHash}"\\}$`, "m"), within),
        ([line]): Announce => JSON.parse(line)
      )
  } satisfies Tracker
})
