/** What a .torrent says (BEP 3, 12, 27, 47, 52), after every check: sizes and hashes fit, and all paths are safe. */
import * as Result from "effect/Result"
import * as Bencode from "./Bencode.ts"
import * as Bytes from "./Bytes.ts"
import * as Digest from "./Digest.ts"
import * as InfoHash from "./InfoHash.ts"
import * as InfoHashV2 from "./InfoHashV2.ts"
import * as Merkle from "./Merkle.ts"
import * as Fields from "./metainfo/Fields.ts"
import * as FileList from "./metainfo/FileList.ts"
import * as FileTree from "./metainfo/FileTree.ts"
import * as Hybrid from "./metainfo/Hybrid.ts"
import * as Links from "./metainfo/Links.ts"
import { fromBencode, invalid, type Parsed, tooManyNames } from "./metainfo/MetainfoError.ts"
import * as PieceLayers from "./metainfo/PieceLayers.ts"
import * as Placement from "./metainfo/Placement.ts"
import * as PieceLayout from "./PieceLayout.ts"
import * as SafePath from "./SafePath.ts"

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

export const MAX_FILES = 1_048_576

export const MAX_PIECES = 4_194_304

export const MAX_PIECE_LENGTH = 512 * 1024 * 1024

const INFO_FIELDS = [
  "name",
  "name.utf-8",
  "files",
  "length",
  "piece length",
  "pieces",
  "private",
  "source",
  "attr",
  "meta version",
  "file tree"
] as const

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
  /** What to change in file names; `posix` finds data that lies on a POSIX disk already. */
  readonly names?: SafePath.Rules | undefined
}

interface Limits {
  readonly maxBytes: number
  readonly maxTokens: number
  readonly maxNameBytes: number
}

type InfoFields = { readonly [Name in (typeof INFO_FIELDS)[number]]?: Bencode.Value }

/** BEP 52 wants this checked before anything else, so that a newer format is called by its name. */
const readVersion = (fields: InfoFields): Parsed<Version> => {
  const declared = Bencode.integer(fields["meta version"])
  if (fields["meta version"] !== undefined && (declared === undefined || declared > 2)) {
    return invalid(`info.meta version is ${declared ?? "no number"}: nothing newer than version 2 can be read`)
  }
  const tree = fields["file tree"]
  if (declared !== 2) {
    return tree === undefined ? Result.succeed("1") : invalid("info has a file tree without a meta version of 2")
  }
  if (tree?.kind !== "Dictionary") return invalid("info.file tree is missing or not a dictionary")
  return Result.succeed((fields.pieces ?? fields.files ?? fields.length) === undefined ? "2" : "hybrid")
}

const readPieceLength = (value: Bencode.Value | undefined, version: Version): Parsed<number> => {
  const pieceLength = Fields.size(value) ?? 0
  const isPossible = pieceLength >= 1 && pieceLength <= MAX_PIECE_LENGTH
  if (version === "1") {
    return isPossible
      ? Result.succeed(pieceLength)
      : invalid(`info.piece length is not an integer from 1 to ${MAX_PIECE_LENGTH}`)
  }
  return isPossible && pieceLength >= PieceLayout.BLOCK && Merkle.powerOfTwo(pieceLength) === pieceLength
    ? Result.succeed(pieceLength)
    : invalid(`info.piece length is not a power of two from ${PieceLayout.BLOCK} to ${MAX_PIECE_LENGTH}`)
}

const readHashes = (value: Bencode.Value | undefined, { pieces }: PieceLayout.PieceLayout): Parsed<Uint8Array> => {
  const hashes = Bencode.bytes(value)
  return hashes?.length === pieces * Digest.SHA1_BYTES
    ? Result.succeed(hashes)
    : invalid(`info.pieces is not ${pieces} hashes of ${Digest.SHA1_BYTES} bytes, as the sizes need`)
}

const readList = (fields: InfoFields, name: string, maxNameBytes: number): Parsed<Array<FileList.ListedFile>> =>
  fields.files === undefined ? FileList.single(fields, name) : FileList.read(fields.files, MAX_FILES, maxNameBytes)

