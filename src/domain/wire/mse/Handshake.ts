/**
 * What both sides of the handshake of message stream encryption have in common: bytes come in any pieces, are kept until a
 * step has all that it needs, and every step has a bound. The steps are in `Initiator.ts` and `Responder.ts`.
 */
import * as Bytes from "../../Bytes.ts"
import * as DiffieHellman from "./DiffieHellman.ts"
import type { Cipher } from "./Policy.ts"
import type { Rc4 } from "./Rc4.ts"

/** Fills all of it with bytes that nobody can foretell. */
export type Fill = (bytes: Uint8Array) => void

/** How the two go on. */
export interface Agreement {
  readonly cipher: Exclude<Cipher, "none">
  /** Both absent for `plaintext`. */
  readonly incoming: Rc4 | undefined
  readonly outgoing: Rc4 | undefined
  /** What the caller has sent along, in the clear; of the stream it is the beginning. */
  readonly initial: Uint8Array
}

/** The longest padding, each of four times. */
export const MAX_PAD = 512

/** Bytes of HASH('req1', S) and of the hidden name. */
export const HASH_BYTES = 20

/** The verification constant: zeros. */
export const VC_BYTES = 8

/** The longest payload that may come along: a BitTorrent handshake, as in libtorrent. */
export const MAX_INITIAL = 68

/** All that either side can send: the caller's is the longer. */
const LONGEST = DiffieHellman.KEY_BYTES + MAX_PAD + 2 * HASH_BYTES + VC_BYTES + 4 + 2 + MAX_PAD + 2 + MAX_INITIAL

/** Up to {@link MAX_PAD} bytes. */
export const padding = (fill: Fill): Uint8Array => {
  const length = new Uint8Array(2)
  fill(length)
  const pad = new Uint8Array(Bytes.readUint16(length, 0) % (MAX_PAD + 1))
  fill(pad)
  return pad
}

export const makeSecret = (fill: Fill): Uint8Array => {
  const secret = new Uint8Array(DiffieHellman.SECRET_BYTES)
  fill(secret)
  return secret
}

/** The public key with padding behind it: the first bytes of either side. */
export const greeting = (secret: Uint8Array, fill: Fill): Uint8Array =>
  Bytes.concat([DiffieHellman.publicKey(secret), padding(fill)])

/**
 * A step takes what it needs of what is held and says which one is next; `undefined` while bytes are missing and when all is
 * over.
 */
export type Step = () => Step | undefined

export abstract class Handshake {
  /** What has come so far. */
  protected readonly held: Uint8Array = new Uint8Array(LONGEST)
  protected length = 0
  /** Where the next step begins. */
  protected at = 0
  #step: Step = () => this.begin()
  #agreement: Agreement | undefined
  #failure: string | undefined

  get agreement(): Agreement | undefined {
    return this.#agreement
  }

  /** Why there will be no agreement. */
  get failure(): string | undefined {
    return this.#failure
  }

  /**
   * Takes the next bytes of the other side. Returns where in them the stream itself goes on, still as it was sent: `to`, unless
   * they have led to an agreement.
   */
  push(bytes: Uint8Array, from: number, to: number): number {
    if (this.#agreement !== undefined) return from
    if (this.#failure !== undefined) return to
    const before = this.length
    const taken = Math.min(to - from, this.held.length - before)
    this.held.set(bytes.subarray(from, from + taken), before)
    this.length += taken
    while (this.#agreement === undefined && this.#failure === undefined) {
      const next = this.#step()
      if (next === undefined) break
      this.#step = next
    }
    return this.#agreement === undefined ? to : from + this.at - before
  }

  /** The first step, which waits for the other side's public key. */
  protected abstract begin(): Step | undefined

  protected has(bytes: number): boolean {
    return this.length - this.at >= bytes
  }

  /** Moves `at` behind `mark`, of which at most {@link MAX_PAD} bytes may stand in front; false while it is not there. */
  protected find(mark: Uint8Array, missing: string): boolean {
    const last = Math.min(this.at + MAX_PAD, this.length - mark.length)
    for (let at = this.at; at <= last; at++) {
      if (!this.#stands(mark, at)) continue
      this.at = at + mark.length
      return true
    }
    if (this.has(MAX_PAD + mark.length)) this.fail(missing)
    return false
  }

  protected fail(reason: string): undefined {
    this.#failure = reason
    return undefined
  }

  protected agree(agreement: Agreement): undefined {
    this.#agreement = agreement
    return undefined
  }

  #stands(mark: Uint8Array, at: number): boolean {
    for (let i = 0; i < mark.length; i++) if (this.held[at + i] !== mark[i]) return false
    return true
  }
}
