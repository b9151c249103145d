/** `leech` and web servers: what a user sees of them, well and not. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as MetainfoWriter from "../../src/domain/MetainfoWriter.ts"
import type * as Records from "../../src/programs/cli/Records.ts"
import * as FileServer from "../support/fileServer.ts"
import * as Payload from "../support/payload.ts"
import * as Programs from "../support/programs.ts"
import { publish, wrongFiles } from "../support/published.ts"
import * as RawPeer from "../support/rawPeer.ts"
import { leech, local, placeIn } from "../support/stage.ts"

const PIECE = 32 * 1024

const torrent = publish([{ length: 40 * PIECE + 5 }, { length: 0 }, { length: 6 * PIECE }, { length: 9 }], PIECE)

const contents = new Map(
  torrent.metainfo.files.map(({ path }, file) => [`/pub/${path.join("/")}`, Payload.content(torrent, file)])
)

const handler: FileServer.Handler = (request, response) => {
  const content = contents.get(new URL(request.url!, "http://x").pathname)
  if (content === undefined) response.writeHead(404).end()
  else FileServer.sendPart(content, request, response)
}

const states = (records: ReadonlyArray<Records.Record>): Array<string> =>
  records.flatMap((record) => record.type === "webSeed" ? [`${record.state}: ${record.message}`] : [])

describe("--web-seed", () => {
  it.live("fetches all from a web server, whose password nobody sees, from the address that is bound", () =>
    Effect.gen(function*() {
      const place = placeIn(yield* Payload.temporary, torrent)
      const server = yield* FileServer.serve(handler)
      const url = `${server.origin.replace("//", "//me:secret@")}/pub/`
      const done = yield* (yield* leech(place, [], `--web-seed=${url}`)).ended
      assert.strictEqual(done.code, 0, done.err)
      assert.deepStrictEqual(wrongFiles(torrent, place.dir), [])
      assert.deepStrictEqual([...server.callers], ["127.0.0.1"])
      const wanted = `Basic ${btoa("me:secret")}`
      assert.isTrue(server.requests.every(({ headers }) => headers.authorization === wanted))
      assert.notInclude(done.out + done.err, "secret")
      assert.deepStrictEqual(states(done.records), ["answered: null"])
      assert.isAtMost(server.connections(), 4)
    }))

  it.live("says nothing of nobody to ask, and what is wrong with the only one there is", () =>
    Effect.gen(function*() {
      const place = placeIn(yield* Payload.temporary, torrent)
      const server = yield* FileServer.serve((_, response) => response.writeHead(401).end())
      const { code, err } = yield* Programs.run("leech", [
        place.file,
        ...local(place),
        `--web-seed=${server.origin}/pub/`,
        "--stop-timeout=12"
      ])
      assert.strictEqual(code, 2)
      assert.include(err, `web seed ${server.origin}/pub/ is given up: it wants another user or password (HTTP 401)`)
      assert.include(err, "nobody is left to ask: ")
      assert.match(err, /nothing arrived for 12 seconds: web seed .* is given up: .*$/m)
      assert.match(err, /^nothing comes: web seed .* is given up: it wants another user or password \(HTTP 401\)$/m)
      assert.match(err, /^nothing was fetched yet; run it again to go on$/m)
      assert.notInclude(err, "nobody to ask")
    }), 60_000)

  it.live("does not blame a web seed that is given up for peers that choke", () =>
    Effect.gen(function*() {
      const place = placeIn(yield* Payload.temporary, torrent)
      const server = yield* FileServer.serve((_, response) => response.writeHead(401).end())
      const peer = yield* RawPeer.listen(torrent.metainfo.infoHash, (wire) => {
        wire.send(RawPeer.bitfieldOf(torrent.metainfo.layout.pieces, () => true))
      })
      const { code, err } = yield* Programs.run("leech", [
        place.file,
        ...local(place),
        `--web-seed=${server.origin}/pub/`,
        `--peer=${peer.address}`,
        "--stop-timeout=2"
      ])
      assert.strictEqual(code, 2)
      assert.match(err, /nothing arrived for 2 seconds: the only peer with what is missing chokes us$/m)
    }))

  it.live("speaks TLS with a server that somebody vouches for, and with no other", () =>
    Effect.gen(function*() {
      const dir = yield* Payload.temporary
      const place = placeIn(dir, torrent)
      const [key, cert] = [path.join(dir, "key"), path.join(dir, "cert")]
      const make = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
      const named = ["-subj", "/CN=x", "-addext", "subjectAltName=IP:127.0.0.1"]
      execFileSync("openssl", [...make, ...named, "-keyout", key, "-out", cert], { stdio: "ignore" })
      const tls = { key: fs.readFileSync(key, "utf8"), cert: fs.readFileSync(cert, "utf8") }
      const server = yield* FileServer.serve(handler, { tls })
      const args = [place.file, ...local(place), `--web-seed=${server.origin}/pub/`, "--stop-timeout=2"]
      const stranger = yield* Programs.run("leech", args)
      assert.strictEqual(stranger.code, 2)
      assert.include(stranger.err, "it cannot be trusted: self-signed certificate")
      const done = yield* Programs.run("leech", args, { env: { NODE_EXTRA_CA_CERTS: cert } })
      assert.strictEqual(done.code, 0, done.err)
      assert.deepStrictEqual(wrongFiles(torrent, place.dir), [])
    }))

  it.live("takes the rest from a peer when the server has gone", () =>
    Effect.gen(function*() {
      const place = placeIn(yield* Payload.temporary, torrent)
      const source = yield* RawPeer.listen(torrent.metainfo.infoHash, RawPeer.seed(torrent))
      const server = yield* FileServer.serve((request, response) => {
        if (server.requests.length > 2) return void request.socket.destroy()
        handler(request, response)
      })
      const done = yield* (yield* leech(place, [source.address], `--web-seed=${server.origin}/pub/`)).ended
      assert.strictEqual(done.code, 0, done.err)
      assert.deepStrictEqual(wrongFiles(torrent, place.dir), [])
    }))

  for (const url of ["ftp://me:secret@host/", "host/files", ""]) {
    it.live(`refuses "${url}"`, () =>
      Effect.gen(function*() {
        const { code, err, out } = yield* Programs.run("leech", ["x.torrent", `--web-seed=${url}`])
        assert.strictEqual(code, 28)
        assert.include(err + out, "an http(s) address like http://host/files/")
        assert.notInclude(err + out, "secret")
      }))
  }
})

describe("--no-webseed", () => {
  it.live("leaves the torrent's own alone, and not those that the user names", () =>
    Effect.gen(function*() {
      const own = yield* FileServer.serve(handler)
      const named = yield* FileServer.serve(handler)
      const document = MetainfoWriter.encode({
        name: "top",
        pieceLength: PIECE,
        pieceHashes: torrent.metainfo.pieceHashes,
        webSeeds: [`${own.origin}/pub/`],
        files: torrent.metainfo.files.map(({ length, path }) => ({ length, path: path.slice(1) }))
      })
      const place = placeIn(yield* Payload.temporary, { ...torrent, document })
      const both = yield* (yield* leech(place, [], "--no-webseed", `--web-seed=${named.origin}/pub`)).ended
      assert.strictEqual(both.code, 0, both.err)
      assert.strictEqual(own.requests.length, 0)
      fs.rmSync(place.dir, { recursive: true })
      fs.rmSync(place.state, { recursive: true })
      const alone = yield* (yield* leech(place, [])).ended
      assert.strictEqual(alone.code, 0, alone.err)
      assert.deepStrictEqual(wrongFiles(torrent, place.dir), [])
      assert.isAbove(own.requests.length, 0)
    }))
})
