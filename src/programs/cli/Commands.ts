/** The commands: what `--help` shows, and the program behind each, loaded when it is run. */
import type * as Cause from "effect/Cause"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as CreateFlags from "./CreateFlags.ts"
import * as DocumentFlags from "./DocumentFlags.ts"
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

const ASK = example("debian.torrent & kill -USR2 $!", "prints how it stands, with its peers; as often as it is asked")

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
    example("'magnet:?xt=urn:btih:...'", "by a link; quote it, for the sake of its &"),
    example("--from http://host:6969 photos", "what a tracker lists under that name"),
    ASK
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
    ),
    ASK
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

export const show = Command.make(
  "show",
  DocumentFlags.show,
  (options) =>
    Effect.flatMap(Effect.promise(() => import("./runShow.ts")), ({ runShow }) => runShow(options)).pipe(logged)
).pipe(
  Command.withDescription("Tell what is in a torrent or a magnet link"),
  withExamples(
    example("debian.torrent", "a page for people"),
    example("debian.torrent --json | jq .infoHash", "everything as one JSON object"),
    example("debian.torrent | grep ^tracker", "a line for each value, with tabs, for other programs"),
    example("debian.torrent --magnet", "its magnet link alone"),
    example("'magnet:?xt=urn:btih:...'", "what a link says; quote it, for the sake of its &")
  )
)

export const verify = Command.make(
  "verify",
  DocumentFlags.verify,
  (options) =>
    Effect.flatMap(Effect.promise(() => import("./runVerify.ts")), ({ runVerify }) => runVerify(options)).pipe(logged)
).pipe(
  Command.withDescription("Check data on the disk against its torrent, on all cores; changes nothing"),
  withExamples(
    example("debian.torrent --dir ~/Downloads", "name what is missing or wrong; exit 32 if anything is"),
    example("photos.torrent --json | jq .badPieces", "the pieces in trouble, for a program"),
    example("photos.torrent --quiet && echo whole", "the answer alone")
  )
)

export const edit = Command.make(
  "edit",
  DocumentFlags.edit,
  (options) =>
    Effect.flatMap(Effect.promise(() => import("./runEdit.ts")), ({ runEdit }) => runEdit(options)).pipe(logged)
).pipe(
  Command.withDescription("Change trackers, web seeds and texts of a torrent; all else in it stays byte for byte"),
  withExamples(
    example("photos.torrent --add-tracker udp://host:6969", "the info hash stays: others need not know"),
    example(
      "photos.torrent --no-trackers -t http://host:6969/announce -o new.torrent",
      "another tracker, in a new file"
    ),
    example("photos.torrent --private --source ABC", "another torrent: its info hash changes"),
    example("photos.torrent --no-comment --dry-run", "what would change")
  )
)

export const demo = Command.make(
  "demo",
  {},
  () => Effect.flatMap(Effect.promise(() => import("./runDemo.ts")), ({ runDemo }) => runDemo).pipe(logged)
).pipe(
  Command.withDescription("Watch a file travel: a tracker, a seed and two leeches in this process, over loopback")
)
