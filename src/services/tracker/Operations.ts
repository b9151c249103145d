/** How a tracker tells its keeper that it is well: `/health`, `/stats`, `/stats.json` and `/metrics`. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { Summary } from "../../domain/tracker/Announcing.ts"
import * as Exposition from "../../domain/tracker/Exposition.ts"
import type { Tally } from "../../domain/tracker/Tally.ts"
import type { SwarmStore } from "../SwarmStore.ts"

export interface OperationsOptions {
  /** Of all processes that serve this port; `undefined` when it cannot be had. */
  readonly tally: Effect.Effect<Tally | undefined>
  readonly store: SwarmStore["Service"]
  /** Wall-clock time as the store knows it, ms. */
  readonly now: () => number
  /** Which of several processes this is. */
  readonly worker: number | undefined
}

const NO_STORE = { headers: { "Cache-Control": "no-store" } }

const unwell = HttpServerResponse.text("the swarm store is out of reach\n", { status: 503, ...NO_STORE })

const uncounted = HttpServerResponse.text("the other workers are out of reach\n", { status: 503, ...NO_STORE })

type Asking = readonly [options: OperationsOptions, tally: Tally, swarms: Summary, now: number]

const stats = ([{ worker }, tally, swarms, now]: Asking) => {
  const { announces, connections, connects, cpuSeconds, others, pending, residentBytes, scrapes, troubles } = tally
  return {
    worker: worker ?? null,
    uptimeSeconds: Math.round((now - tally.startedAtMs) / 1000),
    cpuSeconds,
    ...swarms,
    connections,
    pending,
    residentBytes,
    connects,
    announces,
    scrapes,
    otherRequests: others,
    errors: troubles
  }
}

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
      return told(options, (asking) => HttpServerResponse.text(lines(stats(asking)), NO_STORE))
    case "/stats.json":
      return told(options, (asking) => HttpServerResponse.jsonUnsafe(stats(asking), NO_STORE))
    case "/metrics":
      return told(options, ([, tally, swarms]) =>
        HttpServerResponse.text(Exposition.render(tally, swarms), {
          contentType: Exposition.CONTENT_TYPE,
          ...NO_STORE
        }))
    default:
      return undefined
  }
}

const told = (
  options: OperationsOptions,
  say: (asking: Asking) => HttpServerResponse.HttpServerResponse
): Effect.Effect<HttpServerResponse.HttpServerResponse> =>
  Effect.gen(function*() {
    const swarms = yield* options.store.summary(options.now())
    const tally = yield* options.tally
    return tally === undefined ? uncounted : say([options, tally, swarms, yield* Clock.currentTimeMillis])
  }).pipe(Effect.catchTag("SwarmStoreError", () => Effect.succeed(unwell)))
