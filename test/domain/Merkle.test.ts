import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import { createHash } from "node:crypto"
import * as Bytes from "../../src/domain/Bytes.ts"
import * as Merkle from "../../src/domain/Merkle.ts"
import { BLOCK } from "../../src/domain/PieceLayout.ts"
import { noise } from "../support/payload.ts"
import { bytes, int } from "./generators.ts"

const { HASH } = Merkle

const sha256 = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const hash = createHash("sha256")
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

/** A node by its definition: the hash of its two children, a block's hash, or zeros where there is no block. */
const node = (blocks: ReadonlyArray<Uint8Array>, layer: number, index: number): Uint8Array => {
  if (layer > 0) return sha256(node(blocks, layer - 1, 2 * index), node(blocks, layer - 1, 2 * index + 1))
  const block = blocks[index]
  return block === undefined ? new Uint8Array(HASH) : sha256(block)
}

/** Blocks of one byte hash as quickly as blocks can. */
const tiny = (count: number): Array<Uint8Array> => Array.from({ length: count }, (_, i) => Uint8Array.of(i, count))

const layerOf = (blocks: ReadonlyArray<Uint8Array>, layer: number, nodes: number): Uint8Array =>
  Bytes.concat(Array.from({ length: nodes }, (_, i) => node(blocks, layer, i)))

const HEIGHT = 5
const WIDTH = 2 ** HEIGHT

describe("Merkle", () => {
  it("hashes blocks of 16 KiB, the last as long as it is", () => {
    for (const length of [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK - 1, 3 * BLOCK]) {
      const content = noise(length)
      const blocks = Array.from(
        { length: Math.ceil(length / BLOCK) },
        (_, i) => content.subarray(i * BLOCK, i * BLOCK + BLOCK)
      )
      assert.deepStrictEqual(Merkle.leaves(content), layerOf(blocks, 0, blocks.length))
    }
  })

  it("is the tree of BEP 52 for every small number of blocks, from every layer", () => {
    for (let count = 1; count <= WIDTH + 1; count++) {
      const blocks = tiny(count)
      for (let height = Math.ceil(Math.log2(count)); height <= HEIGHT + 1; height++) {
        const expected = node(blocks, height, 0)
        for (let layer = 0; layer <= height; layer++) {
          // Nodes without a block below them are left out, as in a torrent's piece layers.
          const nodes = layerOf(blocks, layer, Math.ceil(count / 2 ** layer))
          assert.deepStrictEqual(Merkle.root(nodes, 2 ** (height - layer), layer), expected)
        }
      }
    }
  })

  it("knows the trees of zero hashes", () => {
    for (let layer = 0; layer <= 8; layer++) {
      assert.deepStrictEqual(Merkle.padHash(layer), node([], layer, 0))
      assert.deepStrictEqual(Merkle.root(new Uint8Array(0), 2 ** layer), node([], layer, 0))
    }
    // A file of 2^53 bytes has a tree of 39 layers above its leaves.
    assert.strictEqual(Merkle.padHash(39).length, HASH)
  })

  it("puts a piece's leaves under a root of the piece's width, a small file's under its own", () => {
    const piece = 4 * BLOCK
    const table = [[1, 1], [BLOCK, 1], [BLOCK + 1, 2], [2 * BLOCK + 1, 4], [piece, 4], [piece + 1, 4], [99 * piece, 4]]
    for (const [length, width] of table) assert.strictEqual(Merkle.widthOf(length!, piece), width)
    assert.strictEqual(Merkle.widthOf(20 * BLOCK, 1024 * BLOCK), 32)
  })

  const run = Arbitrary.all([int(1, WIDTH), int(0, HEIGHT), int(0, HEIGHT), int(0, WIDTH - 1)]).pipe(
    Arbitrary.map(([count, layer, size, at]) => {
      const width = 2 ** (HEIGHT - layer)
      const length = Math.min(2 ** size, width)
      return { count, layer, width, length, index: at % width - at % width % length }
    })
  )

  const proven = (
    { count, index, layer, length, width }: typeof run extends Arbitrary.Arbitrary<infer A> ? A : never
  ) => {
    const blocks = tiny(count)
    const root = node(blocks, HEIGHT, 0)
    const nodes = layerOf(blocks, layer, width).subarray(index * HASH, (index + length) * HASH)
    const given = layerOf(blocks, layer, Math.ceil(count / 2 ** layer))
    return { root, nodes, uncles: Merkle.proof(given, width, layer, index, length) }
  }

  it.prop("proves every run of nodes, and nothing else", [run, int(0, 1000), int(1, 255)], ([run, at, flip]) => {
    const { nodes, root, uncles } = proven(run)
    const { index, length, width } = run
    assert.strictEqual(uncles.length, HASH * Math.log2(width / length))
    const verify = (nodes: Uint8Array, uncles: Uint8Array, at = index) =>
      Merkle.verifyProof(root, width, at, nodes, uncles)
    assert.isTrue(verify(nodes, uncles))
    const changed = (bytes: Uint8Array) => bytes.map((byte, i) => i === at % bytes.length ? byte ^ flip : byte)
    assert.isFalse(verify(changed(nodes), uncles))
    if (uncles.length > 0) assert.isFalse(verify(nodes, changed(uncles)))
    assert.isFalse(verify(nodes, uncles.subarray(HASH)) && uncles.length > 0)
    assert.isFalse(verify(nodes, Bytes.concat([uncles, uncles, root])))
    // The root itself is a run of one node, but of another layer.
    assert.isFalse(width > 1 && verify(root, new Uint8Array(0)))
    const elsewhere = (index + length) % width
    const same = run.count * 2 ** -run.layer <= Math.min(index, elsewhere)
    if (elsewhere !== index && !same) assert.isFalse(verify(nodes, uncles, elsewhere))
  })

  it.prop("takes whatever a peer sends", [bytes(0, 200), bytes(0, 200), int(-5, 40), int(0, 6)], (
    [nodes, uncles, index, height]
  ) => {
    const root = node(tiny(3), height, 0)
    assert.isFalse(Merkle.verifyProof(root, 2 ** height, index, nodes, uncles))
    assert.isFalse(Merkle.verifyProof(root, 2 ** height, index / 3, nodes, uncles))
  })

  it("leaves out the proof layers that the hashes give themselves", () => {
    // BEP 52, hashes: the first log2(length) - 1 proof layers.
    const table = [[2, 0, 0], [2, 1, 1], [2, 9, 9], [4, 1, 0], [4, 2, 1], [512, 8, 0], [512, 9, 1], [512, 12, 4]]
    for (const [length, layers, uncles] of table) assert.strictEqual(Merkle.uncles(length!, layers!), uncles)
  })

  it("a proof of a torrent's own tree has as many uncles as a request for all its layers", () => {
    // All layers between the base and the root: one less than lie above the base.
    for (let height = 1; height <= HEIGHT; height++) {
      const nodes = layerOf(tiny(2 ** height), 0, 2 ** height)
      for (let size = 1; size <= height; size++) {
        const length = 2 ** size
        assert.strictEqual(
          Merkle.proof(nodes, 2 ** height, 0, 0, length).length,
          HASH * Merkle.uncles(length, height - 1)
        )
      }
    }
  })
})
