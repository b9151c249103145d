/** Torrents with hash trees for tests: version 2, and hybrids with their padding files. */
import * as Bytes from "../../src/domain/Bytes.ts"
import * as Digest from "../../src/domain/Digest.ts"
import * as InfoHash from "../../src/domain/InfoHash.ts"
import * as InfoHashV2 from "../../src/domain/InfoHashV2.ts"
import * as Merkle from "../../src/domain/Merkle.ts"
import type * as Metainfo from "../../src/domain/Metainfo.ts"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import * as Payload from "./payload.ts"

const pow2 = (least: number): number => {
  let width = 1
  while (width < least) width *= 2
  return width
}

/** Every layer of a file's tree, the leaves first, by BEP 52's own words: all nodes, and the absent ones too. */
export const layersOf = (content: Uint8Array): Array<Array<Uint8Array>> => {
  const width = pow2(Math.max(1, Math.ceil(content.length / PieceLayout.BLOCK)))
  const layers = [Array.from({ length: width }, (_, leaf) => {
    const block = content.subarray(leaf * PieceLayout.BLOCK, (leaf + 1) * PieceLayout.BLOCK)
    return block.length === 0 ? new Uint8Array(32) : Digest.sha256(block)
  })]
  while (layers.at(-1)!.length > 1) {
    const below = layers.at(-1)!
    layers.push(
      Array.from(
        { length: below.length / 2 },
        (_, i) => Digest.sha256(Bytes.concat([below[2 * i]!, below[2 * i + 1]!]))
      )
    )
  }
  return layers
}

const specsOf = (
  lengths: ReadonlyArray<number>,
  pieceLength: number,
  version: "2" | "hybrid"
): Array<Payload.FileSpec> =>
  lengths.flatMap((length, i) => {
    const gap = (pieceLength - length % pieceLength) % pieceLength
    const pad = gap > 0 && lengths.some((later, at) => at > i && later > 0)
    const file = { length, path: ["top", `file${i}`] }
    return pad ? [file, { length: gap, padding: true, path: [".pad", version, String(i)] }] : [file]
  })

const rootsOf = (content: Uint8Array, pieceLength: number): { root: Uint8Array; pieces: Array<Uint8Array> } => {
  const layers = layersOf(content)
  const root = layers.at(-1)![0]!
  if (content.length <= pieceLength) return { root, pieces: [root] }
  return {
    root,
    pieces: layers[Math.log2(pieceLength / PieceLayout.BLOCK)]!.slice(0, Math.ceil(content.length / pieceLength))
  }
}

/** Files of these lengths, each at the start of a piece. */
export const torrent = (
  lengths: ReadonlyArray<number>,
  pieceLength: number,
  version: "2" | "hybrid" = "2",
  seed = 1
): Payload.Torrent => {
  const { metainfo, payload } = Payload.torrent(specsOf(lengths, pieceLength, version), pieceLength, seed)
  const pieceRoots: Array<Uint8Array> = []
  const short = new Map<number, number>()
  const files = metainfo.files.flatMap((file): Array<Metainfo.FileEntry> => {
    if (file.padding) return version === "hybrid" ? [file] : []
    if (file.length === 0) return [file]
    const { pieces, root } = rootsOf(payload.subarray(file.offset, file.offset + file.length), pieceLength)
    pieceRoots.push(...pieces)
    const tail = file.length % pieceLength
    if (tail > 0) short.set((file.offset + file.length - tail) / pieceLength, tail)
    return [{ ...file, piecesRoot: root }]
  })
  const roots = Bytes.concat(pieceRoots)
  const infoHashV2 = InfoHashV2.fromBytes(Digest.sha256(roots))
  const truncated = InfoHash.truncate(infoHashV2)
  short.delete(metainfo.layout.pieces - 1)
  const trees = { files, pieceRoots: roots, infoHashV2 }
  return {
    payload,
    metainfo: version === "hybrid"
      ? { ...metainfo, ...trees, version, swarms: [metainfo.infoHash, truncated] }
      : {
        ...metainfo,
        ...trees,
        version,
        layout: PieceLayout.make(metainfo.layout.totalLength, pieceLength, short),
        pieceHashes: Bytes.empty,
        infoHash: truncated,
        infoHashV1: undefined,
        swarms: [truncated]
      }
  }
}

/** The leaf hashes of a piece's blocks with data. */
export const leavesOf = (torrent: Payload.Torrent, piece: number): Uint8Array => {
  const { files, layout } = torrent.metainfo
  const at = PieceLayout.pieceOffset(layout, piece)
  const file = files.find(({ length, offset, padding }) => !padding && offset <= at && at < offset + length)!
  return Merkle.leaves(torrent.payload.subarray(at, Math.min(at + layout.pieceLength, file.offset + file.length)))
}
