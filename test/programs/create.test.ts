/** `create` as it is built, under the Node of the project and under the one that the machine has. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Metainfo from "../../src/domain/Metainfo.ts"
import * as Records from "../../src/programs/cli/Records.ts"
import { machineNode } from "../interop/support/Stage.ts"
import { noise, temporary } from "../support/payload.ts"
import { ONE_LINE } from "../support/programs.ts"

const PROGRAM = new URL("../../dist/programs/create.js", import.meta.url).pathname

interface Ended {
  readonly code: number | null
  readonly out: Buffer
  readonly err: string
}

const runUnder = (
  node: ReadonlyArray<string>,
  cwd: string,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {}
): Ended => {
  const { status, stderr, stdout } = spawnSync(node[0]!, [...node.slice(1), PROGRAM, ...args], {
    cwd,
    env: { ...process.env, ...env },
    maxBuffer: 2 ** 26
  })
  return { code: status, out: stdout, err: stderr.toString() }
}

const run = (cwd: string, args: ReadonlyArray<string>, env?: Readonly<Record<string, string>>): Ended =>
  runUnder([process.execPath], cwd, args, env)

const linesOf = ({ out }: Ended): ReadonlyArray<string> => out.toString().split("\n").slice(0, -1)

const parse = (bytes: Uint8Array): Metainfo.Metainfo => Result.getOrThrow(Metainfo.parse(bytes))

/** Large enough for threads to be started. */
const LARGE = 40 * 1024 * 1024

/** A folder to make a torrent of, in a folder to make it in. */
const stage = (length: number) =>
  Effect.map(temporary, (dir) => {
    fs.mkdirSync(path.join(dir, "photos", "deep"), { recursive: true })
    fs.writeFileSync(path.join(dir, "photos", "large"), noise(length, 1))
    fs.writeFileSync(path.join(dir, "photos", "deep", "small"), noise(10_001, 2))
    fs.writeFileSync(path.join(dir, "photos", ".hidden"), "")
    return dir
  })

const SAME = ["--no-date", "--no-created-by", "--quiet"]

for (const node of new Set([process.execPath, machineNode])) {
  describe(`create under ${node}`, () => {
    it.live("makes the same torrent each time, in threads or without, of every version", () =>
      Effect.gen(function*() {
        const dir = yield* stage(LARGE)
        for (const version of ["1", "2", "hybrid"] as const) {
          const flag = version === "hybrid" ? "--hybrid" : `--v${version}`
          const ended = runUnder([node], dir, ["photos", flag, "-o", `${version}.torrent`, ...SAME])
          assert.deepStrictEqual([ended.code, ended.err], [0, ""])
          const bytes = fs.readFileSync(path.join(dir, `${version}.torrent`))
          const metainfo = parse(bytes)
          assert.strictEqual(metainfo.version, version)
          const hashes = [metainfo.infoHashV1, metainfo.infoHashV2].filter((hash) => hash !== undefined)
          assert.deepStrictEqual(linesOf(ended), hashes)
          const piped = runUnder([node], dir, ["photos", flag, "-o", "-", ...SAME])
          assert.deepStrictEqual([piped.code, piped.err], [0, ""])
          assert.isTrue(piped.out.equals(bytes))
          // Where it may start no thread.
          const alone = ["--permission", "--allow-fs-read=*", "--allow-fs-write=*"]
          const inOne = runUnder([process.execPath, ...alone], dir, ["photos", flag, "-o", "-", ...SAME])
          assert.strictEqual(inOne.code, 0, inOne.err)
          assert.isTrue(inOne.out.equals(bytes))
        }
      }).pipe(Effect.scoped))
  })
}

