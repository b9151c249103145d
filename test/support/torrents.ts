/** .torrent documents of a few bytes, for tests that need many. */
import * as Result from "effect/Result"
import * as Digest from "../../src/domain/Digest.ts"
import * as Metainfo from "../../src/domain/Metainfo.ts"
import * as MetainfoWriter from "../../src/domain/MetainfoWriter.ts"

export interface Document {
  readonly bytes: Uint8Array
  readonly infoHash: Metainfo.Metainfo["infoHash"]
}

/** A torrent of one file; another `mark` makes another torrent of the same name. */
export const document = (name: string, mark = 1, more: Partial<MetainfoWriter.Parts> = {}): Document => {
  const bytes = MetainfoWriter.encode({
    name,
    length: mark,
    pieceLength: 16_384,
    pieceHashes: Digest.sha1(new Uint8Array(mark)),
    ...more
  })
  return { bytes, infoHash: Result.getOrThrow(Metainfo.parse(bytes)).infoHash }
}
