/** What a .torrent says (BEP 3, 12, 27, 47), after every check: sizes add up, and all paths are safe. */
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import * as Bencode from "./Bencode.ts"
import * as Digest from "./Digest.ts"
import * as InfoHash from "./InfoHash.ts"
import * as PieceLayout from "./PieceLayout.ts"
import * as SafePath from "./SafePath.ts"

export interface FileEntry {
  /**
   * Safe components below the download folder: `[name]` for a single-file torrent, `[name, ...path]` else. Unique in
   * the torrent, whatever the case or Unicode normal form of the file system.
   */
  readonly path: ReadonlyArray<string>
  readonly length: number
  /** Where the file starts in the payload. */
  readonly offset: number
  /** A padding file (BEP 47, `attr` holds `p`): its bytes are zero and never stored. */
  readonly padding: boolean
}

export interface Metainfo {
  readonly infoHash: InfoHash.InfoHash
  /** The safe name of the file or the top folder. */
  readonly name: string
  /** Whether `info` has `files`: the payload lives in a folder called `name`. */
  readonly multiFile: boolean
  readonly files: ReadonlyArray<FileEntry>
  readonly layout: PieceLayout.PieceLayout
  /** The SHA-1 of every piece, 20 bytes each, end to end. */
  readonly pieceHashes: Uint8Array
  /** BEP 27: peers come from the torrent's own trackers alone. */
  readonly private: boolean
  /** Tiers of announce URLs (BEP 12); `announce` alone is one tier of one. */
  readonly trackers: ReadonlyArray<ReadonlyArray<string>>
  readonly webSeeds: ReadonlyArray<string>
  /** DHT nodes (BEP 5), as the torrent gives them. */
  readonly nodes: ReadonlyArray<{ readonly host: string; readonly port: number }>
  readonly comment: string | undefined
  readonly createdBy: string | undefined
  /** Unix time in seconds. */
  readonly creationDate: number | undefined
  /** The raw `info` dictionary, as it stood in the document: what the info hash is taken over. */
  readonly info: Uint8Array
}

export const MAX_FILES = 1_048_576

export const MAX_PIECES = 4_194_304

export const MAX_PIECE_LENGTH = 512 * 1024 * 1024

/** Trackers, web seeds or nodes of one torrent; more are left out, as are longer URLs. */
const MAX_LINKS = 1024
const MAX_URL = 4096

const URL_SHAPE = /^[a-z][a-z\d+.-]*:\/\/[^\s\p{Cc}/][^\s\p{Cc}]*$/iu

const INFO_FIELDS = [
  "name",
  "name.utf-8",
  "files",
  "length",
  "piece length",
  "pieces",
  "private",
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
  "creation date"
] as const

export interface ParseOptions {
  /** Largest document. */
  readonly maxBytes?: number | undefined
  /** The most keys and values in it; a file takes seven. */
  readonly maxTokens?: number | undefined
  /** Bytes of the name and of all paths, as they stand in the document: names take longest to be made safe. */
  readonly maxNameBytes?: number | undefined
  /** Files that may need a number, since another has their name on some file system. */
  readonly maxNumbered?: number | undefined
  /** What to change in file names; `posix` finds data that lies on a POSIX disk already. */
  readonly names?: SafePath.Rules | undefined
}

/**
 * Why a document is no torrent: larger than the limits, no bencode at all, or a field that cannot be.
 */
export class MetainfoError extends Data.TaggedError("MetainfoError")<{
  readonly reason: "TooLarge" | "NotBencode" | "Invalid"
  /** One line: the field, and what is wrong with it. */
  readonly message: string
}> {}

type Parsed<A> = Result.Result<A, MetainfoError>

const invalid = (message: string): Result.Result<never, MetainfoError> =>
  Result.fail(new MetainfoError({ reason: "Invalid", message }))

const fromBencode = (error: Bencode.BencodeError): MetainfoError =>
  error.reason === "TooLarge" || error.reason === "TooManyTokens"
    ? new MetainfoError({ reason: "TooLarge", message: `the torrent file is too large: ${error.message}` })
    : new MetainfoError({ reason: "NotBencode", message: `not a torrent file: ${error.message}` })

/** An integer of 0 or more. */
const size = (value: Bencode.Value | undefined): number | undefined => {
  const number = Bencode.integer(value)
  return number !== undefined && number >= 0 ? number : undefined
}

