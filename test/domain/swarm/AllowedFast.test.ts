import { assert, describe, it } from "@effect/vitest"
import type * as InfoHash from "../../../src/domain/InfoHash.ts"
import * as PeerAddress from "../../../src/domain/PeerAddress.ts"
import * as AllowedFast from "../../../src/domain/swarm/AllowedFast.ts"
import { int } from "../generators.ts"

const AA = "aa".repeat(20) as InfoHash.InfoHash
const FF = `ff${"00".repeat(19)}` as InfoHash.InfoHash

const at = (host: string) => PeerAddress.make(host, 6881)!

describe("AllowedFast", () => {
  // The first two are of BEP 6, the others of aria2's tests.
  for (
    const [count, pieces, infoHash, host, set] of [
      [7, 1313, AA, "80.4.4.200", [1059, 431, 808, 1217, 287, 376, 1188]],
      [9, 1313, AA, "80.4.4.200", [1059, 431, 808, 1217, 287, 376, 1188, 353, 508]],
      [10, 1000, FF, "192.168.0.1", [686, 459, 278, 200, 404, 834, 64, 203, 760, 950]],
      [10, 1000, FF, "10.0.0.1", [568, 188, 466, 452, 550, 662, 109, 226, 398, 11]],
      [10, 9, FF, "10.0.0.1", [8, 6, 7, 5, 1, 4, 0, 2, 3]]
    ] as const
  ) {
    it(`is what everybody computes: ${count} of ${pieces} pieces for ${host}`, () => {
      assert.deepStrictEqual(Array.from(AllowedFast.make(infoHash, pieces, at(host), count)), [...set])
    })
  }

  it.prop("has as many pieces as were asked for and exist, the same for a whole /24, the first of a larger one", [
    int(0, 30),
    int(0, 60),
    int(0, 255)
  ], ([count, pieces, last]) => {
    const set = Array.from(AllowedFast.make(AA, pieces, at(`192.0.2.${last}`), count))
    assert.lengthOf(set, Math.min(count, pieces))
    assert.isTrue(set.every((piece) => piece < pieces))
    assert.deepStrictEqual(set, Array.from(AllowedFast.make(AA, pieces, at("192.0.2.7"), count + 5)).slice(0, count))
  })

  it("is empty for an IPv6 address", () => {
    assert.strictEqual(AllowedFast.make(AA, 1000, at("2001:db8::1"), 10).size, 0)
  })

  it("gives away a tenth of a torrent at the most, and no more than some large pieces", () => {
    const sizes = [[5, 16_384], [20, 16_384], [99, 16_384], [5000, 16_384], [5000, 4 << 20], [5000, 64 << 20]] as const
    const counts = sizes.map(([pieces, pieceLength]) => AllowedFast.sizeFor({ pieces, pieceLength }))
    assert.deepStrictEqual(counts, [0, 2, 9, 10, 4, 1])
  })
})
