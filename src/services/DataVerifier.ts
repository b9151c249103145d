/** Compares data on the disk with its torrent. Nothing is written, and no link is followed. */
import * as Effect from "effect/Effect"
import * as fsp from "node:fs/promises"
import * as path from "node:path"
import * as Bitfield from "../domain/Bitfield.ts"
import * as Findings from "../domain/Findings.ts"
import type { Metainfo } from "../domain/Metainfo.ts"
import * as PieceLayout from "../domain/PieceLayout.ts"
import * as PieceTrees from "../domain/PieceTrees.ts"
import { type HashJob, PieceHasher, type PieceHasherError } from "./PieceHasher.ts"
import * as FileStoreError from "./storage/FileStoreError.ts"
import * as SafePlace from "./storage/SafePlace.ts"

export interface VerifyOptions {
  readonly metainfo: Metainfo
  /** The folder that holds the torrent's file or folder. */
  readonly dir: string
  readonly onProgress?: HashJob["onProgress"]
}

/** Files looked at at once; libuv has four threads. */
const SWEEP = 16

const WHY = {
  Link: "a symbolic link, which is never followed",
  NotAFile: "no file, or below something that is no folder",
  Denied: "not to be read by this user",
  TooLong: "a name too long for this file system"
} as const

const isTelling = (tag: string): tag is keyof typeof WHY => Object.hasOwn(WHY, tag)

const look = async (dir: string, components: ReadonlyArray<string>, known: Set<string>): Promise<Findings.Presence> => {
  const place = path.join(dir, ...components)
  try {
    const stat = await SafePlace.stat(dir, components, known)
    if (stat === undefined) return { _tag: "Missing" }
    await fsp.access(place, fsp.constants.R_OK)
    return { _tag: "Found", length: stat.length }
  } catch (cause) {
    const error = FileStoreError.from(cause, place, "looking at")
    if (isTelling(error.reason._tag)) return { _tag: "Unusable", why: WHY[error.reason._tag] }
    throw error
  }
}

const presencesOf = ({ dir, metainfo }: VerifyOptions) => {
  const known = new Set<string>()
  return Effect.forEach(
    metainfo.files,
    ({ padding, path: components, symlink }) =>
      padding || symlink !== undefined
        ? Effect.succeed<Findings.Presence>({ _tag: "Missing" })
        : Effect.tryPromise({
          try: () => look(dir, components, known),
          catch: (cause) => FileStoreError.from(cause, path.join(dir, ...components), "looking at")
        }),
    { concurrency: SWEEP }
  )
}

/** Fails when the disk does; all else that is wrong with the data is found. */
export const verify = Effect.fnUntraced(function*(
  options: VerifyOptions
): Effect.fn.Return<Findings.Findings, FileStoreError.FileStoreError | PieceHasherError, PieceHasher> {
  const { dir, metainfo, onProgress } = options
  const { files, layout, pieceHashes, pieceRoots } = metainfo
  const hasher = yield* PieceHasher
  const presences = yield* presencesOf(options)
  const isRead = (file: number) => files[file]!.padding || presences[file]!._tag === "Found"
  const hashed = yield* hasher.hash({
    files: files.flatMap(({ length, offset, padding, path: components }, file) =>
      isRead(file) ? [{ path: path.join(dir, ...components), offset, length, padding }] : []
    ),
    layout,
    sha1: pieceHashes.length > 0,
    merkle: pieceRoots === undefined ? undefined : (piece) => PieceTrees.of(metainfo, piece)!.width,
    onMissing: "Skip",
    onProgress
  })
  const unread = hashed.unread.slice()
  files.forEach((file, index) => {
    const range = PieceLayout.piecesOf(layout, file)
    if (isRead(index) || range === undefined) return
    for (let piece = range.first; piece <= range.last; piece++) Bitfield.set(unread, piece)
  })
  return Findings.of(metainfo, presences, { ...hashed, unread })
})
