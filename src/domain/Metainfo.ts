/** What a .torrent says (BEP 3, 12, 27, 47, 52), after every check: sizes and hashes fit, and all paths are safe. */
import * as Result from "effect/Result"
import * as Bencode from "./Bencode.ts"
import * as Digest from "./Digest.ts"
import * as InfoHash from "./InfoHash.ts"
import * as InfoHashV2 from "./InfoHashV2.ts"
import * as Fields from "./metainfo/Fields.ts"
import * as Info from "./metainfo/Info.ts"
import * as Links from "./metainfo/Links.ts"
import { fromBencode, invalid, type Parsed } from "./metainfo/MetainfoError.ts"
import type * as PieceLayout from "./PieceLayout.ts"
import type * as SafePath from "./SafePath.ts"

export { MAX_FILES, MAX_PIECE_LENGTH, MAX_PIECES } from "./metainfo/Info.ts"
export { MetainfoError } from "./metainfo/MetainfoError.ts"

export interface FileEntry {
  /**
   * Safe components below the download folder: the file's name for a single-file torrent, `[name, ...path]` else. Unique in
   * the torrent, whatever the case or Unicode normal form of the file system; only padding may share a path.
   */
  readonly path: ReadonlyArray<string>
  readonly length: number
  /** Where the file starts in the payload: in version 2 at a piece, unless it is empty. */
  readonly offset: number
  /** A padding file (BEP 47, `attr` holds `p`): its bytes are zero and never stored. */
  readonly padding: boolean
  /** The root of the file's hash tree (BEP 52), 32 bytes; `undefined` for empty files, for padding and in version 1. */
  readonly piecesRoot: Uint8Array | undefined
  /**
   * Where a symbolic link points (BEP 47, `attr` holds `l`): safe components below the torrent's own folder. Such a file has
   * length 0, and nothing is ever created for it: links are told of, never followed nor made.
   */
  readonly symlink: ReadonlyArray<string> | undefined
  /** BEP 47: `attr` holds `x`. */
  readonly executable: boolean
}

/** Whether the file has a place on the disk: padding and links have none. */
export const isStored = (file: FileEntry): boolean => !file.padding && file.symlink === undefined

/** The file or folder that all of the torrent lies in, below the download folder. */
export const topOf = ({ files }: Pick<Metainfo, "files">): string => files[0]!.path[0]!

/** `hybrid` is both: one payload, described and hashed in both ways. */
export type Version = "1" | "2" | "hybrid"

export interface Metainfo {
  readonly version: Version
  /** How the torrent is known everywhere: the hash of version 1, or the truncated one of a torrent without version 1. */
  readonly infoHash: InfoHash.InfoHash
  readonly infoHashV1: InfoHash.InfoHash | undefined
  readonly infoHashV2: InfoHashV2.InfoHashV2 | undefined
  /** The hashes of handshakes and announces, one a swarm: version 1, the truncated one of version 2, or both in this order. */
  readonly swarms: ReadonlyArray<InfoHash.InfoHash>
  /** The safe name of the file or the top folder. */
  readonly name: string
  /** Whether the payload lives in a folder called `name`: `info` has `files`, or a tree of more than one file in no folder. */
  readonly multiFile: boolean
  readonly files: ReadonlyArray<FileEntry>
  readonly layout: PieceLayout.PieceLayout
  /** The SHA-1 of every piece, 20 bytes each, end to end; empty without version 1. */
  readonly pieceHashes: Uint8Array
  /**
   * For every piece the root of its own subtree (BEP 52), 32 bytes each, end to end: for a file no longer than a piece, its
   * pieces root. `undefined` in version 1.
   */
  readonly pieceRoots: Uint8Array | undefined
  /** BEP 27: peers come from the torrent's own trackers alone. */
  readonly private: boolean
  /** Tiers of announce URLs (BEP 12); `announce` alone is one tier of one. */
  readonly trackers: ReadonlyArray<ReadonlyArray<string>>
  readonly webSeeds: ReadonlyArray<string>
  /** DHT nodes (BEP 5), as the torrent gives them. */
  readonly nodes: ReadonlyArray<Links.Node>
  readonly comment: string | undefined
  readonly createdBy: string | undefined
  /** Unix time in seconds. */
  readonly creationDate: number | undefined
  /** `source` of `info`: what a private tracker marks its torrents with. */
  readonly source: string | undefined
  /** The raw `info` dictionary, as it stood in the document: what the info hash is taken over. */
  readonly info: Uint8Array
}

