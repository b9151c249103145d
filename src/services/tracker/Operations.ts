/** How a tracker tells its keeper that it is well: `/health`, `/stats`, `/stats.json` and `/metrics`. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { Counters } from "../../domain/tracker/Counters.ts"
import * as Exposition from "../../domain/tracker/Exposition.ts"
import type { SwarmStore } from "../SwarmStore.ts"

export interface OperationsOptions {
  readonly counters: Counters
  readonly store: SwarmStore["Service"]
  /** Wall-clock time as the store knows it, ms. */
  readonly now: () => number
  readonly startedAtMs: number
  readonly connections: () => number
  readonly pending: () => number
  /** Which of several processes this is; each has counters of its own. */
  readonly worker: number | undefined
}

const NO_STORE = { headers: { "Cache-Control": "no-store" } }

const unwell = HttpServerResponse.text("the swarm store is out of reach\n", { status: 503, ...NO_STORE })

const gaugesOf = Effect.fnUntraced(function*(options: OperationsOptions) {
  const summary = yield* options.store.summary(options.now())
  const memory = process.memoryUsage()
  const cpu = process.cpuUsage()
  return {
    ...summary,
    connections: options.connections(),
    pending: options.pending(),
    residentBytes: memory.rss,
    heapBytes: memory.heapUsed,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    startedAtMs: options.startedAtMs
  }
})

const statsOf = Effect.fnUntraced(function*(options: OperationsOptions) {
  const { cpuSeconds, heapBytes: _, startedAtMs, ...gauges } = yield* gaugesOf(options)
  const { announces, connects, others, scrapes, troubles } = options.counters
  const now = yield* Clock.currentTimeMillis
  return {
    worker: options.worker ?? null,
    uptimeSeconds: Math.round((now - startedAtMs) / 1000),
    cpuSeconds,
    ...gauges,
    connects,
    announces,
    scrapes,
    otherRequests: others,
    errors: troubles
  }
})

type Stats = Effect.Success<ReturnType<typeof statsOf>>

/** One number a line: `announces.udp4   12`. */
const lines = (stats: object, prefix = ""): string =>
  Object.entries(stats).map(([name, value]) =>
    typeof value === "object" && value !== null
      ? lines(value, `${prefix}${name}.`)
      : value === null
      ? ""
      : `${`${prefix}${name}`.padEnd(24)} ${value}\n`
  ).join("")

/** The answer to a path of ours; `undefined` for every other. */
export const answerTo = (
  path: string,
  options: OperationsOptions
): Effect.Effect<HttpServerResponse.HttpServerResponse> | undefined => {
  switch (path) {
    case "/health":
      return Effect.match(options.store.summary(options.now()), {
        onFailure: () => unwell,
        onSuccess: () => HttpServerResponse.text("well\n", NO_STORE)
      })
    case "/stats":
      return told(options, (stats: Stats) => HttpServerResponse.text(lines(stats), NO_STORE))
    case "/stats.json":
      return told(options, (stats: Stats) => HttpServerResponse.jsonUnsafe(stats, NO_STORE))
    case "/metrics":
      return Effect.match(gaugesOf(options), {
        onFailure: () => unwell,
        onSuccess: (gauges) =>
          HttpServerResponse.text(Exposition.render(options.counters, gauges), {
            contentType: Exposition.CONTENT_TYPE,
            ...NO_STORE
          })
      })
    default:
      return undefined
  }
}

const told = (options: OperationsOptions, say: (stats: Stats) => HttpServerResponse.HttpServerResponse) =>
  Effect.match(statsOf(options), { onFailure: () => unwell, onSuccess: say })
