/** A Redis of the test's own on the loopback, its data in a folder of the test. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { execFileSync, spawn } from "node:child_process"
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"

export interface RedisServer {
  readonly url: string
  /** Runs a command of redis-cli. */
  readonly run: (...args: ReadonlyArray<string>) => string
  /** Waits for a command that has this in it. */
  readonly heard: (part: string) => Effect.Effect<void>
  readonly stop: Effect.Effect<void>
  readonly start: Effect.Effect<void>
}

/** Why there is none here, if so. */
export const unavailable = (): string | undefined => {
  try {
    execFileSync("redis-server", ["--version"], { stdio: "ignore" })
    return undefined
  } catch {
    return "the Debian package redis-server"
  }
}

const freePort = Effect.callback<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

/** Runs until it is killed; ready once this returns. */
const launch = (port: number, dir: string) =>
  Effect.callback<{ readonly kill: Effect.Effect<void> }>((resume) => {
    const args = ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--dir", dir]
    const child = spawn("redis-server", args, { stdio: ["ignore", "pipe", "ignore"] })
    const kill = Effect.callback<void>((done) => {
      if (child.exitCode !== null || child.signalCode !== null) return done(Effect.void)
      child.once("exit", () => done(Effect.void))
      child.kill("SIGTERM")
    })
    let said = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text
      if (said.includes("Ready to accept connections")) resume(Effect.succeed({ kill }))
    })
    child.once("error", (error) => resume(Effect.die(error)))
    child.once("exit", () => resume(Effect.die(new Error(`redis-server ended\n${said}`))))
  })

export const serve = Effect.fnUntraced(function*(dir: string): Effect.fn.Return<RedisServer, never, Scope.Scope> {
  const port = yield* freePort
  let running = yield* launch(port, dir)
  yield* Effect.addFinalizer(() => Effect.suspend(() => running.kill))
  return {
    url: `redis://127.0.0.1:${port}`,
    run: (...args) => execFileSync("redis-cli", ["-p", `${port}`, ...args], { encoding: "utf8" }).trim(),
    heard: (part) =>
      Effect.callback((resume) => {
        const monitor = spawn("redis-cli", ["-p", `${port}`, "monitor"], { stdio: ["ignore", "pipe", "ignore"] })
        let said = ""
        monitor.stdout.setEncoding("utf8").on("data", (text: string) => {
          said += text
          if (said.includes(part) && monitor.kill()) resume(Effect.void)
        })
        monitor.once("exit", () => resume(Effect.die(new Error("redis-cli ended"))))
        return Effect.sync(() => void monitor.kill())
      }),
    stop: Effect.suspend(() => running.kill),
    start: Effect.map(launch(port, dir), (launched) => {
      running = launched
    })
  }
})
