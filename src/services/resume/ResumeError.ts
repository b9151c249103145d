/** What keeps a download from having its resume record to itself, and what merely spoils the record. */
import * as Data from "effect/Data"
import * as Runtime from "effect/Runtime"

/** Another process works on the same torrent in the same folder. */
export interface Locked {
  readonly _tag: "Locked"
  readonly pid: number
  /** The lock file. */
  readonly path: string
}

export class ResumeError extends Data.TaggedError("ResumeError")<{ readonly reason: Locked }> {
  override get message(): string {
    return `process ${this.reason.pid} is already working on this torrent in this folder: stop it first, or choose another folder`
  }
  /** aria2's "same info hash already downloading". */
  override readonly [Runtime.errorExitCode] = 12
}

/** Never fatal: the download goes on, but the next start may have to check or fetch again what this one had. */
export type ResumeWarning = Data.TaggedEnum<{
  /** The state folder cannot be written, hence there is no record and no lock. */
  Unwritable: { readonly path: string; readonly code: string }
  /** The record could not be read. */
  Unreadable: { readonly path: string; readonly code: string }
  /** The record was not one, or not one that this version knows; it was moved aside. */
  Damaged: { readonly path: string; readonly why: string; readonly movedTo: string }
}>
export const ResumeWarning = Data.taggedEnum<ResumeWarning>()

/** One line that says what to do. */
export const explain: (warning: ResumeWarning) => string = ResumeWarning.$match({
  Unwritable: ({ code, path }) =>
    `cannot keep the resume record in ${path} (${code}): the next start checks all files; see --state-dir`,
  Unreadable: ({ code, path }) => `cannot read the resume record ${path} (${code}): checking all files`,
  Damaged: ({ movedTo, path, why }) => `the resume record ${path} ${why}: kept as ${movedTo}; checking all files`
})
