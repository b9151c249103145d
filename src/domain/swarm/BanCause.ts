/** Why a peer is not let in any more, and for how long: proven lies are for good, the rest may be an honest client's fault. */
import * as ByteCount from "../ByteCount.ts"

export type BanCause =
  /** A block of it is in a piece whose hash is wrong, and proven to be the wrong one. */
  | { readonly _tag: "WrongBlocks" }
  /** Its hashes do not lead to the piece's root (BEP 52). */
  | { readonly _tag: "FalseHashes" }
  /** Its metadata is not that of the magnet link's hash (BEP 9). */
  | { readonly _tag: "FalseMetadata" }
  /** Took so many bytes beyond what it says to have got. */
  | { readonly _tag: "TakesTooMuch"; readonly beyond: number }
  /** Took one block again and again. */
  | { readonly _tag: "AsksAgain"; readonly piece: number; readonly begin: number; readonly times: number }
  /** Says that it has pieces, lets us ask for them, and never gives any: so many questions in a row came to nothing. */
  | { readonly _tag: "FalseHaves"; readonly questions: number }

export type Tag = BanCause["_tag"]

export const TAGS = [
  "WrongBlocks",
  "FalseHashes",
  "FalseMetadata",
  "TakesTooMuch",
  "AsksAgain",
  "FalseHaves"
] as const satisfies ReadonlyArray<Tag>

/** ms of a ban that is not for good: long enough to make another go not worth it, short enough to forgive a bug. */
const A_WHILE = 3_600_000

/** How long the ban lasts (ms); `Infinity` where the peer is proven to have lied. */
export const lasts = ({ _tag }: BanCause): number =>
  _tag === "WrongBlocks" || _tag === "FalseHashes" || _tag === "FalseMetadata" ? Infinity : A_WHILE

/** In words, as what the peer has done. */
export const text = (cause: BanCause): string => {
  switch (cause._tag) {
    case "WrongBlocks":
      return "sent wrong blocks"
    case "FalseHashes":
      return "sent false hashes"
    case "FalseMetadata":
      return "sent false metadata"
    case "TakesTooMuch":
      return `took ${ByteCount.bytes(cause.beyond)} more than it says to have got`
    case "AsksAgain":
      return `took the block at ${cause.begin} of piece ${cause.piece} ${cause.times} times`
    case "FalseHaves":
      return `gives nothing of what it says to have, after ${cause.questions} questions`
  }
}
