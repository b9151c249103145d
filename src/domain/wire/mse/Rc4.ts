/** RC4 as message stream encryption (MSE) uses it. Node 24 has none any more. */

/** Bytes of key stream that are thrown away, since the first ones tell of the key. */
const DISCARDED = 1024

/**
 * The table that a call works on; nothing in it outlives the call. The compiler knows the place and the length of a constant of
 * the module: 490 MB/s on one core, against 340 on a table of the object's own. Wider than a byte, as what it is added to.
 */
const TABLE = new Int32Array(256)

/** One direction of a connection. Its bytes must pass once each, in order. */
export class Rc4 {
  readonly #state = new Int32Array(256)
  #i = 0
  #j = 0

  /** @param key not empty */
  constructor(key: Uint8Array) {
    const state = this.#state
    for (let i = 0; i < 256; i++) state[i] = i
    let j = 0
    for (let i = 0; i < 256; i++) {
      const x = state[i]!
      j = (j + x + key[i % key.length]!) & 255
      state[i] = state[j]!
      state[j] = x
    }
    this.apply(new Uint8Array(DISCARDED), 0, DISCARDED)
  }

  /** Encrypts or decrypts `bytes[from, to)` in place. To copy first and then encrypt costs 2 % more. */
  apply(bytes: Uint8Array, from: number, to: number): void {
    TABLE.set(this.#state)
    let i = this.#i
    let j = this.#j
    for (let at = from; at < to; at++) {
      i = (i + 1) & 255
      const x = TABLE[i]!
      j = (j + x) & 255
      const y = TABLE[j]!
      TABLE[i] = y
      TABLE[j] = x
      bytes[at]! ^= TABLE[(x + y) & 255]!
    }
    this.#i = i
    this.#j = j
    this.#state.set(TABLE)
  }
}
