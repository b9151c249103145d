import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Bencode from "../../src/domain/Bencode.ts"
import * as Bytes from "../../src/domain/Bytes.ts"
import * as MetainfoWriter from "../../src/domain/MetainfoWriter.ts"
import { Catalogue, type CatalogueOptions } from "../../src/services/Catalogue.ts"
import { temporary } from "../support/payload.ts"
import * as RedisServer from "../support/redisServer.ts"
import { document } from "../support/torrents.ts"
import { versioned } from "../support/versions.ts"

const open = (layer: Layer.Layer<Catalogue, unknown>) =>
  Effect.map(Effect.orDie(Layer.build(Layer.fresh(layer))), (context) => Catalogue.pipe(Effect.provide(context))).pipe(
    Effect.flatten
  )

type Open = (options?: CatalogueOptions) => Effect.Effect<Catalogue["Service"], never, Scope.Scope>

const a = document("a", 1)
const b = document("b", 2)
const c = document("c", 3)

const names = (catalogue: Catalogue["Service"]) =>
  Effect.map(catalogue.listings, (listings) => listings.all().map(({ name }) => name))

/** What every layer does; `make` gives a new kind of place each time, to be opened with bounds. */
const everyLayer = (make: Effect.Effect<Open, never, Scope.Scope>) => {
  it.live("lists a torrent once, and gives back its bytes", () =>
    Effect.gen(function*() {
      const catalogue = yield* (yield* make)()
      const added = yield* catalogue.publish(a.bytes)
      assert.strictEqual(added._tag, "Added")
      assert.deepInclude(added.listing, { name: "a", size: 1, files: 1, infoHash: a.infoHash })
      const known = yield* catalogue.publish(document("a", 1, { comment: "again" }).bytes)
      assert.deepStrictEqual(known, { _tag: "Known", listing: added.listing })
      assert.deepStrictEqual(new Uint8Array((yield* catalogue.get(a.infoHash))!), a.bytes)
      assert.isUndefined(yield* catalogue.get(b.infoHash))
      assert.isTrue(catalogue.has(a.infoHash))
      assert.isFalse(catalogue.has(b.infoHash))
      assert.deepStrictEqual(yield* names(catalogue), ["a"])
    }).pipe(Effect.scoped))

  it.live("keeps torrents of one name apart", () =>
    Effect.gen(function*() {
      const catalogue = yield* (yield* make)()
      yield* catalogue.publish(document("same", 1).bytes)
      yield* catalogue.publish(document("same", 2).bytes)
      const listings = yield* catalogue.listings
      assert.deepStrictEqual(new Set(listings.named("same").map(({ size }) => size)), new Set([1, 2]))
    }).pipe(Effect.scoped))

  it.live("refuses what is too large, no torrent, or too many", () =>
    Effect.gen(function*() {
      const openWith = yield* make
      const catalogue = yield* openWith({ maxBytes: a.bytes.length + 10, maxTorrents: 2 })
      const refusal = (bytes: Uint8Array) => Effect.flip(catalogue.publish(bytes))
      const large = yield* refusal(document("a".repeat(50)).bytes)
      assert.deepInclude(large, { _tag: "PublishError", reason: "TooLarge" })
      const noise = yield* refusal(Bytes.fromUtf8("<html>"))
      assert.deepInclude(noise, { _tag: "PublishError", reason: "NotBencode" })
      assert.match(noise.message, /^not a torrent file: [^\n]+$/)
      const damaged = yield* refusal(Bytes.fromUtf8("d4:infodee"))
      assert.deepInclude(damaged, { _tag: "PublishError", reason: "Invalid" })
      assert.match(damaged.message, /^info\.?[^\n]+$/)
      yield* catalogue.publish(a.bytes)
      yield* catalogue.publish(b.bytes)
      assert.deepInclude(yield* refusal(c.bytes), { _tag: "PublishError", reason: "Full" })
      assert.strictEqual((yield* catalogue.publish(a.bytes))._tag, "Known")
      assert.strictEqual((yield* catalogue.listings).count, 2)
    }).pipe(Effect.scoped))

  it.live("is full when the bytes are too many", () =>
    Effect.gen(function*() {
      const catalogue = yield* (yield* make)({ maxTotalBytes: a.bytes.length + b.bytes.length - 1 })
      yield* catalogue.publish(a.bytes)
      const full = yield* Effect.flip(catalogue.publish(b.bytes))
      assert.deepInclude(full, { _tag: "PublishError", reason: "Full" })
      assert.isUndefined(yield* catalogue.get(b.infoHash))
    }).pipe(Effect.scoped))

  it.live("knows a torrent without version 1 by its truncated hash, and a hybrid by both", () =>
    Effect.gen(function*() {
      const openAgain = yield* make
      const catalogue = yield* openAgain()
      for (const version of ["2", "hybrid"] as const) {
        const { document, metainfo } = versioned(version, [{ path: [`f${version}`], length: 20_000 }], 16_384)
        const added = yield* catalogue.publish(document)
        assert.deepInclude(added.listing, {
          infoHash: metainfo.infoHash,
          infoHashV2: metainfo.infoHashV2,
          size: 20_000
        })
        const listings = yield* catalogue.listings
        for (const infoHash of metainfo.swarms) {
          assert.isTrue(catalogue.has(infoHash))
          assert.deepStrictEqual(new Uint8Array((yield* catalogue.get(infoHash))!), document)
        }
        for (const text of [...metainfo.swarms, metainfo.infoHashV2!]) {
          assert.deepStrictEqual(listings.named(text).map(({ infoHash }) => infoHash), [metainfo.infoHash])
        }
      }
      assert.strictEqual((yield* catalogue.listings).count, 2)
    }).pipe(Effect.scoped))

  it.live("forgets what is taken back, which makes room, and takes it again", () =>
    Effect.gen(function*() {
      const catalogue = yield* (yield* make)({ maxTorrents: 2, maxTotalBytes: a.bytes.length + b.bytes.length })
      yield* catalogue.publish(a.bytes)
      yield* catalogue.publish(b.bytes)
      assert.isTrue(yield* catalogue.remove(a.infoHash))
      assert.isFalse(yield* catalogue.remove(a.infoHash))
      assert.isUndefined(yield* catalogue.get(a.infoHash))
      assert.isFalse(catalogue.has(a.infoHash))
      assert.deepStrictEqual((yield* catalogue.listings).all().map(({ infoHash }) => infoHash), [b.infoHash])
      assert.strictEqual((yield* catalogue.publish(a.bytes))._tag, "Added")
      assert.deepStrictEqual(new Uint8Array((yield* catalogue.get(a.infoHash))!), a.bytes)
    }).pipe(Effect.scoped))

  it.live("forgets a hybrid by either of its hashes, and has its room again", () =>
    Effect.gen(function*() {
      const { document, metainfo } = versioned("hybrid", [{ path: ["both"], length: 20_000 }], 16_384)
      const catalogue = yield* (yield* make)({ maxTotalBytes: document.length })
      for (const infoHash of metainfo.swarms) {
        assert.strictEqual((yield* catalogue.publish(document))._tag, "Added")
        assert.isTrue(yield* catalogue.remove(infoHash))
        for (const gone of metainfo.swarms) assert.isUndefined(yield* catalogue.get(gone))
      }
      assert.strictEqual((yield* catalogue.publish(document))._tag, "Added")
    }).pipe(Effect.scoped))

  it.live("takes many at once, and none twice", () =>
    Effect.gen(function*() {
      const catalogue = yield* (yield* make)({ maxTorrents: 5 })
      const torrents = Array.from({ length: 8 }, (_, n) => document("x", n % 4 + 1).bytes)
      const published = yield* Effect.forEach(torrents, catalogue.publish, { concurrency: "unbounded" })
      assert.strictEqual(published.filter(({ _tag }) => _tag === "Added").length, 4)
      assert.strictEqual((yield* catalogue.listings).count, 4)
    }).pipe(Effect.scoped))
}

