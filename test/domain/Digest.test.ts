import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "../../src/domain/Bytes.ts"
import * as Digest from "../../src/domain/Digest.ts"

describe("Digest", () => {
  it("knows the vectors of FIPS 180", () => {
    const abc = Bytes.fromUtf8("abc")
    assert.strictEqual(Bytes.toHex(Digest.sha1(abc)), "a9993e364706816aba3e25717850c26c9cd0d89d")
    assert.strictEqual(
      Bytes.toHex(Digest.sha256(abc)),
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
  })

  it("returns bytes whose slices are copies", () => {
    const digest = Digest.sha1(Bytes.empty)
    const copy = digest.slice(0, 1)
    copy[0] = 0
    assert.strictEqual(digest[0], 0xda)
  })
})
