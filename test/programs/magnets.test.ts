/** `leech` with links and hashes in the place of a .torrent, against `seed`. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Magnet from "../../src/domain/Magnet.ts"
import * as Metainfo from "../../src/domain/Metainfo.ts"
import * as HttpTracker from "../support/httpTracker.ts"
import * as Payload from "../support/payload.ts"
import * as Programs from "../support/programs.ts"
import { publish, type Published, wrongFiles } from "../support/published.ts"
import * as RawPeer from "../support/rawPeer.ts"
import { local } from "../support/stage.ts"
import { versioned } from "../support/versions.ts"

const PIECE = 32_768

const FILES = [{ path: ["a"], length: 4 * PIECE + 5 }, { path: ["b"], length: 6 * PIECE }, { path: ["c"], length: 9 }]

const torrent = publish(FILES.map(({ length, path }) => ({ length, path: ["top", ...path] })), PIECE)

/** A seed of the torrent, and where it listens. */
const seedOf = Effect.fnUntraced(function*(root: string, { document, metainfo, payload }: Published) {
  const tracker = yield* HttpTracker.make()
  const file = path.join(root, "seed.torrent")
  const dir = path.join(root, "from")
  fs.writeFileSync(file, document)
  metainfo.files.forEach((entry, index) => {
    if (!entry.padding) Payload.place({ metainfo, payload }, dir, index)
  })
  const options = local({ dir, state: path.join(root, "seed-state") })
  const own = metainfo.private ? [] : [`--tracker=${tracker.url}`]
  const seed = yield* Programs.start("seed", [file, ...options, ...own, "--json", "--quiet"])
  const { query } = yield* tracker.heard("started")
  return { seed, tracker, host: { host: "127.0.0.1", port: Number(query.get("port")) } }
})

const start = Effect.gen(function*() {
  const root = yield* Payload.temporary
  const { host } = yield* seedOf(root, torrent)
  const place = { dir: path.join(root, "to"), state: path.join(root, "state") }
  const link = (changes: Partial<Magnet.Magnet> = {}) =>
    Magnet.format({ ...Magnet.fromMetainfo(torrent.metainfo, { peers: [host] }), ...changes })
  const leech = (source: string, ...more: ReadonlyArray<string>) =>
    Programs.run("leech", [source, ...local(place), "--quiet", ...more])
  return { root, host, place, link, leech }
})

const typesOf = ({ records }: Programs.Ended): Set<string> => new Set(records.map(({ type }) => type))

const parse = (file: string) => Result.getOrThrow(Metainfo.parse(fs.readFileSync(file)))

