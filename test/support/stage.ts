/** A torrent, a folder for its files and one for the records: where a leech is run again and again. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Programs from "./programs.ts"
import type { Published } from "./published.ts"

export interface Place {
  readonly torrent: Published
  /** The .torrent. */
  readonly file: string
  readonly dir: string
  readonly state: string
}

export const placeIn = (root: string, torrent: Published): Place => {
  const file = path.join(root, "x.torrent")
  fs.writeFileSync(file, torrent.document)
  return { torrent, file, dir: path.join(root, "files"), state: path.join(root, "state") }
}

/** What keeps a program on the loopback, and its state out of the user's home. */
export const local = (place: Pick<Place, "dir" | "state">): Array<string> => [
  `--dir=${place.dir}`,
  `--state-dir=${place.state}`,
  "--bind=127.0.0.1",
  "--listen-port=0"
]

/** A leech that tells with `--json` what it does, and with `--quiet` nothing but what ends it. */
export const leech = (
  place: Place,
  peers: ReadonlyArray<string>,
  ...more: ReadonlyArray<string>
): Effect.Effect<Programs.Program, never, Scope.Scope> =>
  Programs.start("leech", [
    place.file,
    ...local(place),
    "--json",
    "--quiet",
    ...peers.map((peer) => `--peer=${peer}`),
    ...more
  ])
