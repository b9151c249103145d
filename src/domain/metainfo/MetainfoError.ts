/** Why a document is no torrent, and how that is said. */
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import type * as Bencode from "../Bencode.ts"
import * as Printable from "../Printable.ts"

/**
 * Why a document is no torrent: larger than the limits, no bencode at all, or a field that cannot be.
 */
export class MetainfoError extends Data.TaggedError("MetainfoError")<{
  readonly reason: "TooLarge" | "NotBencode" | "Invalid"
  /** One line: the field, and what is wrong with it. */
  readonly message: string
}> {}

export type Parsed<A> = Result.Result<A, MetainfoError>

export const invalid = (message: string): Result.Result<never, MetainfoError> =>
  Result.fail(new MetainfoError({ reason: "Invalid", message }))

export const tooLarge = (detail: string): Result.Result<never, MetainfoError> =>
  Result.fail(new MetainfoError({ reason: "TooLarge", message: `the torrent file is too large: ${detail}` }))

export const tooManyNames = (maxNameBytes: number): Result.Result<never, MetainfoError> =>
  tooLarge(`its names have more than ${maxNameBytes} bytes`)

export const fromBencode = (error: Bencode.BencodeError): Result.Result<never, MetainfoError> =>
  error.reason === "TooLarge" || error.reason === "TooManyTokens"
    ? tooLarge(error.message)
    : Result.fail(new MetainfoError({ reason: "NotBencode", message: `not a torrent file: ${error.message}` }))

/** The beginning of a path is enough to find it by. */
const SHOWN = 100

/** A path of the torrent, for a message. */
export const shown = (path: ReadonlyArray<string>): string => {
  const text = path.join("/")
  return Printable.printable(text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text)
}