const ROOT_FIELDS = [
  "info",
  "announce",
  "announce-list",
  "url-list",
  "nodes",
  "comment",
  "comment.utf-8",
  "created by",
  "created by.utf-8",
  "creation date",
  "piece layers"
] as const

export interface ParseOptions {
  /** Largest document. */
  readonly maxBytes?: number | undefined
  /** The most keys and values in it; a file takes seven. */
  readonly maxTokens?: number | undefined
  /**
   * Bytes of the name and of all paths: names take longest to be made safe. Those of version 1 count as they stand in the
   * document, those of version 2 written out in full; a hybrid has both, each within the limit.
   */
  readonly maxNameBytes?: number | undefined
  /** Files that may need a number, since another has their name on some file system. */
  readonly maxNumbered?: number | undefined
  /** Reads a hybrid as what version 1 says of it: where its piece layers cannot be had. */
  readonly version1?: boolean | undefined
  /** What to change in file names; `posix` finds data that lies on a POSIX disk already. */
  readonly names?: SafePath.Rules | undefined
}

type Hashes = Pick<Metainfo, "infoHash" | "infoHashV1" | "infoHashV2" | "swarms">

const hashesOf = (info: Uint8Array, version: Version): Hashes => {
  const infoHashV1 = version === "2" ? undefined : InfoHash.fromBytes(Digest.sha1(info))
  const infoHashV2 = version === "1" ? undefined : InfoHashV2.fromBytes(Digest.sha256(info))
  const truncated = infoHashV2 && InfoHash.truncate(infoHashV2)
  const swarms = [infoHashV1, truncated].filter((hash) => hash !== undefined)
  return { infoHash: swarms[0]!, infoHashV1, infoHashV2, swarms }
}

/**
 * Reads a .torrent. Only what a download needs can make it fail; trackers, comments and dates that make no sense are left
 * out. Takes the whole document; `info` and `pieceHashes` of the result are views of it.
 */
export const parse = (bytes: Uint8Array, options: ParseOptions = {}): Parsed<Metainfo> =>
  Result.gen(function*() {
    // A plain view, since `slice` of a Node `Buffer` does not copy.
    const document = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const limits = {
      ...Bencode.DOCUMENT,
      maxBytes: options.maxBytes ?? Bencode.DOCUMENT.maxBytes,
      maxTokens: options.maxTokens ?? Bencode.DOCUMENT.maxTokens
    }
    const read = Bencode.read(document, limits)
    if (Result.isFailure(read)) return yield* fromBencode(read.failure)
    const fields = Bencode.pick(read.success, ROOT_FIELDS)
    if (fields.info?.kind !== "Dictionary") return yield* invalid("info is missing or not a dictionary")
    const payload = yield* Info.read(fields.info, fields["piece layers"], options.names ?? "portable", {
      ...limits,
      maxNameBytes: options.maxNameBytes ?? Infinity,
      maxNumbered: options.maxNumbered ?? Infinity,
      version1: options.version1 ?? false
    })
    const info = Bencode.raw(fields.info)
    return {
      ...payload,
      ...hashesOf(info, payload.version),
      trackers: Links.trackers(fields["announce-list"], fields.announce),
      webSeeds: Links.urls(Links.itemsOrSelf(fields["url-list"]), new Set()),
      nodes: Links.nodes(fields.nodes),
      comment: Bencode.text(fields["comment.utf-8"]) ?? Bencode.text(fields.comment),
      createdBy: Bencode.text(fields["created by.utf-8"]) ?? Bencode.text(fields["created by"]),
      creationDate: Fields.size(fields["creation date"]),
      info
    }
  })
