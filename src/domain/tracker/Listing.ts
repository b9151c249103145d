/** A torrent that was published at a tracker, as its users choose it: by what it is called and how large it is. */
import type * as InfoHash from "../InfoHash.ts"
import type * as Metainfo from "../Metainfo.ts"
import * as Wanted from "../Wanted.ts"

export interface Listing {
  readonly infoHash: InfoHash.InfoHash
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
  return { infoHash: metainfo.infoHash, name: metainfo.name, size: Wanted.sizeOf(metainfo), files, publishedAt }
}
