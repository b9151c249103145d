/**
 * Torrents of version 2 and hybrids (BEP 52) with the client that can: aria2 1.36 takes another info hash for any hybrid, and
 * Transmission 3.00 refuses them. In a network namespace, as clients.test.ts.
 */
import { assert, describe, layer, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as Metainfo from "../../src/domain/Metainfo.ts"
import * as Clients from "./support/Clients.ts"
import * as Fixtures from "./support/Fixtures.ts"
import * as Lacking from "./support/Lacking.ts"
import * as Namespace from "./support/Namespace.ts"
import * as Stage from "./support/Stage.ts"
import * as Transfer from "./support/Transfer.ts"

const { dialled, leechAt, seedAt, transfer } = Transfer

vi.setConfig({ testTimeout: 180_000 })

const lacking = [Namespace.unavailable(), Lacking.debian(Clients.libtorrent)].filter((need) => need !== undefined)

/** A leech is killed on the way and started again, and has what it had. */
const afterKill = Effect.fnUntraced(function*(name: Fixtures.Name) {
  const fixture = (yield* Fixtures.Fixtures)[name]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    const { torrent } = fixture
    const dir = stage.folder("leech")
    const tracker = yield* stage.tracker()
    const seed = yield* Clients.libtorrent.seed(stage, { torrent, dir: Transfer.payload(stage, fixture), ...seedAt })
    yield* Transfer.seen(tracker, seed, { ...seedAt, left: 0 })
    const part = { torrent, dir, ...leechAt, peers: [dialled(seedAt)] }
    const limited = { ...part, flags: ["--max-download-limit=2M", "--json", "--summary-interval=1"] }
    const killed = yield* Clients.ours.leech(stage, limited)
    // A record is due every 5 s.
    const total = fixture.files.reduce((sum, [, length]) => sum + length, 0)
    yield* killed.prints(/"done":1[3-9]\d{6},/)
    yield* killed.signal("SIGKILL")
    yield* Transfer.assertExit(killed, 137)
    const again = yield* Clients.ours.leech(stage, { ...part, flags: ["--json"] })
    const [, downloaded] = yield* again.prints(/"type":"summary".*"downloaded":(\d+)/)
    yield* Transfer.assertExit(again, 0)
    assert.isBelow(Number(downloaded), total - 8_000_000, "what was there was fetched again")
    yield* Transfer.assertEqualFiles(fixture, dir, Clients.ours)
  }))
})

const hashesOf = ({ torrent }: Fixtures.Fixture) => Result.getOrThrow(Metainfo.parse(fs.readFileSync(torrent))).swarms

/** From the first announce to the last. */
const inBothSwarms = Effect.gen(function*() {
  const fixture = (yield* Fixtures.Fixtures)["both versions"]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    const { torrent } = fixture
    const tracker = yield* stage.tracker()
    const seed = yield* Clients.libtorrent.seed(stage, { torrent, dir: Transfer.payload(stage, fixture), ...seedAt })
    yield* Transfer.seen(tracker, seed, { ...seedAt, left: 0 })
    const dir = stage.folder("leech")
    const leech = yield* Clients.ours.leech(stage, { torrent, dir, ...leechAt })
    yield* Transfer.assertExit(leech, 0)
    for (const hash of hashesOf(fixture)) {
      for (const event of ["started", "completed", "stopped"] as const) {
        const heard = yield* tracker.hears(leechAt.port, event, "2 seconds", hash)
        assert.strictEqual(heard.left === 0, event !== "started")
      }
    }
    yield* Transfer.assertEqualFiles(fixture, dir, Clients.ours)
    yield* Transfer.assertNothingElse(fixture, dir)
  }))
})

const clients = layer(Fixtures.Fixtures.layer, { excludeTestServices: true, concurrent: true })

if (lacking.length > 0) describe("versions 2 and both", () => void Lacking.report(lacking))
else {
  clients("versions 2 and both", (it) => {
    for (const name of ["version 2", "version 2, one file", "both versions"] as const) {
      it.effect(`we leech from libtorrent: ${name}`, () => transfer(Clients.libtorrent, Clients.ours, name))
      it.effect(`libtorrent leeches from us: ${name}`, () => transfer(Clients.ours, Clients.libtorrent, name))
      it.effect(`we leech from libtorrent, told by --peer: ${name}`, () =>
        Transfer.leechDirectly(Clients.libtorrent, name))
      it.effect(`libtorrent leeches from us, told by --peer: ${name}`, () =>
        Transfer.seedDirectly(Clients.libtorrent, name))
      it.effect(`we leech from ourselves: ${name}`, () => transfer(Clients.ours, Clients.ours, name))
    }
    for (const flag of ["--v2", "--hybrid"]) {
      it.effect(`libtorrent takes a torrent that we made with ${flag}`, () =>
        Transfer.ownTorrent(Clients.libtorrent, flag))
    }
    it.effect("after a kill we go on with what we had", () => afterKill("version 2, one file"))
    it.effect("a hybrid is announced in both swarms", () => inBothSwarms)
  })
}
