/** Writes a version 1 .torrent (BEP 3, 5, 12, 19, 27, 47): what {@link Metainfo.parse} reads. */
import * as Bencode from "./Bencode.ts"

export interface PartFile {
  /** Below the torrent's folder; bytes stand as they are, for names that are not UTF-8. */
  readonly path: ReadonlyArray<string | Uint8Array>
  readonly length: number
  readonly padding?: boolean | undefined
}

interface Common {
  readonly name: string | Uint8Array
  readonly pieceLength: number
  /** 20 bytes for every piece, end to end. */
  readonly pieceHashes: Uint8Array
  readonly trackers?: ReadonlyArray<ReadonlyArray<string>> | undefined
  readonly webSeeds?: ReadonlyArray<string> | undefined
  readonly nodes?: ReadonlyArray<{ readonly host: string; readonly port: number }> | undefined
  readonly private?: boolean | undefined
  readonly comment?: string | undefined
  readonly createdBy?: string | undefined
  /** Unix time in seconds. */
  readonly creationDate?: number | undefined
}

/** One file of some length, or files in a folder. */
export type Parts = Common & ({ readonly length: number } | { readonly files: ReadonlyArray<PartFile> })

const orNothing = <A>(list: ReadonlyArray<A> = []): ReadonlyArray<A> | undefined => list.length === 0 ? undefined : list

/** The document, with all keys in order. Sizes are not checked against the hashes: parsing does. */
export const encode = (parts: Parts): Uint8Array => {
  const tiers = (parts.trackers ?? []).filter((tier) => tier.length > 0)
  const content = "length" in parts ? { length: parts.length } : {
    files: parts.files.map(({ length, padding, path }) => ({ length, path, attr: padding ? "p" : undefined }))
  }
  return Bencode.encode({
    announce: tiers[0]?.[0],
    "announce-list": tiers.flat().length > 1 ? tiers : undefined,
    comment: parts.comment,
    "created by": parts.createdBy,
    "creation date": parts.creationDate,
    info: {
      ...content,
      name: parts.name,
      "piece length": parts.pieceLength,
      pieces: parts.pieceHashes,
      private: parts.private ? 1 : undefined
    },
    nodes: orNothing(parts.nodes?.map(({ host, port }) => [host, port])),
    "url-list": orNothing(parts.webSeeds)
  })
}