describe("a torrent that would take long to read", () => {
  it.effect("is refused when too many of its names differ by case alone", () =>
    Effect.gen(function*() {
      const catalogue = yield* open(Catalogue.layerMemory())
      const publish = (twins: number) => {
        const bits = (n: number) => n.toString(2).padStart(10, "0").replaceAll("0", "σ").replaceAll("1", "Σ")
        const files = Array.from({ length: twins + 1 }, (_, n) => ({ path: [`x${bits(n)}x`], length: 1 }))
        const fields = { name: "twins", pieceLength: 16_384, pieceHashes: new Uint8Array(20), files }
        return catalogue.publish(MetainfoWriter.encode(fields))
      }
      const error = yield* Effect.flip(publish(501))
      assert.deepInclude(error, { _tag: "PublishError", reason: "TooLarge" })
      assert.match(error.message, /more than 500 of its files have the names of others/)
      assert.strictEqual((yield* publish(500))._tag, "Added")
    }).pipe(Effect.scoped))

  it.effect("is refused at once", () =>
    Effect.gen(function*() {
      const catalogue = yield* open(Catalogue.layerMemory())
      const files = Array.from({ length: 50_000 }, (_, n) => ({ path: [`${n}`], length: 1 }))
      const pieceHashes = new Uint8Array(80)
      const bytes = MetainfoWriter.encode({ name: "many", pieceLength: 16_384, pieceHashes, files })
      assert.isBelow(bytes.length, catalogue.maxBytes)
      const error = yield* Effect.flip(catalogue.publish(bytes))
      assert.deepInclude(error, { _tag: "PublishError", reason: "TooLarge" })
      const few = MetainfoWriter.encode({
        name: "few",
        pieceLength: 16_384,
        pieceHashes: pieceHashes.subarray(60),
        files: files.slice(0, 16_000)
      })
      assert.strictEqual((yield* catalogue.publish(few)).listing.files, 16_000)
    }))

  it.effect("is refused for the names in it, and not for their number", () =>
    Effect.gen(function*() {
      const catalogue = yield* open(Catalogue.layerMemory())
      const of = (name: string, component: string) =>
        MetainfoWriter.encode({
          name,
          pieceLength: 16_384,
          pieceHashes: new Uint8Array(20),
          files: Array.from(
            { length: 10_000 },
            (_, n) => ({ path: [`disc ${n % 20}`, `${component} ${n}`], length: 1 })
          )
        })
      const usual = yield* catalogue.publish(
        of("an album of many discs", "an ordinary name of a track, as they are.flac")
      )
      assert.strictEqual(usual.listing.files, 10_000)
      for (const bytes of [of("x", "y".repeat(100)), of("x".repeat(1024 * 1024), "y")]) {
        assert.isBelow(bytes.length, catalogue.maxBytes)
        const error = yield* Effect.flip(catalogue.publish(bytes))
        assert.deepInclude(error, { _tag: "PublishError", reason: "TooLarge" })
        assert.include(error.message, "names")
      }
    }))
})

