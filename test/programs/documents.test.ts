/** `show`, `verify` and `edit` as people and scripts run them. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Bencode from "../../src/domain/Bencode.ts"
import * as Bytes from "../../src/domain/Bytes.ts"
import * as Magnet from "../../src/domain/Magnet.ts"
import { EditReport } from "../../src/programs/cli/EditReport.ts"
import { ShownTorrent } from "../../src/programs/cli/ShownTorrent.ts"
import { VerifyReport } from "../../src/programs/cli/VerifyReport.ts"
import * as Payload from "../support/payload.ts"
import * as Programs from "../support/programs.ts"
import { type Versioned, versioned } from "../support/versions.ts"

const FRESHET = new URL("../../dist/programs/freshet.js", import.meta.url).pathname

const FILES = [
  { path: ["a"], length: 40_000 },
  { path: ["sub", "b"], length: 16_384 },
  { path: ["sub", "c"], length: 0 },
  { path: ["sub", "d"], length: 10 }
]

const VERSIONS = (["1", "2", "hybrid"] as const).map((version) =>
  versioned(version, FILES, 32_768, { more: { comment: "hello", trackers: [["http://a.example/announce"]] } })
)

const [ONE] = VERSIONS as [Versioned]

/** The .torrent in a folder of its own. */
const saved = (document: Uint8Array) =>
  Effect.map(Payload.temporary, (dir) => {
    const file = path.join(dir, "x.torrent")
    fs.writeFileSync(file, document)
    return file
  })

const decodeShown = Schema.decodeUnknownSync(Schema.fromJsonString(ShownTorrent))
const decodeVerified = Schema.decodeUnknownSync(Schema.fromJsonString(VerifyReport))
const decodeEdited = Schema.decodeUnknownSync(Schema.fromJsonString(EditReport))

const assertRefused = (ended: Programs.Ended, code: number, ...parts: ReadonlyArray<string>): void => {
  assert.strictEqual(ended.code, code, ended.err)
  assert.match(ended.err, Programs.ONE_LINE)
  for (const part of parts) assert.include(ended.err, part)
}

const linesOf = (text: string): Array<ReadonlyArray<string>> =>
  text.trimEnd().split("\n").map((line) => line.split("\t"))

const V1 = "0123456789abcdef0123456789abcdef01234567"
const V2 = "ab".repeat(32)

