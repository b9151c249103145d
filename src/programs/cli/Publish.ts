/** Lists a torrent that is shared at trackers, so that others find it by name. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { CatalogueClient, type CatalogueClientError } from "../../services/CatalogueClient.ts"
import { ExitCode, type Failure, failure } from "./ExitCode.ts"
import type { SeedOptions } from "./Flags.ts"
import type { Reporter } from "./Reporter.ts"

const isWeb = (url: string): boolean => URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)

/** The origins to publish at: of the trackers that the user names, and of no others that a stranger wrote into a torrent. */
export const originsOf = (
  { noTracker, publish, tracker }: Pick<SeedOptions, "noTracker" | "publish" | "tracker">
): Effect.Effect<ReadonlyArray<string>, Failure> => {
  if (!publish) return Effect.succeed([])
  const origins = new Set(noTracker ? [] : tracker.filter(isWeb).map((url) => new URL(url).origin))
  return origins.size > 0
    ? Effect.succeed(Array.from(origins))
    : failure(
      ExitCode.usage,
      noTracker
        ? "--publish and --no-tracker exclude each other"
        : "--publish needs a tracker that speaks HTTP; give one like --tracker http://host:6969/announce"
    )
}

const hintOf = ({ reason }: CatalogueClientError, hasToken: boolean): string =>
  reason !== "Unauthorized" ? "" : hasToken ? "; check --publish-token" : "; give it with --publish-token"

/** Publishes at all of them, one after the other, and says how it went; sharing goes on whatever happens. */
export const publish = Effect.fnUntraced(function*(
  origins: ReadonlyArray<string>,
  torrent: Uint8Array,
  options: SeedOptions,
  reporter: Reporter
) {
  const client = yield* CatalogueClient
  const token = Option.getOrUndefined(options.publishToken)
  for (const origin of origins) {
    yield* client.publish(new URL(origin), torrent, token).pipe(
      Effect.match({
        onSuccess: ({ isNew, name }) => reporter.published(origin, { state: isNew ? "added" : "known", name }),
        onFailure: (error) =>
          reporter.published(origin, {
            state: "failed",
            message: `${error.message}${hintOf(error, token !== undefined)}`
          })
      })
    )
  }
})
