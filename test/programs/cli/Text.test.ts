import { assert, describe, it } from "@effect/vitest"
import * as Format from "../../../src/programs/cli/Format.ts"
import * as Text from "../../../src/programs/cli/Text.ts"
import { int } from "../../domain/generators.ts"
import { hostileText } from "../../domain/hostile.ts"

const squeezed = (text: string): string => text.replace(/\s+/g, "")

describe("Text", () => {
  it.prop("wraps without loss, and never wider than it may be", [hostileText, int(2, 40), int(0, 20)], ([
    text,
    columns,
    indent
  ]) => {
    const printable = Format.printable(text)
    for (
      const lines of [Text.wrap(printable, columns), Text.hanging(printable, columns, Math.min(indent, columns - 2))]
    ) {
      assert.strictEqual(squeezed(lines.join("")), squeezed(printable))
      for (const line of lines) assert.isAtMost(Format.width(line), columns)
    }
  })

  it("breaks at spaces where that leaves no large gap, and moves in what hangs", () => {
    assert.deepStrictEqual(Text.wrap("one two three", 8), ["one two", "three"])
    assert.deepStrictEqual(Text.wrap("a bcdefghijkl", 8), ["a bcdefg", "hijkl"])
    assert.deepStrictEqual(Text.hanging("one two three four", 8, 2), ["one two", "  three", "  four"])
    assert.deepStrictEqual(Text.hanging("short", 8, 2), ["short"])
  })

  it("wraps what is long in a time that grows with it and not with its square", () => {
    assert.strictEqual(Text.wrap("x".repeat(3_000_000), 60).length, 50_000)
  })

  it.prop("breaks paragraphs at spaces alone", [hostileText, int(2, 40), int(0, 20)], ([text, columns, indent]) => {
    const printable = Format.printable(text)
    const hang = "#".repeat(Math.min(indent, columns - 2))
    const [first = "", ...others] = Text.paragraph(printable, columns, hang)
    for (const line of others) assert.isTrue(line.startsWith(hang))
    const contents = [first, ...others.map((line) => line.slice(hang.length))]
    assert.strictEqual(contents.join(" "), printable)
    for (const [at, content] of contents.entries()) {
      const isWord = !content.trim().includes(" ")
      if (!isWord) assert.isAtMost(Format.width(content) + (at === 0 ? 0 : hang.length), columns)
    }
  })

  it("fills the lines of a paragraph, and leaves long words whole", () => {
    assert.deepStrictEqual(Text.paragraph("one two three four", 9, "  "), ["one two", "  three", "  four"])
    assert.deepStrictEqual(Text.paragraph("see /a/long/path of it", 8), ["see", "/a/long/path", "of it"])
    assert.deepStrictEqual(Text.paragraph("  as it  is", 11), ["  as it  is"])
    assert.deepStrictEqual(Text.paragraph("a b c", Infinity, "  "), ["a b c"])
  })

  it("says how much is left out of a text that is too long", () => {
    assert.strictEqual(Text.shortened("abcdef", 6), "abcdef")
    assert.strictEqual(Text.shortened("abcdef", 2), "ab (and 4 more characters)")
    assert.strictEqual(Text.shortened("a😀b", 2), "a (and 3 more characters)")
  })
})
