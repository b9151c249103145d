/** Links and bare hashes in the place of a .torrent. */
import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as Magnet from "../../domain/Magnet.ts"
import { ExitCode, type Failure, failure } from "./ExitCode.ts"

/** The link or the hash that a source is; `undefined` when it is neither. A file that is called like a hash is a file. */
export const of = (source: string): Result.Result<Magnet.Magnet, Failure> | undefined => {
  if (/^\s*magnet:/i.test(source)) {
    return Result.mapError(Magnet.parse(source), ({ message }) => failure(ExitCode.badMagnet, message))
  }
  const magnet = Magnet.fromHash(source.trim())
  return magnet === undefined || fs.existsSync(source) ? undefined : Result.succeed(magnet)
}
