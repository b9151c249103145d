import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "../../src/domain/Bytes.ts"
import { HashTrees, type Plan } from "../../src/domain/HashTrees.ts"
import * as Merkle from "../../src/domain/Merkle.ts"
import type { Metainfo } from "../../src/domain/Metainfo.ts"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import type * as HashMessage from "../../src/domain/wire/HashMessage.ts"
import { noise, type Torrent } from "../support/payload.ts"
import * as PayloadV2 from "../support/payloadV2.ts"
import { below, int, randomOf, seed } from "./swarm/seeded.ts"

const { BLOCK } = PieceLayout

const treesOf = ({ metainfo }: { readonly metainfo: Metainfo }) => new HashTrees(metainfo, metainfo.pieceRoots!)

/** As the service does it: with the leaves of the pieces that the plan names, and no others. */
const answer = (torrent: Torrent, trees: HashTrees, plan: Plan) => {
  if (plan.needsBuild) { while (!trees.build(plan)); }
  const leaves = new Map(plan.pieces.map((piece) => [piece, PayloadV2.leavesOf(torrent, piece)]))
  return trees.compose(plan, (piece) => leaves.get(piece)!)
}

/** The answer, read off the whole tree. */
const direct = (layers: ReadonlyArray<ReadonlyArray<Uint8Array>>, range: HashMessage.HashRange): Uint8Array => {
  const { base, index, length, proofLayers } = range
  const nodes = layers[base]!.slice(index, index + length)
  let inside = length
  let at = index
  for (let up = 1; up <= proofLayers; up++) {
    at = Math.floor(at / 2)
    inside /= 2
    if (inside <= 1) nodes.push(layers[base + up]![at ^ 1]!)
  }
  return Bytes.concat(nodes)
}

const randomRange = (random: () => number, root: Uint8Array, layers: number): HashMessage.HashRange => {
  const base = below(random, layers)
  const own = 1 + below(random, layers - base)
  return {
    root,
    base,
    length: 2 ** own,
    index: below(random, 2 ** (layers - base - own)) * 2 ** own,
    proofLayers: below(random, layers - base)
  }
}

