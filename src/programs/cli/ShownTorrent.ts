/**
 * What `show --json` prints: one JSON object. Sizes are bytes. A key that has nothing to say is `null`, never absent; keys
 * of a file that may be absent are marked so. Names and paths are as they are written to the disk: made safe.
 */
import * as Schema from "effect/Schema"
import * as Bytes from "../../domain/Bytes.ts"
import * as Magnet from "../../domain/Magnet.ts"
import type { FileEntry, Metainfo } from "../../domain/Metainfo.ts"
import * as JsonFields from "./JsonFields.ts"
import * as JsonLine from "./JsonLine.ts"

const { documented, text } = JsonFields

const count = Schema.NullOr(Schema.Natural)

const File = Schema.Struct({
  path: documented(Schema.String, "Below the download folder, parts separated by /"),
  length: documented(Schema.Natural, "Bytes"),
  pad: documented(Schema.Boolean, "A padding file: zeros that are never stored (BEP 47)"),
  symlink: documented(
    Schema.optionalKey(Schema.String),
    "Where a symbolic link points, below the download folder (BEP 47); absent: it is none"
  ),
  root: documented(
    Schema.optionalKey(Schema.String),
    "Root of the file's hash tree, 64 hex digits (BEP 52); absent: empty, padding, or a version 1 torrent"
  )
}).annotate({ identifier: "File" })

const Node = Schema.Struct({
  host: documented(Schema.String, "IP address or host name"),
  port: documented(Schema.Natural, "From 1 to 65535")
}).annotate({ identifier: "Node" })

export const ShownTorrent = Schema.Struct({
  name: documented(text, "Name of the file or of the top folder; null: the link gives none"),
  version: documented(Schema.Literals(["1", "2", "hybrid"]), "Version of the format; hybrid is both (BEP 52)"),
  infoHash: documented(JsonFields.sha1, "SHA-1 of the info dictionary, 40 hex digits; null: version 2 alone"),
  infoHashV2: documented(JsonFields.sha256, "SHA-256 of the info dictionary, 64 hex digits; null: version 1 alone"),
  pieceLength: documented(count, "Bytes of a full piece; null: a link does not tell"),
  pieceCount: documented(count, "Number of pieces; null: a link does not tell"),
  totalLength: documented(count, "Bytes of all files, without padding; null: a link does not tell"),
  private: documented(
    Schema.NullOr(Schema.Boolean),
    "Peers come from the torrent's own trackers alone (BEP 27); null: a link does not tell"
  ),
  announce: documented(Schema.Array(Schema.Array(Schema.String)), "Tiers of announce URLs (BEP 12)"),
  webSeeds: documented(Schema.Array(Schema.String), "URLs of web seeds (BEP 19)"),
  nodes: documented(Schema.Array(Node), "Nodes of the DHT to begin with (BEP 5)"),
  files: documented(
    Schema.NullOr(Schema.Array(File)),
    "In the order of the torrent, from which select-file counts; null: a link does not tell"
  ),
  comment: documented(text, "What its maker has to say; null: nothing"),
  createdBy: documented(text, "The program that made it; null: not told"),
  creationDate: documented(count, "When it was made, Unix time in seconds; null: not told"),
  source: documented(text, "The private tracker's mark in the info dictionary; null: none"),
  magnet: documented(Schema.String, "The magnet link to it")
}).annotate({
  identifier: "Torrent",
  title: "A torrent",
  description: "What show --json prints of a torrent or a link"
})

export type ShownTorrent = typeof ShownTorrent.Type

const fileOf = ({ length, padding, path, piecesRoot, symlink }: FileEntry): typeof File.Type => ({
  path: path.join("/"),
  length,
  pad: padding,
  ...symlink !== undefined && { symlink: symlink.join("/") },
  ...piecesRoot !== undefined && { root: Bytes.toHex(piecesRoot) }
})

/** Bytes of all files that are stored. */
export const totalLength = (metainfo: Metainfo): number =>
  metainfo.files.reduce((sum, { length, padding }) => sum + (padding ? 0 : length), 0)

export const ofMetainfo = (metainfo: Metainfo): ShownTorrent => ({
  name: metainfo.name,
  version: metainfo.version,
  infoHash: metainfo.infoHashV1 ?? null,
  infoHashV2: metainfo.infoHashV2 ?? null,
  pieceLength: metainfo.layout.pieceLength,
  pieceCount: metainfo.layout.pieces,
  totalLength: totalLength(metainfo),
  private: metainfo.private,
  announce: metainfo.trackers,
  webSeeds: metainfo.webSeeds,
  nodes: metainfo.nodes,
  files: metainfo.files.map(fileOf),
  comment: metainfo.comment ?? null,
  createdBy: metainfo.createdBy ?? null,
  creationDate: metainfo.creationDate ?? null,
  source: metainfo.source ?? null,
  magnet: Magnet.format(Magnet.fromMetainfo(metainfo))
})

export const ofMagnet = (magnet: Magnet.Magnet): ShownTorrent => ({
  name: magnet.name ?? null,
  version: magnet.infoHashV2 === undefined ? "1" : magnet.infoHashV1 === undefined ? "2" : "hybrid",
  infoHash: magnet.infoHashV1 ?? null,
  infoHashV2: magnet.infoHashV2 ?? null,
  pieceLength: null,
  pieceCount: null,
  totalLength: null,
  private: null,
  announce: magnet.trackers.map((url) => [url]),
  webSeeds: magnet.webSeeds,
  nodes: [],
  files: null,
  comment: null,
  createdBy: null,
  creationDate: null,
  source: null,
  magnet: Magnet.format(magnet)
})

/** One line of printable JSON, without its end of line. */
export const encode = (torrent: ShownTorrent): string => JsonLine.printable(JSON.stringify(torrent))
