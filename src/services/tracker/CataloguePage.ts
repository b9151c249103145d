/**
 * The catalogue as one web page that asks for nothing else: no script is needed to use it, and the one that is there is
 * named by its hash, so that nothing a name holds can run.
 */
import { createHash } from "node:crypto"
import * as ByteCount from "../../domain/ByteCount.ts"
import * as Magnet from "../../domain/Magnet.ts"
import { printable } from "../../domain/Printable.ts"
import { Html, html, nothing } from "../../domain/tracker/Html.ts"
import * as Offer from "../../domain/tracker/Offer.ts"
import { ICON, SCRIPT, STYLE } from "./PageAssets.ts"

/** One page of what was found. */
export interface PageContent {
  readonly offers: ReadonlyArray<Offer.Offer>
  /** How many were found, on all pages. */
  readonly found: number
  /** How many are listed. */
  readonly listed: number
  /** What the user searches for, empty for everything. */
  readonly search: string
  /** From 1. */
  readonly page: number
  readonly pages: number
  /** Announce URLs for magnet links, the first also for the hint how to publish. */
  readonly trackers: ReadonlyArray<string>
  /** Unix time in ms. */
  readonly now: number
}

const hashOf = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`

/** For `Content-Security-Policy`. */
export const POLICY = [
  "default-src 'none'",
  `style-src ${hashOf(STYLE)}`,
  `script-src ${hashOf(SCRIPT)}`,
  "img-src data:",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'"
].join("; ")

const MINUTE = 60_000

const AGES: ReadonlyArray<readonly [ms: number, unit: string]> = [
  [365 * 1440 * MINUTE, "year"],
  [30 * 1440 * MINUTE, "month"],
  [1440 * MINUTE, "day"],
  [60 * MINUTE, "hour"],
  [MINUTE, "minute"]
]

/** `3 days ago`, rounded down. */
const ago = (ms: number): string => {
  const [length, unit] = AGES.find(([length]) => ms >= length) ?? [0, ""]
  if (length === 0) return "a moment ago"
  const count = Math.floor(ms / length)
  return `${count} ${unit}${count === 1 ? "" : "s"} ago`
}

const plural = (count: number, one: string): string => `${count.toLocaleString("en")} ${one}${count === 1 ? "" : "s"}`

const magnet = (offer: Offer.Offer, trackers: ReadonlyArray<string>): string =>
  Magnet.format({
    ...Offer.hashesOf(offer),
    name: offer.name,
    trackers,
    webSeeds: [],
    peers: [],
    selected: undefined
  })

const lastSeen = ({ lastSeen, seeds }: Offer.Offer, now: number): Html => {
  if (seeds > 0) return html`now`
  if (lastSeen === null) return html`<span class="dim">never</span>`
  return html`<time datetime="${lastSeen}" title="${lastSeen}">${ago(now - Date.parse(lastSeen))}</time>`
}

const count = (className: string, value: number, one: string, many: string): Html =>
  html`<td class="${className}${value === 0 ? " zero" : ""}" data-label="${value === 1 ? one : many}">${
    value.toLocaleString("en")
  }</td>`

/** For any shell of POSIX; a name that looks like a flag, or is not all shown, or not the only one, is no argument. */
const argumentOf = ({ infoHash, name }: Offer.Offer, offers: ReadonlyArray<Offer.Offer>): string => {
  const isClear = !name.startsWith("-") && printable(name) === name &&
    offers.filter((o) => o.name === name).length === 1
  if (!isClear) return infoHash
  return /^[\w.,:@%+/-]+$/.test(name) ? name : `'${name.replaceAll("'", `'\\''`)}'`
}

const command = (offer: Offer.Offer, { offers, trackers }: PageContent): string =>
  `freshet leech --from ${originOf(trackers)} ${argumentOf(offer, offers)}`

const row = (offer: Offer.Offer, content: PageContent): Html => {
  const { now, trackers } = content
  const { completed, files, infoHash, leeches, seeds } = offer
  const name = printable(offer.name)
  const state = seeds > 0 ? "alive" : leeches > 0 ? "waiting" : "gone"
  return html`<tr id="${infoHash}" class="${state}" data-name="${name}">
<td><span class="name">${name}</span></td>
<td>${ByteCount.bytes(offer.size)}</td>
${count("files", files, "file", "files")}
${count("seeds", seeds, "seed", "seeds")}
${count("leeches", leeches, "leech", "leeches")}
${count("completed", completed, "completed", "completed")}
<td class="seen">${lastSeen(offer, now)}</td>
<td class="get"><a href="${
    magnet(offer, trackers)
  }">magnet</a><a href="/torrents/${infoHash}.torrent">.torrent</a><details><summary>command</summary><code>${
    command(offer, content)
  }</code></details></td>
</tr>
`
}

const table = (content: PageContent): Html =>
  html`<div class="frame"><table>
<thead><tr><th scope="col">Name</th><th scope="col">Size</th><th scope="col">Files</th><th scope="col">Seeds</th><th scope="col">Leeches</th><th scope="col">Completed</th><th scope="col">Seed last seen</th><th scope="col"></th></tr></thead>
<tbody>
${content.offers.map((offer) => row(offer, content))}</tbody>
</table><p class="empty" id="none" hidden>Nothing on this page has such a name. Press Enter to search everything.</p></div>`

const empty = ({ search, trackers }: PageContent): Html =>
  search === ""
    ? html`<div class="frame empty"><strong>Nothing is published here yet</strong>
<p>Share a file or folder and list it here:</p>
<p><code>freshet seed FILE --tracker ${trackers[0] ?? "URL"} --publish</code></p></div>`
    : html`<div class="frame empty"><strong>No torrent of that name</strong><a href="/">Show everything</a></div>`

const linkTo = (page: number, search: string, text: string): Html => {
  const query = new URLSearchParams({ ...(search !== "" && { search }), ...(page > 1 && { page: String(page) }) })
  return html`<a href="/?${query.toString()}">${text}</a>`
}

const pager = ({ page, pages, search }: PageContent): Html =>
  pages <= 1 ?
    nothing :
    html`<nav aria-label="Pages"><span>${
      page > 1 ? linkTo(page - 1, search, "← newer") : nothing
    }</span><span>page ${page} of ${pages}</span><span>${
      page < pages ? linkTo(page + 1, search, "older →") : nothing
    }</span></nav>`

const summary = ({ found, listed, search }: PageContent): string =>
  search === "" ? plural(listed, "torrent") : `${found.toLocaleString("en")} of ${plural(listed, "torrent")}`

/** The whole document. */
export const render = (content: PageContent): string =>
  html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>${content.search === "" ? "freshet" : `${printable(content.search)} · freshet`}</title>
<link rel="icon" href="${ICON}">
<style>${new Html(STYLE)}</style>
</head>
<body>
<header><h1><a href="/">freshet</a></h1><p>${summary(content)} <span id="shown" aria-live="polite"></span></p></header>
<main>
<form action="/" role="search"><input type="search" name="search" value="${content.search}" maxlength="255" placeholder="Search by name" aria-label="Search by name" autocomplete="off" spellcheck="false"><button>Search</button></form>
${content.offers.length === 0 ? empty(content) : table(content)}
${pager(content)}
</main>
<footer>${
    content.offers.length === 0 ?
      nothing :
      html`<p>Fetch with <code>freshet leech --from ${originOf(content.trackers)} NAME</code></p>`
  }</footer>
<script>${new Html(SCRIPT)}</script>
</body>
</html>
`.source

const originOf = ([url]: ReadonlyArray<string>): string =>
  url !== undefined && URL.canParse(url) ? new URL(url).origin : "URL"
