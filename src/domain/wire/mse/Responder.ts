/** The side that is called on an encrypted connection, and has to find out for which torrent. */
import * as Bytes from "../../Bytes.ts"
import type * as InfoHash from "../../InfoHash.ts"
import * as DiffieHellman from "./DiffieHellman.ts"
import {
  type Fill,
  greeting,
  Handshake,
  HASH_BYTES,
  makeSecret,
  MAX_INITIAL,
  MAX_PAD,
  padding,
  type Step,
  VC_BYTES
} from "./Handshake.ts"
import { RC4 } from "./Policy.ts"
import type { Rc4 } from "./Rc4.ts"
import * as StreamKey from "./StreamKey.ts"

export interface ResponderOptions {
  /** The torrent of this name: see {@link StreamKey.nameOf}. */
  readonly find: (name: string) => InfoHash.InfoHash | undefined
  /** Chooses one bit of those offered; 0 when none will do. */
  readonly select: (provided: number) => number
  /** Asked once, before the arithmetic; a text is the reason to refuse it. */
  readonly permit: () => string | undefined
  readonly fill: Fill
  readonly send: (bytes: Uint8Array) => void
}

export class Responder extends Handshake {
  readonly #options: ResponderOptions

  constructor(options: ResponderOptions) {
    super()
    this.#options = options
  }

  protected begin(): Step | undefined {
    if (!this.has(DiffieHellman.KEY_BYTES)) return undefined
    const { fill, permit, send } = this.#options
    const refusal = permit()
    if (refusal !== undefined) return this.fail(refusal)
    const secret = makeSecret(fill)
    const shared = DiffieHellman.sharedSecret(secret, this.held.subarray(0, DiffieHellman.KEY_BYTES))
    if (shared === undefined) return this.fail("sent a degenerate key")
    this.at = DiffieHellman.KEY_BYTES
    send(greeting(secret, fill))
    const sync = StreamKey.sync(shared)
    return () => this.find(sync, "speaks another protocol") ? () => this.#name(shared) : undefined
  }

  #name(shared: Uint8Array): Step | undefined {
    if (!this.has(HASH_BYTES)) return undefined
    StreamKey.mask(shared, this.held, this.at)
    const infoHash = this.#options.find(Bytes.toLatin1(this.held.subarray(this.at, this.at + HASH_BYTES)))
    if (infoHash === undefined) return this.fail("asks for a torrent that is not here")
    this.at += HASH_BYTES
    const { a, b } = StreamKey.ciphers(shared, infoHash)
    return () => this.#choose(a, b)
  }

  #choose(a: Rc4, b: Rc4): Step | undefined {
    if (!this.has(VC_BYTES + 6)) return undefined
    a.apply(this.held, this.at, this.at + VC_BYTES + 6)
    for (let i = 0; i < VC_BYTES; i++) if (this.held[this.at + i] !== 0) return this.fail("does not encrypt as we do")
    const selected = this.#options.select(Bytes.readUint32(this.held, this.at + VC_BYTES))
    const pad = Bytes.readUint16(this.held, this.at + VC_BYTES + 4)
    if (selected === 0) return this.fail("offers no cipher that we take")
    if (pad > MAX_PAD) return this.fail("pads too much")
    this.at += VC_BYTES + 6
    this.#answer(selected, b)
    return () => this.#finish(selected, pad, a, b)
  }

  #answer(selected: number, b: Rc4): void {
    const { fill, send } = this.#options
    const pad = padding(fill)
    const head = new Uint8Array(VC_BYTES + 6)
    Bytes.writeUint32(head, VC_BYTES, selected)
    Bytes.writeUint16(head, VC_BYTES + 4, pad.length)
    const hidden = Bytes.concat([head, pad])
    b.apply(hidden, 0, hidden.length)
    send(hidden)
  }

  #finish(selected: number, pad: number, a: Rc4, b: Rc4): Step | undefined {
    if (!this.has(pad + 2)) return undefined
    a.apply(this.held, this.at, this.at + pad + 2)
    this.at += pad + 2
    const length = Bytes.readUint16(this.held, this.at - 2)
    if (length > MAX_INITIAL) return this.fail("sends more along than a handshake")
    return () => {
      if (!this.has(length)) return undefined
      a.apply(this.held, this.at, this.at + length)
      const initial = this.held.subarray(this.at, this.at + length)
      this.at += length
      return this.agree(
        selected === RC4
          ? { cipher: "rc4", incoming: a, outgoing: b, initial }
          : { cipher: "plaintext", incoming: undefined, outgoing: undefined, initial }
      )
    }
  }
}