interface RawFile {
  readonly path: ReadonlyArray<string>
  readonly length: number
  readonly padding: boolean
}

const readPath = (value: Bencode.Value | undefined): Array<string> | undefined => {
  const path: Array<string> = []
  for (const item of Bencode.items(value)) {
    const component = Bencode.text(item)
    if (component === undefined) return undefined
    path.push(component)
  }
  return path.length === 0 ? undefined : path
}

const tooLarge = (problem: string): Result.Result<never, MetainfoError> =>
  Result.fail(new MetainfoError({ reason: "TooLarge", message: `the torrent file is too large: ${problem}` }))

const tooManyNames = (maxNameBytes: number): Result.Result<never, MetainfoError> =>
  tooLarge(`its names have more than ${maxNameBytes} bytes`)

const span = (value: Bencode.Value | undefined): number => value === undefined ? 0 : value.end - value.start

const readFiles = (list: Bencode.Value, name: string, maxNameBytes: number): Parsed<Array<RawFile>> => {
  let nameBytes = 0
  if (list.kind !== "List") return invalid("info.files is not a list")
  const files: Array<RawFile> = []
  for (const item of Bencode.items(list)) {
    const at = files.length
    if (at === MAX_FILES) return invalid(`info.files has more than ${MAX_FILES} files`)
    const fields = Bencode.pick(item, ["length", "path", "path.utf-8", "attr"])
    nameBytes += span(fields["path.utf-8"]) + span(fields.path)
    if (nameBytes > maxNameBytes) return tooManyNames(maxNameBytes)
    const length = size(fields.length)
    if (length === undefined) return invalid(`info.files[${at}].length is not an integer of 0 or more`)
    const padding = Bencode.text(fields.attr)?.includes("p") ?? false
    const path = readPath(fields["path.utf-8"]) ?? readPath(fields.path) ??
      (padding ? [".pad", String(length)] : undefined)
    if (path === undefined) return invalid(`info.files[${at}].path is not a list of names`)
    files.push({ path: [name, ...path], length, padding })
  }
  return files.length === 0 ? invalid("info.files is empty") : Result.succeed(files)
}

interface NameOptions {
  readonly maxNameBytes: number
  readonly maxNumbered: number
  readonly names: SafePath.Rules
}

interface LaidOut {
  readonly files: Array<FileEntry>
  readonly total: number
}

/** Lays the files end to end, under safe names. */
const layOut = (raw: ReadonlyArray<RawFile>, { maxNumbered, names }: NameOptions): Parsed<LaidOut> => {
  const paths = SafePath.allWithin(raw.map((file) => file.path), names, maxNumbered)
  if (paths === undefined) return tooLarge(`more than ${maxNumbered} of its files have the names of others`)
  let total = 0
  const files = raw.map(({ length, padding }, i): FileEntry => {
    const offset = total
    total += length
    return { path: paths[i]!, length, offset, padding }
  })
  return Result.succeed({ files, total })
}

const readLayout = (total: number, value: Bencode.Value | undefined): Parsed<PieceLayout.PieceLayout> => {
  if (total === 0) return invalid("info has no data: all its files are empty")
  if (total > Number.MAX_SAFE_INTEGER) return invalid("info.files add up to more than 2^53 bytes")
  const pieceLength = size(value) ?? 0
  if (pieceLength < 1 || pieceLength > MAX_PIECE_LENGTH) {
    return invalid(`info.piece length is not an integer from 1 to ${MAX_PIECE_LENGTH}`)
  }
  const layout = PieceLayout.make(total, pieceLength)
  return layout.pieces > MAX_PIECES
    ? invalid(`info.piece length makes ${layout.pieces} pieces, more than ${MAX_PIECES}`)
    : Result.succeed(layout)
}

type Payload = Pick<Metainfo, "name" | "multiFile" | "files" | "layout" | "pieceHashes" | "private">

