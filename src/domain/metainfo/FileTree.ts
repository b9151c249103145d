/** The files of version 2 as `info` has them (BEP 52, "file tree"): dictionaries inside each other, a name a level. */
import * as Result from "effect/Result"
import * as Bencode from "../Bencode.ts"
import * as Bytes from "../Bytes.ts"
import { HASH } from "../Merkle.ts"
import * as Fields from "./Fields.ts"
import { invalid, type MetainfoError, type Parsed, shown, tooLarge, tooManyNames } from "./MetainfoError.ts"

export interface TreeFile {
  /** The names below the torrent's folder, raw; that of a single file stands here as well. */
  readonly keys: ReadonlyArray<Uint8Array>
  readonly path: ReadonlyArray<string>
  readonly length: number
  /** `undefined` for an empty file. */
  readonly piecesRoot: Uint8Array | undefined
  readonly executable: boolean
  readonly symlink: ReadonlyArray<string> | undefined
}

export interface FileTree {
  readonly files: ReadonlyArray<TreeFile>
  /** Whether the tree is one file and nothing else, which then lies in no folder (BEP 52, "interpreting paths"). */
  readonly single: boolean
}

/** The order of files in a file tree, by the raw bytes of their names: that of a hybrid's list of files as well. */
export const compare = (a: ReadonlyArray<Uint8Array>, b: ReadonlyArray<Uint8Array>): number => {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    const difference = Bytes.compare(a[i]!, b[i]!)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** A folder stands in the document once, but in the path of every file below it: both limits count it for each. */
export interface Limits {
  readonly maxFiles: number
  /** Names in all paths. */
  readonly maxNames: number
  /** Bytes of all paths. */
  readonly maxNameBytes: number
}

const FILE_FIELDS = ["length", "pieces root", "attr", "symlink path"] as const

const readFile = (
  fields: { readonly [Name in (typeof FILE_FIELDS)[number]]?: Bencode.Value },
  keys: ReadonlyArray<Uint8Array>,
  path: ReadonlyArray<string>
): Parsed<TreeFile> => {
  const { executable, padding, symlink } = Fields.attributes(fields)
  if (padding) return invalid(`info.file tree: ${shown(path)} is a padding file, which version 2 does not have`)
  const length = fields.length === undefined && symlink !== undefined ? 0 : Fields.size(fields.length)
  if (length === undefined) {
    return invalid(`info.file tree: ${shown(path)} has no length that is an integer of 0 or more`)
  }
  if (symlink !== undefined && length > 0) {
    return invalid(`info.file tree: ${shown(path)} is a symbolic link with a length of ${length}`)
  }
  const root = length === 0 ? undefined : Bencode.bytes(fields["pieces root"])
  if (length > 0 && root?.length !== HASH) {
    return invalid(`info.file tree: ${shown(path)} has no pieces root of ${HASH} bytes`)
  }
  return Result.succeed({ keys, path, length, piecesRoot: root, executable, symlink })
}

/** Where the walk stands: the names down to the last key, raw and as text, and how many bytes those take. */
class Trail {
  readonly keys: Array<Uint8Array> = []
  readonly path: Array<string> = []
  readonly #bytes: Array<number> = []

  /** Puts the key at its level; `false` if it does not come after the one before it in the same folder. */
  step(key: Uint8Array, depth: number): boolean {
    const before = this.keys[depth]
    const inOrder = before === undefined || Bytes.compare(before, key) < 0
    this.keys.length = this.path.length = this.#bytes.length = depth
    this.keys.push(key)
    this.path.push(Bytes.toUtf8(key))
    this.#bytes.push((this.#bytes[depth - 1] ?? 0) + key.length + 1)
    return inOrder
  }

  /** Bytes of the names above the last key, a separator with each. */
  get bytes(): number {
    return this.#bytes.at(-2) ?? 0
  }
}

/** Everything a walk has found so far. */
class Reader {
  readonly files: Array<TreeFile> = []
  error: MetainfoError | undefined
  /** Names in the outermost dictionary. */
  roots = 0
  readonly #trail = new Trail()
  readonly #document: Uint8Array
  readonly #limits: Limits
  #names = 0
  #nameBytes = 0
  /** Level of the file that was read last, until its folder ends. */
  #fileDepth = -1

  constructor(document: Uint8Array, limits: Limits) {
    this.#document = document
    this.#limits = limits
  }

  /** For {@link Bencode.walk}. */
  readonly visit = (key: Uint8Array, at: number, depth: number): "Into" | Bencode.Value | undefined => {
    const trail = this.#trail
    if (this.#fileDepth === depth) return this.#fail(`${shown(trail.path.slice(0, -1))} is a file and a folder at once`)
    this.#fileDepth = -1
    if (!trail.step(key, depth)) return this.#fail(`${shown(trail.path)} is out of order, or there twice`)
    if (!Bencode.isDictionaryAt(this.#document, at)) return this.#fail(`${shown(trail.path)} is not a dictionary`)
    if (depth === 0) this.roots++
    if (key.length > 0) return "Into"
    if (depth === 0) return this.#fail("it is a file itself")
    this.#fileDepth = depth
    return this.#file(Bencode.valueAt(this.#document, at))
  }

  #file(value: Bencode.Value): Bencode.Value | undefined {
    const { bytes, keys, path } = this.#trail
    const { maxFiles, maxNameBytes, maxNames } = this.#limits
    if (this.files.length === maxFiles) return this.#fail(`more than ${maxFiles} files`)
    const fields = Bencode.pick(value, FILE_FIELDS)
    this.#names += keys.length - 1
    if (this.#names > maxNames) return this.#end(tooLarge(`its paths have more than ${maxNames} names`))
    this.#nameBytes += bytes + Fields.span(fields["symlink path"])
    if (this.#nameBytes > maxNameBytes) return this.#end(tooManyNames(maxNameBytes))
    const file = readFile(fields, keys.slice(0, -1), path.slice(0, -1))
    if (Result.isFailure(file)) return this.#end(file)
    this.files.push(file.success)
    return value
  }

  #fail(detail: string): undefined {
    return this.#end(invalid(`info.file tree: ${detail}`))
  }

  #end(refused: Parsed<unknown>): undefined {
    if (Result.isFailure(refused)) this.error = refused.failure
    return undefined
  }
}

/** All files in the order of the tree, of which there is one at least; folders without files are passed over. */
export const read = (tree: Bencode.Value, limits: Limits): Parsed<FileTree> => {
  const reader = new Reader(tree.document, limits)
  Bencode.walk(tree, reader.visit)
  if (reader.error !== undefined) return Result.fail(reader.error)
  const { files, roots } = reader
  if (files.length === 0) return invalid("info.file tree is empty")
  return Result.succeed({ files, single: roots === 1 && files.length === 1 && files[0]!.path.length === 1 })
}
