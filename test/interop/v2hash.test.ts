/**
 * Hash messages of BEP 52 with libtorrent, while a peer in the middle spoils blocks. The wrong ones of a piece are found by
 * leaf hashes, which libtorrent asks us for, and answers or rejects when we ask.
 */
import { assert, describe, layer, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as Metainfo from "../../src/domain/Metainfo.ts"
import * as Records from "../../src/programs/cli/Records.ts"
import { message } from "../support/messages.ts"
import * as RawPeer from "../support/rawPeer.ts"
import type * as Child from "./support/Child.ts"
import * as Clients from "./support/Clients.ts"
import * as Fixtures from "./support/Fixtures.ts"
import * as Lacking from "./support/Lacking.ts"
import * as Stage from "./support/Stage.ts"
import * as Transfer from "./support/Transfer.ts"

vi.setConfig({ testTimeout: 180_000 })

/** Where a test's programs listen: they run at once, on one loopback. */
const places = (test: number) => ({
  seedAt: { ip: `127.0.2.${2 * test}`, port: 7100 + 2 * test },
  leechAt: { ip: `127.0.2.${2 * test + 1}`, port: 7101 + 2 * test }
})

const BLOCK = 16_384

const LIMIT = "4M"

/** A seed that spoils the third block of a piece, in as many pieces as it is told, once it is let. */
const corrupter = Effect.fnUntraced(function*(fixture: Fixtures.Fixture, most: number) {
  const metainfo = Result.getOrThrow(Metainfo.parse(fs.readFileSync(fixture.torrent)))
  const payload = fs.readFileSync(`${fixture.dir}/${fixture.files[0]![0]}`)
  const held: Array<() => void> = []
  let isOpen = false
  const lies = new Set<number>()
  const answer = (piece: number, begin: number, right: Uint8Array) => {
    if (begin !== 2 * BLOCK || lies.size === most) return right
    lies.add(piece)
    return right.map((byte, at) => at === 5 ? byte ^ 1 : byte)
  }
  const speak = (wire: RawPeer.Wire) => {
    RawPeer.seed({ metainfo, payload }, { answer })(wire)
    wire.onMessage(({ id, payload: range }) => {
      if (id === RawPeer.Id.hashRequest) wire.send(message(RawPeer.Id.hashReject, [], range))
    })
  }
  const peer = yield* RawPeer.listen(metainfo.swarms.at(-1)!, (wire) => {
    if (isOpen) speak(wire)
    else held.push(() => speak(wire))
  })
  const open = () => {
    isOpen = true
    for (const speak of held.splice(0)) speak()
  }
  return { ...peer, open, lies }
})

const recordsOf = (leech: Child.Child): Array<Records.Record> =>
  leech.log().split("\n").filter((line) => line.startsWith("{\"type\"")).map(Records.decode)

/**
 * We fetch from a corrupter and from libtorrent. One that has not checked its files hashes a piece when it is asked for a
 * block of it, and rejects questions for others: what we have asked it for by then is a matter of who is faster.
 */
const weLeech = Effect.fnUntraced(function*(test: number, libtorrent: "checked" | "unchecked") {
  const { leechAt, seedAt } = places(test)
  const fixture = (yield* Fixtures.Fixtures)["version 2, one file"]
  yield* Stage.playOnLoopback(Effect.fnUntraced(function*(stage) {
    const { torrent } = fixture
    const seed = yield* Clients.libtorrent.seed(stage, {
      torrent,
      dir: Transfer.payload(stage, fixture),
      ...seedAt,
      env: { LIBTORRENT_HASHES: "1", ...(libtorrent === "checked" ? {} : { LIBTORRENT_UNCHECKED: "1" }) }
    })
    yield* seed.prints(Clients.libtorrent.ready)
    const liar = yield* corrupter(fixture, Infinity)
    const dir = stage.folder("leech")
    const peers = [Transfer.dialled(seedAt), liar.address]
    const flags = ["--no-tracker", "--json", `--max-download-limit=${LIMIT}`]
    const leech = yield* Clients.ours.leech(stage, { torrent, dir, ...leechAt, peers, flags })
    yield* leech.prints(/"type":"piece"/)
    liar.open()
    yield* Transfer.assertExit(leech, 0)
    yield* Transfer.assertEqualFiles(fixture, dir, Clients.ours)
    const records = recordsOf(leech)
    const banned = records.flatMap((record) =>
      record.type === "peer" && record.state === "banned" ? [record.address] : []
    )
    assert.deepStrictEqual(banned, [liar.address])
    yield* seed.prints(libtorrent === "checked" ? /==> HASHES / : /==> (HASHES|HASH_REJECT) /)
    const blocks = records.flatMap((record) => record.type === "block" ? [record] : [])
    if (libtorrent === "checked") {
      assert.isAbove(blocks.length, 0)
      for (const { address, index, piece } of blocks) {
        assert.strictEqual(address, liar.address)
        assert.strictEqual(index, 2)
        assert.isTrue(liar.lies.has(piece))
      }
      const [, downloaded] = yield* leech.prints(/"type":"summary".*"downloaded":(\d+)/)
      const total = fixture.files.reduce((sum, [, length]) => sum + length, 0)
      assert.isBelow(Number(downloaded), total + 64 * BLOCK)
    }
  }))
})

/** libtorrent fetches from us and from a corrupter. */
const libtorrentLeeches = Effect.gen(function*() {
  const { leechAt, seedAt } = places(3)
  const fixture = (yield* Fixtures.Fixtures)["version 2, one file"]
  yield* Stage.playOnLoopback(Effect.fnUntraced(function*(stage) {
    const { torrent } = fixture
    const flags = ["--no-tracker", "--json", `--max-upload-limit=${LIMIT}`]
    const part = { torrent, dir: Transfer.payload(stage, fixture), ...seedAt, flags }
    const seed = yield* Clients.ours.seed(stage, part)
    yield* seed.prints(/"type":"metadata"/)
    const liar = yield* corrupter(fixture, 8)
    const dir = stage.folder("leech")
    const leech = yield* Clients.libtorrent.leech(stage, {
      torrent,
      dir,
      ...leechAt,
      peers: [Transfer.dialled(seedAt), liar.address],
      env: { LIBTORRENT_HASHES: "1" }
    })
    yield* seed.prints(/"state":"connected"/)
    liar.open()
    yield* Transfer.assertExit(leech, 0)
    yield* Transfer.assertEqualFiles(fixture, dir, Clients.libtorrent)
    assert.isAbove(liar.lies.size, 0)
    yield* leech.prints(/==> HASH_REQUEST \[ file: 0 base: 0/)
    yield* leech.prints(/<== HASHES/)
    assert.notMatch(leech.log(), /invalid hashes/)
  }))
})

const clients = layer(Fixtures.Fixtures.layer, { excludeTestServices: true, concurrent: true })

const need = Lacking.debian(Clients.libtorrent)

if (need !== undefined) describe("hashes", () => void Lacking.report([need]))
else {
  clients("hashes", (it) => {
    it.effect("we repair pieces with leaves that libtorrent serves", () => weLeech(1, "checked"))
    it.effect("we finish although libtorrent has not hashed its files", () => weLeech(2, "unchecked"))
    it.effect("libtorrent repairs pieces with leaves that we serve", () => libtorrentLeeches)
  })
}
