import { assert, describe, it } from "@effect/vitest"
import * as Html from "../../../src/domain/tracker/Html.ts"
import { textOf } from "../generators.ts"

const { html } = Html

const hostile = textOf(["<", ">", "&", "\"", "'", "amp;", "script", "=", "/", "x", "&#60;", "ü", "`", " "], 0, 12)

const UNESCAPED: ReadonlyArray<readonly [string, string]> = [
  ["&lt;", "<"],
  ["&gt;", ">"],
  ["&quot;", "\""],
  ["&#39;", "'"],
  ["&amp;", "&"]
]

/** What a browser makes of it. */
const unescape = (text: string): string =>
  UNESCAPED.reduce((text, [entity, char]) => text.replaceAll(entity, char), text)

describe("foreign text", () => {
  it.prop("cannot end an element or an attribute", [hostile], ([text]) => {
    assert.notMatch(html`${text}`.source, /[<>"']/)
    assert.strictEqual(html`<a title="${text}">${text}</a>`.source.match(/[<>"]/g)?.join(""), "<\"\"><>")
  })

  it.prop("is shown as it is", [hostile], ([text]) => {
    assert.strictEqual(unescape(Html.escape(text)), text)
  })
})

describe("templates", () => {
  it("nest without escaping twice", () => {
    const inner = html`<b>${"&"}</b>`
    assert.strictEqual(
      html`<i>${inner}${[inner, inner]}${1}${Html.nothing}</i>`.source,
      `<i>${"<b>&amp;</b>".repeat(3)}1</i>`
    )
  })
})
