import { assert, describe, it } from "@effect/vitest"
import * as InfoHash from "../../src/domain/InfoHash.ts"
import * as InfoHashV2 from "../../src/domain/InfoHashV2.ts"
import { bytes } from "./generators.ts"

describe("InfoHash", () => {
  it.prop("bytes, text and back", [bytes(20, 20)], ([input]) => {
    const hash = InfoHash.fromBytes(input)
    assert.match(hash, /^[0-9a-f]{40}$/)
    assert.deepStrictEqual(InfoHash.toBytes(hash), input)
    assert.strictEqual(InfoHash.parse(hash.toUpperCase()), hash)
  })

  it.prop("is the beginning of the longer hash", [bytes(32, 32)], ([input]) => {
    const hash = InfoHash.truncate(InfoHashV2.fromBytes(input))
    assert.deepStrictEqual(InfoHash.toBytes(hash), input.slice(0, 20))
  })

  it("refuses any other text", () => {
    const hash = "0123456789abcdef0123456789abcdef01234567"
    for (const text of ["", hash.slice(1), `${hash}0`, `${hash}\n`, ` ${hash.slice(1)}`, `g${hash.slice(1)}`]) {
      assert.isUndefined(InfoHash.parse(text), text)
    }
  })
})

describe("InfoHashV2", () => {
  it.prop("bytes, text and back", [bytes(32, 32)], ([input]) => {
    const hash = InfoHashV2.fromBytes(input)
    assert.match(hash, /^[0-9a-f]{64}$/)
    assert.deepStrictEqual(InfoHashV2.toBytes(hash), input)
    assert.strictEqual(InfoHashV2.parse(hash.toUpperCase()), hash)
  })

  it("refuses any other text", () => {
    const hash = "0123456789abcdef".repeat(4)
    for (const text of ["", hash.slice(1), `${hash}0`, `${hash}\n`, ` ${hash.slice(1)}`, `g${hash.slice(1)}`]) {
      assert.isUndefined(InfoHashV2.parse(text), text)
    }
  })
})
