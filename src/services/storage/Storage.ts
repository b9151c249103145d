/** The files of one torrent, addressed as the one run of bytes that BEP 3 makes of them. */
import type * as Effect from "effect/Effect"
import type * as Metainfo from "../../domain/Metainfo.ts"
import type * as Resume from "../../domain/Resume.ts"
import type { FileStoreError } from "./FileStoreError.ts"

export interface OpenOptions {
  readonly metainfo: Metainfo.Metainfo
  /** The download folder; may itself be a link, and is created unless `readOnly`. */
  readonly dir: string
  /** Which files the user wants; all of them by default. */
  readonly selected?: ((file: number) => boolean) | undefined
  /**
   * Where the bytes of unwanted files go that share a piece with wanted ones: a sparse file, addressed like the
   * payload. Without it they go to the unwanted file itself, as do those of an unwanted file that already exists.
   */
  readonly partFile?: string | undefined
  /** Nothing is created, written or truncated. */
  readonly readOnly?: boolean | undefined
}

/** Reads and writes cannot be interrupted: when an interrupted fiber has ended, nothing touches its bytes any more. */
export interface Storage {
  readonly readOnly: boolean
  /** Fills `into` from the payload, across files; padding and gaps read as zeros. Fails with `ShortRead` or `Missing`. */
  readonly read: (offset: number, into: Uint8Array) => Effect.Effect<void, FileStoreError>
  /** Stores a run of the payload, across files; creates files and folders; skips padding and gaps. */
  readonly write: (offset: number, bytes: Uint8Array) => Effect.Effect<void, FileStoreError>
  /**
   * Makes durable whatever was written before the call. A file that was deleted meanwhile is `Missing`. Once it failed
   * it fails for good: the kernel may have dropped the pages, so a second success would mean nothing.
   */
  readonly sync: Effect.Effect<void, FileStoreError>
  /**
   * Per file: what is there, or `undefined` when nothing is (always so for padding and links). For a file kept in the part file:
   * how far that reaches into it. Fails with `Link` or `NotAFile` when something else stands in its place.
   */
  readonly stat: Effect.Effect<ReadonlyArray<Resume.FileStat | undefined>, FileStoreError>
  /** The same of these files alone, in their order. */
  readonly statFiles: (
    files: ReadonlyArray<number>
  ) => Effect.Effect<ReadonlyArray<Resume.FileStat | undefined>, FileStoreError>
  /** Cuts a file that is longer than the torrent says. */
  readonly trim: (file: number) => Effect.Effect<void, FileStoreError>
  /** Whether the bytes of this file go to the part file. */
  readonly inPart: (file: number) => boolean
  /** Where the file is, or will be. */
  readonly path: (file: number) => string
}
