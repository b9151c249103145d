/** What USR2 prints: how a torrent stands and why, its trackers, the memory, the limits, and a table of its peers. */
import type { TorrentState } from "../../domain/swarm/Diagnosis.ts"
import * as PeerState from "../../domain/swarm/PeerState.ts"
import type * as StallCause from "../../domain/swarm/StallCause.ts"
import type { Report } from "../../services/Torrent.ts"
import * as Format from "./Format.ts"

export type Why = (cause: StallCause.StallCause) => string

export interface Facts {
  /** A cause in words. */
  readonly why: Why
  /** Bytes/s; `Infinity` for none. */
  readonly maxDownload: number
  readonly maxUpload: number
}

type PeerStanding = Report["peers"][number]

/** In words. */
export const textOf = (state: TorrentState, why: Why): string => {
  switch (state._tag) {
    case "Metadata":
      return state.received > 0 && state.size !== undefined
        ? `fetching its metadata, ${Format.pair(state.received, state.size)}`
        : `its metadata does not come: ${why(state.cause)}`
    case "Checking":
      return `checking files, ${Format.percent(state.checked, state.total)}`
    case "Downloading":
      return "downloading"
    case "Stalled":
      return `nothing comes: ${why(state.cause)}`
    case "Done":
      return "all there"
  }
}

interface Column {
  readonly head: string
  readonly width: number
  readonly isNumber?: boolean
  readonly of: (peer: PeerStanding, pieces: number) => string
}

const rate = (bytesPerSecond: number): string => bytesPerSecond > 0 ? Format.rate(bytesPerSecond) : "-"

const ADDRESS: Column = { head: "address", width: 21, of: ({ address }) => address }
const CLIENT: Column = { head: "client", width: 18, of: ({ client }) => Format.printable(client) }
const FLAGS: Column = { head: "flags", width: 5, of: ({ flags }) => flags }
const DONE: Column = {
  head: "done",
  width: 5,
  isNumber: true,
  of: (peer, all) => all === 0 ? "-" : Format.percent(peer.pieces, all)
}
const DOWN: Column = { head: "down", width: 10, isNumber: true, of: ({ downRate }) => rate(downRate) }
const UP: Column = { head: "up", width: 10, isNumber: true, of: ({ upRate }) => rate(upRate) }
const ASKED: Column = {
  head: "asked",
  width: 9,
  isNumber: true,
  of: ({ asked, window }) => asked === 0 ? "-" : `${asked}/${window}`
}
const stateIn = (width: number): Column => ({ head: "state", width, of: ({ state }) => PeerState.text(state) })

const GAP = 1

const widthOf = (columns: ReadonlyArray<Column>): number => columns.reduce((sum, { width }) => sum + width + GAP, 0)

/** From all to the least; the state has what is left, and is cut there. */
const TABLES: ReadonlyArray<ReadonlyArray<Column>> = [
  [ADDRESS, CLIENT, FLAGS, DONE, DOWN, UP, ASKED],
  [ADDRESS, { ...CLIENT, width: 8 }, FLAGS, DONE, { ...DOWN, width: 9 }],
  [ADDRESS, DONE, { ...DOWN, width: 9 }],
  [ADDRESS]
]

/** Columns that the state should have; the longest text takes 31. */
const FAIR_STATE = 25

/** Addresses of IPv6 are longer than most columns allow: their ends tell them apart. */
const cell = (text: string, { head, isNumber, width }: Column): string => {
  const shown = head === "address" && text.length > width ? `~${text.slice(1 - width)}` : Format.cut(text, width, "~")
  const space = " ".repeat(Math.max(0, width - Format.width(shown)))
  return isNumber === true ? space + shown : shown + space
}

/** Most lines of a table: what more peers there are is said in one. */
const MOST_PEERS = 100

const table = (peers: ReadonlyArray<PeerStanding>, pieces: number, columns: number): Array<string> => {
  if (peers.length === 0) return []
  const fixed = TABLES.find((table) => widthOf(table) + FAIR_STATE <= columns) ?? TABLES.at(-1)!
  const all = [...fixed, stateIn(Math.max(1, columns - widthOf(fixed)))]
  const line = (of: (column: Column) => string) => all.map((column) => cell(of(column), column)).join(" ").trimEnd()
  const busiest = peers.toSorted((a, b) => b.downRate + b.upRate - a.downRate - a.upRate)
  const left = peers.length - MOST_PEERS
  return [
    line(({ head }) => head),
    ...busiest.slice(0, MOST_PEERS).map((peer) => line(({ of }) => of(peer, pieces))),
    ...left > 0 ? [`and ${left} more`] : []
  ]
}

const inTime = (ms: number): string => ms === Infinity ? "not asked again" : `again in ${Format.duration(ms)}`

/** Scheme and host alone: the rest of an announce URL is often a secret. */
const nameOf = (url: string): string => URL.canParse(url) ? `${new URL(url).protocol}//${new URL(url).host}` : "tracker"

const trackerLine = ({ message, nextInMs, peers, url }: Report["trackers"][number]): string => {
  const name = `tracker ${nameOf(url)}: `
  const said = message === "" ? `${peers} peer${peers === 1 ? "" : "s"}` : Format.printable(message)
  return `${said.startsWith(name) ? "" : name}${said}; ${inTime(nextInMs)}`
}

const limit = (rate: number): string => rate === Infinity ? "none" : Format.rate(rate)

/** Lines of at most `columns` columns, but for the words of trackers. */
export const lines = (
  name: string,
  report: Report,
  { maxDownload, maxUpload, why }: Facts,
  columns: number
): Array<string> => {
  const { banned, known, memory, peers } = report
  const web = peers.filter(({ isWeb }) => isWeb).length
  const lanes = web === 0 ? "" : `; ${web} connection${web === 1 ? "" : "s"} to web seeds`
  const bans = banned === 0 ? "" : `, ${banned} banned`
  return [
    Format.cut(`${Format.printable(name)}: ${textOf(report.state, why)}`, 2 * columns, "~"),
    `peers ${peers.length - web} connected, ${known} known${bans}${lanes}`,
    `memory ${Format.pair(memory.used, memory.limit)}, limits down ${limit(maxDownload)}, up ${limit(maxUpload)}`,
    ...report.trackers.map(trackerLine),
    ...table(peers, report.pieces, columns)
  ]
}
