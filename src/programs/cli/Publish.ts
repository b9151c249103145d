/** Lists a torrent that is shared at trackers, so that others find it by name. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
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

/** A tracker that cannot be reached may only be late. */
const isPassing = ({ reason }: CatalogueClientError): boolean => reason === "Unreachable" || reason === "TimedOut"

/** A tracker that is started after the seed is found soon, one that is gone for long costs little. */
const again = Schedule.spaced("1 minute")

/** Publishes at all of them and says how it went; sharing goes on whatever happens. */
export const publish = Effect.fnUntraced(function*(
  origins: ReadonlyArray<string>,
  torrent: Uint8Array,
  options: Pick<SeedOptions, "publishToken">,
  reporter: Pick<Reporter, "published">
) {
  const client = yield* CatalogueClient
  const token = Option.getOrUndefined(options.publishToken)
  const publishAt = (origin: string) => {
    const say = (error: CatalogueClientError, outlook: string) =>
      Effect.sync(() =>
        reporter.published(origin, {
          state: "failed",
          message: `${error.message}${hintOf(error, token !== undefined)}${outlook}`
        })
      )
    const attempt = client.publish(new URL(origin), torrent, token)
    return attempt.pipe(
      Effect.tapError((error) => isPassing(error) ? say(error, "; it is tried again") : Effect.void),
      Effect.catchIf(
        isPassing,
        () => Effect.andThen(Effect.sleep("5 seconds"), Effect.retry(attempt, { schedule: again, while: isPassing }))
      ),
      Effect.matchEffect({
        onSuccess: ({ isNew, name }) =>
          Effect.sync(() => reporter.published(origin, { state: isNew ? "added" : "known", name })),
        onFailure: (error) => say(error, "")
      })
    )
  }
  yield* Effect.forEach(origins, publishAt, { concurrency: "unbounded", discard: true })
})
