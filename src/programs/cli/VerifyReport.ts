/**
 * What `verify --json` prints: one JSON object. Sizes are bytes, pieces are counted from 0. A key that has nothing to say
 * is `null`, never absent.
 */
import * as Schema from "effect/Schema"
import type { FileFinding, Findings } from "../../domain/Findings.ts"
import type { Metainfo } from "../../domain/Metainfo.ts"
import * as Runs from "../../domain/Runs.ts"
import * as Format from "./Format.ts"
import * as JsonFields from "./JsonFields.ts"
import * as JsonLine from "./JsonLine.ts"
import * as ShownTorrent from "./ShownTorrent.ts"

const { documented, text } = JsonFields

const Run = Schema.Struct({
  first: documented(Schema.Natural, "The first of neighbouring numbers"),
  last: documented(Schema.Natural, "The last of them, which may be the first")
}).annotate({ identifier: "Run" })

const runs = Schema.Array(Run)

const STATES = {
  Right: "ok",
  Missing: "missing",
  Unusable: "unusable",
  WrongLength: "length",
  Damaged: "damaged",
  Suspect: "suspect"
} as const

const File = Schema.Struct({
  path: documented(Schema.String, "Below the folder that was checked, parts separated by /"),
  length: documented(Schema.Natural, "Bytes that it should have"),
  found: documented(Schema.NullOr(Schema.Natural), "Bytes that it has; null: it is missing or unusable"),
  state: documented(
    Schema.Literals(Object.values(STATES)),
    "length: longer or shorter than it should be; damaged: a piece of its own is bad; suspect: only pieces that it " +
      "shares with other files are bad or incomplete; unusable: see problem"
  ),
  problem: documented(text, "Why it is unusable; null: it is not"),
  pieces: documented(runs, "Pieces with bytes of it that are bad or incomplete"),
  blocks: documented(
    runs,
    "Blocks of 16 KiB, from the start of the file, that are known to be bad or missing; without version 2 none"
  )
}).annotate({ identifier: "VerifiedFile" })

export const VerifyReport = Schema.Struct({
  name: documented(Schema.String, "Name of the file or of the top folder"),
  infoHash: documented(JsonFields.sha1, "SHA-1 of the info dictionary, 40 hex digits; null: version 2 alone"),
  infoHashV2: documented(JsonFields.sha256, "SHA-256 of the info dictionary, 64 hex digits; null: version 1 alone"),
  dir: documented(Schema.String, "The folder that was checked"),
  ok: documented(Schema.Boolean, "Whether everything is there and right"),
  totalLength: documented(Schema.Natural, "Bytes of all files, without padding"),
  pieceCount: documented(Schema.Natural, "Number of pieces"),
  badPieces: documented(runs, "Pieces with a wrong hash"),
  incompletePieces: documented(runs, "Pieces that are not all there, and have no hash"),
  contradictoryPieces: documented(
    runs,
    "Bad pieces that are right by one hash of a hybrid torrent: the torrent is wrong, not the data"
  ),
  files: documented(Schema.Array(File), "In the order of the torrent, without padding and links")
}).annotate({ identifier: "Verification", title: "Verified data", description: "What verify --json prints" })

export type VerifyReport = typeof VerifyReport.Type

const fileOf = (metainfo: Metainfo, { blocks, file, pieces, presence, state }: FileFinding): typeof File.Type => ({
  path: metainfo.files[file]!.path.join("/"),
  length: metainfo.files[file]!.length,
  found: presence._tag === "Found" ? presence.length : null,
  state: STATES[state],
  problem: presence._tag === "Unusable" ? presence.why : null,
  pieces,
  blocks
})

export const of = (metainfo: Metainfo, dir: string, findings: Findings): VerifyReport => ({
  name: metainfo.name,
  infoHash: metainfo.infoHashV1 ?? null,
  infoHashV2: metainfo.infoHashV2 ?? null,
  dir,
  ok: findings.isWhole,
  totalLength: ShownTorrent.totalLength(metainfo),
  pieceCount: metainfo.layout.pieces,
  badPieces: findings.bad,
  incompletePieces: findings.unread,
  contradictoryPieces: findings.contradictory,
  files: findings.files.map((finding) => fileOf(metainfo, finding))
})

/** One line of printable JSON, without its end of line. */
export const encode = (report: VerifyReport): string => JsonLine.printable(JSON.stringify(report))

/** Runs that a line names; `--json` has them all. */
const MOST_RUNS = 20

const numbered = (one: string, numbers: Runs.Runs): string =>
  `${one}${Runs.count(numbers) === 1 ? "" : "s"} ${Runs.format(numbers, MOST_RUNS)}`

const detailOf = ({ blocks, found, length, pieces, problem, state }: typeof File.Type): string => {
  const inPieces = pieces.length === 0 ? [] : [numbered("piece", pieces)]
  const inBlocks = blocks.length === 0 ? [] : [`${numbered("block", blocks)} of the file`]
  switch (state) {
    case "missing":
      return ""
    case "unusable":
      return `it is ${problem}`
    case "length":
      return [`${found} bytes instead of ${length}`, ...inPieces, ...inBlocks].join("; ")
    case "suspect":
      return `${inPieces.join("")}, shared with other files`
    default:
      return [...inPieces, ...inBlocks].join("; ")
  }
}

/** The longest of the states. */
const COLUMN = Math.max(...Object.values(STATES).map((state) => state.length)) + 2

/** A line for each file that is not as it should be. */
export const problems = (report: VerifyReport): Array<string> =>
  report.files.flatMap((file) => {
    if (file.state === "ok") return []
    const detail = detailOf(file)
    return [`${file.state.padEnd(COLUMN)}${file.path}${detail === "" ? "" : `: ${detail}`}`]
  })

const plural = (n: number, one: string): string => `${n} ${one}${n === 1 ? "" : "s"}`

/** All in one line. */
export const summary = (report: VerifyReport): string => {
  const { badPieces, contradictoryPieces, files, incompletePieces, name, ok, pieceCount, totalLength } = report
  const pieces = plural(pieceCount, "piece")
  if (ok) return `${name}: all is right, ${Format.bytes(totalLength)} in ${plural(files.length, "file")}, ${pieces}`
  const suspect = files.filter(({ state }) => state === "suspect").length
  const wrong = files.filter(({ state }) => state !== "ok").length - suspect
  return [
    `${name}: ${wrong} of ${plural(files.length, "file")} missing or wrong${suspect > 0 ? `, ${suspect} suspect` : ""}`,
    ...badPieces.length === 0 ? [] : [`bad ${numbered("piece", badPieces)} of ${pieces}`],
    ...incompletePieces.length === 0 ? [] : [`incomplete ${numbered("piece", incompletePieces)} of ${pieces}`],
    ...contradictoryPieces.length === 0
      ? []
      : [`${numbered("piece", contradictoryPieces)}: right by one hash and wrong by the other, so the torrent is wrong`]
  ].join("; ")
}
