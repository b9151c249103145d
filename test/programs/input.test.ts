/** What the programs say to torrents, addresses and options that cannot be right: one line, and one of aria2's codes. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import type * as http from "node:http"
import * as net from "node:net"
import * as path from "node:path"
import * as Bencode from "../../src/domain/Bencode.ts"
import * as Bytes from "../../src/domain/Bytes.ts"
import { serveWeb } from "../support/httpTracker.ts"
import * as Payload from "../support/payload.ts"
import * as Programs from "../support/programs.ts"
import { publish, wrongFiles } from "../support/published.ts"
import * as RawPeer from "../support/rawPeer.ts"
import { leech, local, placeIn } from "../support/stage.ts"

const assertRefused = (ended: Programs.Ended, code: number, ...parts: ReadonlyArray<string>): void => {
  assert.strictEqual(ended.code, code, ended.err)
  assert.match(ended.err, Programs.ONE_LINE)
  assert.notMatch(ended.err, /internal error|\bat .*:\d+:\d+/)
  assert.isBelow(ended.err.length, 600)
  for (const part of parts) assert.include(ended.err, part)
}

const torrent = publish([{ length: 100_000 }, { length: 31_072 }], 65_536)

/** A sound `info` of one file and one piece, with some fields changed. */
const infoWith = (changes: { readonly [field: string]: Bencode.Encodable | undefined }): Uint8Array =>
  Bencode.encode({
    info: { name: "x", length: 5, "piece length": 16_384, pieces: new Uint8Array(20), ...changes }
  })

const text = Bytes.fromUtf8

const deep = (depth: number): Uint8Array => text(`d4:info${"l".repeat(depth)}${"e".repeat(depth)}e`)

const BAD: ReadonlyArray<readonly [what: string, bytes: Uint8Array, code: number]> = [
  ["nothing", text(""), 25],
  ["a web page", text("<!doctype html><html>"), 25],
  ["noise", Payload.noise(5000), 25],
  ["a torrent cut off", torrent.document.subarray(0, torrent.document.length - 3), 25],
  ["a string longer than the file", text("d4:info99999999999:x"), 25],
  ["a number that is none", text("d4:infoi--1ee"), 25],
  ["nesting without end", deep(100_000), 25],
  ["a list", text("le"), 26],
  ["an empty dictionary", text("de"), 26],
  ["info that is text", text("d4:info4:texte"), 26],
  ["no name", infoWith({ name: undefined }), 26],
  ["no length", infoWith({ length: undefined }), 26],
  ["a negative length", infoWith({ length: -5 }), 26],
  ["a length of nothing", infoWith({ length: 0, pieces: "" }), 26],
  ["a length beyond all disks", infoWith({ length: 2 ** 53 - 1 }), 26],
  ["a piece length of 0", infoWith({ "piece length": 0 }), 26],
  ["a piece length of 1 TiB", infoWith({ "piece length": 2 ** 40 }), 26],
  ["no pieces", infoWith({ pieces: undefined }), 26],
  ["half a hash", infoWith({ pieces: new Uint8Array(10) }), 26],
  ["too many hashes", infoWith({ pieces: new Uint8Array(40) }), 26],
  ["no files", infoWith({ length: undefined, files: [] }), 26],
  ["files that are text", infoWith({ length: undefined, files: "x" }), 26],
  ["a file without path", infoWith({ length: undefined, files: [{ length: 5 }] }), 26],
  ["a file with an empty path", infoWith({ length: undefined, files: [{ length: 5, path: [] }] }), 26],
  ["version 2", infoWith({ pieces: undefined, "meta version": 2, "file tree": {} }), 26]
]

describe("a torrent that is none", () => {
  for (const program of ["leech", "seed"] as const) {
    it.live(`is refused by ${program} in one line`, () =>
      Effect.gen(function*() {
        const dir = yield* Payload.temporary
        const refuse = ([what, bytes, code]: typeof BAD[number], index: number) =>
          Effect.gen(function*() {
            const file = path.join(dir, `${index}.torrent`)
            fs.writeFileSync(file, bytes)
            const ended = yield* Programs.run(program, [file, ...local({ dir, state: dir })])
            assert.strictEqual(ended.code, code, `${what}: ${ended.err}`)
            assertRefused(ended, code, file)
          })
        yield* Effect.forEach(BAD.entries(), ([index, bad]) => refuse(bad, index), { concurrency: 2, discard: true })
      }))
  }

  it.live("is too large, or not there, or a folder", () =>
    Effect.gen(function*() {
      const dir = yield* Payload.temporary
      const file = path.join(dir, "x.torrent")
      fs.writeFileSync(file, torrent.document)
      const run = (...args: ReadonlyArray<string>) => Programs.run("leech", [...args, ...local({ dir, state: dir })])
      assertRefused(yield* run(file, "--max-torrent-size=100"), 26, file, "--max-torrent-size")
      assertRefused(yield* run(`${file}.not`), 3, `${file}.not`)
      assertRefused(yield* run(dir), 17, dir)
      assertRefused(yield* run(path.join(file, "below")), 17, file)
      const hash = "0123456789012345678901234567890123456789"
      for (const link of [`magnet:?xt=urn:btih:${hash}`, hash, "a".repeat(32), "b".repeat(64)]) {
        assertRefused(yield* run(link), 3, "--tracker", "--peer")
      }
      assertRefused(yield* run(`magnet:?xt=urn:btih:${hash}&tr=http://a.test/`, "--no-tracker"), 3, "--no-tracker")
      assertRefused(yield* run(file, "--metadata-only"), 28, "--metadata-only")
      assertRefused(yield* run(file, "--save-metadata=x"), 28, "--save-metadata")
      assertRefused(yield* run("magnet:?xt=urn:btih:0123456789"), 27, "magnet")
    }))
})

