/**
 * A connection under message stream encryption: the handshake first, whose far end may turn out to speak plainly, and then the
 * bytes of the stream, changed on their way. Owned by the fiber that receives.
 */
import * as Effect from "effect/Effect"
import * as Bytes from "../../domain/Bytes.ts"
import * as PeerAddress from "../../domain/PeerAddress.ts"
import * as Handshake from "../../domain/wire/Handshake.ts"
import type { Agreement, Handshake as Negotiation } from "../../domain/wire/mse/Handshake.ts"
import type { Cipher } from "../../domain/wire/mse/Policy.ts"
import type { Rc4 } from "../../domain/wire/mse/Rc4.ts"
import type { Link } from "../Transport.ts"
import type { Scratch } from "./Scratch.ts"
import { TransportError } from "./TransportError.ts"

type OnBytes = (bytes: Uint8Array, from: number, to: number) => void

/** One call of `send`. */
interface Waiting {
  readonly parts: ReadonlyArray<Uint8Array>
  readonly sent: (() => void) | undefined
}

export interface ObfuscatedLinkOptions {
  readonly scratch: Scratch
  /**
   * The handshake, begun when the first bytes are due. `initial` takes up to so many bytes of what waits to be sent; `send`
   * writes them as they are.
   */
  readonly negotiate: (send: (bytes: Uint8Array) => void, initial: (most: number) => Uint8Array) => Negotiation
  /** The other side has called us: its first bytes say whether it encrypts. */
  readonly called: boolean
  /** Why a caller that does not encrypt is refused; absent when it is not. */
  readonly plainRefusal?: string | undefined
}

/** Bytes that are encrypted into an array of their own: less than what makes a buffer worth its keeping. */
const SMALL = 4096

export class ObfuscatedLink implements Link {
  readonly remote: PeerAddress.PeerAddress
  readonly #inner: Link
  readonly #options: ObfuscatedLinkOptions
  #onBytes: OnBytes | undefined
  /** How many of the first bytes of a caller are those of a plain handshake; `undefined` once that is decided. */
  #plain: number | undefined
  #negotiation: Negotiation | undefined
  #isOpen = false
  #cipher: Cipher = "none"
  #incoming: Rc4 | undefined
  #outgoing: Rc4 | undefined
  #waiting: Array<Waiting> = []
  #isClosed = false
  #refusal: string | undefined

  constructor(inner: Link, options: ObfuscatedLinkOptions) {
    this.#inner = inner
    this.#options = options
    this.remote = inner.remote
    this.#plain = options.called ? 0 : undefined
  }

  get cipher(): Cipher {
    return this.#cipher
  }

  readonly receive = (onBytes: OnBytes): Effect.Effect<void, TransportError> =>
    Effect.suspend(() => {
      this.#onBytes = onBytes
      if (!this.#options.called) this.#negotiate()
      return Effect.flatMap(this.#inner.receive(this.#take), () => this.#outcome())
    })

  readonly send = (parts: ReadonlyArray<Uint8Array>, sent?: () => void): void => {
    const outgoing = this.#outgoing
    if (this.#isClosed) sent?.()
    else if (!this.#isOpen) this.#waiting.push({ parts, sent })
    else if (outgoing === undefined) this.#inner.send(parts, sent)
    else this.#encrypt(outgoing, parts, sent)
  }

  readonly queued = (): number => {
    let bytes = this.#inner.queued()
    for (const { parts } of this.#waiting) for (const part of parts) bytes += part.length
    return bytes
  }

  get drained(): Effect.Effect<void> {
    return this.#inner.drained
  }

  readonly close = (): void => {
    this.#isClosed = true
    this.#inner.close()
    for (const { sent } of this.#waiting.splice(0)) sent?.()
  }

  readonly #take: OnBytes = (bytes, from, to) => {
    if (!this.#isOpen) return this.#hear(bytes, from, to)
    this.#incoming?.apply(bytes, from, to)
    this.#onBytes!(bytes, from, to)
  }

  /** Of the beginning: a plain handshake, or one of ours. */
  #hear(bytes: Uint8Array, from: number, to: number): void {
    const plain = this.#plain
    if (this.#isClosed) return
    if (plain === undefined) return this.#push(bytes, from, to)
    const alike = Handshake.alike(bytes, from, to, plain)
    if (plain + alike === Handshake.PROTOCOL.length) return this.#goOnPlain(plain, bytes, from, to)
    if (from + alike === to) {
      this.#plain = plain + alike
      return
    }
    this.#plain = undefined
    this.#negotiate()
    this.#push(Handshake.PROTOCOL, 0, plain)
    this.#push(bytes, from, to)
  }

  /** @param before bytes of the protocol's name that came in earlier reads */
  #goOnPlain(before: number, bytes: Uint8Array, from: number, to: number): void {
    this.#plain = undefined
    const { plainRefusal } = this.#options
    if (plainRefusal !== undefined) return this.#refuse(plainRefusal)
    this.#isOpen = true
    if (before > 0) this.#onBytes!(Handshake.PROTOCOL.slice(0, before), 0, before)
    this.#onBytes!(bytes, from, to)
  }

  #negotiate(): void {
    this.#negotiation = this.#options.negotiate((bytes) => this.#inner.send([bytes]), (most) => this.#initial(most))
  }

  #push(bytes: Uint8Array, from: number, to: number): void {
    const negotiation = this.#negotiation!
    const at = negotiation.push(bytes, from, to)
    if (negotiation.failure !== undefined) return this.#refuse(negotiation.failure)
    if (negotiation.agreement === undefined) return
    this.#open(negotiation.agreement)
    if (at < to) this.#take(bytes, at, to)
  }

  #open({ cipher, incoming, initial, outgoing }: Agreement): void {
    this.#negotiation = undefined
    this.#isOpen = true
    this.#cipher = cipher
    this.#incoming = incoming
    this.#outgoing = outgoing
    for (const { parts, sent } of this.#waiting.splice(0)) this.send(parts, sent)
    if (initial.length > 0) this.#onBytes!(initial, 0, initial.length)
  }

  /** Takes the front of what waits to be sent. */
  #initial(most: number): Uint8Array {
    const all = Bytes.concat(this.#waiting.flatMap(({ parts }) => parts))
    const sents = this.#waiting.flatMap(({ sent }) => sent === undefined ? [] : [sent])
    this.#waiting = all.length > most || sents.length > 0
      ? [{ parts: [all.subarray(most)], sent: () => sents.forEach((sent) => sent()) }]
      : []
    return all.subarray(0, most)
  }

  #encrypt(outgoing: Rc4, parts: ReadonlyArray<Uint8Array>, sent: (() => void) | undefined): void {
    let length = 0
    for (const part of parts) length += part.length
    if (length <= SMALL) {
      const bytes = Bytes.concat(parts)
      outgoing.apply(bytes, 0, length)
      return this.#inner.send([bytes], sent)
    }
    const { scratch } = this.#options
    const buffers = scratch.gather(parts)
    for (const bytes of buffers) outgoing.apply(bytes, 0, bytes.length)
    this.#inner.send(buffers, () => {
      scratch.giveBack(buffers)
      sent?.()
    })
  }

  #refuse(reason: string): void {
    this.#refusal = reason
    this.close()
  }

  #outcome(): Effect.Effect<void, TransportError> {
    if (this.#refusal === undefined) return Effect.void
    const address = PeerAddress.format(this.remote)
    return Effect.fail(new TransportError({ operation: "receive", code: "EPROTO", address, detail: this.#refusal }))
  }
}