describe("a torrent with much padding under a long name", () => {
  it.effect("is read like any other", () =>
    Effect.gen(function*() {
      const catalogue = yield* open(Catalogue.layerMemory())
      const padding = Array.from({ length: 2000 }, () => ({ attr: "p", length: 0 }))
      const info = {
        files: [{ length: 1, path: ["a"] }, ...padding],
        name: "x".repeat(1_000_000),
        "piece length": 16_384,
        pieces: new Uint8Array(20)
      }
      const start = process.cpuUsage()
      const { listing } = yield* catalogue.publish(Bencode.encode({ info }))
      const { system, user } = process.cpuUsage(start)
      assert.strictEqual(listing.name, "x".repeat(255))
      assert.isBelow((user + system) / 1000, 2000)
    }), { timeout: 60_000 })
})

describe("in memory", () => {
  everyLayer(Effect.succeed((options) => open(Catalogue.layerMemory(options))))

  it.effect("remembers when a torrent was published, and lists the newest first", () =>
    Effect.gen(function*() {
      const catalogue = yield* open(Catalogue.layerMemory())
      yield* TestClock.setTime(1000)
      yield* catalogue.publish(a.bytes)
      yield* TestClock.setTime(2000)
      yield* catalogue.publish(b.bytes)
      const all = (yield* catalogue.listings).all()
      assert.deepStrictEqual(all.map(({ name, publishedAt }) => [name, publishedAt]), [["b", 2000], ["a", 1000]])
    }))

  it.effect("keeps bytes of its own", () =>
    Effect.gen(function*() {
      const catalogue = yield* open(Catalogue.layerMemory())
      const bytes = a.bytes.slice()
      yield* catalogue.publish(bytes)
      bytes.fill(0)
      assert.deepStrictEqual(yield* catalogue.get(a.infoHash), a.bytes)
    }))
})

