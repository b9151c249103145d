/** Writes a .torrent of any version (BEP 3, 5, 12, 19, 27, 47, 52): what `Metainfo.parse` reads. */
import * as Bencode from "./Bencode.ts"
import * as Bytes from "./Bytes.ts"
import type { Version } from "./Metainfo.ts"

/** A component of a path; bytes stand as they are, for names that are not UTF-8. */
export type Name = string | Uint8Array

/** What is said of a file, in a folder or alone. */
interface Content {
  /** 0 for a link. */
  readonly length: number
  readonly executable?: boolean | undefined
  /** The root of the file's hash tree, 32 bytes; for versions with 2, unless the file is empty. */
  readonly piecesRoot?: Uint8Array | undefined
  /** The roots of its pieces, 32 bytes each, end to end; for versions with 2, when the file is longer than a piece. */
  readonly pieceLayer?: Uint8Array | undefined
}

export interface PartFile extends Content {
  /** Below the torrent's folder. */
  readonly path: ReadonlyArray<Name>
  /** Stands in the list of version 1 alone. */
  readonly padding?: boolean | undefined
  /** Where a symbolic link points, below the torrent's folder. */
  readonly symlink?: ReadonlyArray<Name> | undefined
}

interface Common {
  /** "1" when absent. */
  readonly version?: Version | undefined
  readonly name: Name
  readonly pieceLength: number
  /** 20 bytes for every piece, end to end; left out of version 2. */
  readonly pieceHashes: Uint8Array
  readonly trackers?: ReadonlyArray<ReadonlyArray<string>> | undefined
  readonly webSeeds?: ReadonlyArray<string> | undefined
  readonly nodes?: ReadonlyArray<{ readonly host: string; readonly port: number }> | undefined
  readonly private?: boolean | undefined
  readonly source?: string | undefined
  readonly comment?: string | undefined
  readonly createdBy?: string | undefined
  /** Unix time in seconds. */
  readonly creationDate?: number | undefined
}

/**
 * One file of some length, or files in a folder. The files of a hybrid are in the order of `FileTree.compare`, with the
 * padding of `Padding.insert`.
 */
export type Parts = Common & (Content | { readonly files: ReadonlyArray<PartFile> })

type Fields = { readonly [key: string]: Bencode.Encodable | undefined }

const orNothing = <A>(list: ReadonlyArray<A> = []): ReadonlyArray<A> | undefined => list.length === 0 ? undefined : list

/** BEP 47. */
const attr = ({ executable, padding, symlink }: Partial<PartFile>): string | undefined => {
  const flags = `${padding ? "p" : ""}${executable ? "x" : ""}${symlink === undefined ? "" : "l"}`
  return flags === "" ? undefined : flags
}

const fileList = (files: ReadonlyArray<PartFile>): ReadonlyArray<Bencode.Encodable> =>
  files.map((file): Fields => ({
    attr: attr(file),
    length: file.length,
    path: file.path,
    "symlink path": file.symlink
  }))

interface Folder {
  readonly fields: Map<string | Uint8Array, Bencode.Encodable>
  readonly folders: Map<string, Folder>
}

const makeFolder = (): Folder => ({ fields: new Map(), folders: new Map() })

const bytesOf = (name: Name): Uint8Array => typeof name === "string" ? Bytes.fromUtf8(name) : name

const enter = (folder: Folder, name: Name): Folder => {
  const bytes = bytesOf(name)
  const key = Bytes.toLatin1(bytes)
  const known = folder.folders.get(key)
  if (known !== undefined) return known
  const made = makeFolder()
  folder.folders.set(key, made)
  folder.fields.set(bytes, made.fields)
  return made
}

const fileTree = (files: ReadonlyArray<PartFile>): Bencode.Encodable => {
  const root = makeFolder()
  for (const file of files) {
    if (file.padding) continue
    const fields: Fields = {
      attr: attr(file),
      // As libtorrent writes links, so that the same files get the same info hash.
      length: file.symlink === undefined ? file.length : undefined,
      "pieces root": file.length === 0 ? undefined : file.piecesRoot,
      "symlink path": file.symlink
    }
    file.path.reduce(enter, root).fields.set("", fields as Bencode.Encodable)
  }
  return root.fields
}

/** Files with the same content have one layer between them. */
const pieceLayers = (files: ReadonlyArray<Content>): Bencode.Encodable => {
  const layers = new Map<string, readonly [root: Uint8Array, layer: Uint8Array]>()
  for (const { pieceLayer, piecesRoot } of files) {
    if (piecesRoot !== undefined && pieceLayer !== undefined) {
      layers.set(Bytes.toLatin1(piecesRoot), [piecesRoot, pieceLayer])
    }
  }
  return new Map(layers.values())
}

/**
 * The document, with all keys in order. Nothing is checked against anything else (sizes, hashes, roots, the order of the
 * files): parsing does.
 */
export const encode = (parts: Parts): Uint8Array => {
  const { version = "1" } = parts
  const tiers = (parts.trackers ?? []).filter((tier) => tier.length > 0)
  const files = "files" in parts ? parts.files : [{ ...parts, path: [parts.name] }]
  const first: Fields = version === "2" ? {} : {
    attr: "files" in parts ? undefined : attr(parts),
    files: "files" in parts ? fileList(parts.files) : undefined,
    length: "files" in parts ? undefined : parts.length,
    pieces: parts.pieceHashes
  }
  const second: Fields = version === "1" ? {} : { "file tree": fileTree(files), "meta version": 2 }
  return Bencode.encode({
    announce: tiers[0]?.[0],
    "announce-list": tiers.flat().length > 1 ? tiers : undefined,
    comment: parts.comment,
    "created by": parts.createdBy,
    "creation date": parts.creationDate,
    info: {
      ...first,
      ...second,
      name: parts.name,
      "piece length": parts.pieceLength,
      private: parts.private ? 1 : undefined,
      source: parts.source
    },
    nodes: orNothing(parts.nodes?.map(({ host, port }) => [host, port])),
    "piece layers": version === "1" ? undefined : pieceLayers(files),
    "url-list": orNothing(parts.webSeeds)
  })
}
