/** A .torrent around an `info` dictionary that came from peers: byte for byte as it came, since its hash is the torrent's. */
import * as Bencode from "./Bencode.ts"
import * as Bytes from "./Bytes.ts"
import { HASH } from "./Merkle.ts"
import type { Metainfo } from "./Metainfo.ts"

/** The piece layers of a torrent, as {@link compose} takes them. */
export const layersOf = (
  { files, layout, pieceRoots }: Pick<Metainfo, "files" | "layout" | "pieceRoots">
): ReadonlyMap<string, Uint8Array> => {
  const layers = new Map<string, Uint8Array>()
  for (const { length, offset, piecesRoot } of files) {
    if (pieceRoots === undefined || piecesRoot === undefined || length <= layout.pieceLength) continue
    const first = offset / layout.pieceLength
    const layer = pieceRoots.subarray(first * HASH, (first + Math.ceil(length / layout.pieceLength)) * HASH)
    layers.set(Bytes.toLatin1(piecesRoot), layer)
  }
  return layers
}

export interface Sources {
  readonly info: Uint8Array
  /** By the pieces root of their file, as `Bytes.toLatin1` has it; none in version 1. */
  readonly layers?: ReadonlyMap<string, Uint8Array> | undefined
  /** Tiers (BEP 12). */
  readonly trackers: ReadonlyArray<ReadonlyArray<string>>
  /** BEP 19. */
  readonly webSeeds: ReadonlyArray<string>
}

/** The document, with all keys in order. */
export const compose = ({ info, layers = new Map(), trackers, webSeeds }: Sources): Uint8Array => {
  const field = (key: string, value: Bencode.Encodable) => [Bencode.encode(key), Bencode.encode(value)]
  const first = trackers[0]?.[0]
  const byRoot = new Map(Array.from(layers, ([root, layer]) => [Bytes.fromLatin1(root), layer] as const))
  return Bytes.concat([
    Bytes.fromLatin1("d"),
    ...first === undefined ? [] : field("announce", first),
    ...trackers.flat().length > 1 ? field("announce-list", trackers) : [],
    Bencode.encode("info"),
    info,
    ...byRoot.size === 0 ? [] : field("piece layers", byRoot),
    ...webSeeds.length === 0 ? [] : field("url-list", webSeeds),
    Bytes.fromLatin1("e")
  ])
}