describe("options that cannot be", () => {
  it.live("are refused in one line", () =>
    Effect.gen(function*() {
      const dir = yield* Payload.temporary
      const file = path.join(dir, "x.torrent")
      fs.writeFileSync(file, torrent.document)
      const lonely = path.join(dir, "private.torrent")
      const closed = { private: true, trackers: [["http://127.0.0.1:1/announce"]] }
      fs.writeFileSync(lonely, publish([{ length: 5 }], 16_384, closed).document)
      const wrong: ReadonlyArray<readonly [part: string, ...args: ReadonlyArray<string>]> = [
        ["--wrong", file, "--wrong"],
        ["3", file, "--select-file=3"],
        ["--select-file", file, "--select-file=0"],
        ["--select-file", file, "--select-file=2-1"],
        ["--listen-port", file, "--listen-port=65536"],
        ["--peer", file, "--peer=localhost"],
        ["--bind", file, "--bind=nowhere"],
        ["--seed-ratio", file, "--seed-ratio=-1"],
        ["--stop-timeout", file, "--stop-timeout=0"],
        ["--on-complete", file, "--on-complete=\"open"],
        ["--tracker", file, "--tracker=ftp://host"],
        ["--tracker", lonely, "--tracker=http://127.0.0.1:2/announce"],
        ["torrent", "--dir=/tmp"]
      ]
      for (const [part, ...args] of wrong) {
        const ended = yield* Programs.run("leech", args)
        assert.strictEqual(ended.code, 28, `${args.join(" ")}: ${ended.err}`)
        assertRefused(ended, 28, part)
      }
    }))

  it.live("name a port that is taken", () =>
    Effect.gen(function*() {
      const dir = yield* Payload.temporary
      const file = path.join(dir, "x.torrent")
      fs.writeFileSync(file, torrent.document)
      const server = yield* Effect.acquireRelease(
        Effect.callback<net.Server>((resume) => {
          const server = net.createServer().listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      const { port } = server.address() as net.AddressInfo
      const args = [file, `--dir=${dir}`, `--state-dir=${dir}`, "--bind=127.0.0.1", `--listen-port=${port}`]
      assertRefused(yield* Programs.run("leech", [...args, "--quiet"]), 6, String(port), "--listen-port")
    }))
})

describe("a torrent that does not come from a file", () => {
  /** Answers by path; everything else gets the torrent. */
  const answers: Readonly<Record<string, (response: http.ServerResponse) => void>> = {
    "/gone": (response) => response.writeHead(404).end("<h1>not here</h1>"),
    "/closed": (response) => response.writeHead(403).end(),
    "/broken": (response) => response.writeHead(500).end(),
    "/moved": (response) => response.writeHead(302, { location: "/x.torrent" }).end(),
    "/circle": (response) => response.writeHead(302, { location: "/circle" }).end(),
    "/page": (response) => response.end("<!doctype html>"),
    "/endless": (response) => {
      const more = () => {
        while (response.write(Buffer.alloc(65_536, "d")));
      }
      response.on("drain", more)
      more()
    }
  }

  const web = serveWeb((request, response) => {
    const answer = answers[request.url!]
    if (answer === undefined) response.end(torrent.document)
    else answer(response)
  })

  it.live("comes from the web, or stdin", () =>
    Effect.gen(function*() {
      const place = placeIn(yield* Payload.temporary, torrent)
      const root = yield* web
      const source = yield* RawPeer.listen(torrent.metainfo.infoHash, RawPeer.seed(torrent))
      for (const [index, url] of [`${root}/x.torrent`, `${root}/moved`].entries()) {
        const dir = `${place.dir}${index}`
        const ended = yield* (yield* leech({ ...place, file: url, dir }, [source.address])).ended
        assert.strictEqual(ended.code, 0, ended.err)
        assert.deepStrictEqual(wrongFiles(torrent, dir), [])
      }
      const piped = yield* Programs.run("leech", ["-", ...local(place), `--peer=${source.address}`], {
        input: torrent.document
      })
      assert.strictEqual(piped.code, 0, piped.err)
      assert.deepStrictEqual(wrongFiles(torrent, place.dir), [])
    }))

  it.live("does not come, or is none", () =>
    Effect.gen(function*() {
      const dir = yield* Payload.temporary
      const root = yield* web
      const run = (source: string, ...more: ReadonlyArray<string>) =>
        Programs.run("leech", [source, ...local({ dir, state: dir }), ...more])
      for (
        const [name, code] of [
          ["gone", 3],
          ["closed", 24],
          ["broken", 6],
          ["circle", 6],
          ["page", 25]
        ] as const
      ) assertRefused(yield* run(`${root}/${name}`), code, `${root}/${name}`)
      assertRefused(yield* run(`${root}/endless`, "--max-torrent-size=1M"), 26, "--max-torrent-size")
      assertRefused(yield* run("http://127.0.0.1:1/x.torrent"), 6)
      const piped = yield* Programs.run("leech", ["-"], { input: text("nonsense") })
      assertRefused(piped, 25, "stdin")
    }))
})
