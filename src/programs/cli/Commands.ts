/** The commands: what `--help` shows, and the program behind each, loaded when it is run. */
import type * as Cause from "effect/Cause"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as CreateFlags from "./CreateFlags.ts"
import * as Flags from "./Flags.ts"
import * as TrackerFlags from "./TrackerFlags.ts"

/** Here `--log-level` is in force already. */
const logged = Effect.tapCause((cause: Cause.Cause<unknown>) => Effect.logDebug("failed", cause))

const example = (args: string, description: string) => ({ args, description })

/** Examples that begin with the words by which the command was called. */
const withExamples = (...examples: ReadonlyArray<ReturnType<typeof example>>) =>
  Command.withExamples(({ commandPath }) =>
    examples.map(({ args, description }) => ({ command: [...commandPath, args].join(" ").trim(), description }))
  )

export const leech = Command.make(
  "leech",
  Flags.leech,
  (options) =>
    Effect.flatMap(Effect.promise(() => import("./runLeech.ts")), ({ runLeech }) => runLeech(options)).pipe(logged)
).pipe(
  Command.withDescription("Fetch a torrent, and share it while it is fetched"),
  withExamples(
    example("debian.torrent --dir ~/Downloads", "fetch into a folder; the same again goes on after a break"),
    example("big.torrent --select-file 1-3,7 --sequential", "some files, in order"),
    example("big.torrent --seed-ratio 1", "stay until as much was given as taken"),
    example("http://example.org/big.torrent --json | jq .type", "records for a program"),
    example("--from http://host:6969 photos", "what a tracker lists under that name")
  )
)

export const seed = Command.make(
  "seed",
  Flags.seed,
  (options) =>
    Effect.flatMap(Effect.promise(() => import("./runSeed.ts")), ({ runSeed }) => runSeed(options)).pipe(logged)
).pipe(
  Command.withDescription("Share the data of a torrent, or make a torrent of a file or folder and share it"),
  withExamples(
    example("debian.torrent --dir ~/Downloads", "share what is there"),
    example(
      "./photos --tracker http://host:6969/announce --save-torrent photos.torrent",
      "make a torrent of a folder and share it"
    ),
    example(
      "./photos --tracker http://host:6969/announce --publish",
      "share a folder, and list it at the tracker for others to find by name"
    )
  )
)

export const create = Command.make(
  "create",
  CreateFlags.create,
  (options) =>
    Effect.flatMap(Effect.promise(() => import("./runCreate.ts")), ({ runCreate }) => runCreate(options)).pipe(logged)
).pipe(
  Command.withDescription("Make a torrent of a file or folder"),
  withExamples(
    example("./photos -t http://host:6969/announce", "photos.torrent, in the current folder"),
    example("big.iso --hybrid -o - | ssh host 'cat > big.torrent'", "both versions in one, to another program"),
    example(
      "./photos -t http://a/announce,http://b/announce -t udp://c:6969",
      "two trackers alike, and one in reserve"
    ),
    example("./work -p -s SITE --exclude '*.tmp' --exclude cache/", "private, for one site, without some files"),
    example("./data --no-date --magnet", "the same bytes each time, and a link to them")
  )
)

export const tracker = Command.make(
  "tracker",
  TrackerFlags.tracker,
  (options) =>
    Effect.flatMap(Effect.promise(() => import("./runTracker.ts")), ({ runTracker }) => runTracker(options)).pipe(
      logged
    )
).pipe(
  Command.withDescription("Run a tracker: where peers find each other, and torrents are found by name"),
  withExamples(
    example("", "over HTTP and UDP on port 6969; what it knows outlives a restart"),
    example("--publish-token s3cret-words --catalog-only", "only torrents that someone with the token has published"),
    example("--store redis://localhost:6379 --workers 4", "several processes that share their swarms"),
    example("--config /etc/freshet/tracker.toml", "settings from a file; --print-config writes one")
  )
)

export const demo = Command.make(
  "demo",
  {},
  () => Effect.flatMap(Effect.promise(() => import("./runDemo.ts")), ({ runDemo }) => runDemo).pipe(logged)
).pipe(
  Command.withDescription("Watch a file travel: a tracker, a seed and two leeches in this process, over loopback")
)
