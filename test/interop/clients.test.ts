/**
 * The built programs and the clients people have: aria2, Transmission and libtorrent, both ways, byte by byte.
 * They run in a network namespace, which takes root. With FRESHET_INTEROP=required whatever is missing is a failure.
 */
import { assert, describe, layer, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import type * as Child from "./support/Child.ts"
import * as Clients from "./support/Clients.ts"
import * as Fixtures from "./support/Fixtures.ts"
import * as Lacking from "./support/Lacking.ts"
import * as Namespace from "./support/Namespace.ts"
import * as Stage from "./support/Stage.ts"

// Beyond the sum of the limits inside, so that what fails says which program was waited for and what it printed.
vi.setConfig({ testTimeout: 180_000 })

/** What the whole file cannot do without: the namespace, and libtorrent, which makes the torrents. */
const lacking = [Namespace.unavailable(), Lacking.debian(Clients.libtorrent)].filter((need) => need !== undefined)

const seedAt = { ip: Namespace.address(2), port: 7001 }
const leechAt = { ip: Namespace.address(3), port: 7002 }
const dialled = ({ ip, port }: typeof seedAt) => `${ip}:${port}`

/** A copy of the payload, so that no client can spoil that of another. */
const payload = (stage: Stage.Stage, fixture: Fixtures.Fixture, name = "seed"): string => {
  const dir = stage.folder(name)
  fs.cpSync(fixture.dir, dir, { recursive: true })
  return dir
}

const assertEqualFiles = (fixture: Fixtures.Fixture, dir: string, of: Clients.Peer) =>
  Effect.sync(() => assert.isUndefined(Fixtures.difference(fixture, dir, of.makesEmptyFiles)))

const assertNothingElse = (fixture: Fixtures.Fixture, dir: string) =>
  Effect.sync(() => assert.deepStrictEqual(Fixtures.listing(dir), Fixtures.listing(fixture.dir)))

const assertExit = Effect.fnUntraced(function*(child: Child.Child, code: number) {
  assert.strictEqual(yield* child.exit(), code, `exit code of ${child.name}`)
})

/** One seed, one leech and a tracker; both must end well and the leech's files must be the seed's. */
const transfer = Effect.fnUntraced(function*(from: Clients.Peer, to: Clients.Peer, name: Fixtures.Name) {
  const fixture = (yield* Fixtures.Fixtures)[name]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    const { torrent } = fixture
    const dir = stage.folder("leech")
    const tracker = yield* stage.tracker()
    const seed = yield* from.seed(stage, { torrent, dir: payload(stage, fixture), ...seedAt })
    yield* seen(tracker, seed, { ...seedAt, left: 0 })
    const leech = yield* to.leech(stage, { torrent, dir, ...leechAt })
    yield* assertExit(leech, 0)
    yield* assertEqualFiles(fixture, dir, to)
    if (isOurs(to)) {
      yield* assertNothingElse(fixture, dir)
      for (const event of ["started", "completed", "stopped"] as const) {
        yield* tracker.hears(leechAt.port, event, "2 seconds")
      }
    }
    if (isOurs(from)) {
      yield* seed.signal("SIGTERM")
      yield* assertExit(seed, 0)
      yield* tracker.hears(seedAt.port, "stopped", "2 seconds")
      yield* assertNothingElse(fixture, stage.folder("seed"))
    }
  }))
})

const isOurs = (peer: Clients.Peer) => peer === Clients.ours || peer === Clients.oursPinned

/** Waits until the tracker knows the peer; its death meanwhile is the failure to show. */
const seen = Effect.fnUntraced(function*(
  tracker: Stage.Tracker,
  child: Child.Child,
  { ip, left, port }: typeof seedAt & { readonly left: number }
) {
  const died = Effect.flatMap(
    child.exit("10 minutes"),
    (code) => Effect.fail(new Error(`${child.name} ended: ${code}`))
  )
  const announce = yield* Effect.raceFirst(tracker.hears(port, "started"), died)
  assert.strictEqual(announce.ip, ip, `where ${child.name} announces from`)
  assert.strictEqual(announce.left, left, `what ${child.name} says it lacks`)
})

/** We dial a seed that we are told of, and no tracker is there. */
const leechDirectly = Effect.fnUntraced(function*(from: Clients.Client, name: Fixtures.Name) {
  const fixture = (yield* Fixtures.Fixtures)[name]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    const { torrent } = fixture
    const dir = stage.folder("leech")
    const seed = yield* from.seed(stage, { torrent, dir: payload(stage, fixture), ...seedAt })
    yield* seed.prints(from.ready)
    const flags = ["--no-tracker"]
    const leech = yield* Clients.ours.leech(stage, { torrent, dir, ...leechAt, peers: [dialled(seedAt)], flags })
    yield* assertExit(leech, 0)
    yield* assertEqualFiles(fixture, dir, Clients.ours)
  }))
})

/** Our seed dials a leech that it is told of, and no tracker is there. */
const seedDirectly = Effect.fnUntraced(function*(to: Clients.Client, name: Fixtures.Name) {
  const fixture = (yield* Fixtures.Fixtures)[name]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    const { torrent } = fixture
    const dir = stage.folder("leech")
    const leech = yield* to.leech(stage, { torrent, dir, ...leechAt })
    yield* leech.prints(to.ready)
    const peers = [dialled(leechAt)]
    yield* Clients.ours.seed(stage, {
      torrent,
      dir: payload(stage, fixture),
      ...seedAt,
      peers,
      flags: ["--no-tracker"]
    })
    yield* assertExit(leech, 0)
    yield* assertEqualFiles(fixture, dir, to)
  }))
})

