/**
 * Keeps the resume record of each download, one per torrent and folder, and keeps others off it. A record replaces the
 * one before it as a whole or not at all. Trouble with the record is a value and never ends a download; only somebody
 * else working on the same files does.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as os from "node:os"
import * as path from "node:path"
import type * as InfoHash from "../domain/InfoHash.ts"
import * as ResumeCodec from "../domain/ResumeCodec.ts"
import * as DiskRecord from "./resume/DiskRecord.ts"
import * as ProcessLock from "./resume/ProcessLock.ts"
import { ResumeError, ResumeWarning } from "./resume/ResumeError.ts"
import type { ResumeHandle } from "./resume/ResumeHandle.ts"

export { explain, ResumeError, ResumeWarning } from "./resume/ResumeError.ts"
export type { Loaded, ResumeHandle } from "./resume/ResumeHandle.ts"

export interface ResumeOptions {
  readonly infoHash: InfoHash.InfoHash
  /** The download folder. It need not exist yet. */
  readonly dir: string
}

/** `$XDG_STATE_HOME/freshet`, or what the XDG base directory specification says instead. */
export const defaultStateDir = (env: { readonly [name: string]: string | undefined }): string => {
  const state = env["XDG_STATE_HOME"]
  // "All paths must be absolute. If an implementation encounters a relative path […] it should […] ignore it."
  const base = state !== undefined && path.isAbsolute(state)
    ? state
    : path.join(env["HOME"] || os.homedir(), ".local", "state")
  return path.join(base, "freshet")
}

export class ResumeStore extends Context.Service<ResumeStore, {
  /** Takes the lock and holds it for the scope. Fails with `Locked` when a live process has it. */
  readonly open: (options: ResumeOptions) => Effect.Effect<ResumeHandle, ResumeError, Scope.Scope>
}>()("freshet/services/ResumeStore") {
  /**
   * Records in `<stateDir>/resume/<info hash>-<hash of the folder's real path>/`.
   *
   * @param options.owner who takes the locks; this process unless told otherwise
   */
  static readonly layerDisk = (
    options: { readonly stateDir: string; readonly owner?: ProcessLock.Owner }
  ): Layer.Layer<ResumeStore> =>
    Layer.effect(
      ResumeStore,
      Effect.gen(function*() {
        const owner = options.owner ?? (yield* ProcessLock.current)
        const held = new Set<string>()
        const open = Effect.fnUntraced(function*({ dir, infoHash }: ResumeOptions) {
          const folder = yield* DiskRecord.folderOf(options.stateDir, infoHash, dir)
          const outcome = yield* lock(folder, owner, held)
          yield* Effect.addFinalizer(() => outcome === undefined ? DiskRecord.discardSpare(folder) : Effect.void)
          return DiskRecord.make(folder, outcome)
        })
        return ResumeStore.of({ open })
      })
    )

  /** Records in memory, encoded; `records` is by info hash and folder, for tests to look at and to spoil. */
  static readonly layerMemory = (records: Map<string, Uint8Array> = new Map()): Layer.Layer<ResumeStore> =>
    Layer.sync(ResumeStore, () => {
      const held = new Set<string>()
      const open = ({ dir, infoHash }: ResumeOptions) => {
        const key = `${infoHash}-${dir}`
        const reason = { _tag: "Locked", pid: process.pid, path: key } as const
        return Effect.as(
          Effect.acquireRelease(
            Effect.suspend(() =>
              held.has(key) ? Effect.fail(new ResumeError({ reason })) : Effect.sync(() => held.add(key))
            ),
            () => Effect.sync(() => held.delete(key))
          ),
          memoryHandle(records, key)
        )
      }
      return ResumeStore.of({ open })
    })
}

/** Takes the folder for the scope; the answer is why it could not be written, if so. */
const lock = Effect.fnUntraced(function*(folder: string, owner: ProcessLock.Owner, held: Set<string>) {
  const outcome = yield* ProcessLock.hold(folder, owner, held)
  if (outcome._tag === "Taken") {
    const path = ProcessLock.fileOf(folder, outcome.owner)
    return yield* new ResumeError({ reason: { _tag: "Locked", pid: outcome.owner.pid, path } })
  }
  return outcome._tag === "Failed" ? ResumeWarning.Unwritable({ path: folder, code: outcome.code }) : undefined
})

const memoryHandle = (records: Map<string, Uint8Array>, key: string): ResumeHandle => ({
  warning: undefined,
  partFile: path.join(path.sep, "state", key, "part"),
  load: (metainfo) =>
    Effect.sync(() => {
      const bytes = records.get(key)
      if (bytes === undefined) return { record: undefined, warning: undefined }
      return Result.match(ResumeCodec.decode(metainfo, bytes), {
        onSuccess: (record) => ({ record, warning: undefined }),
        onFailure: (damage) => {
          const movedTo = `${key}.damaged`
          records.delete(key)
          records.set(movedTo, bytes)
          return { record: undefined, warning: ResumeWarning.Damaged({ path: key, why: damage._tag, movedTo }) }
        }
      })
    }),
  save: (metainfo, record) =>
    Effect.sync(() => {
      records.set(key, ResumeCodec.encode(metainfo, record))
      return undefined
    }),
  loadPeers: () => Effect.sync(() => records.get(`${key}.peers`)),
  savePeers: (bytes) => Effect.sync(() => void records.set(`${key}.peers`, bytes)),
  remove: Effect.sync(() => {
    records.delete(key)
    records.delete(`${key}.peers`)
  })
})
