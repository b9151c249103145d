/** The folder with what a tracker knows from one run to the next: its swarms and its catalogue. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as path from "node:path"
import * as Folder from "../../services/Folder.ts"
import * as ProcessLock from "../../services/resume/ProcessLock.ts"
import { defaultStateDir } from "../../services/ResumeStore.ts"
import * as SystemCode from "../../services/SystemCode.ts"
import { ExitCode, type Failure, failure } from "./ExitCode.ts"
import type { Settings } from "./TrackerSettings.ts"

/** `undefined` for none, which is what a tracker has whose port will be another one the next time. */
export const folderOf = (
  { "data-dir": given, port }: Pick<Settings, "data-dir" | "port">,
  env: { readonly [name: string]: string | undefined }
): string | undefined => {
  if (given === "none" || (given === undefined && port === 0)) return undefined
  return path.resolve(given ?? path.join(defaultStateDir(env), `tracker-${port}`))
}

const make = (dir: string): Effect.Effect<void, Failure> =>
  Effect.tryPromise({
    try: () => Folder.make(dir, 0o700),
    catch: (cause) =>
      failure(
        ExitCode.cannotCreateFolder,
        `cannot make the folder ${dir}: ${SystemCode.describe(cause)}; see --data-dir`
      )
  })

/** Makes the folder and keeps other trackers out of it while the scope is open. */
export const open = Effect.fnUntraced(function*(dir: string): Effect.fn.Return<void, Failure, Scope.Scope> {
  yield* make(dir)
  const outcome = yield* ProcessLock.hold(dir, yield* ProcessLock.current, new Set())
  if (outcome._tag === "Taken") {
    const { pid } = outcome.owner
    return yield* failure(ExitCode.alreadyRunning, `another tracker (process ${pid}) uses ${dir}; see --data-dir`)
  }
  // Where no lock can be written nobody else writes either, and a tracker runs without.
  if (outcome._tag === "Failed") yield* Effect.logWarning(`cannot write in ${dir}: ${outcome.code}; see --data-dir`)
})
