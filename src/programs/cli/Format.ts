/** Numbers, hashes and foreign texts as people read them on a terminal. */
import { sane } from "../../domain/ByteCount.ts"
import type { Metainfo } from "../../domain/Metainfo.ts"
import { printable } from "../../domain/Printable.ts"

export { bytes, pair, rate } from "../../domain/ByteCount.ts"
export { text as duration } from "../../domain/Duration.ts"
export { printable } from "../../domain/Printable.ts"

/** Keeps 0.29, which no double holds, from becoming 0.28. */
const EPSILON = 1e-9

const DECIMALS = [[10, 100], [100, 10], [1000, 1]] as const

/** Uploaded for each byte downloaded, rounded down: `0.52`, `12.5`, `>999`; `inf` when nothing was downloaded. */
export const ratio = (n: number): string => {
  if (n === Infinity) return "inf"
  const step = DECIMALS.find(([below]) => sane(n) < below)?.[1]
  return step === undefined ? ">999" : (Math.floor(sane(n) * step + EPSILON) / step).toFixed(String(step).length - 1)
}

/** A part of a whole, rounded down: `38.1%`. `100%` is shown when all is there and not before. */
export const percent = (part: number, whole: number): string =>
  part >= whole ? "100%" : `${(Math.floor(sane(part) * 1000 / whole) / 10).toFixed(1)}%`

/** The whole hashes by which a torrent is known, of version 1 first: two of a hybrid (BEP 52). */
export const hashes = ({ infoHashV1, infoHashV2 }: Metainfo): ReadonlyArray<string> =>
  [infoHashV1, infoHashV2].filter((hash) => hash !== undefined)

/** As `printable`, for terminals that do not speak UTF-8: what is not ASCII becomes `?`. */
export const ascii = (text: string): string => printable(text).replace(/[^\x20-\x7e]/gu, "?")

/** First and last code points of East Asian wide characters (UAX #11) and of the emoji blocks. */
const WIDE: ReadonlyArray<readonly [number, number]> = [
  [0x1100, 0x115f],
  [0x2329, 0x232a],
  [0x2e80, 0x303e],
  [0x3041, 0xa4c6],
  [0xa960, 0xa97c],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6b],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x1b2ff],
  [0x1d300, 0x1d376],
  [0x1f000, 0x1faff],
  [0x20000, 0x3fffd]
]

const NO_WIDTH = /[\p{Mn}\p{Me}\p{Join_Control}\u1160-\u11ff\ud7b0-\ud7ff]/u

const EMOJI = /\p{Emoji_Presentation}/u

const widthOf = (char: string): number => {
  const code = char.codePointAt(0)!
  if (code < 0x300) return 1
  if (NO_WIDTH.test(char)) return 0
  return EMOJI.test(char) || WIDE.some(([first, last]) => first <= code && code <= last) ? 2 : 1
}

/** Columns that a printable text takes on a terminal, rather one too many than one too few. */
export const width = (text: string): number => {
  let columns = 0
  for (const char of text) columns += widthOf(char)
  return columns
}

/** Whether a printable text takes more columns; looks no further than it must. */
export const isWider = (text: string, columns: number): boolean => {
  let taken = 0
  for (const char of text) {
    taken += widthOf(char)
    if (taken > columns) return true
  }
  return false
}

/** The text, or as much of its beginning as fits `columns` together with the mark that something is missing. */
export const cut = (text: string, columns: number, mark: string = "…"): string => {
  if (!isWider(text, columns)) return text
  const room = columns - width(mark)
  if (room < 0) return ""
  let kept = ""
  let taken = 0
  for (const char of text) {
    taken += widthOf(char)
    if (taken > room) break
    kept += char
  }
  return kept + mark
}