describe("show", () => {
  it.live("tells of every version the same in lines and in JSON", () =>
    Effect.gen(function*() {
      for (const { document, metainfo } of VERSIONS) {
        const file = yield* saved(document)
        const shown = decodeShown((yield* Programs.run("show", [file, "--json"])).out)
        const { code, err, out } = yield* Programs.run("show", [file])
        assert.deepStrictEqual([code, err], [0, ""])
        const lines = linesOf(out)
        const value = (label: string) => lines.find(([name]) => name === label)?.[1]
        assert.deepStrictEqual(
          [value("name"), value("version"), value("info-hash"), value("info-hash-v2")],
          [shown.name!, shown.version, shown.infoHash ?? undefined, shown.infoHashV2 ?? undefined]
        )
        assert.strictEqual(shown.infoHash, metainfo.infoHashV1 ?? null)
        assert.strictEqual(shown.infoHashV2, metainfo.infoHashV2 ?? null)
        assert.strictEqual(shown.totalLength, 56_394)
        assert.deepStrictEqual(
          lines.filter(([label]) => label === "file").map(([, number, length, path]) => [number, Number(length), path]),
          shown.files!.flatMap(({ length, pad, path }, i) => pad ? [] : [[String(i + 1), length, path]])
        )
        const magnet = yield* Programs.run("show", [file, "--magnet"])
        assert.strictEqual(magnet.out, `${shown.magnet}\n`)
        const link = decodeShown((yield* Programs.run("show", [shown.magnet, "--json"])).out)
        assert.deepStrictEqual(
          [link.name, link.infoHash, link.infoHashV2, link.version, link.announce, link.files],
          [shown.name, shown.infoHash, shown.infoHashV2, shown.version, shown.announce, null]
        )
        const files = yield* Programs.run("show", [file, "--files"])
        assert.deepStrictEqual(linesOf(files.out).map(([, length]) => length).sort(), ["0", "10", "16384", "40000"])
      }
    }))

  it.live("reads stdin, links and bare hashes", () =>
    Effect.gen(function*() {
      const piped = yield* Programs.run("show", ["-", "--json"], { input: ONE.document })
      assert.strictEqual(decodeShown(piped.out).infoHash, ONE.metainfo.infoHashV1)
      const link = `magnet:?xt=urn:btih:${V1}&xt=urn:btmh:1220${V2}&dn=a+b%1b[2J&x.pe=h:1&so=0,2-3`
      const { out } = yield* Programs.run("show", [link])
      assert.deepStrictEqual(linesOf(out).slice(0, -1), [
        ["name", "a b\\x1b[2J"],
        ["version", "hybrid"],
        ["info-hash", V1],
        ["info-hash-v2", V2],
        ["peer", "h:1"],
        ["selected", "1,3-4"]
      ])
      for (const hash of [V1, V2.toUpperCase(), "a".repeat(32), ` ${V1}\n`]) {
        const shown = decodeShown((yield* Programs.run("show", [hash, "--json"])).out)
        assert.strictEqual(shown.magnet, Magnet.format(Magnet.fromHash(hash.trim())!))
      }
    }))

  it.live("has a code and a line for everything that is none", () =>
    Effect.gen(function*() {
      const text = Bytes.fromUtf8
      for (
        const [bytes, code] of [
          [text("<html>"), 25],
          [ONE.document.subarray(0, 50), 25],
          [text("de"), 26],
          [text("d4:infod4:name1:xee"), 26]
        ] as const
      ) assertRefused(yield* Programs.run("show", [yield* saved(bytes)]), code, "x.torrent")
      assertRefused(yield* Programs.run("show", ["magnet:?xt=urn:btih:123"]), 27, "magnet")
      assertRefused(yield* Programs.run("show", ["magnet:?dn=x"]), 27, "magnet")
      for (const [program, ...args] of [["verify"], ["edit", "--comment=x"], ["seed"]] as const) {
        const ended = yield* Programs.run(program, [V1, ...args])
        assertRefused(ended, 28, `${program} takes no magnet links`, "leech --metadata-only")
      }
      assertRefused(yield* Programs.run("show", ["/nowhere/x.torrent"]), 3, "/nowhere/x.torrent")
      assertRefused(yield* Programs.run("show", [V1, "--files"]), 28, "--files")
      assertRefused(yield* Programs.run("show", [V1, "--json", "--magnet"]), 28, "--magnet")
      assertRefused(yield* Programs.run("show", []), 28)
    }))

  it.live("shows 100,000 files at once", () =>
    Effect.gen(function*() {
      const files = Array.from({ length: 100_000 }, (_, i) => ({ path: [`d${i % 100}`, `${i}`], length: 1 }))
      const info = { name: "big", files, "piece length": 2 ** 20, pieces: new Uint8Array(20) }
      const file = yield* saved(Bencode.encode({ info }))
      const { code, out } = yield* Programs.run("show", [file])
      assert.strictEqual(code, 0)
      assert.strictEqual(linesOf(out).filter(([label]) => label === "file").length, 100_000)
    }))
})

