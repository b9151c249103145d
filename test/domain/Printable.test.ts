import { assert, describe, it } from "@effect/vitest"
import { printable } from "../../src/domain/Printable.ts"
import { hostileText } from "./hostile.ts"

describe("Printable", () => {
  it("makes foreign names harmless and leaves writing alone", () => {
    assert.strictEqual(printable("a\x1b[2J\r\nb\x9b1m\x7f"), "a\\x1b[2J\\x0d\\x0ab\\x9b1m\\x7f")
    assert.strictEqual(printable("cod\u202egpj.exe"), "cod\\u{202e}gpj.exe")
    assert.strictEqual(printable("\ud800x"), "\\u{d800}x")
    for (const name of ["Übung.iso", "映画 第1話.mkv", "می\u200cخواهم", "हिन्दी", "🎬 film", "e\u0301"]) {
      assert.strictEqual(printable(name), name)
    }
    assert.strictEqual(printable(`x${"\u0301".repeat(99)}y`), `x${"\u0301".repeat(4)}y`)
  })

  it.prop("printable text stays what it is, in one line", [hostileText], ([text]) => {
    const safe = printable(text)
    assert.strictEqual(printable(safe), safe)
    assert.notMatch(safe, /[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u)
  }, { arbitrary: { runs: 300 } })
})
