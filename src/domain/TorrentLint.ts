/** What is allowed in a torrent, but seldom meant. */
import * as Merkle from "./Merkle.ts"
import type { Version } from "./Metainfo.ts"
import * as SafePath from "./SafePath.ts"

export interface Subject {
  readonly version: Version
  readonly private: boolean
  readonly trackers: ReadonlyArray<ReadonlyArray<string>>
  readonly webSeeds: ReadonlyArray<string>
  readonly multiFile: boolean
  readonly pieceLength: number
  readonly pieces: number
  /** Of all files, padding left out, as they stand in the torrent; the first component is its name. */
  readonly paths: ReadonlyArray<ReadonlyArray<string>>
}

/** Longer ones are what libtorrent does not choose for any payload. */
const LONG_PIECE = 16 * 1024 * 1024

/** A torrent of that many pieces has 1 MiB of hashes, which some clients and sites refuse. */
const MANY_PIECES = 52_428

const ofPieces = ({ pieceLength, pieces }: Subject): ReadonlyArray<string> => {
  const found: Array<string> = []
  if (!Merkle.isPowerOfTwo(pieceLength)) {
    found.push(`pieces of ${pieceLength} bytes are no power of two: some clients refuse such a torrent`)
  }
  if (pieceLength > LONG_PIECE) {
    found.push(
      `pieces of ${pieceLength / 1024 ** 2} MiB are long: a peer can give nothing of one before it has all of it`
    )
  }
  if (pieces > MANY_PIECES) {
    found.push(`${pieces} pieces make a large torrent: some clients refuse it, longer pieces make it smaller`)
  }
  return found
}

/** Names that a system must change, or that two files would share on it. */
const ofNames = ({ paths }: Subject): ReadonlyArray<string> => {
  const safe = SafePath.all(paths, "windows")
  const changed = paths.flatMap((path, i) => {
    const there = safe[i]!.join("/")
    return path.join("/") === there ? [] : [`${path.join("/")} becomes ${there}`]
  })
  if (changed.length === 0) return []
  const others = changed.length === 1 ? "" : `, and ${changed.length - 1} more`
  return [`not every system can have these names: ${changed[0]}${others}`]
}

/** In a file tree such a folder is the same as its file alone (BEP 52, "interpreting paths"). */
const ofFolder = ({ multiFile, paths, version }: Subject): ReadonlyArray<string> => {
  const [only, ...others] = paths
  return version === "2" && multiFile && others.length === 0 && only?.length === 2
    ? [
      `in version 2 a folder with one file is that file alone: others get ${only[1]} and no ${only[0]}; hybrids keep it`
    ]
    : []
}

/** One line for each. */
export const lint = (subject: Subject): ReadonlyArray<string> => {
  const { multiFile, private: isPrivate, trackers, webSeeds } = subject
  const found: Array<string> = []
  if (isPrivate && trackers.length === 0) found.push("a private torrent without a tracker: no peer can find another")
  const uneven = multiFile ? webSeeds.find((url) => !url.endsWith("/")) : undefined
  if (uneven !== undefined) found.push(`the web seed of a folder should end with a slash: ${uneven}/`)
  return [...found, ...ofFolder(subject), ...ofPieces(subject), ...ofNames(subject)]
}
