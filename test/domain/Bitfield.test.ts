import { assert, describe, it } from "@effect/vitest"
import * as Bitfield from "../../src/domain/Bitfield.ts"

describe("Bitfield", () => {
  it("keeps the first piece in the highest bit and the spare bits clear", () => {
    assert.deepStrictEqual(Bitfield.full(10), Uint8Array.of(0xff, 0xc0))
    assert.isTrue(Bitfield.isValid(Bitfield.full(10), 10))
    assert.isFalse(Bitfield.isValid(Uint8Array.of(0xff, 0xe0), 10))
    assert.isFalse(Bitfield.isValid(Uint8Array.of(0xff), 10))
  })
})
