/** The port that peers call us on: on each of the addresses that everything is bound to. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { type Listener, type Transport, TransportError } from "../Transport.ts"
import { SessionError } from "./SessionError.ts"
import type { SessionOptions } from "./SessionOptions.ts"

/** The ports that clients have always tried first. */
const FIRST_PORT = 6881
const LAST_PORT = 6889

const listenAt = Effect.fnUntraced(function*(
  transport: Context.Service.Shape<typeof Transport>,
  bind: NonNullable<SessionOptions["bind"]>,
  port: number
): Effect.fn.Return<ReadonlyArray<Listener>, TransportError, Scope.Scope> {
  const hosts = [bind.v4, bind.v6].filter((host) => host !== undefined)
  const first = yield* transport.listen({ host: hosts[0], port })
  if (hosts.length < 2) return [first]
  return [first, yield* transport.listen({ host: hosts[1], port: first.port })]
})

export const listen = Effect.fnUntraced(function*(
  transport: Context.Service.Shape<typeof Transport>,
  options: SessionOptions
): Effect.fn.Return<ReadonlyArray<Listener>, SessionError, Scope.Scope> {
  const asked = options.listenPort
  const ports = asked === undefined
    ? Array.from({ length: LAST_PORT - FIRST_PORT + 1 }, (_, i) => FIRST_PORT + i)
    : [asked]
  const scope = yield* Effect.scope
  let last: TransportError | undefined
  for (const port of ports) {
    const attempt = yield* Scope.fork(scope)
    const listening = listenAt(transport, options.bind ?? {}, port).pipe(
      Effect.onError(() => Scope.close(attempt, Exit.void)),
      Scope.provide(attempt)
    )
    const listeners = yield* Effect.match(listening, {
      onFailure: (error) => error,
      onSuccess: (listeners) => listeners
    })
    if (!(listeners instanceof TransportError)) return listeners
    last = listeners
    if (last.code !== "EADDRINUSE") break
  }
  const taken = last?.code === "EADDRINUSE"
  return yield* new SessionError({
    reason: taken ? "PortTaken" : "CannotListen",
    detail: taken
      ? asked === undefined
        ? `ports ${FIRST_PORT} to ${LAST_PORT} are all taken; choose another with --listen-port`
        : `port ${asked} is taken; choose another with --listen-port, or 0 for any free one`
      : `${last?.message}; check --bind and --listen-port`
  })
})
