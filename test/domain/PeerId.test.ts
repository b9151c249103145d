import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as PeerId from "../../src/domain/PeerId.ts"
import { bytes, int } from "./generators.ts"

describe("PeerId", () => {
  it.prop("our own are the prefix and twelve characters of the draw", [Arbitrary.array(int(0, 999), {
    minLength: 12,
    maxLength: 12
  })], ([draws]) => {
    let drawn = 0
    const id = PeerId.make(() => draws[drawn++]! / 1000)
    assert.strictEqual(drawn, 12)
    assert.match(id, /^-FR0100-[0-9a-zA-Z]{12}$/)
    assert.strictEqual(PeerId.toBytes(id).length, PeerId.BYTES)
    assert.strictEqual(PeerId.format(id), id)
  })

  it.prop("foreign ones keep every byte, and print as visible ASCII", [bytes(20, 20)], ([input]) => {
    const id = PeerId.fromBytes(input)
    assert.deepStrictEqual(PeerId.toBytes(id), input)
    assert.match(PeerId.format(id), /^[!-~]{20}$/)
  })

  it("prints a dot for every other byte", () => {
    const raw = Uint8Array.from([..."-qB4500-\0\n\u001b\u007f\u0080ÿ aZ9~!"].map((c) => c.charCodeAt(0))).subarray(
      0,
      20
    )
    assert.strictEqual(PeerId.format(PeerId.fromBytes(raw)), "-qB4500-.......aZ9~!")
  })
})
