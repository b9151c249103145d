/**
 * Names to addresses, for everything that dials by name. The system's resolver blocks one of the few threads that also
 * serve the disk, so look-ups happen one at a time, answers are kept, and nobody waits long for one.
 */
import * as NodeDns from "@effect/platform-node/NodeDns"
import * as Cache from "effect/Cache"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Dns from "effect/net/Dns"
import * as NetAddress from "effect/net/NetAddress"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as PeerAddress from "../domain/PeerAddress.ts"

export class ResolverError extends Schema.TaggedError<ResolverError>()("ResolverError", {
  reason: Schema.Literals(["NotFound", "TimedOut"]),
  host: Schema.String
}) {
  override get message() {
    return this.reason === "NotFound"
      ? `${this.host} has no address; check the name`
      : `no answer about ${this.host} from the name server; check the network`
  }
}

export interface Ip {
  /** Canonical text without brackets. */
  readonly address: string
  readonly family: 4 | 6
}

/** How long anyone waits for an answer; the look-up itself goes on, since the system offers no way to end it. */
const PATIENCE: Duration.Input = "10 seconds"

const KEPT = 256
const KEPT_FOR: Duration.Input = "5 minutes"
const MISS_KEPT_FOR: Duration.Input = "30 seconds"

const toIp = (ip: NetAddress.IpAddress): ReadonlyArray<Ip> => {
  const address = PeerAddress.make(NetAddress.formatIp(ip), 1)
  return address === undefined ? [] : [{ address: address.host, family: address.family }]
}

export class Resolver extends Context.Service<Resolver, {
  /** At least one address, in the system's order. An IP address, in brackets or not, stands for itself. */
  readonly lookup: (host: string) => Effect.Effect<ReadonlyArray<Ip>, ResolverError>
}>()("freshet/services/Resolver") {
  static readonly layerNoDeps: Layer.Layer<Resolver, never, Dns.Dns> = Layer.effect(
    Resolver,
    Effect.gen(function*() {
      const dns = yield* Dns.Dns
      const scope = yield* Effect.scope
      const turn = yield* Semaphore.make(1)
      const ask = Effect.fnUntraced(function*(host: string) {
        const asked = yield* Effect.forkIn(turn.withPermit(dns.lookup(host)), scope)
        const found = yield* Fiber.join(asked).pipe(
          Effect.mapError(() => new ResolverError({ reason: "NotFound", host })),
          Effect.timeoutOrElse({
            duration: PATIENCE,
            orElse: () => Effect.fail(new ResolverError({ reason: "TimedOut", host }))
          })
        )
        return found.flatMap(toIp)
      })
      const known = yield* Cache.makeWith(ask, {
        capacity: KEPT,
        timeToLive: (exit) => Exit.isSuccess(exit) ? KEPT_FOR : MISS_KEPT_FOR
      })
      return Resolver.of({
        lookup: (host) => {
          const literal = PeerAddress.make(host, 1)
          return literal === undefined
            ? Cache.get(known, host.toLowerCase())
            : Effect.succeed([{ address: literal.host, family: literal.family }])
        }
      })
    })
  )

  static readonly layer: Layer.Layer<Resolver> = this.layerNoDeps.pipe(Layer.provide(NodeDns.layer))
}
