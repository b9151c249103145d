/** The resume record of one download, for as long as its lock is held. */
import type * as Effect from "effect/Effect"
import type * as Metainfo from "../../domain/Metainfo.ts"
import type * as Resume from "../../domain/Resume.ts"
import type { ResumeWarning } from "./ResumeError.ts"

export interface Loaded {
  readonly record: Resume.ResumeRecord | undefined
  readonly warning: ResumeWarning | undefined
}

export interface ResumeHandle {
  /** Set when the state folder cannot be written: nothing is locked, and nothing will be saved. */
  readonly warning: ResumeWarning | undefined
  /** Where `FileStore` may keep the bytes of unwanted files; `undefined` when the state folder cannot be written. */
  readonly partFile: string | undefined
  /** The record of the last run. A damaged one is moved aside, with a warning. */
  readonly load: (metainfo: Metainfo.Metainfo) => Effect.Effect<Loaded>
  /**
   * Replaces the record, durably. What it speaks of must have been synced before. Takes its copy at once; the answer is
   * what went wrong, if anything did: the record before it stands then.
   */
  readonly save: (
    metainfo: Metainfo.Metainfo,
    record: Resume.ResumeRecord
  ) => Effect.Effect<ResumeWarning | undefined>
  /**
   * The peers of the last run, as they were saved; `undefined` when there are none, or they cannot be read: nothing depends on
   * them. Nothing of a file that is longer than `limit` bytes.
   */
  readonly loadPeers: (limit: number) => Effect.Effect<Uint8Array | undefined>
  /** Replaces what {@link ResumeHandle.loadPeers} gives, if that is possible. Takes its copy at once. */
  readonly savePeers: (bytes: Uint8Array) => Effect.Effect<void>
  /** Forgets the record, the peers and the part file. */
  readonly remove: Effect.Effect<void>
}
