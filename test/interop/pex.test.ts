/**
 * Peer exchange (BEP 11) with libtorrent and Transmission: A and C know B alone and must find each other through it, with each
 * client in each part that it can play. Nobody asks a tracker, since there is none.
 */
import { describe, layer, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Clients from "./support/Clients.ts"
import * as Fixtures from "./support/Fixtures.ts"
import * as Lacking from "./support/Lacking.ts"
import * as Namespace from "./support/Namespace.ts"
import * as Stage from "./support/Stage.ts"
import { payload } from "./support/Transfer.ts"

vi.setConfig({ testTimeout: 240_000 })

const lacking = [Namespace.unavailable(), Lacking.debian(Clients.libtorrent)].filter((need) => need !== undefined)

const place = (n: number) => ({ ip: Namespace.address(n), port: 7000 + n })
const [A, B, C] = [place(2), place(3), place(4)]
const at = ({ ip, port }: typeof A) => `${ip}:${port}`

/** libtorrent tells after some seconds and then each minute, Transmission every 90 s. */
const PATIENCE = "150 seconds"

/** Slow enough that nobody is done before the others have heard of each other. */
const flags = ["--no-tracker", "--json", "--max-download-limit=30K", "--max-upload-limit=30K"]

/** Ours is told whom to call, and so is libtorrent; Transmission is called. */
const calls = (client: Clients.Peer) => client !== Clients.transmission

/** What a client prints when it is connected with somebody. */
const connection = (client: Clients.Peer, { ip, port }: typeof A): RegExp => {
  const address = `${ip.replaceAll(".", "\\.")}`
  return client === Clients.libtorrent
    ? new RegExp(`peer_connect_alert .*${address}:`)
    : client === Clients.transmission
    ? new RegExp(`^connected to ${address}:`, "m")
    : new RegExp(`"type":"peer","time":[^}]*"address":"${address}:${port}","state":"connected"`)
}

const env = { TRANSMISSION_PEX: "1" }

/** A seeds, B and C leech. A and C print the connection between them, whoever has made it. */
const introduce = Effect.fnUntraced(function*(a: Clients.Peer, b: Clients.Peer, c: Clients.Peer) {
  const fixture = (yield* Fixtures.Fixtures)["single file"]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    const { torrent } = fixture
    const whom = (client: Clients.Peer, other: typeof A) => calls(client) ? [at(other)] : []
    const called = [...calls(a) ? [] : [at(A)], ...calls(c) ? [] : [at(C)]]
    yield* b.leech(stage, { torrent, dir: stage.folder("hub"), ...B, peers: called, flags, env })
    const seed = yield* a.seed(stage, { torrent, dir: payload(stage, fixture), ...A, peers: whom(a, B), flags, env })
    const far = yield* c.leech(stage, { torrent, dir: stage.folder("far"), ...C, peers: whom(c, B), flags, env })
    yield* Effect.raceFirst(
      far.prints(connection(c, A), PATIENCE),
      seed.prints(connection(a, C), PATIENCE)
    )
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
