/**
 * The built programs and the clients people have: aria2, Transmission and libtorrent, both ways, byte by byte.
 * They run in a network namespace, which takes root. With FRESHET_INTEROP=required whatever is missing is a failure.
 */
import { assert, describe, layer, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as path from "node:path"
import * as Clients from "./support/Clients.ts"
import * as Fixtures from "./support/Fixtures.ts"
import * as Lacking from "./support/Lacking.ts"
import * as Namespace from "./support/Namespace.ts"
import * as Stage from "./support/Stage.ts"
import {
  assertEqualFiles,
  assertExit,
  leechAt,
  leechDirectly,
  ownTorrent,
  payload,
  seedDirectly,
  seen,
  transfer
} from "./support/Transfer.ts"

// Beyond the sum of the limits inside, so that what fails says which program was waited for and what it printed.
vi.setConfig({ testTimeout: 180_000 })

/** What the whole file cannot do without: the namespace, and libtorrent, which makes the torrents. */
const lacking = [Namespace.unavailable(), Lacking.debian(Clients.libtorrent)].filter((need) => need !== undefined)

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

    it.effect("hybrid: we leech it from libtorrent", () => transfer(Clients.libtorrent, Clients.ours, "hybrid"))
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
