import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import * as Magnet from "../../../src/domain/Magnet.ts"
import * as Format from "../../../src/programs/cli/Format.ts"
import * as ShownTorrent from "../../../src/programs/cli/ShownTorrent.ts"
import * as TorrentPage from "../../../src/programs/cli/TorrentPage.ts"
import { int } from "../../domain/generators.ts"
import { hostileText } from "../../domain/hostile.ts"
import { versioned } from "../../support/versions.ts"

const BASE = ShownTorrent.ofMetainfo(versioned("1", [{ path: ["a"], length: 5 }], 16_384).metainfo)

const name = hostileText.pipe(Arbitrary.map((text) => text.replaceAll("/", "_") || "x"))

const file = Arbitrary.all({
  path: Arbitrary.array(name, { minLength: 1, maxLength: 4 }),
  length: int(0, 2 ** 40),
  pad: int(0, 3)
})
  .pipe(Arbitrary.map(({ length, pad, path }) => ({ path: ["top", ...path].join("/"), length, pad: pad === 0 })))

/** Torrents as `ShownTorrent` would give them if nobody had made their texts safe. */
const torrent = Arbitrary.all({
  texts: Arbitrary.array(hostileText, { minLength: 4, maxLength: 4 }),
  files: Arbitrary.array(file, { maxLength: 8 }),
  urls: Arbitrary.array(Arbitrary.array(hostileText, { minLength: 1, maxLength: 3 }), { maxLength: 3 }),
  creationDate: int(0, 2 ** 45)
}).pipe(Arbitrary.map(({ creationDate, files, texts, urls }): ShownTorrent.ShownTorrent =>
  Object.assign({}, BASE, {
    name: texts[0]!,
    comment: texts[1]!,
    source: texts[2]!,
    createdBy: texts[3]!,
    creationDate,
    announce: urls,
    webSeeds: urls.flat(),
    nodes: urls.flat().map((host) => ({ host, port: 1 })),
    files: files.map(({ length, pad, path }, i) => ({ path: `${path}${i}`, length, pad }))
  })
))

