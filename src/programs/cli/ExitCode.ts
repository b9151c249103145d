/** What the programs exit with: aria2's numbers, which scripts of the field know (aria2c(1), "EXIT STATUS"). */
import * as Data from "effect/Data"
import * as Runtime from "effect/Runtime"

export const ExitCode = {
  ok: 0,
  unknown: 1,
  timedOut: 2,
  notFound: 3,
  network: 6,
  unfinished: 7,
  diskFull: 9,
  alreadyRunning: 12,
  fileExists: 13,
  cannotOpen: 15,
  cannotCreate: 16,
  fileError: 17,
  cannotCreateFolder: 18,
  nameResolution: 19,
  unauthorized: 24,
  notBencode: 25,
  badTorrent: 26,
  badMagnet: 27,
  usage: 28,
  integrity: 32,
  secondSignal: 130
} as const

export type ExitCode = typeof ExitCode[keyof typeof ExitCode]

export type Table = ReadonlyArray<readonly [code: ExitCode, meaning: string]>

/** The table of `tracker --help`. */
export const TRACKER_TABLE: Table = [
  [0, "stopped"],
  [1, "an error of another kind"],
  [6, "the port is taken, or the store is out of reach"],
  [12, "the data folder is in use by another tracker"],
  [15, "a file of settings or info hashes cannot be opened"],
  [17, "a file could not be read or written"],
  [18, "the data folder could not be made"],
  [28, "wrong option or setting"],
  [130, "stopped at once by a second signal"]
]

/** The table of `create --help`. */
export const CREATE_TABLE: Table = [
  [0, "the torrent is made"],
  [1, "an error of another kind"],
  [3, "the file or folder was not found"],
  [7, "stopped before the torrent was made"],
  [9, "the disk is full"],
  [13, "a file of that name is there already, and --force is not given"],
  [16, "the torrent could not be written"],
  [17, "a file could not be read, or changed while it was hashed"],
  [28, "wrong option or argument, or there is no data"],
  [130, "stopped at once by a second signal"]
]

/** Where a .torrent comes from, and what it is. */
const LOADING: Table = [
  [1, "an error of another kind"],
  [2, "the server of the .torrent did not answer in time"],
  [3, "the torrent was not found"],
  [6, "network problem"],
  [7, "stopped before the end"],
  [17, "the torrent or another file could not be read or written"],
  [19, "a host name could not be resolved"],
  [24, "the server of the .torrent refused access"],
  [25, "the torrent is not bencoded"],
  [26, "the torrent is damaged or lacks something"],
  [27, "the magnet link is none"],
  [28, "wrong option or argument"],
  [130, "stopped at once by a second signal"]
]

const tableOf = (own: Table): Table => {
  const codes = new Map([...LOADING, ...own])
  return Array.from(codes).sort(([a], [b]) => a - b)
}

/** The tables of programs that look at a torrent, by their names. */
export const DOCUMENT_TABLES: Readonly<Record<string, Table>> = {
  show: tableOf([[0, "shown"]]),
  verify: tableOf([
    [0, "all is there and right"],
    [3, "the torrent or the folder was not found"],
    [32, "a file is missing or wrong"]
  ]),
  edit: tableOf([
    [0, "done, or nothing had to be changed"],
    [9, "the disk is full"],
    [13, "another file than a torrent is in the place of the result"],
    [16, "the torrent could not be written"]
  ])
}

/** The table of `--help` of the others. */
export const TABLE: Table = [
  [0, "all is there"],
  [1, "an error of another kind"],
  [2, "nothing came for --stop-timeout seconds"],
  [3, "the torrent was not found"],
  [6, "network problem, or the port is taken"],
  [7, "stopped before the download was complete or the torrent was made"],
  [9, "the disk is full"],
  [12, "this torrent is running in another process"],
  [13, "a file in the way is not this torrent's"],
  [15, "a file or folder is missing, or of another kind than the torrent says; a blocklist cannot be read"],
  [16, "a file could not be created"],
  [17, "the torrent or another file could not be read or written"],
  [18, "a folder could not be created"],
  [19, "a host name could not be resolved"],
  [24, "the server of the .torrent refused access"],
  [25, "the torrent is not bencoded"],
  [26, "the torrent is damaged or lacks something"],
  [27, "the magnet link is none"],
  [28, "wrong option or argument"],
  [32, "data to share is incomplete or wrong"],
  [130, "stopped at once by a second signal"]
]

/** An expected end of a program: one line for the user, and a code. */
export class Failure extends Data.TaggedError("Failure")<{ readonly text: string; readonly code: ExitCode }> {
  override get message(): string {
    return this.text
  }
  override get [Runtime.errorExitCode](): number {
    return this.code
  }
}

export const failure = (code: ExitCode, text: string): Failure => new Failure({ code, text })
