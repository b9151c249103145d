/**
 * The two ends of a connection in memory. They behave as TCP sockets do: a close drops what is queued, lets arrive what is
 * under way, and ends the other side in order.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as PeerAddress from "../../domain/PeerAddress.ts"
import type { Link } from "../Transport.ts"
import { type Cable, Flow, type Item, type Medium, type Path } from "./MemoryFlow.ts"
import { TransportError } from "./TransportError.ts"

/** What stands in a receive buffer after the call that it was lent for. */
const STALE = 0xdb

export class MemoryLink implements Link {
  readonly remote: PeerAddress.PeerAddress
  readonly cipher = "none"
  readonly #medium: Medium
  readonly #out: Flow
  readonly #taken: (bytes: number) => void
  #onBytes: ((bytes: Uint8Array, from: number, to: number) => void) | undefined
  #early: Array<Uint8Array> = []
  #closed = false
  #settled = false
  #outcome: Effect.Effect<void, TransportError> = Effect.void
  readonly #waiting = new Set<() => void>()

  constructor(options: {
    readonly medium: Medium
    readonly remote: PeerAddress.PeerAddress
    readonly out: Flow
    /** Tells the other end how much of its bytes was taken. */
    readonly taken: (bytes: number) => void
  }) {
    this.#medium = options.medium
    this.remote = options.remote
    this.#out = options.out
    this.#taken = options.taken
  }

  readonly receive = (
    onBytes: (bytes: Uint8Array, from: number, to: number) => void
  ): Effect.Effect<void, TransportError> =>
    Effect.callback<void, TransportError>((resume) => {
      const done = () => resume(this.#outcome)
      if (this.#settled) return done()
      this.#waiting.add(done)
      this.#onBytes = onBytes
      const early = this.#early
      this.#early = []
      for (const bytes of early) this.#hand(bytes)
      return Effect.sync(() => {
        this.#waiting.delete(done)
        this.close()
      })
    })

  readonly send = (parts: ReadonlyArray<Uint8Array>, sent?: () => void): void => {
    if (this.#closed) sent?.()
    else this.#out.send(parts, sent)
  }

  readonly queued = (): number => this.#out.queued

  readonly drained: Effect.Effect<void> = Effect.callback<void>((resume) => {
    if (this.#closed || !this.#out.needsDrain) return resume(Effect.void)
    const done = () => resume(Effect.void)
    this.#draining.add(done)
    return Effect.sync(() => this.#draining.delete(done))
  })
  readonly #draining = new Set<() => void>()

  readonly close = (): void => this.#end("End", Effect.void)

  /** Breaks the connection from this end, as a crash does: the other end fails with `ECONNRESET`. */
  readonly reset = (): void => this.#end("Reset", this.#fail())

  /** Something has come from the other end. */
  arrive(item: Item): void {
    if (this.#closed) return
    if (item === "End") this.#end("End", Effect.void)
    else if (item === "Reset") this.#end("Reset", this.#fail())
    else if (this.#onBytes === undefined) this.#early.push(item)
    else this.#hand(item)
  }

  /** The queue is empty. */
  drain(): void {
    const waiting = Array.from(this.#draining)
    this.#draining.clear()
    for (const done of waiting) done()
  }

  #hand(bytes: Uint8Array): void {
    if (this.#closed) return
    const from = Math.floor(this.#medium.random() * 8)
    const buffer = new Uint8Array(from + bytes.length + 8).fill(STALE)
    buffer.set(bytes, from)
    try {
      this.#onBytes!(buffer, from, from + bytes.length)
    } catch (cause) {
      this.#end("End", Effect.failCause(Cause.die(cause)))
    }
    buffer.fill(STALE)
    this.#taken(bytes.length)
  }

  #end(how: "End" | "Reset", outcome: Effect.Effect<void, TransportError>): void {
    if (this.#closed) return
    this.#closed = true
    this.#outcome = outcome
    this.#early = []
    this.#out.end(how)
    this.#medium.schedule(this.#medium.now(), () => {
      this.#settled = true
      this.drain()
      for (const done of this.#waiting) done()
    })
  }

  #fail(): Effect.Effect<void, TransportError> {
    return Effect.fail(
      new TransportError({ operation: "receive", code: "ECONNRESET", address: PeerAddress.format(this.remote) })
    )
  }
}

interface End {
  readonly address: PeerAddress.PeerAddress
  readonly cable: Cable
}

/** Both ends of a new connection, and its two ways. */
export const pair = (
  medium: Medium,
  path: (from: string, to: string) => Path,
  dialler: End,
  listener: End
): { readonly near: Link; readonly far: Link; readonly flows: readonly [Flow, Flow] } => {
  const flow = (from: End, to: End, own: () => MemoryLink, other: () => MemoryLink): Flow =>
    new Flow({
      medium,
      from: from.address.host,
      to: to.address.host,
      path: path(from.address.host, to.address.host),
      source: from.cable,
      target: to.cable,
      deliver: (item) => other().arrive(item),
      onEmpty: () => own().drain(),
      break: () => own().reset()
    })
  const there: Flow = flow(dialler, listener, () => near, () => far)
  const back: Flow = flow(listener, dialler, () => far, () => near)
  const near: MemoryLink = new MemoryLink({
    medium,
    remote: listener.address,
    out: there,
    taken: (bytes) => back.taken(bytes)
  })
  const far: MemoryLink = new MemoryLink({
    medium,
    remote: dialler.address,
    out: back,
    taken: (bytes) => there.taken(bytes)
  })
  return { near, far, flows: [there, back] }
}
