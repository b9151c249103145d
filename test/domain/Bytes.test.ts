import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "../../src/domain/Bytes.ts"
import { bytes, int } from "./generators.ts"

describe("Bytes", () => {
  it.prop("hex, latin1 and back", [bytes(0, 300)], ([input]) => {
    assert.deepStrictEqual(Bytes.fromHex(Bytes.toHex(input)), input)
    assert.deepStrictEqual(Bytes.fromHex(Bytes.toHex(input).toUpperCase()), input)
    assert.strictEqual(Bytes.toHex(input), Buffer.from(input).toString("hex"))
    assert.deepStrictEqual(Bytes.fromLatin1(Bytes.toLatin1(input)), input)
    assert.strictEqual(Bytes.toLatin1(input), Buffer.from(input).toString("latin1"))
    assert.strictEqual(Bytes.toUtf8(input), Buffer.from(input).toString("utf8"))
  })

  it("takes long inputs, and keeps a byte order mark", () => {
    const long = new Uint8Array(100_000).fill(0xe9)
    assert.strictEqual(Bytes.toLatin1(long), "é".repeat(100_000))
    assert.deepStrictEqual(
      Bytes.fromUtf8(Bytes.toUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))),
      Bytes.fromUtf8("\ufeffa")
    )
  })

  it("refuses what is not hexadecimal", () => {
    for (const text of ["a", "0g", " 00", "0x00", "00\n", "٠٠"]) assert.isUndefined(Bytes.fromHex(text), text)
  })

  it.prop("orders and compares like Buffer", [bytes(0, 4), bytes(0, 4)], ([a, b]) => {
    assert.strictEqual(Math.sign(Bytes.compare(a, b)), Buffer.compare(a, b))
    assert.strictEqual(Bytes.equals(a, b), Buffer.compare(a, b) === 0)
    assert.isTrue(Bytes.equals(a, a.slice()))
    assert.deepStrictEqual(Bytes.concat([a, b, a]), Uint8Array.from([...a, ...b, ...a]))
  })

  it.prop("integers are big-endian and stay in their place", [int(0, 0xffff_ffff), int(0, 3)], ([value, at]) => {
    const out = new Uint8Array(8).fill(0xaa)
    Bytes.writeUint32(out, at, value)
    const view = new DataView(out.buffer)
    assert.strictEqual(view.getUint32(at), value)
    assert.strictEqual(Bytes.readUint32(out, at), value)
    assert.strictEqual(out.filter((byte, i) => (i < at || i >= at + 4) && byte !== 0xaa).length, 0)
    Bytes.writeUint16(out, at, value & 0xffff)
    assert.strictEqual(view.getUint16(at), value & 0xffff)
    assert.strictEqual(Bytes.readUint16(out, at), value & 0xffff)
  })
})
