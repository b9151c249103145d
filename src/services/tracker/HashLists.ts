/** Which torrents a tracker serves, by files of info hashes that can be read again while it runs. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Bytes from "../../domain/Bytes.ts"
import type * as InfoHash from "../../domain/InfoHash.ts"
import * as InfoHashList from "../../domain/tracker/InfoHashList.ts"
import * as BoundedFile from "../BoundedFile.ts"
import * as SystemCode from "../SystemCode.ts"

export class HashListError extends Schema.TaggedError<HashListError>()("HashListError", {
  reason: Schema.Literals(["Unreadable", "Invalid"]),
  file: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `${this.file}: ${this.detail}`
  }
}

export interface HashListsOptions {
  /** When given, nothing else is served. */
  readonly allow?: string | undefined
  /** Not served even when allowed. */
  readonly deny?: string | undefined
}

export interface HashLists {
  readonly admits: (infoHash: InfoHash.InfoHash) => boolean
  /** Reads the files again; when one is broken, the lists stay as they are. */
  readonly reload: Effect.Effect<void, HashListError>
}

const unreadable = (file: string, cause: unknown): HashListError =>
  new HashListError({
    reason: "Unreadable",
    file,
    detail: SystemCode.describe(cause)
  })

const read = Effect.fnUntraced(function*(file: string): Effect.fn.Return<InfoHashList.InfoHashList, HashListError> {
  const bytes = yield* Effect.mapError(
    BoundedFile.read(file, InfoHashList.MAX_BYTES),
    (trouble) =>
      trouble._tag === "TooLarge"
        ? new HashListError({ reason: "Invalid", file, detail: "it is too large for a list of info hashes" })
        : unreadable(file, trouble.cause)
  )
  return yield* Effect.fromResult(Result.mapError(
    InfoHashList.parse(Bytes.toUtf8(bytes)),
    (detail) => new HashListError({ reason: "Invalid", file, detail })
  ))
})

const readPerhaps = (file: string | undefined) => file === undefined ? Effect.undefined : read(file)

/** Reads the lists; fails when one that is asked for is missing or broken. */
export const make = Effect.fnUntraced(
  function*({ allow, deny }: HashListsOptions): Effect.fn.Return<HashLists, HashListError> {
    let allowed: InfoHashList.InfoHashList | undefined
    let denied: InfoHashList.InfoHashList | undefined
    const reload = Effect.map(Effect.all([readPerhaps(allow), readPerhaps(deny)]), (lists) => {
      allowed = lists[0]
      denied = lists[1]
    })
    yield* reload
    return {
      admits: (infoHash) => (allowed === undefined || allowed.has(infoHash)) && denied?.has(infoHash) !== true,
      reload
    }
  }
)
