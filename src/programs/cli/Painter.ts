/** The progress line of a torrent, its last words, and the screen that holds them. */
import * as Format from "./Format.ts"
import * as Text from "./Text.ts"

/** How a torrent stands. Sizes in bytes, rates in bytes/s. */
export interface Status {
  readonly phase: "hashing" | "checking" | "downloading" | "seeding" | "stopping"
  /** As the torrent has it: it is made safe here. */
  readonly name: string
  /** Of `total`, while files on the disk are checked or a torrent is made of them. */
  readonly checked: number
  /** Of the hashing, on the average; absent when that is not known. */
  readonly checkRate?: number
  readonly done: number
  readonly total: number
  readonly downRate: number
  readonly upRate: number
  /** Payload of this run. */
  readonly downloaded: number
  readonly uploaded: number
  /** Connected peers, seeds among them. */
  readonly peers: number
  readonly seeds: number
  /** Web seeds that data is fetched from; none when absent. */
  readonly webSeeds?: number | undefined
  readonly etaMs: number | undefined
  /** Bytes uploaded for each byte of the torrent. */
  readonly ratio: number
}

/** Nothing has happened yet. */
export const IDLE = {
  checked: 0,
  done: 0,
  total: 0,
  downRate: 0,
  upRate: 0,
  downloaded: 0,
  uploaded: 0,
  peers: 0,
  seeds: 0,
  webSeeds: 0,
  etaMs: undefined,
  ratio: 0
}

export interface Style {
  readonly color: boolean
  /** Whether the terminal speaks UTF-8. */
  readonly unicode: boolean
}

const GREEN = 32
const YELLOW = 33
const CYAN = 36

interface Cell {
  readonly text: string
  readonly color?: number
}

/** Cells that stay together. */
type Column = ReadonlyArray<Cell>

const GAP = "  "

/** What is shown: everything first, then with less and less, down to the percent and the rates. */
interface Detail {
  /** Columns inside of the bar. */
  readonly bar: number
  /** How many of the peers are seeds. */
  readonly seeds: boolean
  readonly peers: boolean
  readonly eta: boolean
  readonly sizes: boolean
}

const DETAILS: ReadonlyArray<Detail> = [
  { bar: 24, seeds: true, peers: true, eta: true, sizes: true },
  { bar: 12, seeds: true, peers: true, eta: true, sizes: true },
  { bar: 0, seeds: true, peers: true, eta: true, sizes: true },
  { bar: 0, seeds: false, peers: true, eta: true, sizes: true },
  { bar: 0, seeds: false, peers: false, eta: true, sizes: true },
  { bar: 0, seeds: false, peers: false, eta: false, sizes: true },
  { bar: 0, seeds: false, peers: false, eta: false, sizes: false }
]

/** Details go before a name gets shorter than this. */
const FAIR_NAME = 12

/** A shorter rest of a name says nothing. */
const LEAST_NAME = 4

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"] as const

const bar = (part: number, whole: number, size: number, { unicode }: Style): string => {
  const share = part >= whole ? 1 : Math.max(0, part / whole)
  const eighths = Math.floor(share * size * 8)
  const full = Math.floor(eighths / 8)
  return unicode
    ? `▕${("█".repeat(full) + EIGHTHS[eighths % 8]!).padEnd(size)}▏`
    : `[${"#".repeat(full).padEnd(size, ".")}]`
}

const gauge = (label: string, part: number, whole: number, detail: Detail, style: Style): Column => [
  { text: detail.bar === 0 ? label : `${bar(part, whole, detail.bar, style)} ${label}` },
  { text: Format.percent(part, whole).padStart(label === "" ? 5 : 0), color: CYAN }
]

const down = (rate: number, { unicode }: Style): Cell => ({
  text: `${unicode ? "↓" : "D:"}${Format.rate(rate)}`,
  color: GREEN
})

const up = (rate: number, { unicode }: Style): Cell => ({
  text: `${unicode ? "↑" : "U:"}${Format.rate(rate)}`,
  color: CYAN
})

const peersOf = ({ peers, seeds, webSeeds = 0 }: Status, detail: Detail): Array<Column> => {
  if (!detail.peers) return []
  const among = detail.seeds && seeds > 0 ? ` (${seeds} seed${seeds === 1 ? "" : "s"})` : ""
  const web = webSeeds > 0 ? [[{ text: `web seeds ${webSeeds}` }]] : []
  return [[{ text: `peers ${peers}${among}` }], ...web]
}

