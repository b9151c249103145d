/**
 * The fast extension (BEP 6) and extension handshakes (BEP 10) with the clients people have, both ways; a relay between the
 * two tells what was really said. With FRESHET_INTEROP=required whatever is missing is a failure.
 */
import { assert, describe, layer, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Child from "./support/Child.ts"
import * as Clients from "./support/Clients.ts"
import * as Fixtures from "./support/Fixtures.ts"
import * as Lacking from "./support/Lacking.ts"
import * as Namespace from "./support/Namespace.ts"
import * as Stage from "./support/Stage.ts"
import { assertEqualFiles, assertExit, dialled, leechAt, payload, seedAt } from "./support/Transfer.ts"

vi.setConfig({ testTimeout: 180_000 })

const lacking = [Namespace.unavailable(), Lacking.debian(Clients.libtorrent)].filter((need) => need !== undefined)

const relayAt = { ip: Namespace.address(9), port: 7009 }

const relay = Effect.fnUntraced(function*(stage: Stage.Stage, target: typeof seedAt) {
  const child = yield* stage.spawn("relay", [
    Stage.pinnedNode,
    Stage.script("relay.ts"),
    dialled(relayAt),
    dialled(target)
  ])
  yield* child.prints(/^relaying$/m)
  return child
})

const NAMES_OF_CLIENTS: Record<string, RegExp> = {
  aria2: /^< extended .*1:v\d+:aria2/m,
  transmission: /^< extended .*1:v\d+:Transmission/m,
  libtorrent: /^< extended .*1:v\d+:libtorrent/m
}

const assertSaid = (child: Child.Child, client: Clients.Client, lines: ReadonlyArray<RegExp>) =>
  Effect.sync(() => {
    const both = [/^> handshake fast extended$/m, /^< handshake fast extended$/m]
    const ours = [/^> extended .*4:reqqi2048e.*1:v\d+:freshet \d/m, NAMES_OF_CLIENTS[client.name]!]
    for (const line of [...both, ...ours, ...lines]) assert.match(child.log(), line)
  })

/** We fetch all from it. */
const leeches = Effect.fnUntraced(function*(client: Clients.Client) {
  const fixture = (yield* Fixtures.Fixtures)["many files"]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    const { torrent } = fixture
    const seed = yield* client.seed(stage, { torrent, dir: payload(stage, fixture), ...seedAt })
    yield* seed.prints(client.ready)
    const between = yield* relay(stage, seedAt)
    const dir = stage.folder("leech")
    const flags = ["--no-tracker", "--json"]
    const leech = yield* Clients.ours.leech(stage, { torrent, dir, ...leechAt, peers: [dialled(relayAt)], flags })
    yield* assertExit(leech, 0)
    yield* assertEqualFiles(fixture, dir, Clients.ours)
    yield* assertSaid(between, client, [/^> have none$/m, /^< (have all|bitfield)$/m])
    assert.match(leech.log(), new RegExp(`"state":"introduced","client":"${client.name}`, "i"))
  }))
})

/** It fetches all from us. */
const seeds = Effect.fnUntraced(function*(client: Clients.Client) {
  const fixture = (yield* Fixtures.Fixtures)["many files"]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    const { torrent } = fixture
    const dir = stage.folder("leech")
    const leech = yield* client.leech(stage, { torrent, dir, ...leechAt })
    yield* leech.prints(client.ready)
    const between = yield* relay(stage, leechAt)
    const peers = [dialled(relayAt)]
    const flags = ["--no-tracker"]
    yield* Clients.ours.seed(stage, { torrent, dir: payload(stage, fixture), ...seedAt, peers, flags })
    yield* assertExit(leech, 0)
    yield* assertEqualFiles(fixture, dir, client)
    yield* assertSaid(between, client, [/^> have all$/m, /^< (have none|bitfield)$/m])
  }))
})

const clients = layer(Fixtures.Fixtures.layer, { excludeTestServices: true, concurrent: true })

if (lacking.length > 0) describe("the fast extension", () => void Lacking.report(lacking))
else {
  clients("the fast extension", (it) => {
    for (const client of Clients.foreign) {
      describe(client.name, () => {
        const need = Lacking.debian(client)
        if (need !== undefined) return void Lacking.report([need])
        it.effect("gives us all", () => leeches(client))
        it.effect("has all from us", () => seeds(client))
      })
    }
  })
}
