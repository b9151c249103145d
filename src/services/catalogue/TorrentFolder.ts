/** Published torrents on disk: `<info hash>.torrent` each, its time of change the time of publication. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as InfoHash from "../../domain/InfoHash.ts"
import * as Listing from "../../domain/tracker/Listing.ts"
import * as Folder from "../Folder.ts"
import * as AtomicFile from "../storage/AtomicFile.ts"
import { codeOf } from "../storage/FileStoreError.ts"
import { type CatalogueError, full, type PublishError, unavailable } from "./CatalogueError.ts"
import * as CatalogueLimits from "./CatalogueLimits.ts"
import type { CatalogueShelf, Kept } from "./CatalogueShelf.ts"

const SUFFIX = ".torrent"

/** What a file is, by its name alone. */
const infoHashOf = (name: string): InfoHash.InfoHash | undefined =>
  name.endsWith(SUFFIX) ? InfoHash.parse(name.slice(0, -SUFFIX.length)) : undefined

const troubleOf = (operation: string, file: string) => (cause: unknown): CatalogueError =>
  unavailable(`${operation} ${file} failed (${codeOf(cause)})`)

const writeTrouble = (file: string) => (cause: unknown): CatalogueError | PublishError =>
  ["ENOSPC", "EDQUOT"].includes(codeOf(cause))
    ? full("the catalogue is full: the tracker's disk has no space left")
    : troubleOf("writing", file)(cause)

/** A file as it was found: a torrent that may be listed, or why it may not. */
type Found = Result.Result<Kept, string>

const inspect = async (
  file: string,
  infoHash: InfoHash.InfoHash,
  limits: CatalogueLimits.CatalogueLimits
): Promise<Found> => {
  const bytes = await AtomicFile.read(file, limits.maxBytes)
  if (bytes === undefined || bytes.length === 0) return Result.fail("is empty, or larger than a torrent may be")
  const read = CatalogueLimits.read(bytes, limits)
  if (Result.isFailure(read)) return Result.fail(`is damaged: ${read.failure.message}`)
  if (read.success.infoHash !== infoHash) return Result.fail(`is the torrent ${read.success.infoHash}`)
  const { mtimeMs } = await fs.stat(file)
  return Result.succeed({ listing: Listing.make(read.success, Math.floor(mtimeMs)), bytes: bytes.length })
}

const remove = (file: string) => fs.rm(file, { force: true }).catch(() => undefined)

/** What is in one file of the folder, if it is a torrent of the catalogue. */
const look = Effect.fnUntraced(function*(folder: string, name: string, limits: CatalogueLimits.CatalogueLimits) {
  const file = path.join(folder, name)
  const isUnfinished = name.endsWith(".new") && infoHashOf(name.slice(0, -".new".length)) !== undefined
  if (isUnfinished) yield* Effect.promise(() => remove(file))
  const infoHash = infoHashOf(name)
  if (infoHash === undefined) return undefined
  const found = yield* Effect.tryPromise({
    try: () => inspect(file, infoHash, limits),
    catch: troubleOf("reading", file)
  })
  if (Result.isSuccess(found)) return found.success
  const isAside = yield* Effect.promise(() => fs.rename(file, `${file}.damaged`).then(() => true, () => false))
  yield* Effect.logWarning(`${file} ${found.failure}; ${isAside ? `moved to ${name}.damaged` : "left alone"}`)
  return undefined
})

/** Lists what is in the folder, which is made when there is none; what cannot be used is renamed, with a warning. */
const load = Effect.fnUntraced(function*(folder: string, limits: CatalogueLimits.CatalogueLimits) {
  const names = yield* Effect.tryPromise({
    try: async () => {
      await Folder.make(folder)
      return (await fs.readdir(folder)).sort()
    },
    catch: troubleOf("reading", folder)
  })
  const inspected = yield* Effect.forEach(names, (name) => look(folder, name, limits), { concurrency: 16 })
  return inspected.filter((kept) => kept !== undefined)
})

const write = async (file: string, bytes: Uint8Array, publishedAt: number): Promise<void> => {
  try {
    await AtomicFile.replace(file, [bytes])
  } catch (cause) {
    await remove(`${file}.new`)
    throw cause
  }
  // Without it the time is a little later after a restart.
  await fs.utimes(file, publishedAt / 1000, publishedAt / 1000).catch(() => undefined)
}

export const open = Effect.fnUntraced(function*(
  folder: string,
  limits: CatalogueLimits.CatalogueLimits
): Effect.fn.Return<CatalogueShelf, CatalogueError> {
  const fileOf = (infoHash: InfoHash.InfoHash): string => path.join(folder, `${infoHash}${SUFFIX}`)
  return {
    kept: yield* load(folder, limits),
    put: ({ infoHash, publishedAt }, bytes) => {
      const file = fileOf(infoHash)
      return Effect.uninterruptible(
        Effect.tryPromise({ try: () => write(file, bytes, publishedAt), catch: writeTrouble(file) })
      )
    },
    drop: (infoHash) => {
      const file = fileOf(infoHash)
      return Effect.uninterruptible(
        Effect.tryPromise({ try: () => fs.rm(file, { force: true }), catch: troubleOf("removing", file) })
      )
    },
    take: (infoHash) => {
      const file = fileOf(infoHash)
      return Effect.tryPromise({
        try: () => AtomicFile.read(file, limits.maxBytes),
        catch: troubleOf("reading", file)
      })
    }
  }
})
