/** `leech` and `seed` with torrents of version 2 and hybrids. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Metainfo from "../../src/domain/Metainfo.ts"
import { BLOCK } from "../../src/domain/PieceLayout.ts"
import * as HttpTracker from "../support/httpTracker.ts"
import * as Payload from "../support/payload.ts"
import * as Programs from "../support/programs.ts"
import { placeAll, wrongFiles } from "../support/published.ts"
import * as RawPeer from "../support/rawPeer.ts"
import { leech, local, placeIn } from "../support/stage.ts"
import { versioned } from "../support/versions.ts"

const PIECE = 2 * BLOCK

const FILES = [
  { path: ["a"], length: 5 },
  { path: ["b", "c"], length: 3 * PIECE + 7 },
  { path: ["b", "empty"], length: 0 },
  { path: ["d"], length: PIECE },
  { path: ["e"], length: BLOCK + 1 }
]

const storedFiles = ({ metainfo }: Payload.Torrent): ReadonlyArray<number> =>
  metainfo.files.flatMap(({ padding, symlink }, file) => padding || symlink !== undefined ? [] : [file])

describe("a hybrid", () => {
  const torrent = versioned("hybrid", FILES, PIECE)

  it.live("is fetched from a peer of version 1, with not a byte of padding", () =>
    Effect.gen(function*() {
      const place = placeIn(yield* Payload.temporary, torrent)
      const source = yield* RawPeer.listen(torrent.metainfo.infoHash, RawPeer.seed(torrent))
      const ended = yield* (yield* leech(place, [source.address])).ended
      assert.strictEqual(ended.code, 0, ended.err)
      const wrong = wrongFiles(torrent, place.dir)
      assert.deepStrictEqual(storedFiles(torrent).filter((file) => wrong.includes(file)), [])
      assert.strictEqual(Programs.summaryOf(ended).downloaded, FILES.reduce((sum, { length }) => sum + length, 0))
    }))

  it.live("that contradicts itself ends leech and seed, in one line", () =>
    Effect.gen(function*() {
      const pieceHashes = torrent.metainfo.pieceHashes.slice()
      pieceHashes[2 * 20]! ^= 1
      const damaged = versioned("hybrid", FILES, PIECE, { more: { pieceHashes } })
      const place = placeIn(yield* Payload.temporary, damaged)
      const source = yield* RawPeer.listen(damaged.metainfo.infoHash, RawPeer.seed(damaged))
      const fetching = yield* (yield* leech(place, [source.address])).ended
      const [first] = yield* Effect.promise(() => fs.promises.readdir(place.dir))
      assert.strictEqual(first, "top")
      placeAll(damaged, place.dir)
      const checking = yield* (yield* leech(place, [], "--check-integrity")).ended
      const sharing = yield* Programs.run("seed", [place.file, ...local(place), "--check-integrity"])
      for (const { code, err } of [fetching, checking, sharing]) {
        assert.strictEqual(code, 26, err)
        assert.match(err.split("\n").at(-2)!, /: the torrent contradicts itself: [^\n]* piece 2 /)
      }
    }))
})

describe("the hashes of a torrent", () => {
  it.live("are told whole, by leech and by seed, in words and in records", () =>
    Effect.gen(function*() {
      for (const version of ["1", "2", "hybrid"] as const) {
        const torrent = versioned(version, FILES, PIECE)
        const { files, infoHash, infoHashV1, infoHashV2 } = torrent.metainfo
        const place = placeIn(yield* Payload.temporary, torrent)
        placeAll(torrent, place.dir)
        const seed = yield* Programs.start("seed", [place.file, ...local(place), "--no-tracker", "--json"])
        yield* seed.until(({ type }) => type === "progress")
        yield* seed.kill("SIGTERM")
        const { err, records } = yield* seed.ended
        const words = [infoHashV1, infoHashV2].filter((hash) => hash !== undefined).join(" and ")
        assert.include(err, `sharing top, info hash ${words}, port `)
        const told = records.filter((record) => record.type === "metadata" || record.type === "summary")
        assert.deepStrictEqual(told.map(({ type }) => type), ["metadata", "summary"])
        for (const record of told) assert.deepInclude(record, { infoHash, infoHashV2: infoHashV2 ?? null })
        const listed = told.flatMap((record) => record.type === "metadata" ? record.files : [])
        assert.deepStrictEqual(listed.map(({ pad }) => pad), files.map(({ padding }) => padding))
        assert.strictEqual(listed.some(({ pad }) => pad), version === "hybrid")
        const shown = yield* Programs.run("leech", [place.file, "--show-files"])
        assert.include(shown.out, `info hash ${words}\n`)
      }
    }))
})

describe("--select-file", () => {
  it.live("takes no padding and nothing beyond the end, and says how the files are numbered", () =>
    Effect.gen(function*() {
      const hybrid = placeIn(yield* Payload.temporary, versioned("hybrid", FILES, PIECE))
      const plain = placeIn(yield* Payload.temporary, versioned("1", FILES, PIECE))
      const pad = "freshet: number 2 is padding, which is never stored (BEP 47); see --show-files\n"
      const beyond = "freshet: there is no file 99: the torrent has 5 files"
      const numbered = ", numbered up to 7 because its padding has numbers too"
      for (
        const [place, list, problem] of [
          [hybrid, "2", pad],
          [hybrid, "1-2", pad],
          [hybrid, "1,2,99", pad],
          [hybrid, "99", `${beyond}${numbered}; see --show-files\n`],
          [plain, "99", `${beyond}; see --show-files\n`]
        ] as const
      ) {
        const { code, err } = yield* Programs.run("leech", [place.file, ...local(place), `--select-file=${list}`])
        assert.deepStrictEqual([code, err], [28, problem], list)
      }
    }))

  it.live("takes a range that goes over padding", () =>
    Effect.gen(function*() {
      const torrent = versioned("hybrid", FILES, PIECE)
      const place = placeIn(yield* Payload.temporary, torrent)
      const source = yield* RawPeer.listen(torrent.metainfo.infoHash, RawPeer.seed(torrent))
      const { code, err } = yield* (yield* leech(place, [source.address], "--select-file=1-3")).ended
      assert.strictEqual(code, 0, err)
      assert.deepStrictEqual(fs.readdirSync(path.join(place.dir, "top")), ["a", "b"])
    }))
})

describe("a seed of version 2", () => {
  const torrent = versioned("2", FILES, PIECE)
  const { files, layout } = torrent.metainfo

  it.live("gives a block that ends with its file as it is asked for: to there, or whole and filled up with zeros", () =>
    Effect.gen(function*() {
      const place = placeIn(yield* Payload.temporary, torrent)
      placeAll(torrent, place.dir)
      const peer = yield* RawPeer.listen(torrent.metainfo.infoHash, (wire) => wire.send(RawPeer.interested))
      const peers = [`--peer=${peer.address}`, "--no-tracker"]
      const seed = yield* Programs.start("seed", [place.file, ...local(place), ...peers, "--json"])
      const wire = yield* peer.wire
      yield* wire.next(RawPeer.Id.unchoke)
      for (const { length, offset } of files) {
        if (length === 0) continue
        const at = offset + length - 1 - (length - 1) % BLOCK
        const [piece, begin] = [Math.floor(at / PIECE), at % PIECE]
        const right = torrent.payload.subarray(at, offset + length)
        assert.deepStrictEqual(new Uint8Array(yield* RawPeer.fetchBlock(wire, piece, begin, right.length)), right)
        const whole = new Uint8Array(BLOCK)
        whole.set(right)
        assert.deepStrictEqual(new Uint8Array(yield* RawPeer.fetchBlock(wire, piece, begin, BLOCK)), whole)
      }
      // Beyond the piece there is nothing, not even zeros.
      const gone = yield* Effect.flip(RawPeer.fetchBlock(wire, layout.pieces - 1, PIECE - BLOCK, BLOCK + 1))
      assert.include(gone.message, "closed")
      yield* seed.kill("SIGTERM")
      assert.strictEqual((yield* seed.ended).code, 0)
    }))
})

describe("a folder with one file in it", () => {
  for (const version of ["v2", "hybrid"] as const) {
    it.live(`is shared as ${version}, with the torrent that was made of it too, and fetched`, () =>
      Effect.gen(function*() {
        const root = yield* Payload.temporary
        const content = Payload.noise(3 * PIECE + 7, 1)
        fs.mkdirSync(path.join(root, "from", "folder"), { recursive: true })
        fs.writeFileSync(path.join(root, "from", "folder", "only"), content)
        const saved = path.join(root, "saved.torrent")
        const own = { dir: path.join(root, "from"), state: path.join(root, "seed-state") }
        const source = [path.join(root, "from", "folder"), `--${version}`, `--save-torrent=${saved}`]
        for (const [round, args] of [source, [saved]].entries()) {
          const tracker = yield* HttpTracker.make()
          const seed = yield* Programs.start("seed", [...args, ...local(own), `--tracker=${tracker.url}`, "--json"])
          const port = (yield* tracker.heard("started")).query.get("port")
          const document = fs.readFileSync(saved)
          const torrent = { document, metainfo: Result.getOrThrow(Metainfo.parse(document)), payload: content }
          const place = { torrent, file: saved, dir: path.join(root, `to${round}`), state: path.join(root, "state") }
          const ended = yield* (yield* leech(place, [`127.0.0.1:${port}`], "--no-tracker")).ended
          assert.strictEqual(ended.code, 0, ended.err)
          const to = version === "v2" ? ["only"] : ["folder", "only"]
          assert.isTrue(fs.readFileSync(path.join(place.dir, ...to)).equals(content))
          const complete = ended.records.find((record) => record.type === "complete")
          assert.strictEqual(complete?.path, path.join(place.dir, to[0]!))
          yield* seed.kill("SIGTERM")
          const over = yield* seed.ended
          assert.strictEqual(over.code, 0, over.err)
        }
      }))
  }
})

describe("a torrent with a link in it", () => {
  for (const version of ["1", "2", "hybrid"] as const) {
    it.live(`of version ${version} makes none, and is whole without`, () =>
      Effect.gen(function*() {
        const link = { path: ["b", "link"], length: 0, symlink: ["a"] }
        const torrent = versioned(version, [...FILES, link], PIECE)
        const place = placeIn(yield* Payload.temporary, torrent)
        const at = path.join(place.dir, "top", "b", "link")
        placeAll({
          ...torrent,
          metainfo: {
            ...torrent.metainfo,
            files: torrent.metainfo.files.filter(({ symlink }) => symlink === undefined)
          }
        }, place.dir)
        const ended = yield* (yield* leech(place, [])).ended
        assert.strictEqual(ended.code, 0, ended.err)
        assert.isFalse(fs.existsSync(at))
        // What a user has there himself, as in the folder that the torrent was made of, is left alone.
        fs.symlinkSync("/nowhere", at)
        const again = yield* (yield* leech(place, [], "--check-integrity")).ended
        assert.strictEqual(again.code, 0, again.err)
        assert.strictEqual(fs.readlinkSync(at), "/nowhere")
      }))
  }
})