describe("a magnet link", () => {
  it.live("is fetched like a torrent, and the second time its metadata is there", () =>
    Effect.gen(function*() {
      const { leech, link, place } = yield* start
      const first = yield* leech(link(), "--json")
      assert.strictEqual(first.code, 0, first.err)
      assert.deepStrictEqual(wrongFiles(torrent, place.dir), [])
      const phase = first.records.flatMap((record) => record.type === "magnet" ? [record] : [])
      const { infoHash, info } = torrent.metainfo
      assert.deepInclude(phase.at(-1), {
        infoHash,
        name: "top",
        state: "metadata",
        received: info.length,
        size: info.length
      })
      const order = first.records.map(({ type }) => type)
      assert.isBelow(order.lastIndexOf("magnet"), order.indexOf("metadata"))
      // One connection from the first to the last.
      const connected = first.records.filter((record) => record.type === "peer" && record.state === "disconnected")
      assert.strictEqual(connected.length, 1)
      const again = yield* leech(link({ peers: [{ host: "127.0.0.1", port: 1 }] }), "--json")
      assert.strictEqual(again.code, 0, again.err)
      assert.isFalse(typesOf(again).has("magnet"))
      assert.isTrue(typesOf(again).has("metadata"))
    }))

  it.live("or a hash alone is enough, with a peer or a tracker of the user", () =>
    Effect.gen(function*() {
      const { host, leech, place } = yield* start
      const ended = yield* leech(torrent.metainfo.infoHash.toUpperCase(), `--peer=127.0.0.1:${host.port}`)
      assert.strictEqual(ended.code, 0, ended.err)
      assert.deepStrictEqual(wrongFiles(torrent, place.dir), [])
    }))

  it.live("chooses files, unless the user does", () =>
    Effect.gen(function*() {
      const { leech, link, place } = yield* start
      const chosen = yield* leech(link({ selected: [{ first: 2, last: 2 }] }))
      assert.strictEqual(chosen.code, 0, chosen.err)
      assert.deepStrictEqual(wrongFiles(torrent, place.dir), [0, 1])
      const over = yield* leech(link({ selected: [{ first: 2, last: 2 }] }), "--select-file=1")
      assert.strictEqual(over.code, 0, over.err)
      assert.deepStrictEqual(wrongFiles(torrent, place.dir), [1])
      const beyond = yield* leech(link({ selected: [{ first: 1, last: 7 }] }))
      assert.deepStrictEqual([beyond.code, beyond.out], [28, ""])
      assert.match(beyond.err, Programs.ONE_LINE)
      assert.include(beyond.err, "no file 4")
    }))

  it.live("shows its files, and fetches none", () =>
    Effect.gen(function*() {
      const { leech, link, place } = yield* start
      const shown = yield* leech(link(), "--show-files")
      assert.deepStrictEqual([shown.code, shown.err], [0, ""])
      for (const name of ["top/a", "top/b", "top/c", torrent.metainfo.infoHash]) assert.include(shown.out, name)
      assert.isFalse(fs.existsSync(place.dir))
      const told = yield* leech(link(), "--show-files", "--json")
      const { infoHash, name } = torrent.metainfo
      assert.deepInclude(told.records.at(-1), { type: "metadata", infoHash, name, total: 10 * PIECE + 14 })
    }))

  it.live("is written as a .torrent, with its sources, and never over another file", () =>
    Effect.gen(function*() {
      const { leech, link, place, root } = yield* start
      const source = link({ trackers: ["http://127.0.0.1:1/announce"], webSeeds: ["http://w.test/"] })
      const file = path.join(place.dir, "top.torrent")
      for (let times = 0; times < 2; times++) {
        const ended = yield* leech(source, "--metadata-only")
        assert.deepStrictEqual([ended.code, ended.err], [0, ""])
        const told = yield* leech(source, "--metadata-only", "--json")
        const { infoHash } = torrent.metainfo
        assert.deepInclude(told.records.at(-1), { type: "saved", infoHash, path: file })
      }
      const { info, trackers, webSeeds } = parse(file)
      assert.deepStrictEqual(info, torrent.metainfo.info)
      assert.deepStrictEqual(trackers, [["http://127.0.0.1:1/announce"]])
      assert.deepStrictEqual(webSeeds, ["http://w.test/"])
      assert.deepStrictEqual(fs.readdirSync(place.dir), ["top.torrent"])

      fs.writeFileSync(file, "something else")
      const kept = yield* leech(source, "--metadata-only")
      assert.strictEqual(kept.code, 13)
      assert.include(kept.err, "--allow-overwrite")
      assert.strictEqual(fs.readFileSync(file, "utf8"), "something else")
      const over = yield* leech(source, "--metadata-only", "--allow-overwrite")
      assert.strictEqual(over.code, 0, over.err)
      assert.deepStrictEqual(parse(file).info, info)

      const named = path.join(root, "named.torrent")
      const both = yield* leech(source, `--save-metadata=${named}`)
      assert.strictEqual(both.code, 0, both.err)
      assert.deepStrictEqual(parse(named).info, info)
      fs.rmSync(file)
      const going = yield* leech(source, "--bt-save-metadata")
      assert.strictEqual(going.code, 0, going.err)
      assert.deepStrictEqual(parse(file).info, info)
      assert.deepStrictEqual(wrongFiles(torrent, place.dir), [])
      const nowhere = yield* leech(source, `--save-metadata=${path.join(root, "no", "x")}`)
      assert.strictEqual(nowhere.code, 16)

      const piped = yield* leech(source, "--metadata-only", "--save-metadata=-")
      assert.deepStrictEqual([piped.code, piped.err, piped.out], [0, "", fs.readFileSync(named).toString()])
      for (const other of ["--json", "--show-files"]) {
        const refused = yield* leech(source, "--metadata-only", "--save-metadata=-", other)
        assert.strictEqual(refused.code, 28)
        assert.include(refused.err, `${other} and --save-metadata - both want stdout`)
      }
    }))

  for (const version of ["2", "hybrid"] as const) {
    it.live(`of version ${version} brings its piece layers with it`, () =>
      Effect.gen(function*() {
        const made = versioned(version, FILES, PIECE)
        const root = yield* Payload.temporary
        const { host } = yield* seedOf(root, made)
        const place = { dir: path.join(root, "to"), state: path.join(root, "state") }
        const link = Magnet.format(Magnet.fromMetainfo(made.metainfo, { peers: [host] }))
        const file = path.join(root, "x.torrent")
        const ended = yield* Programs.run("leech", [link, ...local(place), "--quiet", `--save-metadata=${file}`])
        assert.strictEqual(ended.code, 0, ended.err)
        made.metainfo.files.forEach((entry, index) => {
          if (entry.padding) return
          const bytes = fs.readFileSync(path.join(place.dir, ...entry.path))
          assert.strictEqual(Buffer.compare(bytes, Payload.content(made, index)), 0)
        })
        assert.deepStrictEqual(parse(file).pieceRoots, made.metainfo.pieceRoots)
      }))
  }

  it.live("that cannot be had ends as a torrent does that does not come", () =>
    Effect.gen(function*() {
      const root = yield* Payload.temporary
      const silent = yield* RawPeer.listen(torrent.metainfo.infoHash, () => {})
      const place = { dir: path.join(root, "to"), state: path.join(root, "state") }
      const args = [torrent.metainfo.infoHash, ...local(place), `--peer=${silent.address}`, "--json"]
      const late = yield* Programs.run("leech", [...args, "--stop-timeout=1"])
      assert.strictEqual(late.code, 2, late.err)
      assert.include(late.err, "metadata")
      const waiting = yield* Programs.start("leech", args)
      yield* waiting.until((record) => record.type === "magnet" && record.peers === 1)
      yield* waiting.kill("SIGINT")
      assert.strictEqual((yield* waiting.ended).code, 7)
      assert.isFalse(fs.existsSync(place.dir))
    }))

  it.live("says how it stands and why, when it is asked and at its end", () =>
    Effect.gen(function*() {
      const root = yield* Payload.temporary
      const silent = yield* RawPeer.listen(torrent.metainfo.infoHash, () => {})
      const place = { dir: path.join(root, "to"), state: path.join(root, "state") }
      const args = [torrent.metainfo.infoHash, ...local(place), `--peer=${silent.address}`, "--stop-timeout=3"]
      const words = yield* Programs.start("leech", args)
      const running = yield* Programs.start("leech", [...args, "--json"])
      yield* running.until((record) => record.type === "magnet" && record.peers === 1)
      yield* running.kill("SIGUSR2")
      yield* words.kill("SIGUSR2")
      const status = yield* running.until((record) => record.type === "status")
      assert.deepInclude(status, { state: "Metadata", cause: "NobodyHasMetadata" })
      if (status.type !== "status") return
      assert.deepStrictEqual(
        status.peers.map(({ address, state }) => [address, state]),
        [[silent.address, "NoMetadata"]]
      )
      const why = "the only peer has no metadata"
      for (const program of [running, words]) {
        const { code, err } = yield* program.ended
        assert.strictEqual(code, 2)
        assert.include(err, `no metadata arrived for 3 seconds: ${why}`)
      }
      assert.include((yield* words.ended).err, `${torrent.metainfo.infoHash}: its metadata does not come: `)
    }))

  const ofWeb = Magnet.format({ ...Magnet.fromMetainfo(torrent.metainfo, {}), webSeeds: ["http://127.0.0.1:1/"] })
  const bare = torrent.metainfo.infoHash
  const alone: ReadonlyArray<readonly [string, string, ReadonlyArray<string>, number, RegExp]> = [
    ["no source", bare, [], 3, /the link has no tracker, x\.pe or ws; name a tracker/],
    ["a web seed of the user", bare, ["--web-seed=http://127.0.0.1:1/"], 3, /a web seed gives no metadata; name/],
    [
      "a web seed behind a proxy",
      ofWeb,
      ["--proxy=socks5://127.0.0.1:1"],
      3,
      /no tracker and no x\.pe, and a web seed/
    ],
    ["a web seed", ofWeb, [], 2, /nobody to ask, and a web seed gives no metadata: .*; port \d+ takes calls/]
  ]
  for (const [what, link, flags, code, words] of alone) {
    it.live(`that has only ${what} says so`, () =>
      Effect.gen(function*() {
        const root = yield* Payload.temporary
        const place = { dir: path.join(root, "to"), state: path.join(root, "state") }
        const own = local(place).filter((flag) =>
          flags.every((it) => !it.startsWith("--proxy")) || !/bind|port/.test(flag)
        )
        const ended = yield* Programs.run("leech", [link, ...own, ...flags, "--stop-timeout=1"])
        assert.strictEqual(ended.code, code, ended.err)
        assert.match(ended.err, words)
        if (code === 3) assert.match(ended.err, Programs.ONE_LINE)
      }))
  }

  it.live("whose peers the blocklist keeps away says that", () =>
    Effect.gen(function*() {
      const root = yield* Payload.temporary
      const list = path.join(root, "list")
      fs.writeFileSync(list, "127.0.0.0/8\n")
      const place = { dir: path.join(root, "to"), state: path.join(root, "state") }
      const link = Magnet.format(Magnet.fromMetainfo(torrent.metainfo, { peers: [{ host: "127.0.0.1", port: 9 }] }))
      const flags = [`--blocklist=${list}`, "--stop-timeout=1"]
      const ended = yield* Programs.run("leech", [link, ...local(place), ...flags])
      assert.strictEqual(ended.code, 2, ended.err)
      assert.include(ended.err, "the only peer known is on the blocklist")
    }))

  it.live("that names two torrents is found out", () =>
    Effect.gen(function*() {
      const made = versioned("1", FILES, PIECE)
      const root = yield* Payload.temporary
      const { host } = yield* seedOf(root, made)
      const other = versioned("2", FILES, PIECE, { seed: 7 }).metainfo.infoHashV2
      const link = Magnet.format({ ...Magnet.fromMetainfo(made.metainfo, { peers: [host] }), infoHashV2: other })
      const place = { dir: path.join(root, "to"), state: path.join(root, "state") }
      const ended = yield* Programs.run("leech", [link, ...local(place), "--quiet"])
      assert.strictEqual(ended.code, 27, ended.err)
      assert.match(ended.err, Programs.ONE_LINE)
    }))
})

