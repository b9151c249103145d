/** `--on-complete`: a program of the user's, run without a shell, told of the torrent the way Transmission does. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { spawn } from "node:child_process"
import * as Metainfo from "../../domain/Metainfo.ts"

/**
 * Splits a command like a shell would, but expands nothing: blanks separate, quotes and backslashes hold together.
 * `undefined` when a quote is not closed or there is no word.
 */
export const split = (command: string): ReadonlyArray<string> | undefined => {
  const words: Array<string> = []
  const pattern = /\s*((?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+)/gsy
  let at = 0
  for (let match = pattern.exec(command); match !== null; match = pattern.exec(command)) {
    at = pattern.lastIndex
    words.push(
      match[1]!.replace(
        /\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'/gs,
        (_, escaped?: string, double?: string, single?: string) =>
          escaped ?? double?.replace(/\\(["\\])/g, "$1") ?? single ?? ""
      )
    )
  }
  return words.length > 0 && command.slice(at).trim() === "" ? words : undefined
}

/** The local time as C's `ctime` prints it: `Sat Nov 21 04:05:06 2026`. */
export const localTime = (now: number): string => {
  const [weekday, month, day, year, time] = new Date(now).toString().split(" ")
  return `${weekday} ${month} ${String(Number(day)).padStart(2)} ${time} ${year}`
}

/** What scripts for Transmission expect in their environment. */
export const environment = (
  metainfo: Metainfo.Metainfo,
  options: {
    readonly dir: string
    readonly downloaded: number
    readonly version: string
    /** Unix time in ms. */
    readonly now: number
  }
): Record<string, string> => ({
  TR_APP_VERSION: options.version,
  TR_TIME_LOCALTIME: localTime(options.now),
  TR_TORRENT_BYTES_DOWNLOADED: String(options.downloaded),
  TR_TORRENT_DIR: options.dir,
  TR_TORRENT_HASH: metainfo.infoHash,
  TR_TORRENT_ID: "1",
  TR_TORRENT_LABELS: "",
  TR_TORRENT_NAME: Metainfo.topOf(metainfo),
  TR_TORRENT_PRIORITY: "0",
  TR_TORRENT_TRACKERS: metainfo.trackers.flat().join(",")
})

/** A hook that runs longer is left to itself, so that it cannot keep us from ending. */
const PATIENCE = "1 minute"

/**
 * Runs the words and waits for the end; the answer is what went wrong, if anything did. The program has a session of its
 * own: the Ctrl-C that ends us must not end it halfway. What it prints goes to stderr, for stdout may carry records.
 */
export const run = (
  words: ReadonlyArray<string>,
  env: Record<string, string>
): Effect.Effect<string | undefined> =>
  Effect.callback<string | undefined>((resume) => {
    const child = Result.try(() =>
      spawn(words[0]!, words.slice(1), { env: { ...process.env, ...env }, stdio: ["ignore", 2, 2], detached: true })
    )
    if (Result.isFailure(child)) return resume(Effect.succeed(`cannot run ${words[0]}: ${String(child.failure)}`))
    child.success.on("error", (error) => resume(Effect.succeed(`cannot run ${words[0]}: ${error.message}`)))
    child.success.on("exit", (code, signal) =>
      resume(Effect.succeed(code === 0 ? undefined : `${words[0]} ended with ${signal ?? `code ${code}`}`)))
  }).pipe(Effect.timeoutOrElse({
    duration: PATIENCE,
    orElse: () =>
      Effect.succeed(`${words[0]} is still running after a minute, and is left to itself`)
  }))
