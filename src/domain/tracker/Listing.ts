/** A torrent that was published at a tracker, as its users choose it: by what it is called and how large it is. */
import * as InfoHash from "../InfoHash.ts"
import type { InfoHashV2 } from "../InfoHashV2.ts"
import type * as Metainfo from "../Metainfo.ts"
import * as Wanted from "../Wanted.ts"

export interface Listing {
  /** Of version 1, or the truncated one of a torrent without version 1. */
  readonly infoHash: InfoHash.InfoHash
  readonly infoHashV2?: InfoHashV2 | undefined
  /** The safe name of the file or the top folder; several torrents may bear the same. */
  readonly name: string
  /** Bytes of all files, without padding. */
  readonly size: number
  /** How many, without padding files (BEP 47). */
  readonly files: number
  /** Unix time in ms. */
  readonly publishedAt: number
}

export const make = (metainfo: Metainfo.Metainfo, publishedAt: number): Listing => {
  let files = 0
  for (const { padding } of metainfo.files) if (!padding) files++
  const { infoHash, infoHashV2 } = metainfo
  return {
    infoHash,
    ...(infoHashV2 !== undefined && { infoHashV2 }),
    name: metainfo.name,
    size: Wanted.sizeOf(metainfo),
    files,
    publishedAt
  }
}

/** The whole hashes by which it is known, of version 1 first: two of a hybrid (BEP 52). */
export const hashesOf = ({ infoHash, infoHashV2 }: Listing): ReadonlyArray<string> => {
  if (infoHashV2 === undefined) return [infoHash]
  return InfoHash.truncate(infoHashV2) === infoHash ? [infoHashV2] : [infoHash, infoHashV2]
}

/** The hashes under which its peers announce themselves: two of a hybrid (BEP 52). */
export const swarmsOf = ({ infoHash, infoHashV2 }: Listing): ReadonlyArray<InfoHash.InfoHash> => {
  const truncated = infoHashV2 === undefined ? infoHash : InfoHash.truncate(infoHashV2)
  return truncated === infoHash ? [infoHash] : [infoHash, truncated]
}