/** The escape sequences that it makes itself. */
const OWN = /\x1b\[(?:0|1|36)m/g // oxlint-disable-line no-control-regex

const ACTING = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u

describe("the page", () => {
  it.prop("is never wider than its terminal and does nothing to it", [torrent, int(20, 150), int(0, 3)], ([
    torrent,
    columns,
    style
  ]) => {
    const page = TorrentPage.render(torrent, TorrentPage.NO_HINTS, columns, {
      color: (style & 1) === 1,
      unicode: (style & 2) === 2
    })
    const whole = new Set([torrent.infoHash, torrent.magnet])
    for (const line of page.replace(OWN, "").split("\n")) {
      assert.notMatch(line, ACTING)
      if (!whole.has(line)) assert.isAtMost(Format.width(line), columns, line)
    }
  }, { arbitrary: { runs: 200 } })

  const COLUMNS = { color: false, unicode: true }

  const pageOf = (torrent: ShownTorrent.ShownTorrent, columns = 79) =>
    TorrentPage.render(torrent, TorrentPage.NO_HINTS, columns, COLUMNS)

  it("shows folders with what they hold, and a folder with one folder in one line", () => {
    const files = [
      { path: "top/a/b/one", length: 1024, pad: false },
      { path: "top/.pad/9", length: 9, pad: true },
      { path: "top/a/b/two", length: 1, pad: false },
      { path: "top/z", length: 0, pad: false, symlink: "top/a/b/one" }
    ]
    assert.include(
      pageOf({ ...BASE, files }),
      [
        "Files",
        " 1.0 KiB  top/",
        " 1.0 KiB  ├─ a/b/",
        " 1.0 KiB  │  ├─ one",
        "     1 B  │  └─ two",
        "     0 B  └─ z -> top/a/b/one",
        ""
      ].join("\n")
    )
  })

  it("stays short, however deep a file lies", () => {
    const files = [{ path: `top/${"deep/".repeat(1_000_000)}file`, length: 5, pad: false }]
    const page = TorrentPage.render({ ...BASE, files }, TorrentPage.NO_HINTS, 60, { color: false, unicode: true })
    assert.isBelow(page.split("\n").length, 60)
    assert.include(page.replace(/\s/g, ""), "morecharacters)")
  })

  it("tells the time of any year", () => {
    const created = (creationDate: number) =>
      /created +(.*)/.exec(
        TorrentPage.render({ ...BASE, creationDate }, TorrentPage.NO_HINTS, 80, { color: false, unicode: true })
      )?.[1]
    assert.strictEqual(created(1_700_000_000), "2023-11-14 22:13:20 UTC")
    assert.strictEqual(created(253_402_300_800), "+010000-01-01 00:00:00 UTC")
  })

  it("stays short, however much there is, and says so", () => {
    const files = Array.from({ length: 100_000 }, (_, i) => ({ path: `top/d${i % 300}/f${i}`, length: 1, pad: false }))
    const comment = "line\n".repeat(10_000)
    const start = process.cpuUsage()
    const page = pageOf({ ...BASE, files, comment, source: "\x07".repeat(1_000_000) })
    const { system, user } = process.cpuUsage(start)
    assert.isBelow((user + system) / 1000, 2000)
    assert.isBelow(page.split("\n").length, 320)
    assert.match(page, /^and 99\d{3} more files: --files lists them all$/m)
    assert.strictEqual(page.split("(cut short: --json has all of it)").length, 3)
    assert.include(pageOf({ ...BASE, magnet: `magnet:?${"x".repeat(10_000)}` }), "--magnet prints it")
  })
})

describe("the fields", () => {
  it.prop("are a line each, with tabs between label and values alone", [torrent], ([torrent]) => {
    const text = TorrentPage.fields(torrent, TorrentPage.NO_HINTS)
    assert.isTrue(text.endsWith("\n"))
    const lines = text.slice(0, -1).split("\n")
    for (const line of lines) {
      assert.match(line, /^[a-z\d-]+\t/)
      assert.notMatch(line.replaceAll("\t", ""), ACTING)
    }
    const several = { tracker: 3, file: 4, pad: 4, link: 4 } as Readonly<Record<string, number>>
    for (const parts of lines.map((line) => line.split("\t"))) {
      assert.strictEqual(parts.length, several[parts[0]!] ?? 2, parts[0])
    }
    const count = (label: string) => lines.filter((line) => line.startsWith(`${label}\t`)).length
    assert.strictEqual(count("tracker"), torrent.announce.flat().length)
    assert.strictEqual(count("file") + count("pad"), torrent.files?.length)
  })

  it("keep the numbers of select-file", () => {
    const files = [{ path: "t/a", length: 1, pad: false }, { path: "t/p", length: 2, pad: true }, {
      path: "t/b",
      length: 3,
      pad: false
    }]
    assert.include(TorrentPage.fields({ ...BASE, files }, TorrentPage.NO_HINTS), "file\t3\t3\tt/b\n")
  })
})

describe("the JSON", () => {
  const decode = Schema.decodeUnknownSync(Schema.fromJsonString(ShownTorrent.ShownTorrent))

  it.prop("is one line that does nothing to a terminal, and what its schema says", [torrent], ([torrent]) => {
    const line = ShownTorrent.encode(torrent)
    assert.notMatch(line, ACTING)
    assert.deepStrictEqual(decode(line), JSON.parse(JSON.stringify(torrent)))
  })

  it("tells what a torrent of each version has", () => {
    const files = [{ path: ["a"], length: 20_000 }, { path: ["b"], length: 0 }, { path: ["c"], length: 5 }]
    for (const version of ["1", "2", "hybrid"] as const) {
      const { metainfo } = versioned(version, files, 16_384)
      const shown = decode(ShownTorrent.encode(ShownTorrent.ofMetainfo(metainfo)))
      assert.strictEqual(shown.version, version)
      assert.strictEqual(shown.infoHash, metainfo.infoHashV1 ?? null)
      assert.strictEqual(shown.infoHashV2, metainfo.infoHashV2 ?? null)
      assert.strictEqual(shown.totalLength, 20_005)
      assert.strictEqual(shown.files?.some(({ pad }) => pad), version === "hybrid")
      const roots = shown.files?.map(({ path, root }) => root !== undefined && path.length > 0) ?? []
      assert.strictEqual(roots.filter(Boolean).length, version === "1" ? 0 : 2)
    }
  })

  it("says of a link what a link says, and null for all else", () => {
    const magnet = Magnet.fromHash("0123456789abcdef0123456789abcdef01234567")!
    const shown = decode(ShownTorrent.encode(ShownTorrent.ofMagnet(magnet)))
    const { announce, infoHash, nodes, version, webSeeds, magnet: link, ...rest } = shown
    assert.deepStrictEqual([announce, nodes, webSeeds, version], [[], [], [], "1"])
    assert.strictEqual(link, `magnet:?xt=urn:btih:${infoHash}`)
    assert.deepStrictEqual(new Set(Object.values(rest)), new Set([null]))
  })
})
