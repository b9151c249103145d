/** What `edit --json` prints: one JSON object. A key that has nothing to say is `null`, never absent. */
import * as Schema from "effect/Schema"
import type { Metainfo } from "../../domain/Metainfo.ts"
import type { Edited } from "../../domain/MetainfoEditor.ts"
import * as JsonFields from "./JsonFields.ts"
import * as JsonLine from "./JsonLine.ts"

const { documented, text } = JsonFields

const Hashes = Schema.Struct({
  infoHash: documented(JsonFields.sha1, "SHA-1 of the info dictionary, 40 hex digits; null: version 2 alone"),
  infoHashV2: documented(JsonFields.sha256, "SHA-256 of the info dictionary, 64 hex digits; null: version 1 alone")
}).annotate({ identifier: "Hashes" })

/** As `show --json` calls them. */
const FIELDS = ["announce", "webSeeds", "comment", "source", "private", "name"] as const

export type Field = typeof FIELDS[number]

export const EditReport = Schema.Struct({
  path: documented(text, "The file that was written; null: none was"),
  changed: documented(Schema.Array(Schema.Literals(FIELDS)), "The fields that are others now"),
  infoHashChanged: documented(Schema.Boolean, "Whether it is another torrent now, with peers of its own"),
  before: documented(Hashes, "The info hashes as they were"),
  after: documented(Hashes, "The info hashes as they are"),
  absent: documented(Schema.Array(Schema.String), "URLs that were to be removed and were not there")
}).annotate({ identifier: "Edit", title: "An edited torrent", description: "What edit --json prints" })

export type EditReport = typeof EditReport.Type

const valuesOf = (metainfo: Metainfo): { readonly [F in Field]: unknown } => ({
  announce: metainfo.trackers,
  webSeeds: metainfo.webSeeds,
  comment: metainfo.comment,
  source: metainfo.source,
  private: metainfo.private,
  name: metainfo.name
})

const hashesOf = ({ infoHashV1, infoHashV2 }: Metainfo): typeof Hashes.Type => ({
  infoHash: infoHashV1 ?? null,
  infoHashV2: infoHashV2 ?? null
})

/** @param path where it was written */
export const of = ({ absent, after, before }: Edited, path: string | null): EditReport => {
  const [old, now] = [valuesOf(before), valuesOf(after)]
  return {
    path,
    changed: FIELDS.filter((field) => JSON.stringify(old[field]) !== JSON.stringify(now[field])),
    infoHashChanged: before.infoHash !== after.infoHash,
    before: hashesOf(before),
    after: hashesOf(after),
    absent
  }
}

/** One line of printable JSON, without its end of line. */
export const encode = (report: EditReport): string => JsonLine.printable(JSON.stringify(report))
