import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Bytes from "../../src/domain/Bytes.ts"
import * as MagnetMatch from "../../src/domain/MagnetMatch.ts"
import * as Metainfo from "../../src/domain/Metainfo.ts"
import * as LayeredFiles from "../../src/domain/metainfo/LayeredFiles.ts"
import * as MetainfoDocument from "../../src/domain/MetainfoDocument.ts"
import { versioned } from "../support/versions.ts"
import { bytes } from "./generators.ts"

const PIECE = 32_768

const FILES = [
  { path: ["a"], length: 5 * PIECE + 1 },
  { path: ["b"], length: PIECE },
  { path: ["c"], length: 0 },
  { path: ["d"], length: 2 * PIECE }
]

const TRACKERS = [["http://a.test/announce"], ["udp://b.test:1"]]

for (const version of ["1", "2", "hybrid"] as const) {
  const { document, metainfo } = versioned(version, FILES, PIECE, {
    more: { trackers: TRACKERS, webSeeds: ["http://w/"] }
  })

  describe(`metadata of version ${version}`, () => {
    it("becomes a document again, with its layers and sources, byte for byte", () => {
      const layers = MetainfoDocument.layersOf(metainfo)
      const composed = MetainfoDocument.compose({
        info: metainfo.info,
        layers,
        trackers: metainfo.trackers,
        webSeeds: metainfo.webSeeds
      })
      assert.deepStrictEqual(Bytes.toLatin1(composed), Bytes.toLatin1(document))
    })

    it("tells which layers it needs", () => {
      const read = Result.getOrThrow(LayeredFiles.read(metainfo.info, 1000))
      assert.strictEqual(read.version, version)
      const expected = version === "1" ? [] : [6, 2]
      assert.deepStrictEqual(read.files.map(({ pieces }) => pieces), expected)
      const layers = MetainfoDocument.layersOf(metainfo)
      assert.deepStrictEqual(read.files.map(({ root }) => Bytes.toLatin1(root)), [...layers.keys()])
      // Two hashes less than there are.
      if (version !== "1") assert.isTrue(Result.isFailure(LayeredFiles.read(metainfo.info, 6 * 32)))
    })

    it("fits the link that has its hashes, and no other", () => {
      const { info, infoHashV1, infoHashV2 } = metainfo
      const other = versioned("hybrid", FILES, PIECE, { seed: 9 }).metainfo
      assert.strictEqual(MagnetMatch.of({ infoHashV1, infoHashV2 }, info), "Whole")
      assert.strictEqual(MagnetMatch.of({ infoHashV1, infoHashV2 }, info.subarray(1)), "None")
      const half = { infoHashV1: infoHashV1 ?? other.infoHashV1, infoHashV2: other.infoHashV2 }
      assert.strictEqual(MagnetMatch.of(half, info), infoHashV1 === undefined ? "None" : "Half")
      assert.deepStrictEqual(MagnetMatch.swarmsOf(metainfo), metainfo.swarms)
    })
  })
}

describe("metadata of any kind", () => {
  it("of a hybrid can be read without its layers, as version 1", () => {
    const { metainfo } = versioned("hybrid", FILES, PIECE)
    const document = MetainfoDocument.compose({ info: metainfo.info, trackers: [], webSeeds: [] })
    assert.isTrue(Result.isFailure(Metainfo.parse(document)))
    const read = Result.getOrThrow(Metainfo.parse(document, { version1: true }))
    assert.deepStrictEqual([read.version, read.infoHash, read.infoHashV2], ["1", metainfo.infoHash, undefined])
    assert.deepStrictEqual(read.swarms, [metainfo.infoHash])
  })

  it.prop("never makes the reader of layers throw", [bytes(0, 400)], ([noise]) => {
    LayeredFiles.read(noise, 1000)
    const { info } = versioned("2", FILES, PIECE).metainfo
    const mutated = info.slice()
    for (const [i, byte] of noise.entries()) mutated[(i * 251 + byte) % mutated.length] = byte
    const read = LayeredFiles.read(mutated, 1000)
    if (Result.isSuccess(read)) { for (const { root } of read.success.files) assert.strictEqual(root.length, 32) }
  })
})
