/**
 * `seed --super` (BEP 16) and the clients people have: each alone has all from a super-seed, and two that exchange. They run in
 * a network namespace, which takes root. With FRESHET_INTEROP=required whatever is missing is a failure.
 */
import { describe, layer, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Clients from "./support/Clients.ts"
import * as Fixtures from "./support/Fixtures.ts"
import * as Lacking from "./support/Lacking.ts"
import * as Namespace from "./support/Namespace.ts"
import * as Stage from "./support/Stage.ts"
import { assertEqualFiles, assertExit, leechAt, payload, seedAt, seen } from "./support/Transfer.ts"

// Beyond the sum of the limits inside, so that what fails says which program was waited for and what it printed.
vi.setConfig({ testTimeout: 180_000 })

const lacking = [Namespace.unavailable(), Lacking.debian(Clients.libtorrent)].filter((need) => need !== undefined)

const clients = layer(Fixtures.Fixtures.layer, { excludeTestServices: true, concurrent: true })

/** These leeches know each other through the tracker. */
const fromSuperSeed = Effect.fnUntraced(function*(...leeches: ReadonlyArray<Clients.Client>) {
  const fixture = (yield* Fixtures.Fixtures)["many files"]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    const { torrent } = fixture
    const tracker = yield* stage.tracker()
    const flags = ["--super"]
    const seed = yield* Clients.ours.seed(stage, { torrent, dir: payload(stage, fixture), ...seedAt, flags })
    yield* seen(tracker, seed, { ...seedAt, left: 0 })
    const running = yield* Effect.forEach(leeches, (client, n) =>
      Effect.gen(function*() {
        const dir = stage.folder(`leech ${n}`)
        const at = n === 0 ? leechAt : { ip: Namespace.address(10 + n), port: 7010 + n }
        return { client, dir, child: yield* client.leech(stage, { torrent, dir, ...at }) }
      }))
    for (const { child, client, dir } of running) {
      yield* assertExit(child, 0)
      yield* assertEqualFiles(fixture, dir, client)
    }
    yield* seed.signal("SIGTERM")
    yield* assertExit(seed, 0)
  }))
})

if (lacking.length > 0) describe("super-seeding", () => void Lacking.report(lacking))
else {
  clients("super-seeding", (it) => {
    for (const client of Clients.foreign) {
      const need = Lacking.debian(client)
      if (need !== undefined) {
        describe(client.name, () => void Lacking.report([need]))
        continue
      }
      it.effect(`${client.name} alone has all`, () => fromSuperSeed(client))
      it.effect(`${client.name} and libtorrent have all`, () => fromSuperSeed(client, Clients.libtorrent))
    }
  })
}
