/**
 * Notices that finished files are changed by somebody else while they are shared: every peer would find the pieces wrong
 * and ban us. Length and modification time tell, as they do at the start of a run.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Bitfield from "../domain/Bitfield.ts"
import type * as Metainfo from "../domain/Metainfo.ts"
import * as PieceLayout from "../domain/PieceLayout.ts"
import type * as Resume from "../domain/Resume.ts"
import * as Monotonic from "./Monotonic.ts"
import * as FileStoreError from "./storage/FileStoreError.ts"
import type { Storage } from "./storage/Storage.ts"

/** How long a look at a file holds (ms): a look costs about as much as a read of 64 KiB. */
const LOOK_MS = 1000

export interface Options {
  readonly metainfo: Metainfo.Metainfo
  readonly storage: Pick<Storage, "statFiles" | "path">
  /** The files that are complete, with the times of their last change by us; may grow and shrink. */
  readonly closed: Resume.Closed
  /** The file is not the one that was verified; told once. */
  readonly onChanged: (file: number) => void
}

export interface FileWatch {
  /** Fails when a file that holds these bytes of the payload has changed. */
  readonly confirm: (offset: number, length: number) => Effect.Effect<void, FileStoreError.FileStoreError>
}

export const make = Effect.fnUntraced(function*(options: Options): Effect.fn.Return<FileWatch> {
  const { closed, metainfo, onChanged, storage } = options
  const clock = yield* Clock.Clock
  const lookedAt = new Float64Array(metainfo.files.length).fill(-Infinity)
  const changed = new Set<number>()

  const look = Effect.fnUntraced(function*(files: ReadonlyArray<number>) {
    const stats = yield* storage.statFiles(files)
    for (const [i, file] of files.entries()) {
      // Asked after the look: a file that lost a piece meanwhile is written to again, by us.
      if (!Bitfield.has(closed.files, file)) continue
      const stat = stats[i]
      if (stat === undefined) {
        return yield* FileStoreError.make(FileStoreError.Reason.Missing({ path: storage.path(file) }))
      }
      if (stat.length === metainfo.files[file]!.length && stat.mtimeNs === closed.mtimes[file]) continue
      changed.add(file)
      onChanged(file)
    }
  })

  const confirmFiles = Effect.fnUntraced(function*(files: ReadonlyArray<number>) {
    yield* look(files.filter((file) => !changed.has(file)))
    const other = files.find((file) => changed.has(file))
    if (other === undefined) return
    return yield* FileStoreError.make(FileStoreError.Reason.Changed({ path: storage.path(other) }))
  })

  return {
    confirm: (offset, length) => {
      const now = Monotonic.millis(clock)
      const due = PieceLayout.spans(metainfo.files, offset, length).filter(({ file }) =>
        changed.has(file) || (Bitfield.has(closed.files, file) && now - lookedAt[file]! >= LOOK_MS)
      )
      if (due.length === 0) return Effect.void
      for (const { file } of due) lookedAt[file] = now
      return confirmFiles(due.map(({ file }) => file))
    }
  }
})
