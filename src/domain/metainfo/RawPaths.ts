/**
 * The names of a torrent's files byte for byte, from the torrent's folder on: a web seed has them as the torrent does, not as
 * they were made safe for a disk.
 */
import * as Result from "effect/Result"
import * as Bencode from "../Bencode.ts"
import * as Bytes from "../Bytes.ts"
import type { Metainfo } from "../Metainfo.ts"
import * as FileList from "./FileList.ts"
import * as FileTree from "./FileTree.ts"

type Names = ReadonlyArray<Uint8Array>

const UNBOUNDED: FileTree.Limits = { maxFiles: Infinity, maxNames: Infinity, maxNameBytes: Infinity }

const namesIn = (value: Bencode.Value | undefined): Names =>
  Array.from(value?.kind === "List" ? Bencode.items(value) : [value], (item) => Bencode.bytes(item) ?? Bytes.empty)

const listOf = (files: Bencode.Value): ReadonlyArray<Names> =>
  Result.getOrElse(FileList.read(files, Infinity, Infinity), () => []).map(({ named }) => namesIn(named))

const treeOf = (tree: Bencode.Value): ReadonlyArray<Names> => {
  const read = FileTree.read(tree, UNBOUNDED)
  return Result.isFailure(read) ? [] : read.success.files.map(({ keys }) => keys)
}

/** What `info` has for each file, in the order of {@link Metainfo.files}; nothing for an `info` that cannot be read. */
const read = ({ info, multiFile, version }: Pick<Metainfo, "info" | "multiFile" | "version">): ReadonlyArray<Names> => {
  const root = Bencode.read(info)
  if (Result.isFailure(root)) return []
  const fields = Bencode.pick(root.success, ["name", "name.utf-8", "files", "file tree"])
  const name = namesIn(Bencode.bytes(fields["name.utf-8"]) === undefined ? fields.name : fields["name.utf-8"])
  const paths = fields.files !== undefined && version !== "2"
    ? listOf(fields.files)
    : version === "2" && fields["file tree"] !== undefined
    ? treeOf(fields["file tree"])
    : [name]
  return multiFile ? paths.map((path) => [...name, ...path]) : paths
}

const same = (names: Names, path: ReadonlyArray<string>): boolean =>
  names.length === path.length && names.every((name, i) => Bytes.equals(name, Bytes.fromUtf8(path[i]!)))

/**
 * Gives the names of a file by its index. Only those are kept that were made safe: a torrent may have a million files, and
 * hardly any has a name that is not.
 */
export const of = (metainfo: Metainfo): (file: number) => Names => {
  const { files } = metainfo
  const others = new Map<number, Names>()
  read(metainfo).forEach((names, file) => {
    const entry = files[file]
    if (entry === undefined || entry.padding || same(names, entry.path)) return
    others.set(file, names.map((name) => name.slice()))
  })
  return (file) => others.get(file) ?? files[file]!.path.map(Bytes.fromUtf8)
}
