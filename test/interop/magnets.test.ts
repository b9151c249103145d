/**
 * Torrents by magnet links, between the built programs and the clients people have: metadata both ways, piece layers of
 * version 2 with libtorrent, the only one that has them. In a network namespace, as clients.test.ts.
 */
import { assert, describe, layer, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Host from "../../src/domain/Host.ts"
import * as Magnet from "../../src/domain/Magnet.ts"
import * as Metainfo from "../../src/domain/Metainfo.ts"
import * as Clients from "./support/Clients.ts"
import * as Fixtures from "./support/Fixtures.ts"
import * as Lacking from "./support/Lacking.ts"
import * as Namespace from "./support/Namespace.ts"
import * as Stage from "./support/Stage.ts"
import * as Transfer from "./support/Transfer.ts"

const { dialled, leechAt, seedAt } = Transfer

vi.setConfig({ testTimeout: 180_000 })

const lacking = [Namespace.unavailable(), Lacking.debian(Clients.libtorrent)].filter((need) => need !== undefined)

const metainfoOf = ({ torrent }: Fixtures.Fixture) => Result.getOrThrow(Metainfo.parse(fs.readFileSync(torrent)))

/** The link with these changes. */
const linkTo = (fixture: Fixtures.Fixture, changes: Partial<Magnet.Magnet> = {}): string =>
  Magnet.format({ ...Magnet.fromMetainfo(metainfoOf(fixture)), ...changes })

/** To the seed alone, which the link names. */
const direct = { trackers: [], peers: [Host.parse(dialled(seedAt))!] } satisfies Partial<Magnet.Magnet>

interface Way {
  readonly from: Clients.Peer
  readonly to: Clients.Peer
  readonly name: Fixtures.Name
  readonly changes?: Partial<Magnet.Magnet>
}

/** A seed with the .torrent, a leech with the link, and a tracker that the link names unless it is changed. */
const byLink = Effect.fnUntraced(function*({ changes, from, name, to }: Way) {
  const fixture = (yield* Fixtures.Fixtures)[name]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    const dir = stage.folder("leech")
    const tracker = yield* stage.tracker()
    const seed = yield* from.seed(stage, {
      torrent: fixture.torrent,
      dir: Transfer.payload(stage, fixture),
      ...seedAt
    })
    yield* Transfer.seen(tracker, seed, { ...seedAt, left: 0 })
    const leech = yield* to.leech(stage, { torrent: linkTo(fixture, changes), dir, ...leechAt })
    yield* Transfer.assertExit(leech, 0)
    yield* Transfer.assertEqualFiles(fixture, dir, to)
    if (to === Clients.ours) yield* Transfer.assertNothingElse(fixture, dir)
  }))
})

/** The .torrent that we write of a link is one that the client reads, with all that it needs. */
const written = Effect.fnUntraced(function*(name: Fixtures.Name) {
  const fixture = (yield* Fixtures.Fixtures)[name]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    const dir = stage.folder("leech")
    const from = yield* Clients.libtorrent.seed(stage, {
      torrent: fixture.torrent,
      dir: Transfer.payload(stage, fixture),
      ...seedAt
    })
    yield* from.prints(Clients.libtorrent.ready)
    const torrent = path.join(stage.dir, "by link.torrent")
    const leech = yield* Clients.ours.leech(stage, {
      torrent: linkTo(fixture, direct),
      dir,
      ...leechAt,
      flags: ["--metadata-only", `--save-metadata=${torrent}`]
    })
    yield* Transfer.assertExit(leech, 0)
    const gained = Result.getOrThrow(Metainfo.parse(fs.readFileSync(torrent)))
    const { info, pieceRoots } = metainfoOf(fixture)
    assert.deepStrictEqual(gained.info, info)
    assert.deepStrictEqual(gained.pieceRoots, pieceRoots)
    assert.deepStrictEqual(Fixtures.listing(dir), [])
    const again = { torrent, dir, ...leechAt, peers: [dialled(seedAt)] }
    yield* Transfer.assertExit(yield* Clients.libtorrent.leech(stage, again), 0)
    yield* Transfer.assertEqualFiles(fixture, dir, Clients.libtorrent)
  }))
})

const clients = layer(Fixtures.Fixtures.layer, { excludeTestServices: true, concurrent: true })

if (lacking.length > 0) describe("magnet links", () => void Lacking.report(lacking))
else {
  clients("magnet links", (it) => {
    const { ours } = Clients
    for (const client of Clients.foreign) {
      describe(client.name, () => {
        const need = Lacking.debian(client)
        if (need !== undefined) return void Lacking.report([need])
        it.effect("we fetch from it by a link with a tracker", () =>
          byLink({ from: client, to: ours, name: "many files" }))
        it.effect("we fetch from it by a link with its address", () =>
          byLink({ from: client, to: ours, name: "single file", changes: direct }))
        it.effect("it fetches from us by a link with a tracker", () =>
          byLink({ from: ours, to: client, name: "many files" }))
      })
    }

    for (const name of ["version 2", "version 2, one file", "both versions"] as const) {
      it.effect(`we fetch from libtorrent: ${name}`, () => byLink({ from: Clients.libtorrent, to: ours, name }))
      it.effect(`libtorrent fetches from us: ${name}`, () => byLink({ from: ours, to: Clients.libtorrent, name }))
      it.effect(`libtorrent reads the .torrent that we gain: ${name}`, () => written(name))
    }
    for (const hash of ["infoHashV1", "infoHashV2"] as const) {
      it.effect(`both versions by one hash, without ${hash}: we fetch from libtorrent`, () =>
        byLink({ from: Clients.libtorrent, to: ours, name: "both versions", changes: { [hash]: undefined } }))
    }
    it.effect("we fetch from ourselves by a link with an address", () =>
      byLink({ from: ours, to: ours, name: "many files", changes: direct }))
  })
}