describe("verify", () => {
  const placeAll = (torrent: Versioned, dir: string) =>
    torrent.metainfo.files.forEach((file, index) => {
      if (!file.padding) Payload.place(torrent, dir, index)
    })

  it.live("finds data of every version whole, and names one flipped byte", () =>
    Effect.gen(function*() {
      for (const torrent of VERSIONS) {
        const file = yield* saved(torrent.document)
        const dir = path.dirname(file)
        placeAll(torrent, dir)
        const right = yield* Programs.run("verify", [file, `--dir=${dir}`])
        assert.deepStrictEqual([right.code, right.err], [0, ""])
        assert.match(right.out, /^top: all is right, [^\n]*\n$/)
        const place = path.join(dir, "top", "a")
        const bytes = fs.readFileSync(place)
        bytes[39_999]! ^= 1
        fs.writeFileSync(place, bytes)
        const wrong = yield* Programs.run("verify", [file, `--dir=${dir}`, "--quiet"])
        assert.strictEqual(wrong.code, 32)
        assert.match(wrong.out, /^\w+ +top\/a: piece 1/m)
        assert.match(wrong.out, /bad piece 1 of \d+ pieces/)
        const json = yield* Programs.run("verify", [file, `--dir=${dir}`, "--json"])
        const report = decodeVerified(json.out)
        assert.strictEqual(json.code, 32)
        assert.isFalse(report.ok)
        assert.deepStrictEqual(report.badPieces, [{ first: 1, last: 1 }])
        const blocks = report.files.find(({ path }) => path === "top/a")?.blocks
        assert.deepStrictEqual(blocks, report.infoHashV2 === null ? [] : [{ first: 2, last: 2 }])
        assert.deepStrictEqual(fs.readdirSync(dir).sort(), ["top", "x.torrent"])
      }
    }))

  it.live("names what is missing, too short or too long", () =>
    Effect.gen(function*() {
      const file = yield* saved(ONE.document)
      const dir = path.dirname(file)
      placeAll(ONE, dir)
      fs.rmSync(path.join(dir, "top", "sub", "c"))
      fs.truncateSync(path.join(dir, "top", "a"), 5)
      fs.appendFileSync(path.join(dir, "top", "sub", "d"), "x")
      const { code, out } = yield* Programs.run("verify", [file], { cwd: dir })
      assert.strictEqual(code, 32)
      assert.match(out, /^length +top\/a: 5 bytes instead of 40000; pieces 0-1$/m)
      assert.match(out, /^suspect +top\/sub\/b: piece 1, shared with other files$/m)
      assert.match(out, /^missing +top\/sub\/c$/m)
      assert.match(out, /^length +top\/sub\/d: 11 bytes instead of 10; piece 1$/m)
      assert.match(out, /^top: 3 of 4 files missing or wrong, 1 suspect; incomplete pieces 0-1 of 2 pieces$/m)
    }))

  it.live("finds data under the names that another client has kept", () =>
    Effect.gen(function*() {
      const torrent = versioned("1", [{ path: ["aux. "], length: 5 }], 16_384)
      const file = yield* saved(torrent.document)
      const dir = path.dirname(file)
      fs.mkdirSync(path.join(dir, "top"))
      fs.writeFileSync(path.join(dir, "top", "aux. "), torrent.payload)
      const { code, out } = yield* Programs.run("verify", [file, `--dir=${dir}`])
      assert.strictEqual(code, 0, out)
    }))

  it.live("finds the one file of version 2 alone, or in the folder that it was made of", () =>
    Effect.gen(function*() {
      for (const place of [["only"], ["top", "only"]]) {
        const torrent = versioned("2", [{ path: ["only"], length: 40_000 }], 16_384)
        const file = yield* saved(torrent.document)
        const data = path.join(path.dirname(file), ...place)
        fs.mkdirSync(path.dirname(data), { recursive: true })
        fs.writeFileSync(data, torrent.payload)
        const verify = Programs.run("verify", [file, `--dir=${path.dirname(file)}`, "--json"])
        assert.deepInclude(decodeVerified((yield* verify).out), { ok: true, name: "top" })
        fs.writeFileSync(data, torrent.payload.fill(0, 20_000, 20_001))
        const { badPieces, files, ok } = decodeVerified((yield* verify).out)
        assert.deepStrictEqual([ok, badPieces, files[0]!.path], [false, [{ first: 1, last: 1 }], place.join("/")])
      }
    }))

  it.live("says where to look when it is sent to the wrong place", () =>
    Effect.gen(function*() {
      const file = yield* saved(ONE.document)
      const dir = path.dirname(file)
      placeAll(ONE, dir)
      const inside = yield* Programs.run("verify", [file, `--dir=${dir}/top`])
      assertRefused(inside, 32, `--dir ${dir}`)
      assertRefused(yield* Programs.run("verify", [file, `--dir=${dir}/not`]), 3, `${dir}/not`)
      assertRefused(yield* Programs.run("verify", [`${file}.not`]), 3)
      assertRefused(yield* Programs.run("verify", [V1]), 28, V1)
      assertRefused(yield* Programs.run("seed", [file, `--dir=${dir}/not`]), 15, `${dir}/not does not exist`)
    }))
})

