/** Whether the two descriptions in a hybrid torrent tell of the same payload (BEP 52, "upgrade path"). */
import * as Result from "effect/Result"
import * as Bencode from "../Bencode.ts"
import * as Bytes from "../Bytes.ts"
import type { ListedFile } from "./FileList.ts"
import type { FileTree, TreeFile } from "./FileTree.ts"
import { invalid, type Parsed, shown } from "./MetainfoError.ts"

const hasPath = ({ named }: ListedFile, keys: ReadonlyArray<Uint8Array>): boolean => {
  let at = 0
  for (const item of named?.kind === "List" ? Bencode.items(named) : named === undefined ? [] : [named]) {
    const key = keys[at++]
    const name = Bencode.bytes(item)
    if (key === undefined || name === undefined || !Bytes.equals(name, key)) return false
  }
  return at === keys.length
}

const listed = (isList: boolean, at: number): string => isList ? `info.files[${at}]` : "info.name"

/** What is wrong with a listed file, as the beginning of a sentence that ends with its twin's name. */
const difference = (file: ListedFile, twin: TreeFile, isAligned: boolean): string | undefined => {
  if (!hasPath(file, twin.keys)) return "has another name than"
  if (file.length !== twin.length) return "has another length than"
  return isAligned ? undefined : "does not start at the piece of"
}

/**
 * Pairs the files of version 1 with those of version 2: for each of `list` its file of the tree, and none for padding. They
 * must have the same names, byte for byte, lengths and order, and start at the same pieces; padding behind the last one
 * may be there or not.
 */
export const pair = (
  list: ReadonlyArray<ListedFile>,
  tree: FileTree,
  isList: boolean,
  pieceLength: number
): Parsed<Array<TreeFile | undefined>> => {
  if (!isList && !tree.single) return invalid("info.file tree has not the one file of info.length and info.name alone")
  const pairs: Array<TreeFile | undefined> = []
  let next = 0
  let offset = 0
  let end = 0
  for (const [at, file] of list.entries()) {
    const start = offset
    offset += file.length
    const twin = file.padding ? undefined : tree.files[next++]
    pairs.push(twin)
    if (file.padding) continue
    if (twin === undefined) {
      return invalid(`${listed(isList, at)} is not in info.file tree, which has ${tree.files.length} files`)
    }
    const wrong = difference(file, twin, file.length === 0 || start === Math.ceil(end / pieceLength) * pieceLength)
    if (wrong !== undefined) return invalid(`${listed(isList, at)} ${wrong} ${shown(twin.path)} of info.file tree`)
    if (file.length > 0) end = offset
  }
  const missing = tree.files[next]
  if (missing !== undefined) return invalid(`info.files has not ${shown(missing.path)} of info.file tree`)
  if (offset !== end && offset !== Math.ceil(end / pieceLength) * pieceLength) {
    return invalid("info.files ends with padding that does not end at a piece")
  }
  return Result.succeed(pairs)
}
