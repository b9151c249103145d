/** Torrents of all three versions with a document of their own and a payload that fits it. */
import * as Result from "effect/Result"
import * as Bytes from "../../src/domain/Bytes.ts"
import * as Digest from "../../src/domain/Digest.ts"
import * as Merkle from "../../src/domain/Merkle.ts"
import * as Metainfo from "../../src/domain/Metainfo.ts"
import * as FileTree from "../../src/domain/metainfo/FileTree.ts"
import * as MetainfoWriter from "../../src/domain/MetainfoWriter.ts"
import * as Padding from "../../src/domain/Padding.ts"
import { BLOCK } from "../../src/domain/PieceLayout.ts"
import { noise, type Torrent } from "./payload.ts"

export interface VersionedFile {
  /** Below the torrent's folder. */
  readonly path: ReadonlyArray<string>
  readonly length: number
  readonly executable?: boolean
  readonly symlink?: ReadonlyArray<string> | undefined
}

export interface Versioned extends Torrent {
  readonly document: Uint8Array
  readonly parts: MetainfoWriter.Parts
}

/** Root and layer of a file, as `MetainfoWriter` takes them. */
export const hashesOf = (content: Uint8Array, pieceLength: number) => {
  if (content.length === 0) return {}
  const leaves = Merkle.leaves(content)
  const width = Merkle.powerOfTwo(leaves.length / Merkle.HASH)
  if (content.length <= pieceLength) return { piecesRoot: Merkle.root(leaves, width) }
  let pieceLayer = leaves
  const bottom = Math.log2(pieceLength / BLOCK)
  for (let layer = 0; layer < bottom; layer++) pieceLayer = Merkle.parents(pieceLayer, layer)
  return { piecesRoot: Merkle.root(leaves, width), pieceLayer }
}

const raw = (path: ReadonlyArray<string>) => path.map(Bytes.fromUtf8)

const pieceHashes = (payload: Uint8Array, pieceLength: number): Uint8Array =>
  Bytes.concat(
    Array.from(
      { length: Math.ceil(payload.length / pieceLength) },
      (_, i) => Digest.sha1(payload.subarray(i * pieceLength, (i + 1) * pieceLength))
    )
  )

const isPadding = (file: object): boolean => "padding" in file

/**
 * Files in a folder `top` with noise in them, in the order of a file tree where the version has one; one file without a folder
 * when `single` is set.
 */
export const versioned = (
  version: Metainfo.Version,
  specs: ReadonlyArray<VersionedFile>,
  pieceLength: number,
  { more, seed = 1, single = false }: {
    readonly seed?: number
    readonly single?: boolean
    readonly more?: Partial<MetainfoWriter.Parts>
  } = {}
): Versioned => {
  const ordered = version === "1"
    ? specs
    : specs.toSorted((a, b) => FileTree.compare(raw(a.path), raw(b.path)))
  const listed = version === "hybrid" ? Padding.insert(ordered, pieceLength) : ordered
  let offset = 0
  const pieces: Array<Uint8Array> = []
  const files = listed.map((file, index) => {
    const gap = version === "2" && file.length > 0 ? (pieceLength - offset % pieceLength) % pieceLength : 0
    const content = isPadding(file) ? new Uint8Array(file.length) : noise(file.length, seed + index)
    pieces.push(new Uint8Array(gap), content)
    offset += gap + file.length
    return Object.assign({}, file, version === "1" || isPadding(file) ? {} : hashesOf(content, pieceLength))
  })
  const payload = Bytes.concat(pieces)
  const parts: MetainfoWriter.Parts = {
    version,
    name: single ? specs[0]!.path[0]! : "top",
    pieceLength,
    pieceHashes: pieceHashes(payload, pieceLength),
    ...(single ? files[0]! : { files }),
    ...more
  }
  const document = MetainfoWriter.encode(parts)
  return { payload, document, parts, metainfo: Result.getOrThrow(Metainfo.parse(document)) }
}
