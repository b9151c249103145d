import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import { gzipSync } from "node:zlib"
import * as Bytes from "../../../src/domain/Bytes.ts"
import * as MetainfoWriter from "../../../src/domain/MetainfoWriter.ts"
import { ExitCode } from "../../../src/programs/cli/ExitCode.ts"
import { loadTorrent } from "../../../src/programs/cli/LoadTorrent.ts"

const TORRENT = Bytes.concat([
  Bytes.fromUtf8("d4:infod6:lengthi3e4:name1:x12:piece lengthi16384e6:pieces20:"),
  new Uint8Array(20).fill(7),
  Bytes.fromUtf8("ee")
])

const MAX = 4096

/** The code and the line of the failure to load it. */
const failureOf = (source: string) =>
  Effect.map(Effect.flip(loadTorrent({ source, maxBytes: MAX })), ({ code, message }) => [code, message] as const)

const folder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "freshet-"))),
  (dir) => Effect.sync(() => fs.rmSync(dir, { recursive: true }))
)

const file = Effect.fnUntraced(function*(bytes: Uint8Array) {
  const name = path.join(yield* folder, "a.torrent")
  fs.writeFileSync(name, bytes)
  return name
})

describe("the names of files", () => {
  it.live("are those by which the data is there", () =>
    Effect.gen(function*() {
      const names = ["Makefile", "makefile", "a\\b", "tab\t", "aux"]
      const source = yield* file(MetainfoWriter.encode({
        version: "1",
        name: "top",
        pieceLength: 16_384,
        pieceHashes: new Uint8Array(20),
        files: names.map((name) => ({ path: [name], length: 1 }))
      }))
      const namesIn = Effect.fnUntraced(function*(present: ReadonlyArray<string>) {
        const dir = yield* folder
        fs.mkdirSync(path.join(dir, "top"))
        for (const name of present) fs.writeFileSync(path.join(dir, "top", name), "x")
        const { files } = yield* loadTorrent({ source, maxBytes: MAX, dataIn: dir })
        return files.map(({ path }) => path.slice(1).join("/"))
      })
      const portable = ["Makefile", "makefile.1", "a_b", "tab_", "_aux"]
      assert.deepStrictEqual(yield* namesIn(names), names)
      assert.deepStrictEqual(yield* namesIn(portable), portable)
      assert.deepStrictEqual(yield* namesIn(["Makefile", "aux", "a_b"]), [
        "Makefile",
        "makefile.1",
        "a_b",
        "tab_",
        "aux"
      ])
    }))
})

describe("a file", () => {
  it.live("is read", () =>
    Effect.gen(function*() {
      const metainfo = yield* loadTorrent({ source: yield* file(TORRENT), maxBytes: MAX })
      assert.strictEqual(metainfo.name, "x")
    }))

  it.live("of the wrong kind ends with one of aria2's codes", () =>
    Effect.gen(function*() {
      const dir = yield* folder
      const missing = path.join(dir, "none.torrent")
      assert.deepStrictEqual(yield* failureOf(missing), [ExitCode.notFound, `${missing} does not exist`])
      assert.deepStrictEqual(yield* failureOf(dir), [ExitCode.fileError, `${dir} is a folder, not a .torrent file`])
      const big = yield* file(new Uint8Array(MAX + 1))
      assert.deepStrictEqual(yield* failureOf(big), [
        ExitCode.badTorrent,
        `${big} is larger than ${MAX} bytes; see --max-torrent-size`
      ])
      for (const [text, code] of [["", 25], ["<html>", 25], ["d4:info", 25], ["de", 26], ["d4:infodee", 26]] as const) {
        assert.strictEqual((yield* failureOf(yield* file(Bytes.fromUtf8(text))))[0], code, text)
      }
      assert.match((yield* failureOf(yield* file(new Uint8Array(0))))[1], /a\.torrent is empty$/)
      assert.match((yield* failureOf(yield* file(TORRENT.subarray(0, 70))))[1], /: it is cut off at byte \d+$/)
      const hash = "0123456789012345678901234567890123456789"
      for (const source of [`magnet:?xt=urn:btih:${hash}`, hash, "a".repeat(32), "b".repeat(64)]) {
        const [code, message] = yield* failureOf(source)
        assert.strictEqual(code, ExitCode.usage, source)
        assert.include(message, "leech --metadata-only")
      }
      for (const source of ["magnet:?xt=urn:btih:00", "magnet:", "Magnet:?dn=x"]) {
        assert.strictEqual((yield* failureOf(source))[0], ExitCode.badMagnet, source)
      }
    }))

  it.live("that is called like a hash is a file all the same", () =>
    Effect.gen(function*() {
      const dir = yield* folder
      const hash = "0123456789012345678901234567890123456789"
      fs.writeFileSync(path.join(dir, hash), TORRENT)
      const before = process.cwd()
      process.chdir(dir)
      const metainfo = yield* Effect.ensuring(
        loadTorrent({ source: hash, maxBytes: MAX }),
        Effect.sync(() => process.chdir(before))
      )
      assert.strictEqual(metainfo.name, "x")
    }))
})

const answers: Readonly<Record<string, (response: http.ServerResponse) => void>> = {
  "/x.torrent": (response) => response.end(TORRENT),
  "/gzip": (response) => response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(TORRENT)),
  "/moved": (response) => response.writeHead(302, { location: "/x.torrent" }).end(),
  "/loop": (response) => response.writeHead(302, { location: "/loop" }).end(),
  "/secret": (response) => response.writeHead(401).end(),
  "/forbidden": (response) => response.writeHead(403).end(),
  "/broken": (response) => response.writeHead(500).end("<html>"),
  "/page": (response) => response.end("<html>"),
  "/big": (response) => {
    response.write(new Uint8Array(MAX))
    response.end("x")
  },
  "/bomb": (response) => response.end(gzipSync(new Uint8Array(1 << 20)))
}

const server = Effect.map(
  Effect.acquireRelease(
    Effect.callback<http.Server>((resume) => {
      const server = http.createServer((request, response) => {
        const answer = answers[request.url ?? ""]
        if (answer === undefined) response.writeHead(404).end()
        else answer(response)
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      })
  ),
  (server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
)

describe("the web", () => {
  it.live("gives a torrent: plain, compressed, from elsewhere", () =>
    Effect.gen(function*() {
      const base = yield* server
      for (const at of ["/x.torrent", "/gzip", "/moved"]) {
        const metainfo = yield* loadTorrent({ source: base + at, maxBytes: MAX })
        assert.strictEqual(metainfo.name, "x", at)
      }
    }))

  it.live("or a reason why not", () =>
    Effect.gen(function*() {
      const base = yield* server
      const expected: ReadonlyArray<readonly [at: string, code: ExitCode]> = [
        ["/nowhere", ExitCode.notFound],
        ["/secret", ExitCode.unauthorized],
        ["/forbidden", ExitCode.unauthorized],
        ["/broken", ExitCode.network],
        ["/loop", ExitCode.network],
        ["/page", ExitCode.notBencode],
        ["/big", ExitCode.badTorrent],
        ["/bomb", ExitCode.badTorrent]
      ]
      for (const [at, code] of expected) {
        const [seen, message] = yield* failureOf(base + at)
        assert.strictEqual(seen, code, at)
        assert.include(message, base + at)
      }
      assert.strictEqual((yield* failureOf("http://[::1"))[0], ExitCode.usage)
    }))
})
