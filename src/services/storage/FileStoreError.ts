/** What can go wrong with the files of a torrent, each with what the user can do about it. */
import * as Data from "effect/Data"
import * as Runtime from "effect/Runtime"
import * as SystemCode from "../SystemCode.ts"

export type Reason = Data.TaggedEnum<{
  /** The disk or the quota is full. */
  NoSpace: { readonly path: string }
  /** The file system, or this store, is read only. */
  ReadOnly: { readonly path: string }
  Denied: { readonly path: string }
  /** The download folder is none and cannot be made. */
  NoFolder: { readonly path: string; readonly code: string }
  Missing: { readonly path: string }
  /** The file ends before the bytes that were asked for. */
  ShortRead: { readonly path: string }
  /** A finished file is not as it was when it was verified. */
  Changed: { readonly path: string }
  /** A symbolic link where a file or a folder should be: never followed. */
  Link: { readonly path: string }
  /** A folder, a device or a pipe where a file should be, or a file where a folder should be. */
  NotAFile: { readonly path: string }
  /** The file system cannot hold a name so long. */
  TooLong: { readonly path: string }
  /** Anything else the system said. */
  Io: { readonly path: string; readonly code: string; readonly operation: string }
}>

export const Reason = Data.taggedEnum<Reason>()

const explain = Reason.$match({
  NoSpace: ({ path }) => `no space left for ${path} (ENOSPC): free some, then start again; what is verified is kept`,
  ReadOnly: ({ path }) => `cannot write ${path}: it is read only (EROFS); choose another folder`,
  Denied: ({ path }) => `no permission for ${path} (EACCES): change its owner or mode, or choose another folder`,
  NoFolder: ({ path, code }) => `${path} cannot be used as a folder (${code}): choose another`,
  Missing: ({ path }) => `${path} is missing (ENOENT): put it back, or start again to download it anew`,
  ShortRead: ({ path }) => `${path} ends too early: it was truncated; start again with --check-integrity`,
  Changed: ({ path }) => `${path} was changed and is not shared any more: start again with --check-integrity`,
  Link: ({ path }) => `${path} is a symbolic link (ELOOP), which is never followed: remove it or choose another folder`,
  NotAFile: ({ path }) => `${path} is not of the kind the torrent says (file or folder): move it away`,
  TooLong: ({ path }) => `the name ${path} is too long for this file system (ENAMETOOLONG): choose another folder`,
  Io: ({ path, code, operation }) => `${operation} ${path} failed (${code}): check the disk, then start again`
})

/** The exit codes of aria2, whose scripts people already have. */
const exitCode = (reason: Reason): number => {
  switch (reason._tag) {
    case "NoSpace":
      return 9
    case "Missing":
    case "Link":
    case "NotAFile":
      return 15
    case "ReadOnly":
    case "Denied":
    case "TooLong":
      return 16
    case "NoFolder":
      return 18
    default:
      return 17
  }
}

export class FileStoreError extends Data.TaggedError("FileStoreError")<{ readonly reason: Reason }> {
  override get message(): string {
    return explain(this.reason)
  }
  override get [Runtime.errorExitCode](): number {
    return exitCode(this.reason)
  }
}

export const make = (reason: Reason): FileStoreError => new FileStoreError({ reason })

const toReason = (code: string, path: string, operation: string): Reason => {
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return Reason.NoSpace({ path })
    case "EROFS":
      return Reason.ReadOnly({ path })
    case "EACCES":
    case "EPERM":
      return Reason.Denied({ path })
    case "ENOENT":
      return Reason.Missing({ path })
    case "ELOOP":
      return Reason.Link({ path })
    case "EEXIST":
    case "EISDIR":
    case "ENOTDIR":
      return Reason.NotAFile({ path })
    case "ENAMETOOLONG":
      return Reason.TooLong({ path })
    default:
      return Reason.Io({ path, code, operation })
  }
}

/** The `code` of an error that Node made, such as `"ENOSPC"`; the reason of one of ours. */
export const codeOf = (cause: unknown): string => {
  if (cause instanceof FileStoreError) return cause.reason._tag === "Io" ? cause.reason.code : cause.reason._tag
  return SystemCode.of(cause) ?? "unknown"
}

/** Why a folder to download into cannot be had. */
export const fromRoot = (cause: unknown, path: string): FileStoreError => {
  const error = from(cause, path, "opening")
  const { _tag } = error.reason
  return _tag === "NoSpace" || _tag === "ReadOnly" || _tag === "Denied" || _tag === "TooLong"
    ? error
    : make(Reason.NoFolder({ path, code: _tag === "NotAFile" ? "ENOTDIR" : codeOf(cause) }))
}

/** Names what the system said about `path`; one of ours passes through. */
export const from = (cause: unknown, path: string, operation: string): FileStoreError =>
  cause instanceof FileStoreError ? cause : make(toReason(codeOf(cause), path, operation))
