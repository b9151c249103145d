/**
 * The catalogue's page in headless Chromium: what strangers call their torrents is shown and does nothing. With
 * FRESHET_INTEROP=required the browser must be there; FRESHET_SCREENSHOTS names a folder for pictures to look at.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as path from "node:path"
import { Catalogue } from "../../src/services/Catalogue.ts"
import * as Server from "../support/catalogueServer.ts"
import { document } from "../support/torrents.ts"
import * as Browser from "./support/Browser.ts"

const lacking = Browser.unavailable()

const screenshots = process.env["FRESHET_SCREENSHOTS"]

const NAMES = [
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(2)>",
  "\" onmouseover=\"alert(3)",
  "' autofocus onfocus='alert(4)",
  "</title></style></script><script>alert(5)</script>",
  "javascript:alert(6)",
  "&lt;b&gt; &amp;",
  "gpj.\u202eexe.txt",
  "zero\u200bwidth",
  "new\nline",
  "مجموعة صور",
  "a\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308",
  "holiday photos 2026",
  "Debian 13 netinst"
]

const torrents = NAMES.map((name, at) => document(name, at + 1))

const swarms = new Map(torrents.map(({ infoHash }, at) => [infoHash, {
  seeders: at % 3 * 4,
  leechers: at % 4,
  completed: at * 100,
  lastSeedAt: at % 2 === 0 ? Date.now() - 10 ** at : undefined
}]))

/** A page with hostile names, opened. */
const stage = Effect.gen(function*() {
  const server = yield* Server.serve({ swarms })
  const catalogue = yield* Catalogue
  for (const { bytes } of torrents) yield* catalogue.publish(bytes)
  const page = yield* Browser.launch
  yield* page.open(`${server.origin}/`)
  return { page, server }
})

const ROWS = "Array.from(document.querySelectorAll('tbody tr'))"
const shown = (page: Browser.Page) =>
  page.evaluate<Array<string>>(
    `${ROWS}.filter((row) => row.offsetParent !== null).map((row) => row.cells[0].innerText)`
  )
const link = (infoHash: string, at: number) =>
  `document.getElementById("${infoHash}").querySelectorAll("a")[${at}].href`

const picture = (page: Browser.Page, name: string) =>
  screenshots === undefined ? Effect.void : page.screenshot(path.join(screenshots, `${name}.png`))

if (lacking !== undefined) {
  it(`needs ${lacking}`, ({ skip }) => {
    if (process.env["FRESHET_INTEROP"] === "required") assert.fail(`it needs ${lacking} (FRESHET_INTEROP=required)`)
    skip(`the page's tests need ${lacking}`)
  })
}

describe.skipIf(lacking !== undefined)("the page", () => {
  it.live("shows every name, and none of them does anything", () =>
    Effect.gen(function*() {
      const { page, server } = yield* stage
      const names = yield* shown(page)
      assert.strictEqual(names.length, NAMES.length)
      for (
        const name of [
          "<img src=x onerror=alert(2)>",
          "\" onmouseover=\"alert(3)",
          "javascript:alert(6)",
          "&lt;b&gt; &amp;",
          "gpj._exe.txt",
          "zero\\u{200b}width",
          "new_line",
          "مجموعة صور"
        ]
      ) assert.include(names, name)
      yield* page.evaluate(`for (const element of document.querySelectorAll("*")) {
        for (const type of ["mouseover", "focus", "error", "click"]) {
          element.dispatchEvent(new Event(type, { bubbles: false, cancelable: true }))
        }
      }`)
      assert.deepStrictEqual(page.heard, [])
      assert.deepStrictEqual(page.asked.filter((url) => !url.startsWith("data:")), [`${server.origin}/`])
      for (const scheme of ["light", "dark"] as const) {
        yield* page.setScheme(scheme)
        yield* picture(page, scheme)
      }
      const [light, dark] = yield* Effect.forEach(["light", "dark"] as const, (scheme) =>
        Effect.andThen(page.setScheme(scheme), page.evaluate("getComputedStyle(document.body).backgroundColor")))
      assert.notStrictEqual(light, dark)
    }).pipe(Effect.scoped, Effect.provide(Catalogue.layerMemory())))

  it.live("runs no script that is not its own", () =>
    Effect.gen(function*() {
      const { page } = yield* stage
      yield* page.evaluate(`{
        const script = document.createElement("script")
        script.textContent = "window.hacked = true"
        document.body.append(script)
        document.body.setAttribute("onclick", "window.hacked = true")
        document.body.click()
      }`)
      assert.isUndefined(yield* page.evaluate("window.hacked"))
      assert.isAbove(page.heard.filter((line) => line.includes("Content Security Policy")).length, 0)
    }).pipe(Effect.scoped, Effect.provide(Catalogue.layerMemory())))

  it.live("narrows what it shows while the user types, and asks the server on Enter", () =>
    Effect.gen(function*() {
      const { page, server } = yield* stage
      yield* page.evaluate("document.querySelector('input').focus()")
      yield* page.type("2026 HOL")
      assert.deepStrictEqual(yield* shown(page), ["holiday photos 2026"])
      assert.strictEqual(yield* page.evaluate("document.querySelector('#shown').innerText"), "1 of 14 on this page")
      yield* page.type("nothing")
      assert.deepStrictEqual(yield* shown(page), [])
      assert.isTrue(yield* page.evaluate("document.querySelector('#none').offsetParent !== null"))
      assert.strictEqual(page.asked.filter((url) => url.startsWith("http")).length, 1)
      yield* page.evaluate("document.querySelector('input').value = 'debian'")
      yield* page.follow("document.querySelector('button').click()")
      assert.strictEqual(yield* page.evaluate("location.href"), `${server.origin}/?search=debian`)
      assert.deepStrictEqual(yield* shown(page), ["Debian 13 netinst"])
      assert.strictEqual(yield* page.evaluate("document.querySelector('input').value"), "debian")
      yield* page.open(`${server.origin}/?search=${encodeURIComponent("\"><script>alert(7)</script>")}`)
      assert.strictEqual(yield* page.evaluate("document.querySelector('input').value"), "\"><script>alert(7)</script>")
      assert.deepStrictEqual(page.heard, [])
    }).pipe(Effect.scoped, Effect.provide(Catalogue.layerMemory())))

  it.live("links to magnets and torrents that are right", () =>
    Effect.gen(function*() {
      const { page, server } = yield* stage
      for (const [at, { bytes, infoHash }] of torrents.entries()) {
        const magnet = new URL(yield* page.evaluate<string>(link(infoHash, 0)))
        assert.strictEqual(magnet.searchParams.get("xt"), `urn:btih:${infoHash}`)
        assert.deepStrictEqual(magnet.searchParams.getAll("tr"), [`${server.origin}/announce`])
        const listing = (yield* (yield* Catalogue).listings).get(infoHash)!
        assert.strictEqual(magnet.searchParams.get("dn"), listing.name, NAMES[at])
        const url = yield* page.evaluate<string>(link(infoHash, 1))
        const body = yield* Effect.promise(() => fetch(url).then((answer) => answer.arrayBuffer()))
        assert.deepStrictEqual(new Uint8Array(body), bytes)
      }
    }).pipe(Effect.scoped, Effect.provide(Catalogue.layerMemory())))
})
