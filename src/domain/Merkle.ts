/**
 * The hash trees of version 2 (BEP 52): SHA-256 over the 16 KiB blocks of a file, then over pairs of hashes. Nodes of a layer
 * are one run of bytes, {@link HASH} each; layer 0 is that of the blocks. A layer is as wide as a power of two, and what lies
 * beyond the end of the file is a tree of zero hashes, which is left out wherever it can be.
 */
import * as Bytes from "./Bytes.ts"
import * as Digest from "./Digest.ts"
import { BLOCK } from "./PieceLayout.ts"

/** Bytes of a node. */
export const HASH = Digest.SHA256_BYTES

/** Layers of the tree of the longest file that a safe integer can count. */
const LAYERS = 53 - Math.log2(BLOCK)

const ZEROS = ((): ReadonlyArray<Uint8Array> => {
  const roots: Array<Uint8Array> = [new Uint8Array(HASH)]
  while (roots.length <= LAYERS) roots.push(Digest.sha256(Bytes.concat([roots.at(-1)!, roots.at(-1)!])))
  return roots
})()

/** The root of 2^`layer` zero leaves. Shared by all callers: not to be changed. */
export const padHash = (layer: number): Uint8Array => ZEROS[layer]!

/** A hash per block, the last of which may be shorter. */
export const leaves = (bytes: Uint8Array): Uint8Array => {
  const out = new Uint8Array(Math.ceil(bytes.length / BLOCK) * HASH)
  for (let at = 0, to = 0; at < bytes.length; at += BLOCK, to += HASH) {
    Digest.writeSha256(bytes.subarray(at, at + BLOCK), out, to)
  }
  return out
}

/** The next layer up. A last node without a sibling gets {@link padHash} of its layer. */
export const parents = (nodes: Uint8Array, layer: number): Uint8Array => {
  const pair = 2 * HASH
  const out = new Uint8Array(Math.ceil(nodes.length / pair) * HASH)
  for (let at = 0, to = 0; at < nodes.length; at += pair, to += HASH) {
    const whole = at + pair <= nodes.length
    const children = whole ? nodes.subarray(at, at + pair) : Bytes.concat([nodes.subarray(at), padHash(layer)])
    Digest.writeSha256(children, out, to)
  }
  return out
}

/**
 * The root over the nodes of a layer.
 *
 * @param width how many nodes the layer has under that root, a power of two; those that `nodes` lacks are {@link padHash}
 */
export const root = (nodes: Uint8Array, width: number, layer = 0): Uint8Array => {
  if (nodes.length === 0) return padHash(layer + Math.log2(width))
  let current = nodes
  for (let up = layer, left = width; left > 1; left /= 2) current = parents(current, up++)
  return current
}

/** The smallest power of two that is no less. */
export const powerOfTwo = (least: number): number => 2 ** Math.ceil(Math.log2(least))

export const isPowerOfTwo = (number: number): boolean => Number.isInteger(Math.log2(number))

/** The root of a file that is longer than a piece, from the roots of its pieces: its entry in `piece layers` (BEP 52). */
export const rootOfPieces = (layer: Uint8Array, pieceLength: number): Uint8Array =>
  root(layer, powerOfTwo(layer.length / HASH), Math.log2(pieceLength / BLOCK))

/**
 * Leaves under the root of one piece of a file: the blocks of a full piece, or all leaves of a file that is no longer than
 * a piece. An empty file has no tree.
 */
export const widthOf = (fileLength: number, pieceLength: number): number =>
  fileLength > pieceLength ? pieceLength / BLOCK : powerOfTwo(Math.max(1, Math.ceil(fileLength / BLOCK)))

/**
 * The uncles of a run of nodes, lowest first: with the run's own hashes all that leads to the root over `width` nodes.
 *
 * @param index of the first node of the run, a multiple of `length`, which is a power of two up to `width`
 */
export const proof = (nodes: Uint8Array, width: number, layer: number, index: number, length: number): Uint8Array => {
  const uncles: Array<Uint8Array> = []
  let current = nodes
  let at = index
  for (let up = layer, left = width, run = length; left > 1; left /= 2, up++) {
    if (run > 1) run /= 2
    else {
      const sibling = (at % 2 === 0 ? at + 1 : at - 1) * HASH
      uncles.push(sibling < current.length ? current.subarray(sibling, sibling + HASH) : padHash(up))
    }
    current = parents(current, up)
    at = Math.floor(at / 2)
  }
  return Bytes.concat(uncles)
}

/**
 * Whether a run of nodes and its uncles lead to this root over `width` nodes. Takes whatever a peer sent: a run or a proof
 * of the wrong size is wrong.
 */
export const verifyProof = (
  expected: Uint8Array,
  width: number,
  index: number,
  nodes: Uint8Array,
  uncles: Uint8Array
): boolean => {
  const length = nodes.length / HASH
  const layers = Math.log2(width / length)
  if (!Number.isInteger(Math.log2(length)) || !Number.isInteger(layers) || layers < 0) return false
  if (uncles.length !== layers * HASH || index < 0 || index >= width || index % length !== 0) return false
  let current = root(nodes, length)
  let at = index / length
  for (let i = 0; i < layers; i++, at = Math.floor(at / 2)) {
    const uncle = uncles.subarray(i * HASH, (i + 1) * HASH)
    current = Digest.sha256(Bytes.concat(at % 2 === 0 ? [current, uncle] : [uncle, current]))
  }
  return Bytes.equals(current, expected)
}

/**
 * How many uncles follow the hashes of a `hashes` message (BEP 52): the layers that a run of `length` hashes gives itself are
 * counted in `proofLayers` but left out.
 *
 * @param length a power of two, at least 2
 */
export const uncles = (length: number, proofLayers: number): number => Math.max(0, proofLayers + 1 - Math.log2(length))