describe("edit", () => {
  const infoOf = (document: Uint8Array): string => {
    const at = Buffer.from(document).indexOf("4:infod")
    return Buffer.from(document).subarray(at).toString("latin1")
  }

  const hashesOf = ({ infoHashV1, infoHashV2 }: Versioned["metainfo"]): string =>
    [infoHashV1, infoHashV2].filter((hash) => hash !== undefined).join(" and ")

  it.live("changes a torrent in its place, and keeps all else", () =>
    Effect.gen(function*() {
      for (const { document, metainfo } of VERSIONS) {
        const file = yield* saved(document)
        fs.chmodSync(file, 0o640)
        const { code, err, out } = yield* Programs.run("edit", [
          file,
          "--add-tracker=http://b.example",
          "-t",
          "udp://c.example:1",
          "-whttp://w.example/",
          "--no-comment"
        ])
        assert.deepStrictEqual([code, err], [0, ""])
        assert.strictEqual(
          out,
          `${file} changed, to\n` +
            "  trackers   http://a.example/announce http://b.example/announce udp://c.example:1\n" +
            "  web seeds  http://w.example/\n" +
            "  comment    none\n" +
            `  info hash  ${hashesOf(metainfo)}, as before\n`
        )
        const shown = decodeShown((yield* Programs.run("show", [file, "--json"])).out)
        assert.deepStrictEqual(shown.announce, [
          ["http://a.example/announce"],
          ["http://b.example/announce"],
          ["udp://c.example:1"]
        ])
        assert.deepStrictEqual([shown.webSeeds, shown.comment], [["http://w.example/"], null])
        assert.strictEqual(shown.infoHash, metainfo.infoHashV1 ?? null)
        assert.strictEqual(shown.infoHashV2, metainfo.infoHashV2 ?? null)
        assert.strictEqual(fs.statSync(file).mode & 0o777, 0o640)
        assert.deepStrictEqual(fs.readdirSync(path.dirname(file)), ["x.torrent"])
      }
    }))

  it.live("says that the info hash changes when it does", () =>
    Effect.gen(function*() {
      for (const { document, metainfo } of VERSIONS) {
        const file = yield* saved(document)
        const dry = yield* Programs.run("edit", [file, "--private", "--source=ABC", "--dry-run"])
        assert.strictEqual(dry.code, 0)
        assert.strictEqual(
          dry.out.replace(/ {2}info hash {2}[0-9a-f]+( and [0-9a-f]+)? instead of /, "  info hash  NEW instead of "),
          `${file} would change, to\n  source     ABC\n  private    yes\n` +
            `  info hash  NEW instead of ${hashesOf(metainfo)}: peers of the old torrent are not its own\n`
        )
        assert.deepStrictEqual(new Uint8Array(fs.readFileSync(file)), document)
        const json = yield* Programs.run("edit", [file, "--private", "--source=ABC", "--json"])
        const report = decodeEdited(json.out)
        assert.deepStrictEqual([report.path, report.changed, report.infoHashChanged], [
          file,
          ["source", "private"],
          true
        ])
        const shown = decodeShown((yield* Programs.run("show", [file, "--json"])).out)
        assert.deepStrictEqual(
          [report.before.infoHash, report.before.infoHashV2, report.after.infoHash, report.after.infoHashV2],
          [metainfo.infoHashV1 ?? null, metainfo.infoHashV2 ?? null, shown.infoHash, shown.infoHashV2]
        )
        assert.include(dry.out, report.after.infoHash ?? report.after.infoHashV2!)
        assert.deepStrictEqual([shown.private, shown.source], [true, "ABC"])
        yield* Programs.run("edit", [file, "--public", "--no-source"])
        assert.deepStrictEqual(new Uint8Array(fs.readFileSync(file)), document)
      }
    }))

  it.live("writes elsewhere, or to stdout, and leaves the torrent alone", () =>
    Effect.gen(function*() {
      const file = yield* saved(ONE.document)
      const other = path.join(path.dirname(file), "y.torrent")
      const written = yield* Programs.run("edit", [file, "--comment=new", "-o", other])
      assert.strictEqual(written.code, 0, written.err)
      assert.include(written.out, `${file} changed, in ${other}, to\n`)
      assert.deepStrictEqual(new Uint8Array(fs.readFileSync(file)), ONE.document)
      assert.strictEqual(infoOf(fs.readFileSync(other)), infoOf(ONE.document))
      const link = path.join(path.dirname(file), "link.torrent")
      fs.symlinkSync(other, link)
      yield* Programs.run("edit", [link, "--comment=newer"])
      assert.isTrue(fs.lstatSync(link).isSymbolicLink())
      assert.include(fs.readFileSync(other, "latin1"), "7:comment5:newer")
      const piped = yield* Programs.run("edit", ["-", "--comment=x", "-o", "-"], { input: ONE.document })
      assert.include(piped.out, "7:comment1:x")
      assert.match(piped.err, /^stdin changed, to\n {2}comment {4}x\n {2}info hash {2}[0-9a-f]{40}, as before\n$/)
      const same = yield* Programs.run("edit", [file, "--comment=hello"])
      assert.match(same.out, /nothing to change\n$/)
      const absent = yield* Programs.run("edit", [file, "--remove-tracker=http://nobody"])
      assert.strictEqual(absent.code, 0)
      assert.include(absent.out, "has no http://nobody to remove")
    }))

  it.live("refuses what would do harm or makes no sense", () =>
    Effect.gen(function*() {
      const file = yield* saved(ONE.document)
      const dir = path.dirname(file)
      fs.writeFileSync(path.join(dir, "letter"), "Dear Sir")
      const edit = (...args: ReadonlyArray<string>) => Programs.run("edit", [file, ...args])
      assertRefused(yield* edit("--comment=x", "-o", path.join(dir, "letter")), 13, "letter")
      assertRefused(yield* edit("--comment=x", "-o", dir), 16, dir)
      assertRefused(yield* edit("--comment=x", "-o", path.join(dir, "no", "y")), 16)
      assertRefused(yield* edit(), 28, "--help")
      assertRefused(yield* edit("--comment=x", "--no-comment"), 28, "--no-comment")
      assertRefused(yield* edit("--private", "--public"), 28, "--public")
      assertRefused(yield* edit("--add-tracker=nowhere"), 28, "--add-tracker")
      assertRefused(yield* edit("--name=a/b"), 28, "--name")
      assertRefused(yield* Programs.run("edit", ["-", "--comment=x"], { input: ONE.document }), 28, "--output")
      const single = versioned("2", [{ path: ["a"], length: 5 }], 16_384, { single: true })
      assertRefused(yield* Programs.run("edit", [yield* saved(single.document), "--name=b"]), 28, "single file")
      assert.strictEqual(fs.readFileSync(path.join(dir, "letter"), "utf8"), "Dear Sir")
      assert.deepStrictEqual(new Uint8Array(fs.readFileSync(file)), ONE.document)
    }))
})

describe("a program whose stdout takes no more", () => {
  const isThere = fs.existsSync("/dev/full")

  it.live.skipIf(!isThere)("says so, and does not end as if all were well", () =>
    Effect.gen(function*() {
      const file = yield* saved(ONE.document)
      const data = path.join(path.dirname(file), "data")
      fs.writeFileSync(data, "x")
      for (const args of [["show", file], ["show", file, "--json"], ["create", data, "-o", "-", "-q"], ["--help"]]) {
        const { status, stderr } = spawnSync(process.execPath, [FRESHET, ...args], {
          stdio: ["ignore", fs.openSync("/dev/full", "w"), "pipe"]
        })
        assert.strictEqual(status, 9, args.join(" "))
        assert.match(stderr.toString(), Programs.ONE_LINE)
        assert.include(stderr.toString(), "ENOSPC")
      }
    }).pipe(Effect.scoped))
})
