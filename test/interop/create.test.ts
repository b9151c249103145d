/** The torrents that we make, before the eyes of others: libtorrent agrees on every hash, and makes the same ones itself. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Bytes from "../../src/domain/Bytes.ts"
import type * as Metainfo from "../../src/domain/Metainfo.ts"
import * as PieceLength from "../../src/domain/PieceLength.ts"
import { TorrentMaker } from "../../src/services/TorrentMaker.ts"
import { noise } from "../support/payload.ts"
import * as Clients from "./support/Clients.ts"
import * as Lacking from "./support/Lacking.ts"
import * as Stage from "./support/Stage.ts"

const PIECE = 32_768

const VERSIONS: ReadonlyArray<Metainfo.Version> = ["1", "2", "hybrid"]

const SIZES = [1, 16_383, 16_384, 16_385, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 5 * PIECE + 3, 40 * PIECE + 16_385]

type Files = ReadonlyArray<readonly [path: string, length: number]>

/** A name without a slash is a file of its own. */
const PAYLOADS: Readonly<Record<string, Files>> = {
  ...Object.fromEntries(SIZES.map((size) => [`one file of ${size}`, [[`${size} bytes`, size]]])),
  "every size in a folder": [0, ...SIZES].map((size, i) => [`sizes/${String.fromCharCode(97 + i)}`, size]),
  "every size, turned round": [0, ...SIZES].map((size, i) => [`sizes/${String.fromCharCode(122 - i)}`, size]),
  "a folder with one file": [["alone/file", PIECE + 5]],
  "a folder with one file that is not empty": [["alone/and", 0], ["alone/file", PIECE + 5], ["alone/more", 0]],
  "many files": Array.from({ length: 300 }, (_, i) => [`many/${i % 7}/${i}`, i * 173]),
  "empty files at both ends": [["ends/a", 0], ["ends/b", 5], ["ends/c/empty", 0], ["ends/z", 0]],
  "deep folders": [[`deep/${Array.from({ length: 40 }, (_, i) => i).join("/")}/file`, PIECE * 2 + 1], ["deep/1/2", 9]],
  "names that sort otherwise with their folders": [
    ["order/a-b", 20_000],
    ["order/a.txt", 1],
    ["order/a/x", PIECE + 1],
    ["order/a/b/c", 3],
    ["order/a/b-c", 4],
    ["order/Z", 5],
    ["order/a0", 6]
  ],
  "names of all languages": [
    ["ünï çödé/日本 語.bin", 70_000],
    ["ünï çödé/🎈/ﬀ", 3],
    ["ünï çödé/é", 1],
    ["ünï çödé/e\u0301x", 2],
    ["ünï çödé/zz", 4]
  ],
  "one program": [["program", PIECE + 1]],
  "programs": [["programs/a", 3], ["programs/deep/program", PIECE], ["programs/program", 0]],
  "the same file twice": [["twins/a", 3 * PIECE + 7], ["twins/b", 3 * PIECE + 7]]
}

/** Where libtorrent chooses another length, and next to that. */
const THRESHOLDS = [
  2_684_355,
  10_737_418,
  42_949_673,
  171_798_692,
  687_194_767,
  2_748_779_069,
  10_995_116_278,
  43_980_465_111,
  175_921_860_444,
  703_687_441_777
].flatMap((size) => [size, size + 1])

interface Made {
  readonly title: string
  readonly version: Metainfo.Version
  readonly metainfo: Metainfo.Metainfo
  readonly torrent: string
  /** The folder that holds the payload. */
  readonly root: string
  readonly files: Files
}

interface Hashes {
  readonly v1: string | null
  readonly v2: string | null
}

interface Verdict {
  readonly loaded: Hashes & {
    readonly pieces: number
    readonly files: ReadonlyArray<{
      readonly path: string
      readonly length: number
      readonly padding: boolean
      readonly root: string | null
    }>
  }
  readonly own: Hashes
}

const write = (file: string, bytes: Uint8Array): void => {
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, bytes)
}

const makeAll = Effect.fnUntraced(function*(dir: string) {
  const maker = yield* TorrentMaker
  const all: Array<Made> = []
  for (const [number, [title, files]] of Object.entries(PAYLOADS).entries()) {
    const root = path.join(dir, `${number}`)
    // By its length alone: files of the same length are the same.
    for (const [file, length] of files) {
      write(path.join(root, file), noise(length, length + 1))
      if (file.endsWith("program")) fs.chmodSync(path.join(root, file), 0o755)
    }
    for (const version of VERSIONS) {
      const plan = yield* maker.plan({
        path: path.join(root, files[0]![0].split("/")[0]!),
        version,
        pieceLength: PIECE
      })
      const { bytes, metainfo } = yield* maker.make(plan, { trackers: [["http://tracker.example/announce"]] })
      const torrent = path.join(dir, `${number}-${version}.torrent`)
      fs.writeFileSync(torrent, bytes)
      all.push({ title, version, metainfo, torrent, root, files })
    }
  }
  return all
}, Effect.provide(TorrentMaker.layer))

