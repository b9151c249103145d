import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import * as Format from "../../../src/programs/cli/Format.ts"
import { hostileText } from "../../domain/hostile.ts"

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

const size = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })))

describe("Format", () => {
  it("shows 100% when all is there", () => {
    assert.strictEqual(Format.percent(381, 1000), "38.1%")
    assert.strictEqual(Format.percent(0, 5), "0.0%")
    assert.strictEqual(Format.percent(1e15 - 1, 1e15), "99.9%")
    assert.strictEqual(Format.percent(1e15, 1e15), "100%")
    assert.strictEqual(Format.percent(0, 0), "100%")
  })

  it.prop("never shows 100% before", [size, size], ([a, b]) => {
    assert.strictEqual(Format.percent(a, b) === "100%", a >= b)
  }, { arbitrary: { runs: 300 } })

  it("shows times by their two greatest units", () => {
    const shown = [0, 99, 400, 999, 6 * SECOND, 59_999, 51 * MINUTE + 14_000, 60_000, 2 * HOUR + 5 * MINUTE, 76 * HOUR]
    assert.deepStrictEqual(shown.map(Format.duration), [
      "0s",
      "0s",
      "0.4s",
      "0.9s",
      "6s",
      "59s",
      "51m14s",
      "1m00s",
      "2h05m",
      "3d4h"
    ])
    assert.strictEqual(Format.duration(100 * 24 * HOUR), ">99d")
    assert.strictEqual(Format.duration(Infinity), ">99d")
  })

  it("rounds ratios down", () => {
    const shown = [0, 0.29, 0.5249, 0.999, 1, 12.59, 123.9, 1000, Infinity]
    assert.deepStrictEqual(shown.map(Format.ratio), [
      "0.00",
      "0.29",
      "0.52",
      "0.99",
      "1.00",
      "12.5",
      "123",
      ">999",
      "inf"
    ])
  })

  it("shows what is not ASCII where only that can be shown", () => {
    assert.strictEqual(Format.ascii("映画\x1b.mkv"), "??\\x1b.mkv")
  })

  it.prop("makes any text ASCII", [hostileText], ([text]) => {
    assert.match(Format.ascii(text), /^[\x20-\x7e]*$/)
  }, { arbitrary: { runs: 300 } })

  it("measures as terminals do", () => {
    const widths = ["abc", "Übung", "映画", "ハ", "ﾊ", "한국", "e\u0301", "🎬", "⌛", "→", "█", "\u1112\u1161\u11ab"]
    assert.deepStrictEqual(widths.map(Format.width), [3, 5, 4, 2, 1, 4, 1, 2, 2, 1, 1, 2])
  })

  it("cuts between characters", () => {
    assert.strictEqual(Format.cut("sample.bin", 10), "sample.bin")
    assert.strictEqual(Format.cut("sample.bin", 9), "sample.b…")
    assert.strictEqual(Format.cut("sample.bin", 9, "..."), "sample...")
    assert.strictEqual(Format.cut("映画映画", 6), "映画…")
    assert.strictEqual(Format.cut("e\u0301e\u0301e\u0301", 2), "e\u0301…")
    assert.strictEqual(Format.cut("ab", 1), "…")
    assert.strictEqual(Format.cut("ab", 0), "")
  })
})