describe("on disk", () => {
  const openIn = (dataDir: string): Open => (options) => open(Catalogue.layerDisk({ ...options, dataDir }))
  const fileOf = (dataDir: string, { infoHash }: { readonly infoHash: string }) =>
    path.join(dataDir, "torrents", `${infoHash}.torrent`)

  everyLayer(Effect.map(temporary, openIn))

  it.live("is there again after the end of the process, with its times", () =>
    Effect.gen(function*() {
      const dir = yield* temporary
      const first = yield* Effect.scoped(Effect.gen(function*() {
        const catalogue = yield* openIn(dir)()
        return [yield* catalogue.publish(a.bytes), yield* catalogue.publish(b.bytes)]
      }))
      assert.deepStrictEqual(new Uint8Array(fs.readFileSync(fileOf(dir, a))), a.bytes)
      assert.strictEqual(fs.readdirSync(path.join(dir, "torrents")).length, 2)
      const catalogue = yield* openIn(dir)()
      const listings = yield* catalogue.listings
      for (const { listing } of first) {
        const again = listings.get(listing.infoHash)!
        assert.deepInclude(again, { name: listing.name, size: listing.size, files: 1 })
        // File systems round.
        assert.approximately(again.publishedAt, listing.publishedAt, 1)
      }
      assert.deepStrictEqual(new Uint8Array((yield* catalogue.get(a.infoHash))!), a.bytes)
      const known = yield* catalogue.publish(a.bytes)
      assert.strictEqual(known._tag, "Known")
    }).pipe(Effect.scoped))

  it.live("sets damaged files aside, with a warning, and leaves those of others alone", () =>
    Effect.gen(function*() {
      const dir = yield* temporary
      yield* Effect.scoped(Effect.flatMap(openIn(dir)(), (catalogue) => catalogue.publish(a.bytes)))
      fs.writeFileSync(fileOf(dir, b), b.bytes.subarray(0, 40))
      fs.writeFileSync(fileOf(dir, c), a.bytes)
      fs.writeFileSync(`${fileOf(dir, c)}.new`, "half")
      fs.writeFileSync(path.join(dir, "torrents", "README"), "mine")
      const warnings: Array<string> = []
      const logger = Logger.layer([Logger.make(({ message }) => void warnings.push(String(message)))])
      const catalogue = yield* Effect.provide(openIn(dir)(), logger)
      assert.deepStrictEqual(yield* names(catalogue), ["a"])
      const folder = [
        `${a.infoHash}.torrent`,
        `${b.infoHash}.torrent.damaged`,
        `${c.infoHash}.torrent.damaged`,
        "README"
      ]
      assert.deepStrictEqual(fs.readdirSync(path.join(dir, "torrents")).sort(), folder.sort())
      assert.strictEqual(warnings.length, 2)
      assert.match(warnings.join("\n"), new RegExp(`${b.infoHash}\\.torrent is damaged: not a torrent file`))
      assert.match(warnings.join("\n"), new RegExp(`${c.infoHash}\\.torrent is the torrent ${a.infoHash}`))
    }).pipe(Effect.scoped))

  it.live("forgets a torrent whose file was taken away, which makes room", () =>
    Effect.gen(function*() {
      const dir = yield* temporary
      const catalogue = yield* openIn(dir)({ maxTorrents: 1, maxTotalBytes: a.bytes.length + 1 })
      yield* catalogue.publish(a.bytes)
      fs.rmSync(fileOf(dir, a))
      assert.isUndefined(yield* catalogue.get(a.infoHash))
      assert.deepStrictEqual(yield* names(catalogue), [])
      assert.strictEqual((yield* catalogue.publish(b.bytes))._tag, "Added")
    }).pipe(Effect.scoped))

  it.live("says what is wrong with its folder", () =>
    Effect.gen(function*() {
      const dir = yield* temporary
      fs.writeFileSync(path.join(dir, "torrents"), "a file")
      const error = yield* Effect.flip(Layer.build(Catalogue.layerDisk({ dataDir: dir })))
      assert.match(error.message, /^the catalogue is out of reach: reading \S+torrents failed \(EEXIST\)$/)
    }).pipe(Effect.scoped))

  it.live("says what is wrong when a torrent cannot be written, and lists nothing", () =>
    Effect.gen(function*() {
      const dir = yield* temporary
      const catalogue = yield* openIn(dir)()
      fs.rmSync(path.join(dir, "torrents"), { recursive: true })
      const error = yield* Effect.flip(catalogue.publish(a.bytes))
      assert.deepInclude(error, { _tag: "CatalogueError", reason: "Unavailable" })
      assert.deepStrictEqual(yield* names(catalogue), [])
    }).pipe(Effect.scoped))
})

