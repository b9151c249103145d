/**
 * The hash trees of a torrent's files from their piece layers up, and what of them a peer may ask for (BEP 52). Leaves
 * are not kept: whoever composes an answer brings those of the pieces that it needs.
 */
import * as Bytes from "./Bytes.ts"
import * as Merkle from "./Merkle.ts"
import type { Metainfo } from "./Metainfo.ts"
import * as HashMessage from "./wire/HashMessage.ts"

const { HASH } = Merkle

/**
 * Layers above the pieces that are hashed anew for every answer, at most some 500 hashes; those above are kept. One node in
 * 512 costs nothing to keep, and a tree of four million pieces is hashed once.
 */
const FRESH_LAYERS = 9
const GROUP = 2 ** FRESH_LAYERS

/** Files whose roots are taken up in one step: a million of them in one go hold everything up for seconds. */
const FILES_AT_ONCE = 512

/** Above the pieces of one file. */
class Upper {
  readonly #pieceRoots: Uint8Array
  /** Of the pieces. */
  readonly #layer: number
  /** The layer of groups of {@link GROUP} pieces, and those above it. */
  readonly #kept: Array<Uint8Array> = []
  readonly #groups: Uint8Array
  #built = 0

  constructor(pieceRoots: Uint8Array, layer: number) {
    this.#pieceRoots = pieceRoots
    this.#layer = layer
    this.#groups = new Uint8Array(Math.ceil(pieceRoots.length / (GROUP * HASH)) * HASH)
  }