describe("HashTrees", () => {
  it.prop("answers as the whole tree would, and proves it up to the root", [seed, int(0, 3)], ([seed, log]) => {
    const random = randomOf(seed)
    const pieceLength = BLOCK << log
    const lengths = Array.from({ length: 1 + below(random, 3) }, () => 1 + below(random, 20 * BLOCK))
    const torrent = PayloadV2.torrent(lengths, pieceLength, random() < 0.5 ? "2" : "hybrid")
    const trees = treesOf(torrent)
    for (const { length, offset, padding, piecesRoot } of torrent.metainfo.files) {
      if (padding) continue
      const layers = PayloadV2.layersOf(torrent.payload.subarray(offset, offset + length))
      const pieceLayer = Math.min(log, layers.length - 1)
      if (layers.length === 1) continue
      for (let i = 0; i < 10; i++) {
        const range = randomRange(random, piecesRoot!, layers.length - 1)
        const plan = trees.plan(range)
        assert.strictEqual(plan === undefined, range.base > 0 && range.base < pieceLayer)
        if (plan === undefined) continue
        const hashes = answer(torrent, trees, plan)
        assert.deepStrictEqual(hashes, direct(layers, range))
        if (range.base > 0 || range.proofLayers < layers.length - 2) continue
        const split = range.length * 32
        const width = layers[0]!.length
        const uncles = hashes.subarray(split)
        assert.isTrue(Merkle.verifyProof(piecesRoot!, width, range.index, hashes.subarray(0, split), uncles))
      }
    }
  }, { arbitrary: { runs: 60 } })

  /** A file of many pieces of one block, whose hashes are made up: its root is what they give. */
  const big = (pieces: number) => {
    const pieceRoots = noise(pieces * 32)
    const width = 2 ** Math.ceil(Math.log2(pieces))
    const root = Merkle.root(pieceRoots, width)
    const { metainfo } = PayloadV2.torrent([1], BLOCK)
    const file = { ...metainfo.files[0]!, length: pieces * BLOCK, piecesRoot: root }
    const layout = PieceLayout.make(pieces * BLOCK, BLOCK)
    return {
      root,
      width,
      pieceRoots,
      trees: new HashTrees({ ...metainfo, files: [file], layout, pieceRoots }, pieceRoots)
    }
  }

  it("proves the piece layer of a big file in chunks of 512, after its tree was built in small steps", () => {
    const { pieceRoots, root, trees, width } = big(5000)
    for (let index = 0; index < 5000; index += 512) {
      const plan = trees.plan({ root, base: 0, index, length: 512, proofLayers: 12 })!
      assert.deepStrictEqual(plan.pieces, [])
      assert.isTrue(plan.needsBuild)
      let steps = 0
      while (!trees.build(plan)) steps++
      assert.strictEqual(steps, index === 0 ? 10 : 0)
      const hashes = trees.compose(plan, () => assert.fail("needs no leaves"))
      const nodes = hashes.subarray(0, 512 * 32)
      assert.deepStrictEqual(
        nodes.subarray(0, (5000 - index) * 32),
        pieceRoots.subarray(index * 32, (index + 512) * 32)
      )
      assert.isTrue(Merkle.verifyProof(root, width, index, nodes, hashes.subarray(512 * 32)))
    }
  })

  it("serves layers above the pieces, unless that would take long", () => {
    const { pieceRoots, root, trees } = big(5000)
    const plan = (base: number, length: number) => trees.plan({ root, base, index: 0, length, proofLayers: 0 })
    assert.isUndefined(plan(1, 512))
    assert.isUndefined(plan(8, 16))
    for (const [base, length] of [[1, 256], [8, 2], [9, 16], [11, 4]] as const) {
      const found = plan(base, length)!
      assert.strictEqual(found.needsBuild, base >= 9)
      if (found.needsBuild) { while (!trees.build(found)); }
      const nodes = trees.compose(found, () => assert.fail("needs no leaves"))
      let layer = pieceRoots
      for (let up = 0; up < base; up++) layer = Merkle.parents(layer, up)
      const expected = Bytes.concat(
        Array.from(
          { length },
          (_, i) => (i + 1) * 32 <= layer.length ? layer.subarray(i * 32, (i + 1) * 32) : Merkle.padHash(base)
        )
      )
      assert.deepStrictEqual(nodes, expected)
    }
  })

  it("takes up a great many files in small steps", () => {
    const { metainfo } = PayloadV2.torrent([2 * BLOCK], BLOCK)
    const [file] = metainfo.files
    const files = Array.from(
      { length: 3000 },
      (_, i) => i % 3 === 0 ? { ...file!, piecesRoot: noise(32, i + 1) } : file!
    )
    const trees = new HashTrees({ ...metainfo, files }, metainfo.pieceRoots!)
    let steps = 1
    while (!trees.index()) steps++
    assert.strictEqual(steps, 6)
    const planned = (root: Uint8Array) => trees.plan({ root, base: 0, index: 0, length: 2, proofLayers: 0 })?.file
    assert.strictEqual(planned(files[2997]!.piecesRoot!), 2997)
    assert.strictEqual(planned(file!.piecesRoot!), 1)
  })

  it("says what an answer costs: no less than the nodes that are hashed for it", () => {
    const torrent = PayloadV2.torrent([5000 * BLOCK], 1024 * BLOCK)
    const trees = treesOf(torrent)
    const root = torrent.metainfo.files[0]!.piecesRoot!
    const work = (length: number, proofLayers: number) =>
      trees.plan({ root, base: 0, index: 0, length, proofLayers })!.work
    // The uncles of two leaves in their piece are over all its other leaves.
    assert.isAtLeast(work(2, 12), 1024 - 2 + 3)
    assert.isBelow(work(1024, 9), 1024)
  })

  it("refuses files it does not know and more leaves than one piece needs", () => {
    const torrent = PayloadV2.torrent([9000 * BLOCK], 1024 * BLOCK)
    const trees = treesOf(torrent)
    const root = torrent.metainfo.files[0]!.piecesRoot!
    const plan = (fields: Partial<HashMessage.HashRange>) =>
      trees.plan({ root, base: 0, index: 0, length: 2, proofLayers: 0, ...fields })
    assert.isDefined(plan({}))
    assert.isUndefined(plan({ root: noise(32, 5) }))
    assert.deepStrictEqual(plan({ length: 1024, index: 1024 })!.pieces, [1])
    assert.isUndefined(plan({ length: 2048 }))
    // Beyond the end of the file, but not of the tree.
    assert.deepStrictEqual(plan({ length: 1024, index: 9 * 1024 })!.pieces, [])
    assert.isUndefined(plan({ length: 1024, index: 16 * 1024 }))
  })
})
