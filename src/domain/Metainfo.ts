/** What a .torrent says (BEP 3, 12, 27, 47), after every check: sizes add up, and all paths are safe. */
import type * as InfoHash from "./InfoHash.ts"
import type * as PieceLayout from "./PieceLayout.ts"

export interface FileEntry {
  /**
   * Safe components below the download folder: `[name]` for a single-file torrent, `[name, ...path]` else. Unique in
   * the torrent, whatever the case or Unicode normal form of the file system.
   */
  readonly path: ReadonlyArray<string>
  readonly length: number
  /** Where the file starts in the payload. */
  readonly offset: number
  /** A padding file (BEP 47, `attr` holds `p`): its bytes are zero and never stored. */
  readonly padding: boolean
}

export interface Metainfo {
  readonly infoHash: InfoHash.InfoHash
  /** The safe name of the file or the top folder. */
  readonly name: string
  /** Whether `info` has `files`: the payload lives in a folder called `name`. */
  readonly multiFile: boolean
  readonly files: ReadonlyArray<FileEntry>
  readonly layout: PieceLayout.PieceLayout
  /** The SHA-1 of every piece, 20 bytes each, end to end. */
  readonly pieceHashes: Uint8Array
  /** BEP 27: peers come from the torrent's own trackers alone. */
  readonly private: boolean
  /** Tiers of announce URLs (BEP 12); `announce` alone is one tier of one. */
  readonly trackers: ReadonlyArray<ReadonlyArray<string>>
  readonly webSeeds: ReadonlyArray<string>
  /** DHT nodes (BEP 5), as the torrent gives them. */
  readonly nodes: ReadonlyArray<{ readonly host: string; readonly port: number }>
  readonly comment: string | undefined
  readonly createdBy: string | undefined
  /** Unix time in seconds. */
  readonly creationDate: number | undefined
  /** The raw `info` dictionary, as it stood in the document: what the info hash is taken over. */
  readonly info: Uint8Array
}
