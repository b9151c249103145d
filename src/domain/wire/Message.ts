/** Message ids of BEP 3, 6, 10 and 52 and the encoder of one connection. A message is a 4-byte length, an id and a payload. */
import type { Bitfield } from "../Bitfield.ts"
import * as Bytes from "../Bytes.ts"
import * as HashMessage from "./HashMessage.ts"

export const CHOKE = 0
export const UNCHOKE = 1
export const INTERESTED = 2
export const NOT_INTERESTED = 3
export const HAVE = 4
export const BITFIELD = 5
export const REQUEST = 6
export const PIECE = 7
export const CANCEL = 8
export const SUGGEST = 13
export const HAVE_ALL = 14
export const HAVE_NONE = 15
export const REJECT = 16
export const ALLOWED_FAST = 17
export const EXTENDED = 20
export const HASH_REQUEST = 21
export const HASHES = 22
export const HASH_REJECT = 23

/** Length field, id, piece and begin: what stands before the bytes of a block. */
export const PIECE_HEADER = 13

const FLAG = 5
const INDEXED = 9
const BLOCK_REF = 17

/** Writes the header of a `piece` message at `at`; `length` bytes of block must follow it on the wire. */
export const writePieceHeader = (
  out: Uint8Array,
  at: number,
  piece: number,
  begin: number,
  length: number
): void => {
  Bytes.writeUint32(out, at, PIECE_HEADER - 4 + length)
  out[at + 4] = PIECE
  Bytes.writeUint32(out, at + 5, piece)
  Bytes.writeUint32(out, at + 9, begin)
}

/** A `hashes` message for this range; `hashes` are its nodes and then their uncles, end to end. */
export const hashes = (range: HashMessage.HashRange, hashes: Uint8Array): Uint8Array => {
  const out = new Uint8Array(FLAG + HashMessage.RANGE + hashes.length)
  Bytes.writeUint32(out, 0, out.length - 4)
  out[4] = HASHES
  HashMessage.writeRange(out, FLAG, range)
  out.set(hashes, FLAG + HashMessage.RANGE)
  return out
}

/**
 * The messages that wait to be written to one peer, encoded as they come. Many small messages leave in one write: the
 * connection takes them at the end of a batch.
 */
export class Outbox {
  #bytes = new Uint8Array(256)
  #length = 0

  get length(): number {
    return this.#length
  }

  keepAlive(): void {
    Bytes.writeUint32(this.#bytes, this.#grow(4), 0)
  }

  choke(): void {
    this.#flag(CHOKE)
  }

  unchoke(): void {
    this.#flag(UNCHOKE)
  }

  interested(): void {
    this.#flag(INTERESTED)
  }

  notInterested(): void {
    this.#flag(NOT_INTERESTED)
  }

  have(piece: number): void {
    this.#indexed(HAVE, piece)
  }

  bitfield(bits: Bitfield): void {
    const at = this.#header(FLAG + bits.length, BITFIELD)
    this.#bytes.set(bits, at)
  }

  request(piece: number, begin: number, length: number): void {
    this.#block(REQUEST, piece, begin, length)
  }

  cancel(piece: number, begin: number, length: number): void {
    this.#block(CANCEL, piece, begin, length)
  }

  suggest(piece: number): void {
    this.#indexed(SUGGEST, piece)
  }

  haveAll(): void {
    this.#flag(HAVE_ALL)
  }

  haveNone(): void {
    this.#flag(HAVE_NONE)
  }

  reject(piece: number, begin: number, length: number): void {
    this.#block(REJECT, piece, begin, length)
  }

  allowedFast(piece: number): void {
    this.#indexed(ALLOWED_FAST, piece)
  }

  /** @param id the receiver's number for the extension; 0 for the handshake (BEP 10) */
  extended(id: number, payload: Uint8Array): void {
    const at = this.#header(FLAG + 1 + payload.length, EXTENDED)
    this.#bytes[at] = id
    this.#bytes.set(payload, at + 1)
  }

  hashRequest(range: HashMessage.HashRange): void {
    this.#range(HASH_REQUEST, range)
  }

  hashReject(range: HashMessage.HashRange): void {
    this.#range(HASH_REJECT, range)
  }

  /** All that waits, as bytes of their own that nobody changes any more. */
  take(): Uint8Array {
    const out = this.#bytes.slice(0, this.#length)
    this.#length = 0
    return out
  }

  #flag(id: number): void {
    this.#header(FLAG, id)
  }

  #indexed(id: number, piece: number): void {
    const at = this.#header(INDEXED, id)
    Bytes.writeUint32(this.#bytes, at, piece)
  }

  #block(id: number, piece: number, begin: number, length: number): void {
    const at = this.#header(BLOCK_REF, id)
    Bytes.writeUint32(this.#bytes, at, piece)
    Bytes.writeUint32(this.#bytes, at + 4, begin)
    Bytes.writeUint32(this.#bytes, at + 8, length)
  }

  #range(id: number, range: HashMessage.HashRange): void {
    const at = this.#header(FLAG + HashMessage.RANGE, id)
    HashMessage.writeRange(this.#bytes, at, range)
  }

  #header(size: number, id: number): number {
    const at = this.#grow(size)
    Bytes.writeUint32(this.#bytes, at, size - 4)
    this.#bytes[at + 4] = id
    return at + FLAG
  }

  #grow(size: number): number {
    const at = this.#length
    if (at + size > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(at + size, this.#bytes.length * 2))
      larger.set(this.#bytes.subarray(0, at))
      this.#bytes = larger
    }
    this.#length = at + size
    return at
  }
}
