/**
 * Where the payload of torrents is kept. `open` gives the files of one torrent as one run of bytes; closing its scope
 * closes them. See {@link Storage} for what each operation promises.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Clerk } from "./storage/Clerk.ts"
import * as Descriptors from "./storage/Descriptors.ts"
import * as DiskStorage from "./storage/DiskStorage.ts"
import type { FileStoreError } from "./storage/FileStoreError.ts"
import * as MemoryDisk from "./storage/MemoryDisk.ts"
import type { OpenOptions, Storage } from "./storage/Storage.ts"

export { FileStoreError, Reason } from "./storage/FileStoreError.ts"
export type { OpenOptions, Storage } from "./storage/Storage.ts"

/** Enough that a torrent of a few large files never reopens one, far below every system's limit. */
export const MAX_OPEN_FILES = 64

/** What a thread costs to start, 40 ms, is saved by so many files. */
const MANY_FILES = 64

export class FileStore extends Context.Service<FileStore, {
  /**
   * Creates the folder and the empty files (unless `readOnly`); all else is created when it is first written. Fails
   * when the folder cannot be made, or something else stands in the place of an empty file.
   */
  readonly open: (options: OpenOptions) => Effect.Effect<Storage, FileStoreError, Scope.Scope>
}>()("freshet/services/FileStore") {
  /**
   * Real files, at most `maxOpenFiles` of them open at a time, over all torrents. The small files of a torrent that has
   * `many` are dealt with in a thread of their own, many in one go.
   */
  static readonly layerDisk = (
    options?: { readonly maxOpenFiles?: number; readonly many?: number }
  ): Layer.Layer<FileStore> =>
    Layer.effect(
      FileStore,
      Effect.gen(function*() {
        const clerk = yield* Effect.acquireRelease(
          Effect.sync(() => new Clerk()),
          (clerk) => Effect.promise(clerk.close)
        )
        const descriptors = Descriptors.make(options?.maxOpenFiles ?? MAX_OPEN_FILES)
        const shared = { descriptors, clerk, many: options?.many ?? MANY_FILES }
        return FileStore.of({ open: (options) => DiskStorage.make(shared, options) })
      })
    )

  /** Files in memory; every operation completes at once. Keep `disk` to look at them, spoil them or fill it up. */
  static readonly layerMemory = (disk: MemoryDisk.MemoryDisk = MemoryDisk.make()): Layer.Layer<FileStore> =>
    Layer.succeed(FileStore, { open: (options) => Effect.sync(() => MemoryDisk.open(disk, options)) })
}
