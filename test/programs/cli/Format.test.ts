import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import * as Format from "../../../src/programs/cli/Format.ts"
import { hostileText } from "./hostile.ts"

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB
const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

const size = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })))

describe("Format", () => {
  it("shows sizes with three digits at most", () => {
    const shown = [0, 1, 999, 1000, 1024, 18.3 * MIB, 99.96 * MIB, 320.4 * GIB, 999.4 * KIB, 999.6 * KIB, 2 ** 53]
    assert.deepStrictEqual(shown.map(Format.bytes), [
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
    assert.deepStrictEqual([-5, NaN, Infinity].map(Format.bytes), ["0 B", "0 B", "8.0 PiB"])
    assert.strictEqual(Format.rate(4.5 * MIB), "4.5 MiB/s")
  })

  it.prop("never takes more than eight columns for a size", [size], ([n]) => {
    assert.match(Format.bytes(n), /^(\d{1,3}|\d{1,2}\.\d) ([KMGTP]i)?B$/)
    assert.isAtMost(Format.bytes(n).length, 8)
  }, { arbitrary: { runs: 300 } })

  it("shows a part in the unit of the whole", () => {
    assert.strictEqual(Format.pair(18.3 * MIB, 48 * MIB), "18.3/48.0 MiB")
    assert.strictEqual(Format.pair(0, 48 * MIB), "0.0/48.0 MiB")
    assert.strictEqual(Format.pair(102.7 * MIB, 512 * MIB), "102/512 MiB")
    assert.strictEqual(Format.pair(48 * MIB - 1, 48 * MIB), "47.9/48.0 MiB")
    assert.strictEqual(Format.pair(48 * MIB, 48 * MIB), "48.0/48.0 MiB")
    assert.strictEqual(Format.pair(0, 0), "0/0 B")
  })

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

  it("makes foreign names harmless and leaves writing alone", () => {
    assert.strictEqual(Format.printable("a\x1b[2J\r\nb\x9b1m\x7f"), "a\\x1b[2J\\x0d\\x0ab\\x9b1m\\x7f")
    assert.strictEqual(Format.printable("cod\u202egpj.exe"), "cod\\u{202e}gpj.exe")
    assert.strictEqual(Format.printable("\ud800x"), "\\u{d800}x")
    for (const name of ["Übung.iso", "映画 第1話.mkv", "می\u200cخواهم", "हिन्दी", "🎬 film", "e\u0301"]) {
      assert.strictEqual(Format.printable(name), name)
    }
    assert.strictEqual(Format.printable(`x${"\u0301".repeat(99)}y`), `x${"\u0301".repeat(4)}y`)
    assert.strictEqual(Format.ascii("映画\x1b.mkv"), "??\\x1b.mkv")
  })

  it.prop("printable text stays what it is, in one line", [hostileText], ([text]) => {
    const safe = Format.printable(text)
    assert.strictEqual(Format.printable(safe), safe)
    assert.notMatch(safe, /[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u)
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