const readInfo = (info: Bencode.Value, options: NameOptions): Parsed<Payload> =>
  Result.gen(function*() {
    const fields = Bencode.pick(info, INFO_FIELDS)
    const { maxNameBytes, names } = options
    const bytesOfName = span(fields["name.utf-8"]) + span(fields.name)
    if (bytesOfName > maxNameBytes) return yield* tooManyNames(maxNameBytes)
    if (fields.pieces === undefined && (fields["meta version"] ?? fields["file tree"]) !== undefined) {
      return yield* invalid("info has no pieces: this is a version 2 torrent, which is not supported yet")
    }
    const name = Bencode.text(fields["name.utf-8"]) ?? Bencode.text(fields.name)
    if (name === undefined) return yield* invalid("info.name is not a text")
    const multiFile = fields.files !== undefined
    const length = size(fields.length)
    if (!multiFile && length === undefined) {
      return yield* invalid("info has neither files nor a length that is an integer of 0 or more")
    }
    const raw = fields.files === undefined
      ? [{ path: [name], length: length ?? 0, padding: false }]
      : yield* readFiles(fields.files, name, maxNameBytes - bytesOfName)
    const { files, total } = yield* layOut(raw, options)
    const layout = yield* readLayout(total, fields["piece length"])
    const pieceHashes = Bencode.bytes(fields.pieces)
    if (pieceHashes?.length !== layout.pieces * Digest.SHA1_BYTES) {
      return yield* invalid(
        `info.pieces is not ${layout.pieces} hashes of ${Digest.SHA1_BYTES} bytes, as the sizes need`
      )
    }
    return {
      name: SafePath.component(name, names),
      multiFile,
      files,
      layout,
      pieceHashes,
      private: (Bencode.integer(fields.private) ?? 0) !== 0
    }
  })

/** The URLs among some values, once each and not more than there is room for; `seen` spans all calls of one list. */
const urls = (values: Iterable<Bencode.Value>, seen: Set<string>): Array<string> => {
  const found: Array<string> = []
  for (const value of values) {
    if (seen.size >= MAX_LINKS) break
    if (value.end - value.start > MAX_URL) continue
    const url = Bencode.text(value)?.trim() ?? ""
    if (seen.has(url) || !URL_SHAPE.test(url)) continue
    seen.add(url)
    found.push(url)
  }
  return found
}

const itemsOrSelf = (value: Bencode.Value | undefined): Iterable<Bencode.Value> =>
  value?.kind === "Bytes" ? [value] : Bencode.items(value)

/** Tiers of `announce-list`, where a bare URL is a tier of its own; `announce` when the list has no URL (BEP 12). */
const readTrackers = (list: Bencode.Value | undefined, announce: Bencode.Value | undefined): Array<Array<string>> => {
  const seen = new Set<string>()
  const tiers: Array<Array<string>> = []
  for (const tier of Bencode.items(list)) {
    if (seen.size >= MAX_LINKS) break
    const found = urls(itemsOrSelf(tier), seen)
    if (found.length > 0) tiers.push(found)
  }
  if (tiers.length > 0) return tiers
  const single = urls(itemsOrSelf(announce), seen)
  return single.length > 0 ? [single] : []
}

const readNodes = (list: Bencode.Value | undefined): Metainfo["nodes"] => {
  const nodes: Array<{ readonly host: string; readonly port: number }> = []
  for (const item of Bencode.items(list)) {
    if (nodes.length >= MAX_LINKS) break
    const [first, second] = Bencode.items(item)
    const host = Bencode.text(first) ?? ""
    const port = Bencode.integer(second) ?? 0
    if (/^[^\s\p{Cc}]{1,255}$/u.test(host) && port >= 1 && port <= 0xffff) nodes.push({ host, port })
  }
  return nodes
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
    const root = yield* Result.mapError(Bencode.read(document, limits), fromBencode)
    const fields = Bencode.pick(root, ROOT_FIELDS)
    if (fields.info?.kind !== "Dictionary") return yield* invalid("info is missing or not a dictionary")
    const { maxNameBytes = Infinity, maxNumbered = Infinity, names = "portable" } = options
    const payload = yield* readInfo(fields.info, { maxNameBytes, maxNumbered, names })
    const info = Bencode.raw(fields.info)
    return {
      ...payload,
      infoHash: InfoHash.fromBytes(Digest.sha1(info)),
      trackers: readTrackers(fields["announce-list"], fields.announce),
      webSeeds: urls(itemsOrSelf(fields["url-list"]), new Set()),
      nodes: readNodes(fields.nodes),
      comment: Bencode.text(fields["comment.utf-8"]) ?? Bencode.text(fields.comment),
      createdBy: Bencode.text(fields["created by.utf-8"]) ?? Bencode.text(fields["created by"]),
      creationDate: size(fields["creation date"]),
      info
    }
  })