/** Rounded up: what has not ended never takes 0 s. */
const etaOf = (ms: number): Column => [{ text: "ETA " }, {
  text: Format.duration(Math.ceil(ms / 1000) * 1000),
  color: YELLOW
}]

const checking = (status: Status, detail: Detail, style: Style): Array<Column> => [
  gauge(`${status.phase} `, status.checked, status.total, detail, style),
  ...detail.sizes ? [[{ text: Format.pair(status.checked, status.total) }]] : [],
  ...status.checkRate === undefined ? [] : [[{ text: Format.rate(status.checkRate), color: GREEN }]],
  ...detail.eta && status.checkRate !== undefined && status.etaMs !== undefined ? [etaOf(status.etaMs)] : []
]

const seeding = (status: Status, detail: Detail, style: Style): Array<Column> => [
  [{ text: "seeding" }],
  ...status.done < status.total ? [[{ text: Format.percent(status.done, status.total), color: CYAN }]] : [],
  [{ text: `ratio ${Format.ratio(status.ratio)}` }],
  [up(status.upRate, style), { text: detail.sizes ? ` (${Format.bytes(status.uploaded)})` : "" }],
  ...peersOf(status, detail)
]

const downloading = (status: Status, detail: Detail, style: Style): Array<Column> => [
  ...status.phase === "stopping" && detail.sizes ? [[{ text: "stopping" }]] : [],
  gauge("", status.done, status.total, detail, style),
  ...detail.sizes ? [[{ text: Format.pair(status.done, status.total) }]] : [],
  [down(status.downRate, style), { text: " " }, up(status.upRate, style)],
  ...peersOf(status, detail),
  ...detail.eta && status.etaMs !== undefined && status.phase !== "stopping" ? [etaOf(status.etaMs)] : []
]

const SHAPES = { hashing: checking, checking, downloading, stopping: downloading, seeding } as const

const plain = (columns: ReadonlyArray<Column>): string =>
  columns.map((column) => column.map(({ text }) => text).join("")).join(GAP)

const colored = (columns: ReadonlyArray<Column>): string =>
  columns.map((column) =>
    column.map(({ color, text }) => color === undefined ? text : `\x1b[${color}m${text}\x1b[0m`).join("")
  ).join(GAP)

/**
 * One line of at most `width` columns. What does not fit is left out: the bar, then seeds, peers, time left and sizes, then
 * the name is shortened. The percent and the rates stay, from 40 columns on; the word for the phase goes with the sizes.
 */
export const render = (status: Status, width: number, style: Style): string => {
  const mark = style.unicode ? "…" : "..."
  const name = style.unicode ? Format.printable(status.name) : Format.ascii(status.name)
  const fair = name === "" ? 0 : Math.min(Format.width(name), FAIR_NAME) + GAP.length
  const shapes = DETAILS.map((detail) => SHAPES[status.phase](status, detail, style))
  const columns = shapes.find((shape) => Format.width(plain(shape)) + fair <= width) ?? shapes[shapes.length - 1]!
  const rest = plain(columns)
  const room = width - Format.width(rest) - GAP.length
  if (room < -GAP.length) return Format.cut(rest, width, mark)
  const shown = room < LEAST_NAME ? "" : Format.cut(name, room, mark)
  return (shown === "" ? "" : shown + GAP) + (style.color ? colored(columns) : rest)
}

/** How it ended. Sizes in bytes, times in ms. */
export interface Outcome {
  readonly name: string
  /** How many of the files were wanted; absent when all were. */
  readonly files?: { readonly chosen: number; readonly all: number } | undefined
  /** Where the payload lies. */
  readonly path: string
  readonly done: number
  readonly total: number
  /** Payload of this run. */
  readonly downloaded: number
  readonly uploaded: number
  readonly ratio: number
  /** From the start until the last piece, or until the end when pieces are missing. */
  readonly downloadMs: number
  /** From the start until the end. */
  readonly elapsedMs: number
}

const lasted = (ms: number): string => Format.duration(ms < 1000 ? ms : Math.round(ms / 1000) * 1000)

const meanOf = (bytes: number, ms: number): string => `(${Format.rate(ms > 0 ? bytes * 1000 / ms : 0)})`

