/**
 * Peer exchange (BEP 11) with libtorrent and Transmission: A and C know B alone and must find each other through it, with each
 * client in each part that it can play. Nobody asks a tracker, since there is none.
 */
import { assert, describe, layer, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Clients from "./support/Clients.ts"
import * as Fixtures from "./support/Fixtures.ts"
import * as Lacking from "./support/Lacking.ts"
import * as Namespace from "./support/Namespace.ts"
import * as Stage from "./support/Stage.ts"
import { assertEqualFiles, payload } from "./support/Transfer.ts"

vi.setConfig({ testTimeout: 240_000 })

const lacking = [Namespace.unavailable(), Lacking.debian(Clients.libtorrent)].filter((need) => need !== undefined)

const place = (n: number) => ({ ip: Namespace.address(n), port: 7000 + n })
const [A, B, C] = [place(2), place(3), place(4)]
const at = ({ ip, port }: typeof A) => `${ip}:${port}`

/** libtorrent tells after some seconds and then each minute, Transmission every 90 s. */
const PATIENCE = "170 seconds"

const flags = ["--no-tracker", "--json"]

const env = { TRANSMISSION_PEX: "1", LIBTORRENT_BOUND: "1" }

/** So slow that nobody could have it all through B within a quarter of an hour. */
const slow = {
  flags: [...flags, "--max-download-limit=25K", "--max-upload-limit=25K"],
  env: { ...env, LIBTORRENT_RATE: "25", TRANSMISSION_RATE: "25" }
}

/** Ours is told whom to call, and so is libtorrent; Transmission is called. */
const calls = (client: Clients.Peer) => client !== Clients.transmission

const isOurs = (client: Clients.Peer) => client === Clients.ours

/** What ours prints when it is connected to somebody, whoever has called. */
const connectedTo = ({ ip }: typeof A): RegExp =>
  new RegExp(`"type":"peer",[^}]*"address":"${ip.replaceAll(".", "\\.")}:\\d+","state":"connected"`)

/** A seeds, B and C leech, and C has it all soon: from A, since B is slow. */
const introduce = Effect.fnUntraced(function*(a: Clients.Peer, b: Clients.Peer, c: Clients.Peer) {
  const fixture = (yield* Fixtures.Fixtures)["single file"]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    const { torrent } = fixture
    const called = [...calls(a) ? [] : [at(A)], ...calls(c) ? [] : [at(C)]]
    const peersOf = (client: Clients.Peer) => calls(client) ? [at(B)] : []
    const hub = yield* b.leech(stage, { torrent, dir: stage.folder("hub"), ...B, peers: called, ...slow })
    // Whoever calls too early tries again only after a minute.
    yield* hub.prints(/^ready$|"type":"progress"/m)
    const seed = yield* a.seed(stage, { torrent, dir: payload(stage, fixture), ...A, peers: peersOf(a), flags, env })
    const far = stage.folder("far")
    const leech = yield* c.leech(stage, { torrent, dir: far, ...C, peers: peersOf(c), flags, env })
    const meeting = [
      ...isOurs(c) ? [leech.prints(connectedTo(A), PATIENCE)] : [],
      ...isOurs(a) ? [seed.prints(connectedTo(C), PATIENCE)] : []
    ]
    yield* Effect.all(meeting, { concurrency: "unbounded" })
    assert.strictEqual(yield* leech.exit(PATIENCE), 0)
    yield* assertEqualFiles(fixture, far, c)
  }))
})

const clients = layer(Fixtures.Fixtures.layer, { excludeTestServices: true, concurrent: true })

const parts: ReadonlyArray<readonly [Clients.Peer, Clients.Peer, Clients.Peer]> = [
  [Clients.libtorrent, Clients.ours, Clients.libtorrent],
  [Clients.ours, Clients.libtorrent, Clients.ours],
  [Clients.libtorrent, Clients.ours, Clients.ours],
  [Clients.ours, Clients.ours, Clients.libtorrent],
  [Clients.transmission, Clients.ours, Clients.ours],
  [Clients.ours, Clients.ours, Clients.transmission],
  [Clients.ours, Clients.transmission, Clients.ours]
]

if (lacking.length > 0) describe("peer exchange", () => void Lacking.report(lacking))
else {
  clients("peer exchange", (it) => {
    const need = Lacking.debian(Clients.transmission)
    if (need !== undefined) describe("with Transmission", () => void Lacking.report([need]))
    for (const [a, b, c] of parts) {
      if (need !== undefined && [a, b, c].includes(Clients.transmission)) continue
      it.effect(`${a.name} and ${c.name} find each other through ${b.name}`, () => introduce(a, b, c))
    }
  })
}
