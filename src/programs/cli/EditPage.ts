/** What `edit` tells people: what stands there after it, of all that it has changed, and what became of the info hash. */
import type { Metainfo } from "../../domain/Metainfo.ts"
import type { Edited } from "../../domain/MetainfoEditor.ts"
import type * as EditReport from "./EditReport.ts"
import * as Text from "./Text.ts"

export interface Occasion {
  /** As the user calls the torrent. */
  readonly source: string
  /** Where the result was written, if not in the place of the torrent. */
  readonly target: string | undefined
  readonly isDryRun: boolean
}

/** Longest value, in characters. */
const MOST = 500

const LABELS: Readonly<Record<EditReport.Field, string>> = {
  announce: "trackers",
  webSeeds: "web seeds",
  comment: "comment",
  source: "source",
  private: "private",
  name: "name"
}

/** Tiers as `create --tracker` takes them. */
const valueOf = (metainfo: Metainfo, field: EditReport.Field): string => {
  switch (field) {
    case "announce":
      return metainfo.trackers.map((tier) => tier.join(",")).join(" ")
    case "webSeeds":
      return metainfo.webSeeds.join(" ")
    case "private":
      return metainfo.private ? "yes" : "no"
    default:
      return metainfo[field] ?? ""
  }
}

const hashesOf = ({ infoHash, infoHashV2 }: EditReport.EditReport["before"]): string =>
  [infoHash, infoHashV2].filter((hash) => hash !== null).join(" and ")

const row = (label: string, text: string): string => `  ${label.padEnd(11)}${Text.shortened(text, MOST) || "none"}`

/** Lines of foreign text. */
export const lines = (
  { after, before, bytes }: Edited,
  report: EditReport.EditReport,
  { isDryRun, source, target }: Occasion
): Array<string> => {
  const hash = hashesOf(report.after)
  const missing = report.absent.map((url) => `${source} has no ${url} to remove`)
  if (after === before) return [...missing, `${source}: nothing to change`]
  return [
    ...missing,
    `${source} ${isDryRun ? "would change" : "changed"}${target === undefined ? "" : `, in ${target}`}, to`,
    ...report.changed.map((field) => row(LABELS[field], valueOf(after, field))),
    ...report.changed.length === 0 ? [row("size", `${bytes.length} bytes, without what nobody reads`)] : [],
    report.infoHashChanged
      ? row("info hash", `${hash} instead of ${hashesOf(report.before)}: peers of the old torrent are not its own`)
      : row("info hash", `${hash}, as before`)
  ]
}
