import { assert, describe, it } from "@effect/vitest"
import * as Listing from "../../../src/domain/tracker/Listing.ts"
import { versioned } from "../../support/versions.ts"

describe("Listing", () => {
  it("counts files and bytes alike in all versions: neither padding nor gaps", () => {
    const files = [{ path: ["a"], length: 5 }, { path: ["b"], length: 40_000 }, { path: ["c"], length: 0 }]
    for (const version of ["1", "2", "hybrid"] as const) {
      const { files: count, size } = Listing.make(versioned(version, files, 16_384).metainfo, 1)
      assert.deepStrictEqual([count, size], [3, 40_005])
    }
  })

  it("is known by its whole hashes", () => {
    for (const version of ["1", "2", "hybrid"] as const) {
      const { metainfo } = versioned(version, [{ path: ["a"], length: 5 }], 16_384)
      const { infoHashV1, infoHashV2 } = metainfo
      const hashes = [infoHashV1, infoHashV2].filter((hash) => hash !== undefined)
      assert.deepStrictEqual(Listing.hashesOf(Listing.make(metainfo, 1)), hashes)
    }
  })
})
