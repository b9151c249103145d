/**
 * A network in memory: machines with addresses and cables, paths with latency and a rate, and the accidents of real
 * ones. All time is the Clock's, and chance comes from Random, so that under a TestClock and a seed a whole swarm runs
 * in virtual time and the same way every time.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as PeerAddress from "../../domain/PeerAddress.ts"
import * as Monotonic from "../Monotonic.ts"
import type { DialOptions, Link, Listener, ListenOptions } from "../Transport.ts"
import type { Cable, Flow, Medium, Path } from "./MemoryFlow.ts"
import * as MemoryLink from "./MemoryLink.ts"
import { TransportError } from "./TransportError.ts"
import { closeWaiting } from "./Waiting.ts"

export type { Path } from "./MemoryFlow.ts"

export interface NetworkOptions {
  /** The way from one host to another, asked for every new connection; 1 ms and no limit when absent. */
  readonly path?: ((from: string, to: string) => Path) | undefined
  /** Times are rounded up to multiples of so many ms (1 when absent): coarser is faster to simulate. */
  readonly resolution?: number | undefined
  /** ms that a connection may hold a cable before others get their turn (20 when absent): longer is faster to simulate. */
  readonly turn?: number | undefined
}

export interface HostOptions {
  /** Canonical IP addresses, of one family or of both. */
  readonly addresses: ReadonlyArray<string>
  /** Bytes/s of the machine's cable, over all connections; unlimited when absent. */
  readonly up?: number | undefined
  readonly down?: number | undefined
}

/** One machine: what `Transport.layerMemory` is made of. */
export interface Host {
  readonly dial: (
    address: PeerAddress.PeerAddress,
    options?: DialOptions
  ) => Effect.Effect<Link, TransportError, Scope.Scope>
  readonly listen: (options: ListenOptions) => Effect.Effect<Listener, TransportError, Scope.Scope>
}

export interface MemoryNetwork {
  readonly host: (options: HostOptions) => Host
  /**
   * From now on packets pass only between hosts of one side; those under way and later ones wait. One side for all heals
   * the network.
   */
  readonly split: (sideOf: (address: string) => number) => void
  /** Breaks every connection of a host: both ends fail with `ECONNRESET`. */
  readonly reset: (address: string) => void
}

/** Connections that wait for somebody to accept them; more are closed. */
const BACKLOG = 128

const TURN = 20

const FIRST_PASSING_PORT = 49_152

const DEFAULT_PATH: Path = { latency: 1, rate: Infinity }

/** Whoever listens at an address. */
interface Door {
  readonly waiting: Queue.Queue<Link>
  readonly cable: Cable
}

/** A network whose packets move while the scope is open. */
export const make = Effect.fnUntraced(function*(
  options: NetworkOptions = {}
): Effect.fn.Return<MemoryNetwork, never, Scope.Scope> {
  const network = new Network(
    options,
    yield* Clock.Clock,
    yield* Random.Random,
    yield* FiberSet.makeRuntime<never>()
  )
  return {
    host: (options) => makeHost(network, options),
    split: network.split,
    reset: network.reset
  }
})

class Network implements Medium {
  readonly path: (from: string, to: string) => Path
  readonly doors = new Map<string, Door>()
  readonly turn: number
  readonly #clock: Clock.Clock
  readonly #random: { readonly nextDoubleUnsafe: () => number }
  readonly #run: (effect: Effect.Effect<void>) => unknown
  readonly #resolution: number
  /** What happens at a moment, by the number of the moment. */
  readonly #due = new Map<number, Array<() => void>>()
  readonly #flows = new Set<Flow>()
  #sideOf: (address: string) => number = () => 0

  constructor(
    options: NetworkOptions,
    clock: Clock.Clock,
    random: { readonly nextDoubleUnsafe: () => number },
    run: (effect: Effect.Effect<void>) => unknown
  ) {
    this.path = options.path ?? (() => DEFAULT_PATH)
    this.#resolution = options.resolution ?? 1
    this.turn = options.turn ?? TURN
    this.#clock = clock
    this.#random = random
    this.#run = run
  }

