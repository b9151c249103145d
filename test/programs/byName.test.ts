/** A tracker, `seed --publish` on one side and `leech --from … NAME` on the other: nothing else is exchanged. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import type { Record as Told } from "../../src/programs/cli/Records.ts"
import { Catalogue } from "../../src/services/Catalogue.ts"
import * as Server from "../support/catalogueServer.ts"
import { noise, temporary } from "../support/payload.ts"
import * as Programs from "../support/programs.ts"
import { local } from "../support/stage.ts"
import { document } from "../support/torrents.ts"

const Live = Catalogue.layerMemory()

/** A folder with something to share, and places for a seed and a leech. */
const stage = Effect.gen(function*() {
  const root = yield* temporary
  const shared = path.join(root, "photos 2026")
  fs.mkdirSync(shared)
  fs.writeFileSync(path.join(shared, "one.jpg"), noise(100_000, 1))
  fs.writeFileSync(path.join(shared, "two.jpg"), noise(50_000, 2))
  const at = (name: string) => local({ dir: path.join(root, name), state: path.join(root, `${name}-state`) })
  return { root, shared, at }
})

const isPublished = (record: Told): boolean => record.type === "published"

const publishedOf = (record: Told) => record.type === "published" ? record : assert.fail(record.type)

const warningsOf = ({ records }: Programs.Ended): Array<string> =>
  records.flatMap((record) => record.type === "warning" ? [record.message] : [])

const assertRefused = (ended: Programs.Ended, code: number, ...parts: ReadonlyArray<string>): void => {
  assert.strictEqual(ended.code, code, ended.err)
  assert.match(ended.err, Programs.ONE_LINE)
  for (const part of parts) assert.include(ended.err, part)
}

describe("a file", () => {
  for (const [version, ...flags] of [["1"], ["2", "--v2"], ["1 and 2", "--hybrid"]] as const) {
    it.live(`of version ${version} goes from a seed to a leech by its name alone`, () =>
      Effect.gen(function*() {
        const { at, root, shared } = yield* stage
        const { origin } = yield* Server.serve()
        const seed = yield* Programs.start("seed", [
          shared,
          ...flags,
          ...at("seed"),
          `--tracker=${origin}/announce`,
          "--publish",
          "--json"
        ])
        const record = publishedOf(yield* seed.until(isPublished))
        assert.deepInclude(record, { url: origin, state: "added", name: "photos 2026", message: null })
        const ended = yield* Programs.run("leech", ["--from", origin, "PHOTOS", ...at("leech"), "--json"])
        assert.strictEqual(ended.code, 0, ended.err)
        for (const file of ["one.jpg", "two.jpg"]) {
          const copy = path.join(root, "leech", "photos 2026", file)
          assert.strictEqual(Buffer.compare(fs.readFileSync(copy), fs.readFileSync(path.join(shared, file))), 0)
        }
        yield* seed.kill("SIGTERM")
        const { code, err } = yield* seed.ended
        assert.strictEqual(code, 0)
        assert.include(err, `published at ${origin} as photos 2026\n`)
      }).pipe(Effect.scoped, Effect.provide(Live)))
  }

  it.live("is asked for at the tracker that lists it, when its torrent names none", () =>
    Effect.gen(function*() {
      const { at, shared } = yield* stage
      const { origin } = yield* Server.serve()
      const torrent = path.join(shared, "..", "x.torrent")
      const plain = yield* Programs.start("seed", [shared, ...at("seed"), `--save-torrent=${torrent}`, "--json"])
      yield* plain.until(({ type }) => type === "progress" || type === "metadata")
      yield* plain.kill("SIGTERM")
      yield* plain.ended
      const seed = yield* Programs.start("seed", [
        torrent,
        ...at("seed").slice(1),
        `--dir=${path.dirname(shared)}`,
        `--tracker=${origin}/announce`,
        "--publish",
        "--json"
      ])
      yield* seed.until(isPublished)
      const ended = yield* Programs.run("leech", [`--from=${origin}/announce`, "photos 2026", ...at("leech"), "--json"])
      assert.strictEqual(ended.code, 0, ended.err)
      const asked = ended.records.flatMap((record) => record.type === "tracker" ? [record.url] : [])
      assert.include(asked, `${origin}/announce`)
    }).pipe(Effect.scoped, Effect.provide(Live)))
})