  /** Hashes one more group; returns whether the tree is whole. */
  build(): boolean {
    if (this.#kept.length > 0) return true
    const at = this.#built * HASH
    if (at < this.#groups.length) {
      this.#groups.set(this.#fresh(FRESH_LAYERS, this.#built++), at)
      return false
    }
    for (let nodes = this.#groups, up = this.#layer + FRESH_LAYERS;; up++) {
      this.#kept.push(nodes)
      if (nodes.length === HASH) return true
      nodes = Merkle.parents(nodes, up)
    }
  }

  /** A node so many layers above the pieces; from {@link FRESH_LAYERS} up only of a tree that is whole. */
  node(height: number, index: number): Uint8Array {
    if (height < FRESH_LAYERS) return this.#fresh(height, index)
    const at = index * HASH
    const nodes = this.#kept[height - FRESH_LAYERS]!
    return at < nodes.length ? nodes.subarray(at, at + HASH) : Merkle.padHash(this.#layer + height)
  }

  #fresh(height: number, index: number): Uint8Array {
    const width = 2 ** height
    const from = index * width * HASH
    return Merkle.root(this.#pieceRoots.subarray(from, from + width * HASH), width, this.#layer)
  }
}

/** How a request can be answered. */
export interface Plan {
  readonly range: HashMessage.HashRange
  /** Index into the files. */
  readonly file: number
  /** The pieces whose leaves are needed. */
  readonly pieces: ReadonlyArray<number>
  /** Nodes that are hashed to compose the answer, at most. */
  readonly work: number
  /** Whether {@link HashTrees.build} has to be through first. */
  readonly needsBuild: boolean
}

/** Of one file. */
interface Shape {
  /** The file's first piece, and how many have data. */
  readonly first: number
  readonly pieces: number
  /** Leaves under one piece root. */
  readonly width: number
  /** Layer of the piece roots. */
  readonly layer: number
  /** All leaves. */
  readonly leaves: number
}

export class HashTrees {
  readonly #metainfo: Metainfo
  readonly #pieceRoots: Uint8Array
  /** Files by their pieces root, of those looked at; the first of several equal ones. */
  readonly #files = new Map<string, number>()
  #indexed = 0
  readonly #uppers = new Map<number, Upper>()

  constructor(metainfo: Metainfo, pieceRoots: Uint8Array) {
    this.#metainfo = metainfo
    this.#pieceRoots = pieceRoots
  }

  /** Takes up some of the files, a millisecond or so; returns whether it is done. A plan takes up those that are left. */
  index(): boolean {
    const { files } = this.#metainfo
    const to = Math.min(files.length, this.#indexed + FILES_AT_ONCE)
    for (; this.#indexed < to; this.#indexed++) {
      const { piecesRoot } = files[this.#indexed]!
      if (piecesRoot === undefined) continue
      const key = Bytes.toLatin1(piecesRoot)
      if (!this.#files.has(key)) this.#files.set(key, this.#indexed)
    }
    return to === files.length
  }

  /**
   * What it takes to answer, or `undefined` for a range that is in no tree or that nobody has to serve: layers between the
   * leaves and the pieces, more than is hashed in a moment above them, and more leaves than anybody should ask for unless they
   * are of one piece.
   */
  plan(range: HashMessage.HashRange): Plan | undefined {
    const file = this.#fileOf(range.root)
    if (file === undefined) return undefined
    const shape = this.#shapeOf(file)
    const most = Math.max(HashMessage.MOST_ASKED, Math.min(shape.width, HashMessage.MOST_SERVED))
    if (!HashMessage.isInside(range, shape.leaves, most)) return undefined
    const height = range.base - shape.layer
    if (range.base > 0 && height < 0) return undefined
    if (height > 0 && height < FRESH_LAYERS && range.length * 2 ** height > GROUP) return undefined
    const hasProof = HashMessage.count(range) > range.length
    return {
      range,
      file,
      pieces: height < 0 ? piecesUnder(range, shape) : [],
      work: GROUP + (hasProof && height < 0 ? shape.width : 0),
      needsBuild: (hasProof ? height + range.proofLayers : height) >= FRESH_LAYERS
    }
  }

  /** Does some of the work that plans with `needsBuild` wait for, a millisecond or so; returns whether it is done. */
  build({ file }: Plan): boolean {
    return this.#upperOf(file).build()
  }

  /**
   * The hashes of the answer: nodes and uncles.
   *
   * @param leavesOf the leaves of a piece of the plan, data blocks only
   */
  compose({ file, range }: Plan, leavesOf: (piece: number) => Uint8Array): Uint8Array {
    const shape = this.#shapeOf(file)
    const upper = this.#upperOf(file)
    const node = (layer: number, index: number): Uint8Array => {
      if (layer >= shape.layer) return upper.node(layer - shape.layer, index)
      const width = 2 ** layer
      const piece = Math.floor(index * width / shape.width)
      if (piece >= shape.pieces) return Merkle.padHash(layer)
      const from = (index * width - piece * shape.width) * HASH
      return Merkle.root(leavesOf(shape.first + piece).subarray(from, from + width * HASH), width)
    }
    const own = Math.log2(range.length)
    const out = new Uint8Array(HashMessage.count(range) * HASH)
    let at = 0
    for (let i = 0; i < range.length; i++, at += HASH) out.set(node(range.base, range.index + i), at)
    for (let up = own; up <= range.proofLayers; up++, at += HASH) {
      out.set(node(range.base + up, sibling(Math.floor(range.index / 2 ** up))), at)
    }
    return out
  }

  #fileOf(root: Uint8Array): number | undefined {
    while (!this.index());
    return this.#files.get(Bytes.toLatin1(root))
  }

  #shapeOf(file: number): Shape {
    const { files, layout } = this.#metainfo
    const { length, offset } = files[file]!
    const width = Merkle.widthOf(length, layout.pieceLength)
    const pieces = Math.ceil(length / layout.pieceLength)
    return {
      first: offset / layout.pieceLength,
      pieces,
      width,
      layer: Math.log2(width),
      leaves: Merkle.widthOf(length, Infinity)
    }
  }

  #upperOf(file: number): Upper {
    const known = this.#uppers.get(file)
    if (known !== undefined) return known
    const { first, layer, pieces } = this.#shapeOf(file)
    const upper = new Upper(this.#pieceRoots.subarray(first * HASH, (first + pieces) * HASH), layer)
    // A small tree keeps nothing, and there may be a million of them.
    if (pieces > GROUP) this.#uppers.set(file, upper)
    return upper
  }
}

const sibling = (index: number): number => index % 2 === 0 ? index + 1 : index - 1

/** The pieces with data under a run of leaves; uncles of a run within a piece lie in the same piece. */
const piecesUnder = ({ index, length }: HashMessage.HashRange, { first, pieces, width }: Shape): Array<number> => {
  const from = Math.floor(index / width)
  const to = Math.min(pieces, Math.ceil((index + length) / width))
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => first + from + i)
}
