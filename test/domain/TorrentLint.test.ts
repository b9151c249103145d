import { assert, describe, it } from "@effect/vitest"
import * as TorrentLint from "../../src/domain/TorrentLint.ts"

const SOUND: TorrentLint.Subject = {
  version: "1",
  private: false,
  trackers: [["http://tracker.example/announce"]],
  webSeeds: [],
  multiFile: true,
  pieceLength: 262_144,
  pieces: 100,
  paths: [["top", "a"], ["top", "b", "c.txt"]]
}

const found = (change: Partial<TorrentLint.Subject>) => TorrentLint.lint({ ...SOUND, ...change })

describe("what is warned of", () => {
  it("is nothing in a usual torrent", () => {
    for (
      const usual of [
        {},
        { trackers: [] },
        { private: true },
        { webSeeds: ["http://example.org/files/"] },
        { multiFile: false, webSeeds: ["http://example.org/file.iso"] },
        { version: "2" as const },
        { version: "2" as const, paths: [["top", "deep", "a"]] },
        { version: "2" as const, multiFile: false, paths: [["a"]] },
        { version: "hybrid" as const, paths: [["top", "a"]] },
        { pieceLength: 16 * 1024 ** 2, pieces: 52_428 }
      ]
    ) {
      assert.deepStrictEqual(found(usual), [])
    }
  })

  const cases: ReadonlyArray<readonly [what: string, change: Partial<TorrentLint.Subject>, warning: string]> = [
    [
      "a private torrent that nobody can find",
      { private: true, trackers: [] },
      "a private torrent without a tracker: no peer can find another"
    ],
    [
      "a web seed that is no folder",
      { webSeeds: ["http://a/b/", "http://a/c"] },
      "the web seed of a folder should end with a slash: http://a/c/"
    ],
    [
      "a folder that version 2 forgets",
      { version: "2", paths: [["top", "a"]] },
      "in version 2 a folder with one file is that file alone: others get a and no top; hybrids keep it"
    ],
    [
      "uneven pieces",
      { pieceLength: 49_152 },
      "pieces of 49152 bytes are no power of two: some clients refuse such a torrent"
    ],
    [
      "long pieces",
      { pieceLength: 32 * 1024 ** 2 },
      "pieces of 32 MiB are long: a peer can give nothing of one before it has all of it"
    ],
    [
      "many pieces",
      { pieces: 52_429 },
      "52429 pieces make a large torrent: some clients refuse it, longer pieces make it smaller"
    ],
    [
      "a name that Windows cannot have",
      { paths: [["top", "a:b"]] },
      "not every system can have these names: top/a:b becomes top/a_b"
    ],
    [
      "names that are one on some systems",
      { paths: [["top", "README"], ["top", "readme"], ["top", "Readme"]] },
      "not every system can have these names: top/readme becomes top/readme.1, and 1 more"
    ]
  ]
  for (const [what, change, warning] of cases) {
    it(what, () => assert.deepStrictEqual(found(change), [warning]))
  }
})
