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
  /** Forgets the record and the part file. */
  readonly remove: Effect.Effect<void>
}
