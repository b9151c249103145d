/**
 * What peers say about the hash trees of version 2 (BEP 52): `hash request`, `hashes` and `hash reject`. All three name a
 * run of nodes; `hashes` has them behind it, and then the uncles that prove them, lowest first.
 */
import * as Bytes from "../Bytes.ts"
import { HASH, isPowerOfTwo, uncles } from "../Merkle.ts"

/** A run of nodes in one layer of a file's tree, with so much of its proof. */
export interface HashRange {
  /** The pieces root of the file, 32 bytes. */
  readonly root: Uint8Array
  /** The layer, counted from the leaves. */
  readonly base: number
  /** The first node, a multiple of `length`. */
  readonly index: number
  /** How many, a power of two. */
  readonly length: number
  /** Ancestor layers to prove; the lowest ones, which the run gives itself, are counted too. */
  readonly proofLayers: number
}

/** Bytes of a range on the wire, which is the whole payload of a `hash request` and a `hash reject`. */
export const RANGE = HASH + 16

/** BEP 52: "length SHOULD NOT be greater than 512". We never ask for more. */
export const MOST_ASKED = 512

/** libtorrent asks for all leaves of a piece at once, and calls no more than this valid. */
export const MOST_SERVED = 8192

/**
 * Requests that one peer may have open with another; those beyond are rejected, and we never have more. libtorrent has two.
 */
export const MOST_OPEN = 64

/** Hashes that a `hashes` message for this range carries. */
export const count = ({ length, proofLayers }: HashRange): number => length + uncles(length, proofLayers)

/** Reads a range from its {@link RANGE} bytes, of which nothing is kept; what it says may be nonsense. */
export const readRange = (bytes: Uint8Array, at: number): HashRange => ({
  // Not `slice`, which does not copy where the bytes are a `Buffer`.
  root: Uint8Array.from(bytes.subarray(at, at + HASH)),
  base: Bytes.readUint32(bytes, at + HASH),
  index: Bytes.readUint32(bytes, at + HASH + 4),
  length: Bytes.readUint32(bytes, at + HASH + 8),
  proofLayers: Bytes.readUint32(bytes, at + HASH + 12)
})

export const writeRange = (out: Uint8Array, at: number, range: HashRange): void => {
  out.set(range.root, at)
  Bytes.writeUint32(out, at + HASH, range.base)
  Bytes.writeUint32(out, at + HASH + 4, range.index)
  Bytes.writeUint32(out, at + HASH + 8, range.length)
  Bytes.writeUint32(out, at + HASH + 12, range.proofLayers)
}

/** Whether the payload of a `hashes` message, of `size` bytes, is as long as its range says. */
export const isWhole = (range: HashRange, size: number): boolean =>
  isPowerOfTwo(range.length) && size === RANGE + count(range) * HASH

/**
 * Whether the range lies in a tree of so many leaves and is one that BEP 52 lets peers ask for: two nodes or more, no more
 * than `most`, and no proof layer beyond the children of the root.
 *
 * @param leaves a power of two
 */
export const isInside = (range: HashRange, leaves: number, most: number): boolean => {
  const { base, index, length, proofLayers } = range
  if (!isPowerOfTwo(length) || length < 2 || length > most || index % length !== 0) return false
  const layers = Math.log2(leaves) - base
  return layers > 0 && index + length <= 2 ** layers && proofLayers < layers
}

/** Whether both are the same range, and so one the answer to the other. */
export const same = (a: HashRange, b: HashRange): boolean =>
  a.index === b.index && a.base === b.base && a.length === b.length && a.proofLayers === b.proofLayers &&
  Bytes.equals(a.root, b.root)