  readonly now = (): number => Monotonic.millis(this.#clock)

  readonly random = (): number => this.#random.nextDoubleUnsafe()

  readonly schedule = (at: number, run: () => void): void => {
    const now = this.now()
    const moment = Math.max(Math.ceil(at / this.#resolution), Math.floor(now / this.#resolution) + 1)
    const due = this.#due.get(moment)
    if (due !== undefined) {
      due.push(run)
      return
    }
    this.#due.set(moment, [run])
    this.#run(Effect.andThen(
      Effect.suspend(() => Effect.sleep(moment * this.#resolution - this.now())),
      Effect.sync(() => {
        const due = this.#due.get(moment)!
        this.#due.delete(moment)
        for (const run of due) run()
      })
    ))
  }

  readonly reachable = (from: string, to: string): boolean => this.#sideOf(from) === this.#sideOf(to)

  readonly forget = (flow: Flow): void => {
    this.#flows.delete(flow)
  }

  readonly split = (sideOf: (address: string) => number): void => {
    this.#sideOf = sideOf
    for (const flow of Array.from(this.#flows)) flow.resume()
  }

  readonly reset = (address: string): void => {
    for (const flow of Array.from(this.#flows)) if (flow.from === address || flow.to === address) flow.break()
  }

  connect(dialler: PeerAddress.PeerAddress, cable: Cable, listener: PeerAddress.PeerAddress, door: Door): Link {
    const { far, flows, near } = MemoryLink.pair(
      this,
      this.path,
      { address: dialler, cable },
      { address: listener, cable: door.cable }
    )
    for (const flow of flows) this.#flows.add(flow)
    if (!Queue.offerUnsafe(door.waiting, far)) far.close()
    return near
  }
}

const makeHost = (network: Network, options: HostOptions): Host => {
  const cable: Cable = { up: options.up ?? Infinity, down: options.down ?? Infinity, upFreeAt: 0, downFreeAt: 0 }
  let lastPort = FIRST_PASSING_PORT
  const passing = () => lastPort++
  return {
    dial: (address, dialOptions) =>
      Effect.acquireRelease(
        dial(network, cable, address, () => {
          const host = dialOptions?.from ?? options.addresses.find((own) => familyOf(own) === address.family)
          return host === undefined ? undefined : PeerAddress.make(host, passing())
        }),
        (link) => Effect.sync(link.close),
        { interruptible: true }
      ),
    listen: (listenOptions) => listen(network, cable, options.addresses, listenOptions, passing)
  }
}

const familyOf = (host: string): 4 | 6 => host.includes(":") ? 6 : 4

/** One round trip: the other side knows of the connection halfway, this side at its end. */
const dial = (
  network: Network,
  cable: Cable,
  address: PeerAddress.PeerAddress,
  source: () => PeerAddress.PeerAddress | undefined
): Effect.Effect<Link, TransportError> =>
  Effect.callback<Link, TransportError>((resume) => {
    const own = source()
    const fail = (code: string) =>
      resume(Effect.fail(new TransportError({ operation: "dial", code, address: PeerAddress.format(address) })))
    if (own === undefined) return fail("ENETUNREACH")
    let link: Link | undefined
    let gone = false
    const passes = () => network.reachable(own.host, address.host)
    const later = (latency: number, run: () => void) =>
      network.schedule(network.now() + latency, () => {
        if (!gone && passes()) run()
      })
    later(network.path(own.host, address.host).latency, () => {
      const door = network.doors.get(PeerAddress.format(address))
      const back = network.path(address.host, own.host).latency
      if (door === undefined) return later(back, () => fail("ECONNREFUSED"))
      link = network.connect(own, cable, address, door)
      later(back, () => resume(Effect.succeed(link!)))
    })
    return Effect.sync(() => {
      gone = true
      link?.close()
    })
  })

const listen = Effect.fnUntraced(function*(
  network: Network,
  cable: Cable,
  addresses: ReadonlyArray<string>,
  options: ListenOptions,
  passing: () => number
): Effect.fn.Return<Listener, TransportError, Scope.Scope> {
  const port = options.port === 0 ? passing() : options.port
  const hosts = options.host === undefined ? addresses : [options.host]
  const places = hosts.map((host) => PeerAddress.format({ host, port, family: familyOf(host) }))
  const fail = (code: string) => new TransportError({ operation: "listen", code, address: places.join(" ") })
  if (!hosts.every((host) => addresses.includes(host))) return yield* fail("EADDRNOTAVAIL")
  if (places.some((place) => network.doors.has(place))) return yield* fail("EADDRINUSE")
  const waiting = yield* Queue.dropping<Link>(BACKLOG)
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      for (const place of places) network.doors.set(place, { waiting, cable })
    }),
    () =>
      Effect.suspend(() => {
        for (const place of places) network.doors.delete(place)
        return closeWaiting(waiting)
      })
  )
  return { port, accept: Queue.take(waiting) }
})