const judge = (dir: string, made: ReadonlyArray<Made>, sizes: ReadonlyArray<number>) => {
  const spec = path.join(dir, "spec.json")
  const cases = made.map(({ metainfo, root, torrent, version }) => ({
    torrent,
    root,
    version,
    pieceLength: PIECE,
    files: metainfo.files.flatMap(({ length, padding, path }) => padding ? [] : [[path.join("/"), length]])
  }))
  fs.writeFileSync(spec, JSON.stringify({ cases, sizes }))
  const answer = execFileSync("/usr/bin/python3", [Stage.script("libtorrent_maker.py"), spec], { maxBuffer: 2 ** 26 })
  return JSON.parse(answer.toString()) as { readonly cases: ReadonlyArray<Verdict>; readonly chosen: Array<number> }
}

const NO_ROOT = "0".repeat(64)

const libtorrentLacks = Lacking.debian(Clients.libtorrent)

describe("libtorrent", () => {
  if (libtorrentLacks !== undefined) return Lacking.report([libtorrentLacks])

  it.live("agrees on every hash of what we make, and makes the same itself", () =>
    Effect.gen(function*() {
      const dir = yield* Stage.temporary
      const made = yield* makeAll(dir)
      const { cases } = judge(dir, made, [])
      made.forEach(({ files, metainfo, title, version }, i) => {
        const what = `${title}, version ${version}`
        const { loaded, own } = cases[i]!
        const hashes = { v1: metainfo.infoHashV1 ?? null, v2: metainfo.infoHashV2 ?? null }
        assert.deepStrictEqual({ v1: loaded.v1, v2: loaded.v2 }, hashes, what)
        assert.deepStrictEqual({ v1: own.v1, v2: own.v2 }, hashes, `${what}: libtorrent makes another`)
        assert.strictEqual(loaded.pieces, metainfo.layout.pieces, what)
        assert.sameMembers(
          metainfo.files.flatMap((file) => file.padding ? [] : [file.path.join("/")]),
          files.map(([name]) => name)
        )
        // It tells of padding in version 2 too, where there are gaps instead.
        const theirs = loaded.files.filter((file) => version === "hybrid" || !file.padding)
        assert.deepStrictEqual(
          theirs.map(({ length, path, root }) => ({ length, path, root })),
          metainfo.files.map(({ length, path, piecesRoot }) => ({
            length,
            // Of version 2, it forgets the folder of a file that is alone in it.
            path: (version === "2" && metainfo.files.length === 1 ? path.slice(-1) : path).join("/"),
            root: version === "1" ? null : piecesRoot === undefined ? NO_ROOT : Bytes.toHex(piecesRoot)
          })),
          what
        )
      })
    }), 120_000)

  it.live("chooses the same piece length", () =>
    Effect.gen(function*() {
      const sizes = [1, PIECE, ...THRESHOLDS, 10 ** 13]
      const { chosen } = judge(yield* Stage.temporary, [], sizes)
      assert.deepStrictEqual(sizes.map(PieceLength.choose), chosen)
    }))
})

/** What a program prints of a torrent. */
const shown = (command: string, ...args: ReadonlyArray<string>): string => execFileSync(command, args).toString()

const ofVersions = (made: ReadonlyArray<Made>, ...versions: ReadonlyArray<Metainfo.Version>) =>
  made.filter(({ version }) => versions.includes(version))

const transmissionLacks = Lacking.command("transmission-show", "transmission-cli")

describe("transmission-show", () => {
  if (transmissionLacks !== undefined) return Lacking.report([transmissionLacks])

  it.live("reads our torrents of version 1", () =>
    Effect.gen(function*() {
      for (const { files, metainfo, title, torrent } of ofVersions(yield* makeAll(yield* Stage.temporary), "1")) {
        const text = shown("transmission-show", torrent)
        assert.include(text, `Hash: ${metainfo.infoHash}\n`, title)
        assert.include(text, `Piece Count: ${metainfo.layout.pieces}\n`, title)
        for (const [file] of files) assert.include(text, `  ${file} (`, title)
      }
    }))
})

const aria2Lacks = Lacking.debian(Clients.aria2)

describe("aria2", () => {
  if (aria2Lacks !== undefined) return Lacking.report([aria2Lacks])

  it.live("reads our torrents of version 1, and hybrids", () =>
    Effect.gen(function*() {
      const made = yield* makeAll(yield* Stage.temporary)
      for (const { files, metainfo, title, torrent, version } of ofVersions(made, "1", "hybrid")) {
        const text = shown("aria2c", "--no-conf", "-S", torrent)
        // Of a hybrid, libtorrent's or ours, aria2 1.36 prints the hash of something else.
        if (version === "1") assert.include(text, `Info Hash: ${metainfo.infoHash}\n`, title)
        assert.include(text, `The Number of Pieces: ${metainfo.layout.pieces}\n`, title)
        for (const [file] of files) assert.include(text, `|./${file}\n`, title)
      }
    }))
})
