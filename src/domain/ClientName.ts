/** Which program a peer is: from what it says itself (BEP 10, `v`), else from the beginning of its peer id (BEP 20). */
import * as PeerId from "./PeerId.ts"

/** Codes of the style `-XX1234-`, which nearly all use. */
const DASHED: Readonly<Record<string, string>> = {
  AG: "Ares",
  AZ: "Vuze",
  BC: "BitComet",
  BI: "BiglyBT",
  BT: "BitTorrent",
  DE: "Deluge",
  FD: "Free Download Manager",
  FR: "freshet",
  FW: "FrostWire",
  GR: "GetRight",
  GT: "torrent (Go)",
  JT: "JavaTorrent",
  KT: "KTorrent",
  LP: "Lphant",
  LT: "libtorrent",
  lt: "libTorrent",
  PI: "PicoTorrent",
  PT: "Popcorn Time",
  qB: "qBittorrent",
  RN: "rain",
  RQ: "rqbit",
  rQ: "rqbit",
  SD: "Xunlei",
  TL: "Tribler",
  TR: "Transmission",
  UM: "uTorrent Mac",
  UT: "uTorrent",
  UW: "uTorrent Web",
  WD: "WebTorrent Desktop",
  WW: "WebTorrent",
  XL: "Xunlei"
}

/** Codes of the style `M4-3-6--`. */
const MAINLINE: Readonly<Record<string, string>> = { A2: "aria2", M: "BitTorrent", Q: "Queen Bee", S: "Shareaza" }

/** `4`, `D` and `z` stand for 4, 13 and 35. */
const digit = (char: string): number => Number.parseInt(char, 36)

/** Three numbers at the most, and no zero at the end after the second. */
const versionOf = (numbers: ReadonlyArray<number>): string => {
  const shown = numbers.slice(0, 4)
  while (shown.length > 2 && shown.at(-1) === 0) shown.pop()
  return shown.join(".")
}

const fromId = (id: PeerId.PeerId): string => {
  const dashed = /^-([A-Za-z]{2})([0-9A-Za-z]{4})-/.exec(id)
  if (dashed !== null) {
    const [, code = "", version = ""] = dashed
    const known = Object.hasOwn(DASHED, code) ? DASHED[code] : undefined
    return `${known ?? code} ${versionOf(Array.from(version, digit))}`
  }
  const mainline = /^(A2(?=-)|[A-Z](?=\d))-?(\d{1,3})-(\d{1,3})-(\d{1,3})-/.exec(id)
  if (mainline !== null) {
    const [, code = "", ...version] = mainline
    const known = Object.hasOwn(MAINLINE, code) ? MAINLINE[code] : undefined
    return `${known ?? code} ${versionOf(version.map(Number))}`
  }
  return PeerId.format(id).slice(0, 8)
}

/**
 * The program and its version, like `qBittorrent 4.5.2`; of an id of no known style its beginning. The text may hold foreign
 * words. A peer that names no version is told by its id, which does.
 *
 * @param version what the peer calls itself
 */
export const of = (id: PeerId.PeerId, version?: string): string =>
  version !== undefined && /\d/.test(version) ? version : fromId(id)