const completeOf = ({ files }: Outcome): string =>
  files === undefined ? "complete" : `${files.chosen} of ${files.all} files complete`

const whereOf = ({ done, downloaded, path, total }: Outcome): string => {
  const place = Format.printable(path)
  if (done >= total) return `${downloaded > 0 ? "saved in" : "it lies in"} ${place}`
  if (done > 0) return `run it again to go on; what is there lies in ${place}`
  return `${downloaded > 0 ? "no piece of it is whole yet" : "nothing was fetched yet"}; run it again to go on`
}

/**
 * The last words: two lines without colors and without an end of line, safe for a terminal.
 *
 * @example
 * sample.bin: complete, downloaded 48.0 MiB in 10s (4.8 MiB/s), uploaded 24.0 MiB, ratio 0.50, 51m14s in all
 * saved in /home/me/sample.bin
 */
export const summary = (outcome: Outcome): string => {
  const { done, downloaded, downloadMs, elapsedMs, total, uploaded } = outcome
  const whole = done >= total
  const facts = [
    whole ? completeOf(outcome) : `incomplete, ${Format.percent(done, total)} of ${Format.bytes(total)}`,
    ...downloaded > 0
      ? [`downloaded ${Format.bytes(downloaded)} in ${lasted(downloadMs)} ${meanOf(downloaded, downloadMs)}`]
      : whole
      ? []
      : ["downloaded 0 B"],
    uploaded > 0 ? `uploaded ${Format.bytes(uploaded)} ${meanOf(uploaded, elapsedMs)}` : "uploaded 0 B",
    `ratio ${Format.ratio(outcome.ratio)}`,
    `${lasted(elapsedMs)} in all`
  ]
  return `${Format.printable(outcome.name)}: ${facts.join(", ")}\n${whereOf(outcome)}`
}

/** Where a screen draws; a stream of Node fits. */
export interface Terminal {
  readonly write: (text: string) => void
  readonly isTTY: boolean
  readonly columns: () => number
}

/** Before what a notice has on its second line and below. */
const HANG = "  "

const WIPE = "\r\x1b[K"

/** With all that stands below. */
const WIPE_ALL = "\r\x1b[J"

const UP = "\x1b[A"

/**
 * The last line of a terminal, rewritten in place, with notices above it and perhaps a second line below it; plain lines
 * where there is no terminal. The cursor stays on the first of the two, so that what others write takes their place.
 */
export class Screen {
  readonly #terminal: Terminal
  /** What stands on the line of the cursor; empty when that line is fresh. */
  #painted = ""
  /** What stands below it. */
  #below = ""

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  /** Columns to render for. A terminal's last one stays free: writing there moves some cursors to the next line. */
  get width(): number {
    const columns = this.#terminal.columns()
    return this.#terminal.isTTY ? Math.max(1, columns - 1) : columns
  }

  /** Shows a rendered line in the place of the one before, and another below it on a terminal. */
  paint(line: string, below = ""): void {
    if (!this.#terminal.isTTY) return this.#terminal.write(`${line}\n`)
    if (line === this.#painted && below === this.#below) return
    const wipe = this.#wipe
    this.#painted = line
    this.#below = below
    this.#terminal.write(wipe + this.#lines)
  }

  get #wipe(): string {
    return this.#below === "" ? WIPE : WIPE_ALL
  }

  get #lines(): string {
    return this.#below === "" ? this.#painted : `${this.#painted}\n${this.#below}${UP}\r`
  }

  /** Writes a text above the progress line. It may hold foreign words: all but its line ends is made printable. */
  notice(text: string): void {
    const printable = text.split("\n").map(Format.printable)
    const shown = this.#terminal.isTTY
      ? printable.flatMap((line) => Text.paragraph(line, this.width, HANG))
      : printable
    const lines = `${shown.join("\n")}\n`
    this.#terminal.write(this.#painted === "" ? lines : this.#wipe + lines + this.#lines)
  }

  /** Takes the progress line away: what comes next is more telling. */
  clear(): void {
    if (this.#painted !== "") this.#terminal.write(this.#wipe)
    this.#painted = ""
    this.#below = ""
  }

  /** Leaves the progress line as it stands and the cursor on a fresh line. */
  done(): void {
    if (this.#painted !== "") this.#terminal.write(this.#below === "" ? "\n" : "\n\n")
    this.#painted = ""
    this.#below = ""
  }
}