describe("publishing", () => {
  const start = (extra: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
    Effect.flatMap(
      stage,
      ({ at, shared }) => Programs.start("seed", [shared, ...at("seed"), ...extra, "--json"], { env })
    )

  it.live("takes the token of the tracker, from the command line or the environment", () =>
    Effect.gen(function*() {
      const { origin } = yield* Server.serve({ publishToken: "s3cret" })
      const tracker = `--tracker=${origin}/announce`
      const state = (extra: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
        Effect.scoped(Effect.gen(function*() {
          const seed = yield* start([tracker, "--publish", ...extra], env)
          return publishedOf(yield* seed.until(isPublished))
        }))
      const without = yield* state([])
      assert.strictEqual(without.state, "failed")
      assert.match(without.message!, /--publish-token$/)
      assert.match((yield* state(["--publish-token=wrong"])).message!, /check --publish-token$/)
      assert.strictEqual((yield* state(["--publish-token=s3cret"])).state, "added")
      assert.strictEqual((yield* state([], { FRESHET_PUBLISH_TOKEN: "s3cret" })).state, "known")
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("that fails is told in one line, and sharing goes on", () =>
    Effect.gen(function*() {
      const { origin } = yield* Server.serve()
      const seed = yield* start([
        "--tracker=http://127.0.0.1:1/announce",
        `--tracker=${origin}/announce`,
        "--tracker=udp://127.0.0.1:1",
        "--publish"
      ])
      const outcomes = [yield* seed.until(isPublished), yield* seed.until(isPublished, 2)].map(publishedOf)
      const [lost, found] = outcomes.sort((a, b) => Number(a.url === origin) - Number(b.url === origin))
      assert.deepInclude(lost, { url: "http://127.0.0.1:1", state: "failed", name: null })
      assert.deepInclude(found, { url: origin, state: "added" })
      yield* seed.kill("SIGTERM")
      const { code, err } = yield* seed.ended
      assert.strictEqual(code, 0)
      assert.match(
        err,
        /^warning: not published at http:\/\/127\.0\.0\.1:1: unreachable: [^\n]+; it is tried again; sharing goes on$/m
      )
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("needs a tracker that speaks HTTP, named by the user", () =>
    Effect.gen(function*() {
      const { at, root, shared } = yield* stage
      const asked: Array<string> = []
      const { origin } = yield* Server.serve({
        before: (request, response) => {
          asked.push(request.url!)
          response.writeHead(404).end()
          return true
        }
      })
      const torrent = path.join(root, "x.torrent")
      fs.writeFileSync(torrent, document("x", 1, { trackers: [[`${origin}/announce`]] }).bytes)
      fs.writeFileSync(path.join(root, "x"), "\0")
      const tracker = `--tracker=${origin}/announce`
      const named = "give one like --tracker http://host:6969/announce"
      for (
        const [source, flags, problem] of [
          [shared, [], named],
          [shared, ["--tracker=udp://127.0.0.1:1"], named],
          [torrent, ["--publish-token=s3cret"], named],
          [torrent, [tracker, "--no-tracker"], "--no-tracker"]
        ] as const
      ) {
        const ended = yield* Programs.run("seed", [
          source,
          `--dir=${root}`,
          ...at("seed").slice(1),
          "--publish",
          ...flags
        ])
        assertRefused(ended, 28, "--publish", problem)
      }
      assert.deepStrictEqual(asked, [])
    }).pipe(Effect.scoped, Effect.provide(Live)))
})

describe("a name", () => {
  const leech = (origin: string, dir: string, name: string, ...more: ReadonlyArray<string>) =>
    Programs.run("leech", ["--from", origin, name, ...local({ dir, state: dir }), ...more])

  it.live("that nothing bears is exit 3", () =>
    Effect.gen(function*() {
      const dir = yield* temporary
      const { origin } = yield* Server.serve()
      assertRefused(yield* leech(origin, dir, "nothing\u001b[2J"), 3, "no torrent of that name", origin, "\\x1b")
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("that is empty is a wrong command line, and nobody is asked", () =>
    Effect.gen(function*() {
      assertRefused(yield* leech("http://192.0.2.1", yield* temporary, " "), 28, "--from needs the name of a torrent")
    }).pipe(Effect.scoped, Effect.provide(Live)))

  /** `count` torrents of the same name and 1, 2, … bytes, of which the last was published last. */
  const sameNamed = (count: number, name = "same") =>
    Effect.gen(function*() {
      const catalogue = yield* Catalogue
      const torrents = Array.from({ length: count }, (_, index) => document(name, index + 1))
      for (const { bytes } of torrents) yield* catalogue.publish(bytes)
      return torrents.map(({ infoHash }) => infoHash)
    })

  const seededBy = (...infoHashes: ReadonlyArray<string>) =>
    new Map(infoHashes.map((infoHash) => [infoHash, { ...Server.NOBODY, seeders: 1 }]))

  const DATE = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d`

  it.live("that several answer to is exit 28, and a list to choose from, the newest first", () =>
    Effect.gen(function*() {
      const dir = yield* temporary
      const [one, two] = yield* sameNamed(2)
      const { origin } = yield* Server.serve({ swarms: seededBy(two!) })
      const ended = yield* leech(origin, dir, "sa")
      assert.strictEqual(ended.code, 28)
      assert.strictEqual(ended.out, "")
      const lines = ended.err.trimEnd().split("\n")
      assert.strictEqual(lines.length, 3)
      assert.match(lines[0]!, new RegExp(`^${two}     1 seed         2 B  ${DATE}  same$`))
      assert.match(lines[1]!, new RegExp(`^${one}     0 seeds        1 B  ${DATE}  same$`))
      assert.match(lines[2]!, /^freshet: 2 torrents at \S+ answer to sa; give an info hash of the list$/)
      const shown = yield* leech(origin, dir, one!, "--show-files")
      assert.deepStrictEqual([shown.code, shown.err], [0, ""])
      assert.include(shown.out, `info hash ${one}`)
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("that is the beginning of several is told apart by the whole name", () =>
    Effect.gen(function*() {
      yield* sameNamed(1, "same.iso")
      yield* sameNamed(1, "same.zip")
      const { origin } = yield* Server.serve()
      const ended = yield* leech(origin, yield* temporary, "same")
      assert.strictEqual(ended.code, 28)
      assert.match(ended.err, /answer to same; give a whole name or an info hash of the list$/m)
      assert.strictEqual((yield* leech(origin, yield* temporary, "same.zip", "--show-files")).code, 0)
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("that several bear means the one that has seeds, which is said", () =>
    Effect.gen(function*() {
      const dir = yield* temporary
      const [, two] = yield* sameNamed(3)
      const { origin } = yield* Server.serve({ swarms: seededBy(two!) })
      const shown = yield* leech(origin, dir, "same", "--show-files")
      assert.strictEqual(shown.code, 0, shown.err)
      assert.include(shown.out, `info hash ${two}`)
      const note = `3 torrents are called same: this is ${two} of ${DATE} UTC, since the 2 others have no seed now`
      assert.match(shown.err, new RegExp(`^freshet: ${note}\n$`))
      const started = yield* leech(origin, dir, "same", "--stop-timeout=1")
      assert.match(started.err, new RegExp(`^${note}$`, "m"))
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("that several bear is exit 28 when none or two of them have seeds", () =>
    Effect.gen(function*() {
      const dir = yield* temporary
      const [one, two, three] = yield* sameNamed(3)
      for (const swarms of [seededBy(), seededBy(one!, three!)]) {
        const { origin } = yield* Server.serve({ swarms })
        const { code, err } = yield* leech(origin, dir, "same", "--show-files")
        assert.strictEqual(code, 28)
        assert.deepStrictEqual(err.match(/^[0-9a-f]{40}/gm), [three!, two!, one!])
        assert.match(err, /^freshet: 3 torrents at \S+ answer to same; give an info hash of the list$/m)
      }
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("that nobody has is said so, and waited for", () =>
    Effect.gen(function*() {
      const dir = yield* temporary
      const catalogue = yield* Catalogue
      const [never, once, some] = [document("never", 1), document("once", 2), document("some", 3)]
      for (const { bytes } of [never, once, some]) yield* catalogue.publish(bytes)
      const swarms = new Map([
        [once.infoHash, { ...Server.NOBODY, lastSeedAt: Date.now() - 7_500_000 }],
        [some.infoHash, { ...Server.NOBODY, leechers: 2 }]
      ])
      const { origin } = yield* Server.serve({ swarms })
      const told = yield* Effect.forEach(["never", "once", "some"], (name) =>
        Effect.map(leech(origin, path.join(dir, name), name, "--json", "--stop-timeout=1"), (ended) => {
          assert.strictEqual(ended.code, 2, ended.err)
          return warningsOf(ended).join()
        }), { concurrency: 3 })
      assert.deepStrictEqual(told, [
        "nobody has never now, and none was ever seen; waiting for one",
        "nobody has once now, a seed was last seen 2h05m ago; waiting for one",
        "no seed of some is there now, only 2 leeches, and none was ever seen; waiting for one"
      ])
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("leads to the torrent that was listed, and to no other", () =>
    Effect.gen(function*() {
      const dir = yield* temporary
      const catalogue = yield* Catalogue
      const [a, b] = [document("a", 1), document("b", 2)]
      yield* catalogue.publish(a.bytes)
      const { origin } = yield* Server.serve({
        before: (request, response) => {
          const isTorrent = request.url!.endsWith(".torrent")
          if (isTorrent) response.end(b.bytes)
          return isTorrent
        }
      })
      assertRefused(yield* leech(origin, dir, "a"), 26, a.infoHash, "another torrent")
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("cannot be looked up where there is no catalogue", () =>
    Effect.gen(function*() {
      const dir = yield* temporary
      const { origin } = yield* Server.serve({
        before: (_, response) => {
          response.writeHead(404).end("<html>")
          return true
        }
      })
      assertRefused(yield* leech(origin, dir, "a"), 3, origin, "there is no catalogue at this address")
      assertRefused(yield* leech("http://127.0.0.1:1", dir, "a"), 6, "http://127.0.0.1:1", "connection refused")
      assertRefused(yield* leech("http://nowhere.invalid", dir, "a"), 19, "nowhere.invalid")
      assertRefused(yield* leech("udp://127.0.0.1:1", dir, "a"), 28, "--from")
    }).pipe(Effect.scoped, Effect.provide(Live)))
})