describe("a seed of a private torrent", () => {
  it.live("gives its metadata to nobody (BEP 27)", () =>
    Effect.gen(function*() {
      const root = yield* Payload.temporary
      const tracker = yield* HttpTracker.make()
      const secret = publish([{ length: PIECE }], PIECE, { private: true, trackers: [[tracker.url]] })
      const file = path.join(root, "seed.torrent")
      fs.writeFileSync(file, secret.document)
      const dir = path.join(root, "from")
      Payload.place(secret, dir, 0)
      yield* Programs.start("seed", [file, ...local({ dir, state: path.join(root, "a") }), "--quiet"])
      const port = (yield* tracker.heard("started")).query.get("port")
      const place = { dir: path.join(root, "to"), state: path.join(root, "b") }
      const ended = yield* Programs.run("leech", [
        secret.metainfo.infoHash,
        ...local(place),
        `--peer=127.0.0.1:${port}`,
        "--stop-timeout=2",
        "--json"
      ])
      assert.strictEqual(ended.code, 2, ended.err)
      const phase = ended.records.flatMap((record) => record.type === "magnet" ? [record] : [])
      assert.isTrue(phase.some(({ peers }) => peers === 1))
      assert.isTrue(phase.every(({ givers }) => givers === 0))
    }))
})
