/** Magnet links that others write and read: libtorrent's, both ways, and Transmission's. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as InfoHash from "../../src/domain/InfoHash.ts"
import * as InfoHashV2 from "../../src/domain/InfoHashV2.ts"
import * as Magnet from "../../src/domain/Magnet.ts"
import type { Version } from "../../src/domain/Metainfo.ts"
import { versioned } from "../support/versions.ts"
import * as Clients from "./support/Clients.ts"
import * as Lacking from "./support/Lacking.ts"
import * as Stage from "./support/Stage.ts"

const VERSIONS: ReadonlyArray<Version> = ["1", "2", "hybrid"]

const NAMES = [
  "plain",
  "with spaces and + plus",
  "50% off & more = less?",
  "#hash;semi,comma/slash\\back",
  "ünï çödé 日本語 🎬",
  "%41 is not A",
  "a'b(c)~d!e*f"
]

const URLS = [
  "http://tracker.example:6969/announce?passkey=a+b%20c&x=%2F",
  "udp://[2001:db8::1]:1337/announce",
  "https://ünï.example/日本"
]

const PEERS = [{ host: "192.0.2.1", port: 1 }, { host: "2001:db8::1", port: 65_535 }]

const SELECTED = [{ first: 0, last: 0 }, { first: 2, last: 4 }]

const magnets = VERSIONS.flatMap((version) =>
  NAMES.map((name, i) =>
    Magnet.fromMetainfo({
      infoHashV1: version === "2" ? undefined : InfoHash.parse("0123456789abcdef0123456789abcdef01234567"),
      infoHashV2: version === "1" ? undefined : InfoHashV2.parse("89abcdef".repeat(8)),
      name,
      trackers: [URLS.slice(0, i % 4)],
      webSeeds: URLS.slice(i % 3)
    }, { peers: i % 2 === 0 ? PEERS : [], selected: i % 3 === 0 ? SELECTED : undefined })
  )
)

/** Torrents with these names; both programs put a slash behind the web seed of a folder, so it has one. */
const torrents = (dir: string, ...versions: ReadonlyArray<Version>) =>
  versions.flatMap((version) =>
    NAMES.map((name, i) => {
      const more = {
        name,
        trackers: URLS.slice(0, i % 3).map((url) => [url]),
        webSeeds: URLS.slice(0, i % 2).map((url) => `${url}/`)
      }
      const { document, metainfo } = versioned(
        version,
        [{ path: ["a"], length: 5 }, { path: ["b"], length: 5 }],
        16_384,
        {
          more
        }
      )
      const file = path.join(dir, `${version}-${i}.torrent`)
      fs.writeFileSync(file, document)
      return { file, metainfo }
    })
  )

interface Answers {
  readonly read: ReadonlyArray<{
    readonly v1: string | null
    readonly v2: string | null
    readonly name: string
    readonly trackers: ReadonlyArray<string>
    readonly webSeeds: ReadonlyArray<string>
    readonly peers: ReadonlyArray<readonly [host: string, port: number]>
    readonly selected: ReadonlyArray<number>
  }>
  readonly written: ReadonlyArray<string>
}

const ask = (dir: string, links: ReadonlyArray<string>, files: ReadonlyArray<string>): Answers => {
  const spec = path.join(dir, "spec.json")
  fs.writeFileSync(spec, JSON.stringify({ links, torrents: files }))
  return JSON.parse(
    execFileSync("/usr/bin/python3", [Stage.script("libtorrent_magnet.py"), spec]).toString()
  ) as Answers
}

const libtorrentLacks = Lacking.debian(Clients.libtorrent)

describe("libtorrent", () => {
  if (libtorrentLacks !== undefined) return Lacking.report([libtorrentLacks])

  it.live("reads our links as we mean them", () =>
    Effect.gen(function*() {
      const { read } = ask(yield* Stage.temporary, magnets.map(Magnet.format), [])
      magnets.forEach((magnet, i) => {
        const files = magnet.selected?.flatMap(({ first, last }) =>
          Array.from({ length: last - first + 1 }, (_, at) => first + at)
        )
        assert.deepStrictEqual(read[i], {
          v1: magnet.infoHashV1 ?? null,
          v2: magnet.infoHashV2 ?? null,
          name: magnet.name!,
          trackers: magnet.trackers,
          webSeeds: magnet.webSeeds,
          peers: magnet.peers.map(({ host, port }) => [host, port] as const),
          selected: files ?? []
        })
      })
    }))

  it.live("writes links that say to us what its torrents say", () =>
    Effect.gen(function*() {
      const dir = yield* Stage.temporary
      const made = torrents(dir, ...VERSIONS)
      const { written } = ask(dir, [], made.map(({ file }) => file))
      made.forEach(({ metainfo }, i) => {
        const magnet = Result.getOrThrow(Magnet.parse(written[i]!))
        const { name, ...expected } = Magnet.fromMetainfo(metainfo)
        const { name: theirs, ...found } = magnet
        assert.deepStrictEqual(found, expected, written[i])
        // It makes names safe in a way of its own.
        if (!/[/\\?*:"<>|]/.test(NAMES[i % NAMES.length]!)) assert.strictEqual(theirs, name)
      })
    }))
})

const transmissionLacks = Lacking.command("transmission-show", "transmission-cli")

describe("transmission-show", () => {
  if (transmissionLacks !== undefined) return Lacking.report([transmissionLacks])

  it.live("writes the same link to a torrent as we do, or one that says the same", () =>
    Effect.gen(function*() {
      for (const { file, metainfo } of torrents(yield* Stage.temporary, "1")) {
        const theirs = execFileSync("transmission-show", ["-m", file]).toString().trim()
        const { name, ...expected } = Magnet.fromMetainfo(metainfo)
        const { name: _, ...found } = Result.getOrThrow(Magnet.parse(theirs))
        assert.deepStrictEqual(found, expected, theirs)
        if (/^[\w %]*$/.test(name!)) assert.strictEqual(theirs, Magnet.format(Magnet.fromMetainfo(metainfo)))
      }
    }))
})
