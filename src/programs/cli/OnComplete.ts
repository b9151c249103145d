/** `--on-complete`: a program of the user's, run without a shell, told of the torrent the way Transmission does. */
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import type { Metainfo } from "../../domain/Metainfo.ts"

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

/** What scripts for Transmission expect in their environment. */
export const environment = (
  metainfo: Metainfo,
  options: {
    readonly dir: string
    readonly downloaded: number
    readonly version: string
    /** The local time as `ctime` prints it. */
    readonly localTime: string
  }
): Record<string, string> => ({
  TR_APP_VERSION: options.version,
  TR_TIME_LOCALTIME: options.localTime,
  TR_TORRENT_BYTES_DOWNLOADED: String(options.downloaded),
  TR_TORRENT_DIR: options.dir,
  TR_TORRENT_HASH: metainfo.infoHash,
  TR_TORRENT_ID: "1",
  TR_TORRENT_LABELS: "",
  TR_TORRENT_NAME: metainfo.name,
  TR_TORRENT_PRIORITY: "0",
  TR_TORRENT_TRACKERS: metainfo.trackers.flat().join(",")
})

/** Runs the words and waits for the end; the answer is what went wrong, if anything did. */
export const run = (
  words: ReadonlyArray<string>,
  env: Record<string, string>
): Effect.Effect<string | undefined> =>
  Effect.callback((resume) => {
    const child = spawn(words[0]!, words.slice(1), {
      env: { ...process.env, ...env },
      stdio: ["ignore", 2, 2]
    })
    child.on("error", (error) => resume(Effect.succeed(`cannot run ${words[0]}: ${error.message}`)))
    child.on("exit", (code, signal) =>
      resume(Effect.succeed(code === 0 ? undefined : `${words[0]} ended with ${signal ?? `code ${code}`}`)))
  })
