/** Debian's redis-server, on a port and in a folder of its own, which tests may stop, start and hold up. */
import { assert, describe, it, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { execFileSync, spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as net from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import * as Child from "../interop/support/Child.ts"

const freePort = Effect.callback<number>((resume) => {
  const server = net.createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

const folder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "freshet-redis-"))),
  (dir) => Effect.sync(() => fs.rmSync(dir, { recursive: true, force: true }))
)

/** One of the test's own. With `keeps` it has after a restart what it had before. */
export const serve = Effect.fnUntraced(function*(
  { keeps = false }: { readonly keeps?: boolean } = {}
): Effect.fn.Return<RedisServer["Service"], never, Scope.Scope> {
  const dir = yield* folder
  const port = yield* freePort
  const argv = ["redis-server", "--port", String(port), "--bind", "127.0.0.1", "--dir", dir, "--save", ""]
  if (keeps) argv.push("--appendonly", "yes")
  let running: { readonly child: Child.Child; readonly scope: Scope.Closeable } | undefined
  const start = Effect.gen(function*() {
    const scope = yield* Scope.make()
    const child = yield* Scope.provide(Child.spawn("redis-server", argv), scope)
    yield* Effect.orDie(child.prints(/Ready to accept connections/))
    running = { child, scope }
  })
  const stop = Effect.suspend(() => {
    const scope = running?.scope
    running = undefined
    return scope === undefined ? Effect.void : Scope.close(scope, Exit.void)
  })
  const signal = (name: NodeJS.Signals) => Effect.suspend(() => running?.child.signal(name) ?? Effect.void)
  yield* Effect.addFinalizer(() => stop)
  yield* start
  const run = (...args: ReadonlyArray<string>) =>
    execFileSync("redis-cli", ["-p", String(port), ...args], { encoding: "utf8" }).trim()
  const heard = (part: string) =>
    Effect.callback<void>((resume) => {
      const monitor = spawn("redis-cli", ["-p", String(port), "monitor"], { stdio: ["ignore", "pipe", "ignore"] })
      let said = ""
      monitor.stdout.setEncoding("utf8").on("data", (text: string) => {
        said += text
        if (said.includes(part) && monitor.kill()) resume(Effect.void)
      })
      monitor.once("exit", () => resume(Effect.die(new Error("redis-cli ended"))))
      return Effect.sync(() => void monitor.kill())
    })
  return { url: `redis://127.0.0.1:${port}`, port, start, stop, signal, run, heard }
})

export class RedisServer extends Context.Service<RedisServer, {
  readonly url: string
  readonly port: number
  readonly start: Effect.Effect<void>
  readonly stop: Effect.Effect<void>
  readonly signal: (name: NodeJS.Signals) => Effect.Effect<void>
  /** Runs a command of redis-cli. */
  readonly run: (...args: ReadonlyArray<string>) => string
  /** Waits for a command that has this in it. */
  readonly heard: (part: string) => Effect.Effect<void>
}>()("test/RedisServer") {
  static readonly layer: Layer.Layer<RedisServer> = Layer.effect(RedisServer, serve())
}

const lacking = spawnSync("redis-server", ["--version"]).error !== undefined

/** Skipped where there is no Redis, unless it is required. */
const whereRedis = (name: string, tests: () => void) => {
  if (!lacking) return tests()
  return it(`${name} needs the Debian package redis-server`, ({ skip }) => {
    const message = "tests with Redis need the Debian package redis-server"
    if (process.env["FRESHET_INTEROP"] === "required") assert.fail(`${message} (FRESHET_INTEROP=required)`)
    skip(message)
  })
}

/** Tests that share a server. */
export const describeWithRedis = (name: string, tests: Parameters<ReturnType<typeof layer<RedisServer, never>>>[1]) =>
  whereRedis(name, () => layer(RedisServer.layer)(name, tests))

/** Tests that {@link serve} their own. */
export const describeWhereRedis = (name: string, tests: () => void) =>
  whereRedis(name, () =>
    describe(name, () => {
      tests()
    }))
