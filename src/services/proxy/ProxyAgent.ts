/** Agents for `node:http` and `node:https` whose every connection goes through a proxy. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as http from "node:http"
import * as https from "node:https"
import type * as net from "node:net"
import type { Duplex } from "node:stream"
import * as tls from "node:tls"
import type * as Host from "../../domain/Host.ts"
import * as Tunnel from "../../domain/wire/Tunnel.ts"
import * as Gateway from "./Gateway.ts"
import type { ProxyError } from "./ProxyError.ts"

export interface Agents {
  readonly http: http.Agent
  readonly https: https.Agent
}

type Done = (error: Error | null, socket: Duplex) => void

interface Wanted {
  readonly host?: string | null | undefined
  readonly hostname?: string | null | undefined
  readonly port?: number | string | null | undefined
}

const targetOf = (options: Wanted, port: number): Host.Host => ({
  host: (options.host ?? options.hostname ?? "").replace(/^\[(.*)\]$/, "$1"),
  port: Number(options.port ?? port)
})

/** Opens tunnels, and cuts those that are still being opened when the agents end. */
class Tunnels {
  readonly #gateway: Gateway.Gateway
  readonly #place: Gateway.Place
  readonly #opening = new Set<net.Socket>()

  constructor(gateway: Gateway.Gateway, place: Gateway.Place) {
    this.#gateway = gateway
    this.#place = place
  }

  open(to: Host.Host, done: (error: ProxyError | undefined, socket: net.Socket) => void): void {
    const { proxy } = this.#gateway
    const opening = Gateway.connect(proxy, this.#place, Tunnel.connect(proxy, to), (error, socket) => {
      this.#opening.delete(socket)
      done(error, socket)
    })
    this.#opening.add(opening)
  }

  close(): void {
    for (const socket of this.#opening) socket.destroy()
  }
}

class HttpAgent extends http.Agent {
  readonly #tunnels: Tunnels

  constructor(tunnels: Tunnels, options: http.AgentOptions) {
    super(options)
    this.#tunnels = tunnels
  }

  override createConnection(options: http.ClientRequestArgs, done?: Done): undefined {
    this.#tunnels.open(targetOf(options, 80), (error, socket) => done?.(error ?? null, socket))
    return undefined
  }
}

class HttpsAgent extends https.Agent {
  readonly #tunnels: Tunnels

  constructor(tunnels: Tunnels, options: https.AgentOptions) {
    super(options)
    this.#tunnels = tunnels
  }

  override createConnection(options: https.RequestOptions, done?: Done): undefined {
    this.#tunnels.open(targetOf(options, 443), (error, socket) => {
      if (error !== undefined) return done?.(error, socket)
      return done?.(null, tls.connect({ ...options as tls.ConnectionOptions, socket }))
    })
    return undefined
  }
}

/** Agents that live as long as the scope, and their connections with them. */
export const make = Effect.fnUntraced(function*(
  gateway: Gateway.Gateway,
  options: http.AgentOptions = {}
): Effect.fn.Return<Agents, ProxyError, Scope.Scope> {
  const tunnels = new Tunnels(gateway, yield* gateway.place)
  return yield* Effect.acquireRelease(
    Effect.sync(() => ({ http: new HttpAgent(tunnels, options), https: new HttpsAgent(tunnels, options) })),
    (agents) =>
      Effect.sync(() => {
        tunnels.close()
        agents.http.destroy()
        agents.https.destroy()
      })
  )
})
