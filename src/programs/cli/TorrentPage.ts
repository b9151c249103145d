/** What `show` prints of a torrent or a link: a page for people, lines of fields for programs. */
import type { Magnet } from "../../domain/Magnet.ts"
import * as Runs from "../../domain/Runs.ts"
import * as FileTree from "./FileTree.ts"
import * as Format from "./Format.ts"
import type * as Painter from "./Painter.ts"
import type { ShownTorrent } from "./ShownTorrent.ts"
import * as Text from "./Text.ts"

/** What of a link no torrent has. */
export type Hints = Pick<Magnet, "peers" | "selected">

export const NO_HINTS: Hints = { peers: [], selected: undefined }

const hostOf = ({ host, port }: { readonly host: string; readonly port: number }): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`

/** By the numbers that `--select-file` takes. */
const selection = (selected: NonNullable<Magnet["selected"]>): string =>
  Runs.format(selected.map(({ first, last }) => ({ first: first + 1, last: last + 1 }))).replaceAll(" ", "")

/** `undefined` for a time that no calendar has. */
const dateOf = (seconds: number | null): Date | undefined => {
  const date = new Date((seconds ?? Number.NaN) * 1000)
  return Number.isNaN(date.getTime()) ? undefined : date
}

type Line = readonly [label: string, ...values: ReadonlyArray<string | number>]

const maybe = (label: string, value: string | number | null | undefined): Array<Line> =>
  value === null || value === undefined ? [] : [[label, value]]

const yesOrNo = (value: boolean | null): string | null => value === null ? null : value ? "yes" : "no"

/**
 * `label<TAB>value` for programs, a line for every value. Some have several: `tracker`, its tier from 1 on and URL; `file`,
 * its number from 1 on, bytes and path; `pad` likewise; `link`, its number, path and target.
 */
export const fields = (torrent: ShownTorrent, hints: Hints): string => {
  const lines: ReadonlyArray<Line> = [
    ...maybe("name", torrent.name),
    ["version", torrent.version],
    ...maybe("info-hash", torrent.infoHash),
    ...maybe("info-hash-v2", torrent.infoHashV2),
    ...maybe("total-length", torrent.totalLength),
    ...maybe("piece-length", torrent.pieceLength),
    ...maybe("piece-count", torrent.pieceCount),
    ...maybe("private", yesOrNo(torrent.private)),
    ...maybe("source", torrent.source),
    ...maybe("comment", torrent.comment),
    ...maybe("created-by", torrent.createdBy),
    ...maybe("creation-date", dateOf(torrent.creationDate)?.toISOString() ?? torrent.creationDate),
    ...torrent.announce.flatMap((tier, i) => tier.map((url): Line => ["tracker", i + 1, url])),
    ...torrent.webSeeds.map((url): Line => ["web-seed", url]),
    ...torrent.nodes.map((node): Line => ["node", hostOf(node)]),
    ...hints.peers.map((peer): Line => ["peer", hostOf(peer)]),
    ...hints.selected === undefined ? [] : [["selected", selection(hints.selected)] satisfies Line],
    ...(torrent.files ?? []).map(({ length, pad, path, symlink }, i): Line =>
      symlink === undefined ? [pad ? "pad" : "file", i + 1, length, path] : ["link", i + 1, path, symlink]
    ),
    ["magnet", torrent.magnet]
  ]
  return lines.map((line) => `${line.map((value) => Format.printable(String(value))).join("\t")}\n`).join("")
}

/** Longest URL or name that the page shows, in characters. */
const MOST = 2000

/** Lines of a comment, or of another text of the torrent's maker. */
const MOST_LINES = 40

/** A longer link would fill the terminal. */
const LONGEST_LINK = 4000

/** Columns of the labels, and of the gap behind them. */
const LABEL = 11

const INDENT = "  "

const thousands = (n: number): string => String(n).replace(/\B(?=(\d{3})+$)/g, ",")

const plural = (n: number, one: string): string => `${thousands(n)} ${one}${n === 1 ? "" : "s"}`

const VERSIONS = { 1: "version 1", 2: "version 2", hybrid: "hybrid of versions 1 and 2" } as const

const summaryOf = ({ files, pieceCount, pieceLength, totalLength, version }: ShownTorrent): string => {
  if (files === null) return `a link to a torrent, ${VERSIONS[version]}`
  const stored = files.filter(({ pad }) => !pad)
  return [
    `${Format.bytes(totalLength ?? 0)} (${plural(totalLength ?? 0, "byte")})`,
    plural(stored.length, "file"),
    `${plural(pieceCount ?? 0, "piece")} of ${Format.bytes(pieceLength ?? 0)}`,
    VERSIONS[version]
  ].join(", ")
}

const createdOf = ({ createdBy, creationDate }: ShownTorrent): string | undefined => {
  const date = dateOf(creationDate)
  const when = date === undefined ? [] : [`${date.toISOString().replace("T", " ").replace(/\.\d+Z$/, "")} UTC`]
  const all = [...when, ...createdBy === null ? [] : [`by ${createdBy}`]]
  return all.length === 0 ? undefined : all.join(", ")
}

/** Lines of a page that is never wider than its terminal, but for what has to be copied in one piece. */
class Page {
  readonly lines: Array<string> = []
  readonly #columns: number
  readonly #style: Painter.Style

  constructor(columns: number, style: Painter.Style) {
    this.#columns = Math.max(LABEL + 1, columns)
    this.#style = style
  }

  readonly #printable = (text: string): string => this.#style.unicode ? Format.printable(text) : Format.ascii(text)

  readonly #safe = (text: string): string => this.#printable(Text.shortened(text, MOST))

  readonly #bold = (text: string): string => this.#style.color ? `\x1b[1m${text}\x1b[0m` : text

  readonly #dim = (text: string): string => this.#style.color ? `\x1b[36m${text}\x1b[0m` : text

  title(text: string): void {
    for (const line of Text.wrap(this.#safe(text), this.#columns)) this.lines.push(this.#bold(line))
  }

  plain(text: string): void {
    this.lines.push(...Text.wrap(this.#safe(text), this.#columns))
  }

  labelled(label: string, text: string | null | undefined): void {
    if (text === null || text === undefined) return
    // What is past this is past the last line too.
    const lines = text.trim().slice(0, MOST_LINES * this.#columns).split(/\r\n|[\r\n]/).slice(0, MOST_LINES + 1)
      .flatMap((line) => Text.wrap(this.#printable(line), this.#columns - LABEL))
    if (lines.length > MOST_LINES) lines.splice(MOST_LINES, Infinity, "(cut short: --json has all of it)")
    lines.forEach((line, i) => this.lines.push((i === 0 ? this.#dim(label.padEnd(LABEL)) : " ".repeat(LABEL)) + line))
  }

  /** For what is copied: on a line of its own rather than broken. */
  whole(label: string, text: string | null): void {
    if (text === null) return
    if (LABEL + text.length <= this.#columns) this.lines.push(this.#dim(label.padEnd(LABEL)) + text)
    else this.lines.push(this.#dim(label), text)
  }

  section(title: string, lines: ReadonlyArray<string>): void {
    if (lines.length > 0) this.lines.push("", this.#bold(title), ...lines)
  }

  /** A line that may be broken, under its own beginning. */
  readonly item = (text: string, mark = ""): Array<string> =>
    Text.wrap(this.#safe(text), Math.max(1, this.#columns - INDENT.length - mark.length))
      .map((line, i) => INDENT + (i === 0 ? mark : " ".repeat(mark.length)) + line)

  tree(files: NonNullable<ShownTorrent["files"]>): ReadonlyArray<string> {
    return FileTree.lines(files, this.#columns, this.#style)
  }
}

/** The page, for a terminal of so many columns. */
export const render = (torrent: ShownTorrent, hints: Hints, columns: number, style: Painter.Style): string => {
  const page = new Page(columns, style)
  if (torrent.name !== null) page.title(torrent.name)
  page.plain(summaryOf(torrent))
  page.lines.push("")
  page.whole("info hash", torrent.infoHash)
  page.whole("v2 hash", torrent.infoHashV2)
  if (torrent.private === true) page.labelled("private", "yes: peers come from its own trackers alone")
  page.labelled("source", torrent.source)
  page.labelled("comment", torrent.comment)
  page.labelled("created", createdOf(torrent))
  if (hints.selected !== undefined) page.labelled("selected", `files ${selection(hints.selected)}`)
  const tiers = torrent.announce.flatMap((tier, i) =>
    tier.flatMap((url, j) => page.item(url, tierMark(j === 0 ? i : -1)))
  )
  page.section("Trackers, by tier", tiers)
  page.section("Web seeds", torrent.webSeeds.flatMap((url) => page.item(url)))
  page.section("DHT nodes", torrent.nodes.flatMap((node) => page.item(hostOf(node))))
  page.section("Peers", hints.peers.flatMap((peer) => page.item(hostOf(peer))))
  page.section("Files", page.tree(torrent.files ?? []))
  page.section(
    "Magnet link",
    torrent.magnet.length > LONGEST_LINK ? page.item("too long to be shown: --magnet prints it") : [torrent.magnet]
  )
  return `${page.lines.join("\n")}\n`
}

const tierMark = (tier: number): string => (tier < 0 ? "" : String(tier + 1)).padEnd(3)
