/** The side that opens an encrypted connection. */
import * as Bytes from "../../Bytes.ts"
import type * as InfoHash from "../../InfoHash.ts"
import * as DiffieHellman from "./DiffieHellman.ts"
import {
  type Fill,
  greeting,
  Handshake,
  makeSecret,
  MAX_INITIAL,
  MAX_PAD,
  padding,
  type Step,
  VC_BYTES
} from "./Handshake.ts"
import { PLAINTEXT, RC4 } from "./Policy.ts"
import type { Rc4 } from "./Rc4.ts"
import * as StreamKey from "./StreamKey.ts"

export interface InitiatorOptions {
  readonly infoHash: InfoHash.InfoHash
  /** Bits of the ciphers that are fine with us. */
  readonly offered: number
  readonly fill: Fill
  /** Gives the first bytes of our stream, up to so many, to be sent along; what follows them must wait for the agreement. */
  readonly initial: (most: number) => Uint8Array
  readonly send: (bytes: Uint8Array) => void
}

export class Initiator extends Handshake {
  readonly #options: InitiatorOptions
  readonly #secret: Uint8Array

  /** Sends the first bytes at once. */
  constructor(options: InitiatorOptions) {
    super()
    this.#options = options
    this.#secret = makeSecret(options.fill)
    options.send(greeting(this.#secret, options.fill))
  }

  protected begin(): Step | undefined {
    if (!this.has(DiffieHellman.KEY_BYTES)) return undefined
    const shared = DiffieHellman.sharedSecret(this.#secret, this.held.subarray(0, DiffieHellman.KEY_BYTES))
    if (shared === undefined) return this.fail("sent a degenerate key")
    this.at = DiffieHellman.KEY_BYTES
    const { a, b } = StreamKey.ciphers(shared, this.#options.infoHash)
    this.#ask(shared, a)
    const constant = new Uint8Array(VC_BYTES)
    b.apply(constant, 0, VC_BYTES)
    return () => this.find(constant, "does not encrypt as we do") ? () => this.#hear(a, b) : undefined
  }

  #ask(shared: Uint8Array, a: Rc4): void {
    const { fill, infoHash, initial, offered, send } = this.#options
    const name = Bytes.fromLatin1(StreamKey.nameOf(infoHash))
    StreamKey.mask(shared, name, 0)
    const pad = padding(fill)
    const payload = initial(MAX_INITIAL)
    const head = new Uint8Array(VC_BYTES + 6)
    Bytes.writeUint32(head, VC_BYTES, offered)
    Bytes.writeUint16(head, VC_BYTES + 4, pad.length)
    const length = new Uint8Array(2)
    Bytes.writeUint16(length, 0, payload.length)
    const hidden = Bytes.concat([head, pad, length, payload])
    a.apply(hidden, 0, hidden.length)
    send(Bytes.concat([StreamKey.sync(shared), name, hidden]))
  }

  #hear(a: Rc4, b: Rc4): Step | undefined {
    if (!this.has(6)) return undefined
    b.apply(this.held, this.at, this.at + 6)
    const selected = Bytes.readUint32(this.held, this.at)
    const pad = Bytes.readUint16(this.held, this.at + 4)
    if ((selected !== PLAINTEXT && selected !== RC4) || (selected & this.#options.offered) === 0) {
      return this.fail("chose a cipher that was not offered")
    }
    if (pad > MAX_PAD) return this.fail("pads too much")
    this.at += 6
    return () => {
      if (!this.has(pad)) return undefined
      b.apply(this.held, this.at, this.at + pad)
      this.at += pad
      return this.agree(
        selected === RC4
          ? { cipher: "rc4", incoming: b, outgoing: a, initial: Bytes.empty }
          : { cipher: "plaintext", incoming: undefined, outgoing: undefined, initial: Bytes.empty }
      )
    }
  }
}
