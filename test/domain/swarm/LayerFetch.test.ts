import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "../../../src/domain/Bytes.ts"
import * as Merkle from "../../../src/domain/Merkle.ts"
import type * as LayeredFiles from "../../../src/domain/metainfo/LayeredFiles.ts"
import { BLOCK } from "../../../src/domain/PieceLayout.ts"
import { LayerFetch } from "../../../src/domain/swarm/LayerFetch.ts"
import type { Peer } from "../../../src/domain/swarm/Peer.ts"
import * as HashMessage from "../../../src/domain/wire/HashMessage.ts"
import * as Message from "../../../src/domain/wire/Message.ts"
import { noise } from "../../support/payload.ts"
import { type Far, far } from "./fakes.ts"
import { below, randomOf, seed } from "./seeded.ts"

const PIECE = 2 * BLOCK

const BASE = 1

/** A layer of so many pieces under its root. */
const fileOf = (pieces: number, seed: number) => {
  const layer = noise(pieces * Merkle.HASH, seed)
  const file: LayeredFiles.LayeredFile = { root: Merkle.rootOfPieces(layer, PIECE), pieces }
  return { file, layer }
}

type Files = ReadonlyArray<ReturnType<typeof fileOf>>

/** What an honest peer answers. */
const answerTo = (files: Files, range: HashMessage.HashRange): Uint8Array => {
  const { layer } = files.find(({ file }) => Bytes.equals(file.root, range.root))!
  const width = Merkle.powerOfTwo(layer.length / Merkle.HASH)
  assert.strictEqual(range.base, BASE)
  assert.isTrue(HashMessage.isInside(range, width * 2, HashMessage.MOST_ASKED))
  const nodes = new Uint8Array(range.length * Merkle.HASH)
  for (let i = 0; i < range.length; i++) {
    const at = (range.index + i) * Merkle.HASH
    nodes.set(at < layer.length ? layer.subarray(at, at + Merkle.HASH) : Merkle.padHash(BASE), i * Merkle.HASH)
  }
  return Bytes.concat([nodes, Merkle.proof(layer, width, BASE, range.index, range.length)])
}

const asked = ({ read }: Far): Array<HashMessage.HashRange> =>
  read().flatMap(({ id, payload }) => id === Message.HASH_REQUEST ? [HashMessage.readRange(payload, 0)] : [])

const start = (files: Files, peers: ReadonlyArray<Far>) => {
  const gone = new Set<Far>()
  const liars: Array<number> = []
  const found: Array<ReadonlyMap<string, Uint8Array>> = []
  const fetch = new LayerFetch({
    pieceLength: PIECE,
    files: files.map(({ file }) => file),
    peers: () => peers.filter((peer) => !gone.has(peer)).map(({ peer }): Peer => peer),
    onDone: (layers) => found.push(layers),
    onLiar: (identity) => liars.push(identity)
  })
  return { fetch, found, gone, liars }
}

describe("LayerFetch", () => {
  it.prop("gets every layer from peers of whom one is honest", [seed], ([seed]) => {
    const random = randomOf(seed)
    const files = Array.from({ length: 1 + below(random, 4) }, (_, i) => fileOf(2 + below(random, 1500), seed + i))
    const ways = ["honest", "lies", "refuses", "silent", "leaves", "version 1"] as const
    const peers = Array.from({ length: 6 }, (_, key) => ({
      far: far({ key, pieces: 1, v2: key !== 5, now: 0 }),
      way: ways[key]!
    }))
    const { fetch, found, gone, liars } = start(files, peers.map((peer) => peer.far))
    let now = 0
    for (; found.length === 0 && now < 600_000; now += 1000) {
      for (const { far, way } of peers) {
        for (const range of asked(far)) {
          if (gone.has(far)) continue
          const answer = answerTo(files, range)
          if (way === "honest") assert.isUndefined(fetch.hashes(far.peer, range, answer, now))
          if (way === "refuses") fetch.rejected(far.peer, range, now)
          if (way === "lies") {
            answer[below(random, answer.length)]! ^= 1
            assert.isString(fetch.hashes(far.peer, range, answer, now))
          }
          if (way !== "lies" && way !== "leaves") continue
          gone.add(far)
          fetch.left(far.peer, now)
        }
      }
      fetch.tick(now)
    }
    assert.strictEqual(found.length, 1)
    for (const { file, layer } of files) {
      assert.isTrue(Bytes.equals(found[0]!.get(Bytes.toLatin1(file.root))!, layer))
    }
    assert.isTrue(liars.every((identity) => identity === 1))
    assert.strictEqual(fetch.received, files.reduce((sum, { file }) => sum + file.pieces, 0))
    assert.deepStrictEqual(asked(peers[5]!.far), [])
  })

  it("takes nothing that it has not asked for", () => {
    const files = [fileOf(4, 1)]
    const one = far({ key: 1, pieces: 1, v2: true })
    const { fetch, found } = start(files, [one])
    const range = { root: files[0]!.file.root, base: BASE, index: 0, length: 2, proofLayers: 1 }
    assert.isString(fetch.hashes(one.peer, range, answerTo(files, range), 0))
    assert.deepStrictEqual(found, [])
  })
})
