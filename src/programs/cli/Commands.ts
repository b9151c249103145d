/** The commands: what `--help` shows, and the program behind each, loaded when it is run. */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flags from "./Flags.ts"

export const leech = Command.make(
  "leech",
  Flags.leech,
  (options) => Effect.flatMap(Effect.promise(() => import("./runLeech.ts")), ({ runLeech }) => runLeech(options))
).pipe(
  Command.withDescription("Fetch a torrent, and share it while it is fetched"),
  Command.withExamples([
    { command: "leech debian.torrent --dir ~/Downloads", description: "fetch into a folder, go on after a break" },
    { command: "leech big.torrent --select-file 1-3,7 --sequential", description: "some files, in order" },
    { command: "leech big.torrent --seed-ratio 1", description: "stay until as much was given as taken" },
    { command: "leech big.torrent --json --quiet | jq .type", description: "records for a program" }
  ])
)

export const seed = Command.make(
  "seed",
  Flags.seed,
  (options) => Effect.flatMap(Effect.promise(() => import("./runSeed.ts")), ({ runSeed }) => runSeed(options))
).pipe(
  Command.withDescription("Share the data of a torrent, or make a torrent of a file or folder and share it"),
  Command.withExamples([
    { command: "seed debian.torrent --dir ~/Downloads", description: "share what is there" },
    {
      command: "seed ./photos --tracker http://host:6969/announce --save-torrent photos.torrent",
      description: "make a torrent of a folder and share it"
    }
  ])
)

export const demo = Command.make(
  "demo",
  {},
  () => Effect.flatMap(Effect.promise(() => import("./runDemo.ts")), ({ runDemo }) => runDemo)
).pipe(
  Command.withDescription("Watch a file travel: a tracker, a seed and two leeches in this process, over loopback")
)
