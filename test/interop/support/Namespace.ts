/** A network of the test's own, in which clients that refuse 127/8 take part and nothing leaves the machine. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"

const prefix = "freshet-test-"

/** The n-th address, 1 to 20. */
export const address = (n: number): string => `10.78.0.${n}`

export class Namespace extends Context.Service<Namespace, {
  readonly name: string
  /** The command that runs `argv` inside; the program is killed when the process that started it dies. */
  readonly inside: (argv: ReadonlyArray<string>) => ReadonlyArray<string>
}>()("freshet/test/Namespace") {
  static readonly layer: Layer.Layer<Namespace> = Layer.effect(
    Namespace,
    Effect.gen(function*() {
      const name = yield* Effect.acquireRelease(Effect.sync(create), (name) => Effect.sync(() => remove(name)))
      return {
        name,
        inside: (argv) => ["setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec", name, ...argv]
      }
    })
  )
}

/** Why no namespace can be made here, if so. */
export const unavailable = (): string | undefined => {
  if (process.getuid?.() !== 0) return "root (for a network namespace)"
  try {
    execFileSync("ip", ["netns", "list"], { stdio: "ignore" })
    execFileSync("setpriv", ["--version"], { stdio: "ignore" })
    return undefined
  } catch {
    return "the Debian packages iproute2 and util-linux"
  }
}

const ip = (...args: ReadonlyArray<string>): string => execFileSync("ip", args, { encoding: "utf8" })

const create = (): string => {
  for (const [stale, pid] of ip("netns", "list").matchAll(new RegExp(`${prefix}(\\d+)`, "g"))) {
    if (!fs.existsSync(`/proc/${pid}`)) remove(stale)
  }
  const name = `${prefix}${process.pid}`
  ip("netns", "add", name)
  ip("-n", name, "link", "set", "lo", "up")
  for (let n = 1; n <= 20; n++) ip("-n", name, "addr", "add", `${address(n)}/32`, "dev", "lo")
  return name
}

const remove = (name: string): void => {
  ip("netns", "delete", name)
}
