/** Both sides of the encrypted handshake, and what they make of each other's bytes. */
import * as Bytes from "../../../../src/domain/Bytes.ts"
import type * as InfoHash from "../../../../src/domain/InfoHash.ts"
import type { Agreement, Fill, Handshake } from "../../../../src/domain/wire/mse/Handshake.ts"
import { Initiator } from "../../../../src/domain/wire/mse/Initiator.ts"
import { Responder, type ResponderOptions } from "../../../../src/domain/wire/mse/Responder.ts"
import * as StreamKey from "../../../../src/domain/wire/mse/StreamKey.ts"
import { below, randomOf } from "../../swarm/seeded.ts"

export const infoHash = "2c6b6858d61da9543d4231a71db4b1c9264b0685" as InfoHash.InfoHash

export const fillOf = (random: () => number): Fill => (bytes) => {
  for (let i = 0; i < bytes.length; i++) bytes[i] = below(random, 256)
}

/** Bytes that one side sends, in order. */
export class Pipe {
  readonly parts: Array<Uint8Array> = []
  readonly send = (bytes: Uint8Array): void => void this.parts.push(bytes.slice())
  take(): Uint8Array {
    return Bytes.concat(this.parts.splice(0))
  }
}

export const initiator = (
  pipe: Pipe,
  random: () => number,
  options: { readonly offered?: number; readonly payload?: Uint8Array; readonly hash?: InfoHash.InfoHash } = {}
): Initiator =>
  new Initiator({
    infoHash: options.hash ?? infoHash,
    offered: options.offered ?? 3,
    fill: fillOf(random),
    initial: (most) => (options.payload ?? Bytes.empty).slice(0, most),
    send: pipe.send
  })

export const responder = (pipe: Pipe, random: () => number, options: Partial<ResponderOptions> = {}): Responder =>
  new Responder({
    find: (name) => name === StreamKey.nameOf(infoHash) ? infoHash : undefined,
    select: (provided) => provided & 2 || provided & 1,
    permit: () => undefined,
    fill: fillOf(random),
    send: pipe.send,
    ...options
  })

/** One side, and what it has understood of the stream so far. */
export class Listener {
  readonly side: Handshake
  readonly #heard: Array<Uint8Array> = []
  #agreement: Agreement | undefined

  constructor(side: Handshake) {
    this.side = side
  }

  get heard(): Uint8Array {
    return Bytes.concat(this.#heard)
  }

  /** Hears bytes cut at random places; each read stands in a buffer that is spoilt after the call. */
  hear(bytes: Uint8Array, random: () => number, longest: number): void {
    for (let at = 0; at < bytes.length;) {
      const size = Math.min(bytes.length - at, 1 + below(random, longest))
      const from = below(random, 10)
      const buffer = new Uint8Array(from + size + 5).fill(0xee)
      buffer.set(bytes.subarray(at, at + size), from)
      this.#read(buffer, from, from + size)
      buffer.fill(0xdd)
      at += size
    }
  }

  #read(buffer: Uint8Array, from: number, to: number): void {
    const start = this.side.push(buffer, from, to)
    const { agreement } = this.side
    if (agreement === undefined) return
    if (this.#agreement === undefined) this.#heard.push(agreement.initial.slice())
    this.#agreement = agreement
    agreement.incoming?.apply(buffer, start, to)
    this.#heard.push(buffer.slice(start, to))
  }
}

/** What a side puts on the wire for these bytes, once it has agreed. */
export const sealed = (side: Handshake, bytes: Uint8Array): Uint8Array => {
  const out = bytes.slice()
  side.agreement!.outgoing?.apply(out, 0, out.length)
  return out
}

export const seeded = (seed: number) => ({ near: randomOf(seed), far: randomOf(seed + 1), cuts: randomOf(seed + 2) })
