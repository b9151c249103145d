/** The files of version 1 as `info` has them (BEP 3, 47): `files`, or the one that `length` tells of. */
import * as Result from "effect/Result"
import * as Bencode from "../Bencode.ts"
import * as Fields from "./Fields.ts"
import { invalid, type Parsed, tooManyNames } from "./MetainfoError.ts"

export interface ListedFile extends Fields.Attributes {
  /** Below the torrent's folder; the name of a single file. */
  readonly path: ReadonlyArray<string>
  /** The list or the one name that `path` was read from; `undefined` for padding without a path. */
  readonly named: Bencode.Value | undefined
  readonly length: number
}

const FILE_FIELDS = ["length", "path", "path.utf-8", "attr", "symlink path"] as const

/** @param maxNameBytes for all paths, as they stand in the document */
export const read = (list: Bencode.Value, maxFiles: number, maxNameBytes: number): Parsed<Array<ListedFile>> => {
  let nameBytes = 0
  if (list.kind !== "List") return invalid("info.files is not a list")
  const files: Array<ListedFile> = []
  for (const item of Bencode.items(list)) {
    const at = files.length
    if (at === maxFiles) return invalid(`info.files has more than ${maxFiles} files`)
    const fields = Bencode.pick(item, FILE_FIELDS)
    nameBytes += Fields.span(fields["path.utf-8"]) + Fields.span(fields.path) + Fields.span(fields["symlink path"])
    if (nameBytes > maxNameBytes) return tooManyNames(maxNameBytes)
    const attributes = Fields.attributes(fields)
    // BEP 47: a link may stand without its length. One that has bytes is a file to everybody who does not know of links.
    const length = fields.length === undefined && attributes.symlink !== undefined ? 0 : Fields.size(fields.length)
    if (length === undefined) return invalid(`info.files[${at}].length is not an integer of 0 or more`)
    const isLink = length === 0 && !attributes.padding
    const preferred = Fields.texts(fields["path.utf-8"])
    const path = preferred ?? Fields.texts(fields.path)
    if (path === undefined && !attributes.padding) return invalid(`info.files[${at}].path is not a list of names`)
    files.push({
      path: path ?? [".pad", String(length)],
      named: preferred === undefined ? fields.path : fields["path.utf-8"],
      length,
      padding: attributes.padding,
      executable: attributes.executable,
      symlink: isLink ? attributes.symlink : undefined
    })
  }
  return files.length === 0 ? invalid("info.files is empty") : Result.succeed(files)
}