interface Files {
  readonly files: ReadonlyArray<Placement.Placed>
  readonly multiFile: boolean
}

const readFiles = (
  fields: InfoFields,
  version: Version,
  name: string,
  pieceLength: number,
  { maxBytes, maxNameBytes, maxTokens }: Limits
): Parsed<Files> =>
  Result.gen(function*() {
    const multiFile = fields.files !== undefined
    if (version === "1") {
      const list = yield* readList(fields, name, maxNameBytes)
      return { files: Placement.ofList(list, []), multiFile }
    }
    const value = fields["file tree"]!
    const tree = yield* FileTree.read(value, {
      maxFiles: MAX_FILES,
      // No more than a list could tell of: 5 MB of 200,000 empty files 92 levels deep would take 1.3 GB.
      maxNames: Math.min(maxTokens, value.document.length),
      maxNameBytes: Math.min(maxBytes, maxNameBytes)
    })
    if (version === "2") return { files: Placement.ofTree(tree.files, pieceLength), multiFile: !tree.single }
    const list = yield* readList(fields, name, maxNameBytes)
    return { files: Placement.ofList(list, yield* Hybrid.pair(list, tree, multiFile, pieceLength)), multiFile }
  })

/** Puts safe names in the place of raw ones: entries made anew would be garbage for each of a million files. */
const rename = ({ files, multiFile }: Files, name: string, rules: SafePath.Rules): ReadonlyArray<FileEntry> => {
  const safe = SafePath.alone(rules)
  // Padding is often of one name. Numbers that told it apart would help nobody, and take a fifth of the time of all reading.
  const kept = files.filter(({ padding }) => !padding)
  const paths = SafePath.all(kept.map(({ path }) => multiFile ? [name, ...path] : path), rules)
  kept.forEach((file, i) => {
    file.path = paths[i]!
    if (file.symlink !== undefined) file.symlink = safe(file.symlink)
  })
  for (const file of files) if (file.padding) file.path = safe([name, ...file.path])
  return files
}

type Payload = Pick<
  Metainfo,
  "version" | "name" | "multiFile" | "files" | "layout" | "pieceHashes" | "pieceRoots" | "private" | "source"
>

const readInfo = (
  info: Bencode.Value,
  layers: Bencode.Value | undefined,
  rules: SafePath.Rules,
  limits: Limits
): Parsed<Payload> =>
  Result.gen(function*() {
    const fields = Bencode.pick(info, INFO_FIELDS)
    const version = yield* readVersion(fields)
    const maxNameBytes = limits.maxNameBytes - Fields.span(fields["name.utf-8"]) - Fields.span(fields.name)
    if (maxNameBytes < 0) return yield* tooManyNames(limits.maxNameBytes)
    const name = Bencode.text(fields["name.utf-8"]) ?? Bencode.text(fields.name)
    if (name === undefined) return yield* invalid("info.name is not a text")
    const pieceLength = yield* readPieceLength(fields["piece length"], version)
    const content = yield* readFiles(fields, version, name, pieceLength, { ...limits, maxNameBytes })
    const layout = yield* Placement.layout(content.files, pieceLength, version, { ...limits, maxPieces: MAX_PIECES })
    const pieceHashes = version === "2" ? Bytes.empty : yield* readHashes(fields.pieces, layout)
    const pieceRoots = version === "1" ? undefined : yield* PieceLayers.read(layers, content.files, layout)
    return {
      version,
      name: SafePath.component(name, rules),
      multiFile: content.multiFile,
      files: rename(content, name, rules),
      layout,
      pieceHashes,
      pieceRoots,
      private: (Bencode.integer(fields.private) ?? 0) !== 0,
      source: Bencode.text(fields.source)
    }
  })

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
    const payload = yield* readInfo(fields.info, fields["piece layers"], options.names ?? "portable", {
      ...limits,
      maxNameBytes: options.maxNameBytes ?? Infinity
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
