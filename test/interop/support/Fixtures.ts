/** Payloads and their torrents, made by libtorrent: a maker that is not ours. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { noise } from "../../support/payload.ts"
import * as Stage from "./Stage.ts"

interface Spec {
  readonly pieceLength: number
  readonly version?: "1" | "2" | "hybrid"
  readonly files: ReadonlyArray<readonly [path: string, length: number]>
}

export type Name =
  | "single file"
  | "many files"
  | "one piece"
  | "odd pieces"
  | "hybrid"
  | "version 2"
  | "version 2, one file"
  | "both versions"

export interface Fixture {
  readonly torrent: string
  /** The folder that holds the payload, and nothing else. */
  readonly dir: string
  readonly files: Spec["files"]
}

const KiB = 1024
const MiB = 1024 * KiB

/** Files that end in every way a piece and a block can, empty ones, and folders in folders. */
const awkward = (folder: string): Spec["files"] => [
  [`${folder}/.hidden`, 5],
  [`${folder}/a/b/c/d/e/f/g/h/i/j/deep.bin`, 16_383],
  [`${folder}/a/empty`, 0],
  [`${folder}/block`, 16_384],
  [`${folder}/block and one`, 16_385],
  [`${folder}/empty`, 0],
  [`${folder}/less than a piece`, 65_535],
  [`${folder}/piece`, 65_536],
  [`${folder}/piece and one`, 65_537],
  [`${folder}/three pieces and a bit`, 200_000],
  [`${folder}/ünï çödé/日本 語.bin`, 2_222_222],
  [`${folder}/z last one`, 40_000]
]

const specs: Record<Name, Spec> = {
  "single file": { pieceLength: 256 * KiB, files: [["single.bin", 24 * MiB + 4321]] },
  // The five short files lie in one piece, with the ends of their neighbours.
  "many files": {
    pieceLength: 64 * KiB,
    files: [
      ["many files/a first one.bin", 1_000_003],
      ["many files/empty/nothing", 0],
      ["many files/short/1", 11],
      ["many files/short/2", 1],
      ["many files/short/3", 3000],
      ["many files/short/4", 17_000],
      ["many files/short/5", 20_000],
      ["many files/ünï çödé/日本 語.bin", 2_222_222],
      ["many files/empty/at the end", 0],
      ["many files/z last one.bin", 3_333_333]
    ]
  },
  "one piece": { pieceLength: 128 * KiB, files: [["one piece.bin", 100_003]] },
  "odd pieces": { pieceLength: 48 * KiB, files: [["odd pieces.bin", 5 * MiB + 77]] },
  // Version 1 and 2 in one, its files aligned by padding (BEP 47, BEP 52).
  "hybrid": {
    pieceLength: 64 * KiB,
    version: "hybrid",
    files: [["hybrid/one.bin", 1_500_001], ["hybrid/sub/two.bin", 70_007], ["hybrid/three.bin", 2_000_003]]
  },
  "version 2": { pieceLength: 64 * KiB, version: "2", files: awkward("version 2") },
  "version 2, one file": { pieceLength: 64 * KiB, version: "2", files: [["version 2.bin", 20 * MiB + 4321]] },
  "both versions": { pieceLength: 64 * KiB, version: "hybrid", files: awkward("both versions") }
}

export class Fixtures extends Context.Service<Fixtures, Record<Name, Fixture>>()("freshet/test/Fixtures") {
  static readonly layer: Layer.Layer<Fixtures> = Layer.effect(
    Fixtures,
    Effect.map(Stage.temporary, (dir) => ({
      "single file": make(dir, "single file"),
      "many files": make(dir, "many files"),
      "one piece": make(dir, "one piece"),
      "odd pieces": make(dir, "odd pieces"),
      "hybrid": make(dir, "hybrid"),
      "version 2": make(dir, "version 2"),
      "version 2, one file": make(dir, "version 2, one file"),
      "both versions": make(dir, "both versions")
    }))
  )
}

const make = (under: string, name: Name): Fixture => {
  const { files, pieceLength, version = "1" } = specs[name]
  const dir = path.join(under, name, "payload")
  for (const [index, [file, length]] of files.entries()) write(path.join(dir, file), noise(length, index + 1))
  const torrent = path.join(under, name, `${name}.torrent`)
  const spec = path.join(under, name, "spec.json")
  fs.writeFileSync(
    spec,
    JSON.stringify({ out: torrent, root: dir, files, pieceLength, version, tracker: Stage.trackerUrl() })
  )
  execFileSync("/usr/bin/python3", [Stage.script("libtorrent_peer.py"), "make", spec])
  return { torrent, dir, files }
}

const write = (file: string, bytes: Uint8Array): void => {
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, bytes)
}

/** The same torrent announced elsewhere: the tracker is no part of the info hash. */
export const retracked = (fixture: Fixture, from: string, to: string, out: string): Fixture => {
  const bytes = fs.readFileSync(fixture.torrent).toString("latin1")
  const moved = bytes.replace(`${from.length}:${from}`, `${to.length}:${to}`)
  if (moved === bytes) throw new Error("the torrent does not name that tracker")
  fs.writeFileSync(out, moved, "latin1")
  return { ...fixture, torrent: out }
}

/** The first difference between what the torrent holds and what is in `dir`, or `undefined`. */
export const difference = (fixture: Fixture, dir: string, withEmptyFiles = true): string | undefined => {
  for (const [file, length] of fixture.files) {
    if (length === 0 && !withEmptyFiles) continue
    const got = path.join(dir, file)
    if (!fs.existsSync(got)) return `${file} is missing; there are: ${listing(dir).join(", ")}`
    const actual = fs.readFileSync(got)
    if (actual.length !== length) return `${file} has ${actual.length} bytes, not ${length}`
    const expected = fs.readFileSync(path.join(fixture.dir, file))
    if (!actual.equals(expected)) {
      return `${file} differs at byte ${actual.findIndex((byte, at) => byte !== expected[at])}`
    }
  }
  return undefined
}

/** Every file under `dir`, by its path below it. */
export const listing = (dir: string): Array<string> =>
  fs.readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(dir, path.join(entry.parentPath, entry.name)))
    .sort()
