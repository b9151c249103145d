import { assert, describe, it } from "@effect/vitest"
import * as BanCause from "../../../src/domain/swarm/BanCause.ts"

const CAUSES: ReadonlyArray<readonly [BanCause.BanCause, forGood: boolean, RegExp]> = [
  [{ _tag: "WrongBlocks" }, true, /wrong blocks/],
  [{ _tag: "FalseHashes" }, true, /false hashes/],
  [{ _tag: "FalseMetadata" }, true, /false metadata/],
  [{ _tag: "TakesTooMuch", beyond: 3 << 20 }, false, /3\.0 MiB more/],
  [{ _tag: "AsksAgain", piece: 812, begin: 16_384, times: 32 }, false, /block at 16384 of piece 812 32 times/],
  [{ _tag: "FalseHaves", questions: 6 }, false, /after 6 questions/]
]

describe("BanCause", () => {
  it("bans for good who is proven to have lied, and nobody else", () => {
    for (const [cause, forGood, words] of CAUSES) {
      assert.strictEqual(BanCause.lasts(cause) === Infinity, forGood, cause._tag)
      assert.isAbove(BanCause.lasts(cause), 0)
      assert.match(BanCause.text(cause), words)
    }
  })

  it("lists every tag once", () => {
    assert.deepStrictEqual(CAUSES.map(([{ _tag }]) => _tag), [...BanCause.TAGS])
  })
})