describe("create", () => {
  it.live("writes NAME.torrent where it stands, and tells of it", () =>
    Effect.gen(function*() {
      const dir = yield* stage(100_000)
      const ended = run(dir, [
        "photos/",
        "-t",
        "http://a/announce,udp://b:1",
        "-t",
        "http://c",
        "--magnet",
        "-p",
        "-s",
        "S"
      ])
      assert.strictEqual(ended.code, 0, ended.err)
      const metainfo = parse(fs.readFileSync(path.join(dir, "photos.torrent")))
      assert.deepStrictEqual(metainfo.trackers, [["http://a/announce", "udp://b:1"], ["http://c/announce"]])
      assert.deepStrictEqual([metainfo.private, metainfo.source, metainfo.name], [true, "S", "photos"])
      assert.match(metainfo.createdBy ?? "", /^freshet\/\d+\.\d+\.\d+$/)
      assert.closeTo(metainfo.creationDate ?? 0, Date.now() / 1000, 60)
      const [hash, magnet, ...more] = linesOf(ended)
      assert.deepStrictEqual([hash, more], [metainfo.infoHash, []])
      assert.include(magnet, `magnet:?xt=urn:btih:${metainfo.infoHash}&dn=photos&tr=http%3A%2F%2Fa%2Fannounce`)
      assert.match(
        ended.err,
        /^left out, hidden: \.hidden\nwarning: nobody gives [^\n]+\nphotos: 107 KiB in 2 files, 7 pieces of 16\.0 KiB(?:, made in (?!0s).*)?\nwritten to photos\.torrent\n$/
      )
    }).pipe(Effect.scoped))

  it.live("takes the date from SOURCE_DATE_EPOCH", () =>
    Effect.gen(function*() {
      const dir = yield* stage(1)
      const at = (epoch: string) => run(dir, ["photos", "-o", "-"], { SOURCE_DATE_EPOCH: epoch })
      assert.strictEqual(parse(at("1700000000").out).creationDate, 1_700_000_000)
      assert.isTrue(at("1700000000").out.equals(at("1700000000").out))
      const wrong = at("yesterday")
      assert.deepStrictEqual([wrong.code, wrong.out.length], [28, 0])
      assert.include(wrong.err, "SOURCE_DATE_EPOCH is \"yesterday\"")
    }).pipe(Effect.scoped))

  it.live("has one record of it for programs", () =>
    Effect.gen(function*() {
      const dir = yield* stage(100_000)
      const ended = run(dir, ["photos", "--hybrid", "-w", "http://w/x", "--json"])
      assert.deepStrictEqual([ended.code, ended.err], [0, ""])
      const [line, ...more] = linesOf(ended)
      assert.deepStrictEqual(more, [])
      const record = Records.decode(line!)
      if (record.type !== "created") return assert.fail(line)
      const metainfo = parse(fs.readFileSync(path.join(dir, "photos.torrent")))
      const { files, infoHash, infoHashV2, leftOut, pieceLength, pieces, total, version, warnings } = record
      assert.deepStrictEqual(
        { files, infoHash, infoHashV2, leftOut, pieceLength, pieces, total, version },
        {
          files: 2,
          infoHash: metainfo.infoHashV1,
          infoHashV2: metainfo.infoHashV2,
          leftOut: [{ path: ".hidden", why: "Hidden" }],
          pieceLength: 16_384,
          pieces: metainfo.layout.pieces,
          total: 110_001,
          version: "hybrid"
        }
      )
      assert.deepStrictEqual(warnings, ["the web seed of a folder should end with a slash: http://w/x/"])
      assert.strictEqual(record.path, path.join(dir, "photos.torrent"))
      const dry = run(dir, ["photos", "--hybrid", "--json", "--dry-run"])
      const rehearsed = Records.decode(linesOf(dry)[0]!)
      if (rehearsed.type !== "created") return assert.fail(dry.err)
      assert.deepStrictEqual([rehearsed.infoHash, rehearsed.path, rehearsed.pieces], [null, null, pieces])
    }).pipe(Effect.scoped))

  it.live("only tells what it would make, when asked for that", () =>
    Effect.gen(function*() {
      const dir = yield* stage(100_000)
      const ended = run(dir, ["photos", "--dry-run", "--include-hidden", "--exclude", "small", "-p"])
      assert.deepStrictEqual(linesOf(ended), ["photos: 97.7 KiB in 2 files, 7 pieces of 16.0 KiB"])
      assert.strictEqual(
        ended.err,
        "left out, excluded: deep/small\n" +
          "warning: a private torrent without a tracker: no peer can find another\n" +
          "nothing is written; it would be to photos.torrent\n"
      )
      assert.deepStrictEqual(fs.readdirSync(dir), ["photos"])
      assert.include(run(dir, ["photos", "--dry-run", "-p", "--magnet"]).err, "of no use without the .torrent")
    }).pipe(Effect.scoped))

  it.live("costs nobody a file", () =>
    Effect.gen(function*() {
      const dir = yield* stage(1)
      const file = path.join(dir, "photos.torrent")
      fs.writeFileSync(file, "mine")
      const inTheWay = run(dir, ["photos", "-q"])
      assert.deepStrictEqual([inTheWay.code, inTheWay.out.length], [13, 0])
      assert.match(inTheWay.err, ONE_LINE)
      assert.strictEqual(fs.readFileSync(file, "utf8"), "mine")
      assert.strictEqual(run(dir, ["photos", "-q", "--force"]).code, 0)
      assert.strictEqual(parse(fs.readFileSync(file)).name, "photos")
      for (const target of ["photos/x.torrent", "photos", "photos/large"]) {
        assert.strictEqual(run(dir, ["photos", "-q", "--force", "-o", target]).code, 28, target)
      }
      assert.strictEqual(run(path.join(dir, "photos"), [".", "-q"]).code, 28)
      fs.symlinkSync("photos", path.join(dir, "link"))
      assert.strictEqual(run(dir, ["photos", "-q", "-o", "link/x.torrent"]).code, 28)
      assert.strictEqual(run(dir, ["link", "-q", "-o", "photos/x.torrent"]).code, 28)
      assert.deepStrictEqual(fs.readdirSync(dir).sort(), ["link", "photos", "photos.torrent"])
      assert.deepStrictEqual(fs.readdirSync(path.join(dir, "photos")).sort(), [".hidden", "deep", "large"])
    }).pipe(Effect.scoped))

  it.live("ends with aria2's codes and one line", () =>
    Effect.gen(function*() {
      const dir = yield* stage(1)
      fs.mkdirSync(path.join(dir, "empty"))
      const expected: ReadonlyArray<readonly [args: ReadonlyArray<string>, code: number]> = [
        [[], 28],
        [["absent"], 3],
        [[""], 28],
        [["photos", "--name", "n".repeat(300)], 16],
        [["empty"], 28],
        [["photos", "--v2", "--hybrid"], 28],
        [["photos", "--v2", "--piece-length", "48K"], 28],
        [["photos", "--piece-length", "20K"], 28],
        [["photos", "--name", "a/b"], 28],
        [["photos", "--exclude", ""], 28],
        [["photos", "-t", "http://a,nonsense"], 28],
        [["photos", "-o", "-", "--json"], 28],
        [["photos", "-o", dir], 16],
        [["photos", "-o", "no/such/folder"], 16]
      ]
      for (const [args, code] of expected) {
        const ended = run(dir, [...args, "-q"])
        assert.deepStrictEqual(
          [ended.code, args.includes("--json") || ended.out.length === 0],
          [code, true],
          args.join(" ")
        )
        assert.match(ended.err, ONE_LINE, args.join(" "))
      }
    }).pipe(Effect.scoped))

  it.live("stops when it is told to, and leaves nothing behind", () =>
    Effect.gen(function*() {
      const dir = yield* stage(1)
      fs.truncateSync(path.join(dir, "photos", "large"), 2 ** 40)
      let said = ""
      const code = yield* Effect.callback<number | null>((resume) => {
        const child = spawn(process.execPath, [PROGRAM, "photos"], { cwd: dir, stdio: ["ignore", "ignore", "pipe"] })
        // What it has left out is told before it hashes.
        child.stderr.once("data", () => child.kill("SIGINT"))
        child.stderr.setEncoding("utf8").on("data", (text: string) => said += text)
        child.on("close", (code) => resume(Effect.succeed(code)))
        return Effect.sync(() => child.kill("SIGKILL"))
      })
      assert.strictEqual(code, 7)
      assert.match(said, /^freshet: stopped: no torrent is made\n$/m)
      assert.deepStrictEqual(fs.readdirSync(dir), ["photos"])
    }).pipe(Effect.scoped))
})
