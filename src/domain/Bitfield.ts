/**
 * One bit per piece, the first piece in the highest bit of the first byte (BEP 3, "bitfield"). A bitfield is a plain
 * `Uint8Array` of exactly `ceil(pieces / 8)` bytes; whoever made it owns and may change it.
 */

export type Bitfield = Uint8Array

/** Bytes on the wire for this many pieces. */
export const byteLength = (pieces: number): number => (pieces + 7) >>> 3

export const make = (pieces: number): Bitfield => new Uint8Array(byteLength(pieces))

/** All pieces set, spare bits clear. */
export const full = (pieces: number): Bitfield => {
  const bits = make(pieces).fill(0xff)
  const spare = bits.length * 8 - pieces
  if (spare > 0) bits[bits.length - 1]! &= 0xff << spare
  return bits
}

export const has = (bits: Bitfield, piece: number): boolean => (bits[piece >>> 3]! & (0x80 >>> (piece & 7))) !== 0

export const set = (bits: Bitfield, piece: number): void => {
  bits[piece >>> 3]! |= 0x80 >>> (piece & 7)
}

export const clear = (bits: Bitfield, piece: number): void => {
  bits[piece >>> 3]! &= ~(0x80 >>> (piece & 7))
}

/** How many pieces are set. */
export const count = (bits: Bitfield): number => {
  let total = 0
  for (let i = 0; i < bits.length; i++) {
    let byte = bits[i]!
    byte = byte - ((byte >>> 1) & 0x55)
    byte = (byte & 0x33) + ((byte >>> 2) & 0x33)
    total += (byte + (byte >>> 4)) & 0x0f
  }
  return total
}

/**
 * Whether these bytes are a bitfield of so many pieces: the exact length, and no spare bit set (BEP 3: "Spare bits at
 * the end are set to zero").
 */
export const isValid = (bytes: Uint8Array, pieces: number): boolean => {
  if (bytes.length !== byteLength(pieces)) return false
  const spare = bytes.length * 8 - pieces
  return spare === 0 || (bytes[bytes.length - 1]! & (0xff >>> (8 - spare))) === 0
}

export const isFull = (bits: Bitfield, pieces: number): boolean => count(bits) === pieces

/** Calls `visit` for every set piece, in order. */
export const forEach = (bits: Bitfield, visit: (piece: number) => void): void => {
  for (let i = 0; i < bits.length; i++) {
    const byte = bits[i]!
    if (byte === 0) continue
    for (let bit = 0; bit < 8; bit++) if ((byte & (0x80 >>> bit)) !== 0) visit(i * 8 + bit)
  }
}

/** How many pieces are set in both. */
export const countBoth = (a: Bitfield, b: Bitfield): number => {
  let total = 0
  for (let i = 0; i < a.length; i++) {
    let byte = a[i]! & b[i]!
    while (byte !== 0) {
      byte &= byte - 1
      total++
    }
  }
  return total
}
