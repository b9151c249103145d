/** A network of the test's own, in which clients that refuse 127/8 take part and nothing leaves the machine. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { execFileSync } from "node:child_process"
import { randomUUID } from "node:crypto"
import * as fs from "node:fs"

const prefix = "freshet-test-"

/** The n-th address, 1 to 20. */
export const address = (n: number): string => `10.78.0.${n}`

export interface Namespace {
  /** The command that runs `argv` inside; the program is killed when the process that started it dies. */
  readonly inside: (argv: ReadonlyArray<string>) => ReadonlyArray<string>
}

/** A namespace that goes away with the scope, with its addresses on its loopback. */
export const make: Effect.Effect<Namespace, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(create),
  (name) => Effect.sync(() => remove(name))
).pipe(Effect.map((name) => ({
  inside: (argv) => ["setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec", name, ...argv]
})))

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

const ip = (args: ReadonlyArray<string>, input = ""): string => execFileSync("ip", args, { encoding: "utf8", input })

function create(): string {
  removeStale()
  const name = `${prefix}${process.pid}-${randomUUID().slice(0, 8)}`
  ip(["netns", "add", name])
  const addresses = Array.from({ length: 20 }, (_, n) => `addr add ${address(n + 1)}/32 dev lo\n`)
  ip(["-n", name, "-batch", "-"], `link set lo up\n${addresses.join("")}`)
  return name
}

/** What a killed run has left behind. */
function removeStale(): void {
  for (const [stale, pid] of ip(["netns", "list"]).matchAll(new RegExp(`^${prefix}(\\d+)\\S*`, "gm"))) {
    if (!fs.existsSync(`/proc/${pid}`)) remove(stale)
  }
}

function remove(name: string): void {
  ip(["netns", "delete", name])
}