/**
 * Three seeds feed our leech, held back so far that one of them alone could, and longer than the 10 s that Transmission
 * may wait before it unchokes anybody; a second aria2, which knows of nobody but us, has everything from us meanwhile.
 */
const inTheMiddle = Effect.gen(function*() {
  const fixture = (yield* Fixtures.Fixtures)["single file"]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    const { torrent } = fixture
    const tracker = yield* stage.tracker()
    const asideTracker = yield* stage.tracker(asidePort)
    const seeds = yield* Effect.forEach(Clients.foreign, (client, n) =>
      Effect.gen(function*() {
        const at = { ip: Namespace.address(5 + n), port: 7005 + n }
        const child = yield* client.seed(stage, { torrent, dir: payload(stage, fixture, `seed ${n}`), ...at })
        yield* seen(tracker, child, { ...at, left: 0 })
        return { child, client }
      }))
    const dir = stage.folder("leech")
    const flags = ["--keep-seeding", "--max-download-limit=1000K", `--tracker=${Stage.trackerUrl(asidePort)}`]
    const leech = yield* Clients.ours.leech(stage, { torrent, dir, ...leechAt, flags })
    yield* asideTracker.hears(leechAt.port, "started")

    const aside = Fixtures.retracked(
      fixture,
      Stage.trackerUrl(),
      Stage.trackerUrl(asidePort),
      path.join(stage.dir, "aside.torrent")
    )
    const asideDir = stage.folder("aside")
    const asideAt = { ip: Namespace.address(4), port: 7003 }
    const second = yield* Clients.aria2.leech(stage, { torrent: aside.torrent, dir: asideDir, ...asideAt })

    const { uploaded } = yield* tracker.hears(leechAt.port, "completed")
    assert.isAbove(uploaded, 0, "nothing was uploaded before the download was complete")
    yield* assertExit(second, 0)
    yield* assertEqualFiles(fixture, asideDir, Clients.aria2)
    yield* Effect.forEach(seeds, ({ child, client }) => child.prints(client.uploading))
    yield* leech.signal("SIGTERM")
    yield* assertExit(leech, 0)
    yield* assertEqualFiles(fixture, dir, Clients.ours)
  }))
})

const asidePort = 6970

/** A torrent that `seed.js` makes of a folder is one that every client takes, and is the one libtorrent makes. */
const ownTorrent = Effect.fnUntraced(function*(to: Clients.Client) {
  const fixture = (yield* Fixtures.Fixtures)["many files"]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    const source = path.join(payload(stage, fixture), "many files")
    const torrent = path.join(stage.dir, "own.torrent")
    const dir = stage.folder("leech")
    const tracker = yield* stage.tracker()
    const flags = [`--tracker=${Stage.trackerUrl()}`, `--save-torrent=${torrent}`]
    const seed = yield* Clients.ours.seed(stage, { torrent: source, dir: path.dirname(source), ...seedAt, flags })
    yield* seen(tracker, seed, { ...seedAt, left: 0 })
    const leech = yield* to.leech(stage, { torrent, dir, ...leechAt })
    yield* assertExit(leech, 0)
    yield* assertEqualFiles(fixture, dir, to)
  }))
})

const names: ReadonlyArray<Fixtures.Name> = ["single file", "many files", "one piece", "odd pieces"]

/** Without the test services `it.effect` is live. Foreign clients mostly wait for their own timers, so run at once. */
const clients = layer(Fixtures.Fixtures.layer, { excludeTestServices: true, concurrent: true })

if (lacking.length > 0) describe("interoperation", () => void Lacking.report(lacking))
else {
  clients("interoperation", (it) => {
    if (Clients.aria2.installed()) {
      it.effect("the harness itself: libtorrent fetches from aria2", () =>
        transfer(Clients.aria2, Clients.libtorrent, "many files"))
    }

    for (const client of Clients.foreign) {
      describe(client.name, () => {
        const need = Lacking.debian(client)
        if (need !== undefined) return void Lacking.report([need])
        for (const name of names) {
          it.effect(`we leech from it: ${name}`, () => transfer(client, Clients.ours, name))
          it.effect(`it leeches from us: ${name}`, () => transfer(Clients.ours, client, name))
        }
        it.effect("we leech from it, told by --peer", () => leechDirectly(client, "many files"))
        it.effect("it leeches from us, told by --peer", () => seedDirectly(client, "many files"))
        it.effect("it takes a torrent that we made", () => ownTorrent(client))
      })
    }

    it.effect("hybrid: we leech version 1 of it from libtorrent", () =>
      transfer(Clients.libtorrent, Clients.ours, "hybrid"))
    it.effect("hybrid: libtorrent leeches it from us", () => transfer(Clients.ours, Clients.libtorrent, "hybrid"))
    it.effect("on the pinned Node: we leech from libtorrent", () =>
      transfer(Clients.libtorrent, Clients.oursPinned, "many files"))
    it.effect("on the pinned Node: libtorrent leeches from us", () =>
      transfer(Clients.oursPinned, Clients.libtorrent, "many files"))

    const absent = Clients.foreign.map(Lacking.debian).filter((need) => need !== undefined)
    if (absent.length > 0) describe("three seeds and a leech at once", () => void Lacking.report(absent))
    else it.effect("three seeds feed us while aria2 has all from us", () => inTheMiddle)
  })
}
