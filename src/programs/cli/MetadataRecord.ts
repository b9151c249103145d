/** The record of `--json` that says what a torrent holds. */
import type { Metainfo } from "../../domain/Metainfo.ts"
import * as Wanted from "../../domain/Wanted.ts"
import type * as Records from "./Records.ts"

/** @param time Unix time in ms */
export const of = (metainfo: Metainfo, time: number): Records.Record => ({
  type: "metadata",
  time,
  infoHash: metainfo.infoHash,
  infoHashV2: metainfo.infoHashV2 ?? null,
  name: metainfo.name,
  total: Wanted.sizeOf(metainfo),
  pieceLength: metainfo.layout.pieceLength,
  pieces: metainfo.layout.pieces,
  private: metainfo.private,
  trackers: metainfo.trackers,
  files: metainfo.files.map(({ length, padding, path }) => ({ path: path.join("/"), length, pad: padding }))
})
