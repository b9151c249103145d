/**
 * Twenty bytes by which a peer tells itself from others (BEP 3), in the style of BEP 20: `-FR0100-` and twelve random
 * characters. Kept as latin1 text so that it can key a table.
 */
import type * as Brand from "effect/Brand"
import * as Bytes from "./Bytes.ts"

export type PeerId = string & Brand.Brand<"PeerId">

export const BYTES = 20

/** Client code and version 0.1.0.0, BEP 20. */
export const PREFIX = "-FR0100-"

const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/** A new id of our own; `random` gives numbers in [0, 1). */
export const make = (random: () => number): PeerId => {
  let id = PREFIX
  while (id.length < BYTES) id += ALPHABET[Math.floor(random() * ALPHABET.length)]
  return id as PeerId
}

/** Takes exactly 20 bytes. */
export const fromBytes = (bytes: Uint8Array): PeerId => Bytes.toLatin1(bytes) as PeerId

/** Reads the 20 bytes at `at`. */
export const read = (bytes: Uint8Array, at: number): PeerId => {
  // Spreading an array takes 70 ns, spreading a view of the bytes 950.
  const codes: Array<number> = []
  for (let i = at; i < at + BYTES; i++) codes.push(bytes[i]!)
  return String.fromCharCode(...codes) as PeerId
}

export const toBytes = (id: PeerId): Uint8Array => Bytes.fromLatin1(id)

/** The printable form for logs: every byte outside the visible ASCII range becomes a dot. */
export const format = (id: PeerId): string => id.replace(/[^\u0021-\u007e]/g, ".")
