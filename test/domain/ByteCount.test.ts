import { assert, describe, it } from "@effect/vitest"
import * as ByteCount from "../../src/domain/ByteCount.ts"
import { int } from "./generators.ts"

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB

const size = int(0, Number.MAX_SAFE_INTEGER)

describe("ByteCount", () => {
  it("shows sizes with three digits at most", () => {
    const shown = [0, 1, 999, 1000, 1024, 18.3 * MIB, 99.96 * MIB, 320.4 * GIB, 999.4 * KIB, 999.6 * KIB, 2 ** 53]
    assert.deepStrictEqual(shown.map(ByteCount.bytes), [
      "0 B",
      "1 B",
      "999 B",
      "1.0 KiB",
      "1.0 KiB",
      "18.3 MiB",
      "100 MiB",
      "320 GiB",
      "999 KiB",
      "1.0 MiB",
      "8.0 PiB"
    ])
    assert.deepStrictEqual([-5, NaN, Infinity].map(ByteCount.bytes), ["0 B", "0 B", "8.0 PiB"])
    assert.strictEqual(ByteCount.rate(4.5 * MIB), "4.5 MiB/s")
  })

  it.prop("never takes more than eight columns for a size", [size], ([n]) => {
    assert.match(ByteCount.bytes(n), /^(\d{1,3}|\d{1,2}\.\d) ([KMGTP]i)?B$/)
    assert.isAtMost(ByteCount.bytes(n).length, 8)
  }, { arbitrary: { runs: 300 } })

  it("shows a part in the unit of the whole", () => {
    assert.strictEqual(ByteCount.pair(18.3 * MIB, 48 * MIB), "18.3/48.0 MiB")
    assert.strictEqual(ByteCount.pair(0, 48 * MIB), "0.0/48.0 MiB")
    assert.strictEqual(ByteCount.pair(102.7 * MIB, 512 * MIB), "102/512 MiB")
    assert.strictEqual(ByteCount.pair(48 * MIB - 1, 48 * MIB), "47.9/48.0 MiB")
    assert.strictEqual(ByteCount.pair(48 * MIB, 48 * MIB), "48.0/48.0 MiB")
    assert.strictEqual(ByteCount.pair(0, 0), "0/0 B")
  })
})
