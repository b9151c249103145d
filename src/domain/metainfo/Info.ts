/** What the `info` dictionary says (BEP 3, 27, 47, 52): all that the info hash is taken over. */
import * as Result from "effect/Result"
import * as Bencode from "../Bencode.ts"
import * as Bytes from "../Bytes.ts"
import * as Digest from "../Digest.ts"
import * as Merkle from "../Merkle.ts"
import type { FileEntry, Metainfo, Version } from "../Metainfo.ts"
import * as PieceLayout from "../PieceLayout.ts"
import * as SafePath from "../SafePath.ts"
import * as Fields from "./Fields.ts"
import * as FileList from "./FileList.ts"
import * as FileTree from "./FileTree.ts"
import * as Hybrid from "./Hybrid.ts"
import { invalid, type Parsed, tooLarge, tooManyNames } from "./MetainfoError.ts"
import * as PieceLayers from "./PieceLayers.ts"
import * as Placement from "./Placement.ts"

/** Of one torrent, padding included. */
export const MAX_FILES = 1_048_576

/** Of one torrent. */
export const MAX_PIECES = 4_194_304

/** Bytes. */
export const MAX_PIECE_LENGTH = 512 * 1024 * 1024

const FIELDS = [
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

/** See `Metainfo.ParseOptions`. */
export interface Limits {
  readonly maxBytes: number
  readonly maxTokens: number
  readonly maxNameBytes: number
  readonly maxNumbered: number
  readonly version1: boolean
}

type InfoFields = { readonly [Name in (typeof FIELDS)[number]]?: Bencode.Value }

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
  return isPossible && pieceLength >= PieceLayout.BLOCK && Merkle.isPowerOfTwo(pieceLength)
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
const rename = (
  { files, multiFile }: Files,
  name: string,
  rules: SafePath.Rules,
  maxNumbered: number
): Parsed<ReadonlyArray<FileEntry>> => {
  const safe = SafePath.alone(rules)
  // Padding is often of one name. Numbers that told it apart would help nobody, and take a fifth of the time of all reading.
  const kept = files.filter(({ padding }) => !padding)
  const paths = SafePath.allWithin(kept.map(({ path }) => multiFile ? [name, ...path] : path), rules, maxNumbered)
  if (paths === undefined) return tooLarge(`more than ${maxNumbered} of its files have the names of others`)
  kept.forEach((file, i) => {
    file.path = paths[i]!
    if (file.symlink !== undefined) file.symlink = safe(file.symlink)
  })
  for (const file of files) if (file.padding) file.path = safe([name, ...file.path])
  return Result.succeed(files)
}

/** What `info` says of a torrent. */
export type Payload = Pick<
  Metainfo,
  "version" | "name" | "multiFile" | "files" | "layout" | "pieceHashes" | "pieceRoots" | "private" | "source"
>

/**
 * Reads an `info` dictionary.
 *
 * @param layers the `piece layers` that stand beside it, which version 2 cannot do without
 */
export const read = (
  info: Bencode.Value,
  layers: Bencode.Value | undefined,
  rules: SafePath.Rules,
  limits: Limits
): Parsed<Payload> =>
  Result.gen(function*() {
    const fields = Bencode.pick(info, FIELDS)
    const declared = yield* readVersion(fields)
    const version = declared === "hybrid" && limits.version1 ? "1" : declared
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
      files: yield* rename(content, name, rules, limits.maxNumbered),
      layout,
      pieceHashes,
      pieceRoots,
      private: (Bencode.integer(fields.private) ?? 0) !== 0,
      source: Bencode.text(fields.source)
    }
  })
