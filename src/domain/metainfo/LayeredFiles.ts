/** Which piece layers an `info` dictionary cannot do without (BEP 52): what a magnet link does not bring. */
import * as Result from "effect/Result"
import * as Bencode from "../Bencode.ts"
import * as Bytes from "../Bytes.ts"
import { HASH } from "../Merkle.ts"
import * as Fields from "./Fields.ts"
import * as FileTree from "./FileTree.ts"
import { fromBencode, invalid, type Parsed, tooLarge } from "./MetainfoError.ts"

/** A file that is longer than a piece. */
export interface LayeredFile {
  /** Its pieces root, 32 bytes. */
  readonly root: Uint8Array
  readonly pieces: number
}

export interface LayeredFiles {
  readonly version: "1" | "2" | "hybrid"
  readonly pieceLength: number
  /** Those of the same content count once. Empty in version 1. */
  readonly files: ReadonlyArray<LayeredFile>
}

const FIELDS = ["piece length", "meta version", "file tree", "pieces", "files", "length"] as const

/** No more than a list could tell of. */
const MOST_FILES = 1_048_576

const collect = (
  files: ReadonlyArray<FileTree.TreeFile>,
  pieceLength: number,
  maxBytes: number
): Parsed<ReadonlyArray<LayeredFile>> => {
  const found = new Map<string, LayeredFile>()
  let hashes = 0
  for (const { length, piecesRoot } of files) {
    if (piecesRoot === undefined || length <= pieceLength) continue
    const key = Bytes.toLatin1(piecesRoot)
    const pieces = Math.ceil(length / pieceLength)
    const known = found.get(key)
    if (known !== undefined && known.pieces !== pieces) return invalid("two files of different lengths have one root")
    if (known !== undefined) continue
    hashes += pieces
    if (hashes * HASH > maxBytes) return tooLarge(`its piece layers have more than ${maxBytes} bytes`)
    found.set(key, { root: Uint8Array.from(piecesRoot), pieces })
  }
  return Result.succeed(Array.from(found.values()))
}

/** @param maxBytes for the layers */
export const read = (info: Uint8Array, maxBytes: number): Parsed<LayeredFiles> => {
  const read = Bencode.read(info)
  if (Result.isFailure(read)) return fromBencode(read.failure)
  const fields = Bencode.pick(read.success, FIELDS)
  const tree = fields["file tree"]
  const pieceLength = Fields.size(fields["piece length"]) ?? 0
  if (Bencode.integer(fields["meta version"]) !== 2 || tree?.kind !== "Dictionary") {
    return Result.succeed({ version: "1", pieceLength, files: [] })
  }
  const version = (fields.pieces ?? fields.files ?? fields.length) === undefined ? "2" : "hybrid"
  if (pieceLength < 16_384) return invalid("info.piece length is not a power of two from 16384 on")
  return Result.gen(function*() {
    const { files } = yield* FileTree.read(tree, {
      maxFiles: MOST_FILES,
      maxNames: Math.min(Bencode.DOCUMENT.maxTokens, info.length),
      maxNameBytes: Bencode.DOCUMENT.maxBytes
    })
    return { version, pieceLength, files: yield* collect(files, pieceLength, maxBytes) } as const
  })
}
