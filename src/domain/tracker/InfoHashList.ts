/** A list of torrents in a file: one info hash of 40 hex digits a line, `#` begins a comment. */
import * as Result from "effect/Result"
import * as InfoHash from "../InfoHash.ts"

export type InfoHashList = ReadonlySet<InfoHash.InfoHash>

/** Entries of one list. */
const MAX_ENTRIES = 1_000_000

/** Bytes of a file that holds so many, each with a comment. */
export const MAX_BYTES = 128 * 1024 * 1024

/** Reads the text of a list. The failure says in which line something else stands. */
export const parse = (text: string): Result.Result<InfoHashList, string> => {
  const hashes = new Set<InfoHash.InfoHash>()
  let number = 0
  for (const line of text.split("\n")) {
    number++
    const word = line.replace(/#.*$/s, "").trim()
    if (word === "") continue
    const infoHash = InfoHash.parse(word)
    if (infoHash === undefined) return Result.fail(`line ${number} is not an info hash of 40 hex digits`)
    hashes.add(infoHash)
    if (hashes.size > MAX_ENTRIES) return Result.fail(`it has more than ${MAX_ENTRIES} info hashes`)
  }
  return Result.succeed(hashes)
}
