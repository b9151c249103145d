/** Debian's redis-server, on a port and in a folder of its own, which tests may stop, start and hold up. */
import { assert, it, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { execFileSync, spawnSync } from "node:child_process"
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

const make = Effect.gen(function*() {
  const dir = yield* folder
  const port = yield* freePort
  const argv = ["redis-server", "--port", String(port), "--bind", "127.0.0.1", "--dir", dir, "--save", ""]
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
  return { url: `redis://127.0.0.1:${port}`, port, start, stop, signal, run }
})

export class RedisServer extends Context.Service<RedisServer, {
  readonly url: string
  readonly port: number
  /** Starts with nothing in memory. */
  readonly start: Effect.Effect<void>
  readonly stop: Effect.Effect<void>
  readonly signal: (name: NodeJS.Signals) => Effect.Effect<void>
  /** Runs a command of redis-cli. */
  readonly run: (...args: ReadonlyArray<string>) => string
}>()("test/RedisServer") {
  static readonly layer: Layer.Layer<RedisServer> = Layer.effect(RedisServer, make)
}

const lacking = spawnSync("redis-server", ["--version"]).error !== undefined

/** Tests that share a server; skipped where there is none, unless it is required. */
export const describeWithRedis = (name: string, tests: Parameters<ReturnType<typeof layer<RedisServer, never>>>[1]) => {
  if (!lacking) return layer(RedisServer.layer)(name, tests)
  return it(`${name} needs the Debian package redis-server`, ({ skip }) => {
    const message = "tests with Redis need the Debian package redis-server"
    if (process.env["FRESHET_INTEROP"] === "required") assert.fail(`${message} (FRESHET_INTEROP=required)`)
    skip(message)
  })
}