/** Lets the event loop turn, so that sockets are heard. */
const turn = Effect.callback<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

RedisServer.describeWhereRedis("in Redis", () => {
  const openAt = (url: string): Open => (options) => open(Catalogue.layerRedis({ ...options, url }))
  const redis = RedisServer.serve({ keeps: true })

  everyLayer(Effect.map(redis, ({ url }) => openAt(url)))

  it.live("is one for all that share it", () =>
    Effect.gen(function*() {
      const { url } = yield* redis
      const one = yield* openAt(url)()
      const other = yield* openAt(url)()
      const { listing } = yield* one.publish(a.bytes)
      assert.deepStrictEqual((yield* other.listings).get(a.infoHash), listing)
      assert.isTrue(other.has(a.infoHash))
      assert.deepStrictEqual(new Uint8Array((yield* other.get(a.infoHash))!), a.bytes)
      assert.deepStrictEqual(yield* other.publish(a.bytes), { _tag: "Known", listing })
      yield* other.publish(b.bytes)
      assert.strictEqual((yield* one.listings).count, 2)
    }).pipe(Effect.scoped))

  it.live("tells all what one has taken back, and something else put in its place", () =>
    Effect.gen(function*() {
      const { url } = yield* redis
      const one = yield* openAt(url)()
      const other = yield* openAt(url)()
      yield* one.publish(a.bytes)
      assert.deepStrictEqual(yield* names(other), ["a"])
      yield* one.remove(a.infoHash)
      yield* one.publish(b.bytes)
      assert.deepStrictEqual(yield* names(other), ["b"])
      assert.isFalse(other.has(a.infoHash))
    }).pipe(Effect.scoped))

  it.live("passes over what is no listing, and trusts no name", () =>
    Effect.gen(function*() {
      const server = yield* redis
      const catalogue = yield* openAt(server.url)()
      const forged = { infoHash: b.infoHash, name: "../x\u202e", size: 1, files: 1, publishedAt: 5 }
      server.run("RPUSH", "freshet:catalogue:listings", "nonsense", "{}", JSON.stringify(forged))
      assert.deepStrictEqual(yield* names(catalogue), [".._x_"])
      yield* catalogue.publish(a.bytes)
      assert.deepStrictEqual(yield* names(catalogue), ["a", ".._x_"])
      server.run("FLUSHALL")
      assert.deepStrictEqual(yield* names(catalogue), [])
    }).pipe(Effect.scoped))

  it.live("fails while Redis is away, and works again when it is back", () =>
    Effect.gen(function*() {
      const server = yield* redis
      const catalogue = yield* openAt(server.url)()
      yield* catalogue.publish(a.bytes)
      yield* server.stop
      const error = yield* Effect.flip(catalogue.publish(b.bytes))
      assert.deepInclude(error, { _tag: "CatalogueError", reason: "Unavailable" })
      assert.isTrue(catalogue.has(a.infoHash))
      yield* server.start
      // Of its own, now and then, it asks what others have published.
      yield* server.heard("freshet:catalogue:listings")
      assert.strictEqual((yield* catalogue.listings).count, 1)
      assert.strictEqual((yield* catalogue.publish(b.bytes))._tag, "Added")
    }).pipe(Effect.scoped))

  it.effect("gives up a connection that hangs, and works again on another", () =>
    Effect.gen(function*() {
      const server = yield* redis
      const catalogue = yield* openAt(server.url)()
      yield* catalogue.publish(a.bytes)
      yield* server.signal("SIGSTOP")
      const published = Effect.ensuring(Effect.flip(catalogue.publish(b.bytes)), server.signal("SIGCONT"))
      const [error] = yield* Effect.all([published, TestClock.adjust("5 seconds")], { concurrency: 2 })
      assert.match(error.message, /^the catalogue is out of reach: Redis at .* does not answer$/)
      const answer = yield* Effect.retry(catalogue.publish(c.bytes), { while: () => Effect.as(turn, true) })
      assert.strictEqual(answer._tag, "Added")
    }).pipe(Effect.scoped))

  it.live("says so when there is none", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Layer.build(Catalogue.layerRedis({ url: "redis://:secret@127.0.0.1:1" })))
      assert.match(error.message, /^the catalogue is out of reach: Redis at 127\.0\.0\.1:1: .*ECONNREFUSED/)
      assert.notInclude(error.message, "secret")
    }).pipe(Effect.scoped))
})
