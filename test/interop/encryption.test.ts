/**
 * Message stream encryption with the clients people have, each told to speak with nobody who does not encrypt: we call it, it
 * calls us, and with `--encryption off` neither comes to anything.
 */
import { assert, describe, layer, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { ExitCode } from "../../src/programs/cli/ExitCode.ts"
import * as Clients from "./support/Clients.ts"
import * as Fixtures from "./support/Fixtures.ts"
import * as Lacking from "./support/Lacking.ts"
import * as Namespace from "./support/Namespace.ts"
import * as Stage from "./support/Stage.ts"
import { assertEqualFiles, assertExit, dialled, leechAt, payload, seedAt, seen } from "./support/Transfer.ts"

vi.setConfig({ testTimeout: 180_000 })

/** A client that demands this cipher. */
interface Demanding {
  readonly name: string
  readonly client: Clients.Client
  readonly part: Pick<Clients.Part, "flags" | "env">
  readonly cipher: "plaintext" | "rc4"
}

const demanding: ReadonlyArray<Demanding> = [
  {
    name: "aria2 --bt-require-crypto --bt-min-crypto-level=arc4",
    client: Clients.aria2,
    part: { flags: ["--bt-require-crypto=true", "--bt-min-crypto-level=arc4"] },
    cipher: "rc4"
  },
  {
    name: "transmission --encryption-required",
    client: Clients.transmission,
    part: { env: { TRANSMISSION_ENCRYPTION: "required" } },
    cipher: "rc4"
  },
  {
    name: "libtorrent pe_forced, pe_rc4",
    client: Clients.libtorrent,
    part: { env: { LIBTORRENT_ENCRYPTION: "rc4" } },
    cipher: "rc4"
  },
  {
    name: "libtorrent pe_forced, pe_plaintext",
    client: Clients.libtorrent,
    part: { env: { LIBTORRENT_ENCRYPTION: "plaintext" } },
    cipher: "plaintext"
  }
]

const connected = (cipher: string): RegExp => new RegExp(`"state":"connected".*"cipher":"${cipher}"`)

/** We call a seed that demands it. */
const weCall = Effect.fnUntraced(function*(
  { client, part }: Pick<Demanding, "client" | "part">,
  encryption: string,
  cipher: string | undefined,
  name: Fixtures.Name = "many files"
) {
  const fixture = (yield* Fixtures.Fixtures)[name]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    const { torrent } = fixture
    const dir = stage.folder("leech")
    const seed = yield* client.seed(stage, { torrent, dir: payload(stage, fixture), ...seedAt, ...part })
    yield* seed.prints(client.ready)
    const leech = yield* Clients.ours.leech(stage, {
      torrent,
      dir,
      ...leechAt,
      peers: [dialled(seedAt)],
      // Transmission may wait 10 s before it unchokes anybody.
      flags: ["--no-tracker", "--json", `--stop-timeout=${cipher ? 30 : 5}`, `--encryption=${encryption}`]
    })
    yield* assertExit(leech, cipher === undefined ? ExitCode.timedOut : ExitCode.ok)
    if (cipher === undefined) return assert.notMatch(leech.log(), /"state":"connected"/)
    assert.match(leech.log(), connected(cipher))
    yield* assertEqualFiles(fixture, dir, Clients.ours)
  }))
})

/** A leech that demands it learns of us from the tracker, and calls. */
const itCalls = Effect.fnUntraced(function*(
  { cipher, client, part }: Demanding,
  encryption: string,
  name: Fixtures.Name = "many files"
) {
  const fixture = (yield* Fixtures.Fixtures)[name]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    const { torrent } = fixture
    const dir = stage.folder("leech")
    const tracker = yield* stage.tracker()
    const flags = ["--json", "--log-level=debug", `--encryption=${encryption}`]
    const seed = yield* Clients.ours.seed(stage, { torrent, dir: payload(stage, fixture), ...seedAt, flags })
    yield* seen(tracker, seed, { ...seedAt, left: 0 })
    const leech = yield* client.leech(stage, { torrent, dir, ...leechAt, ...part })
    if (encryption === "off") {
      yield* seed.prints(/caller .*: speaks another protocol/)
      return assert.notMatch(seed.log(), /"state":"connected"/)
    }
    yield* assertExit(leech, 0)
    assert.match(seed.log(), connected(cipher))
    yield* assertEqualFiles(fixture, dir, client)
  }))
})

const lacking = [Namespace.unavailable(), Lacking.debian(Clients.libtorrent)].filter((need) => need !== undefined)

const clients = layer(Fixtures.Fixtures.layer, { excludeTestServices: true, concurrent: true })

if (lacking.length > 0) describe("encryption", () => void Lacking.report(lacking))
else {
  clients("encryption", (it) => {
    for (const other of demanding) {
      describe(other.name, () => {
        const need = Lacking.debian(other.client)
        if (need !== undefined) return void Lacking.report([need])
        it.effect("we call it again when it has refused a plain call", () => weCall(other, "allow", other.cipher))
        it.effect("it calls us", () => itCalls(other, "allow"))
        it.effect("we do not reach it with --encryption off", () => weCall(other, "off", undefined))
        it.effect("it does not reach us with --encryption off", () => itCalls(other, "off"))
        if (other.cipher !== "rc4") return
        it.effect("we require it too, and call", () => weCall(other, "require", "rc4"))
        it.effect("we require it too, and are called", () => itCalls(other, "require"))
      })
    }
    const libtorrent = demanding[2]!
    it.effect("of a hybrid: we call", () => weCall(libtorrent, "require", "rc4", "hybrid"))
    it.effect("of a hybrid: we are called", () => itCalls(libtorrent, "require", "hybrid"))
    for (const client of Clients.foreign) {
      describe(`${client.name} as it is`, () => {
        const need = Lacking.debian(client)
        if (need !== undefined) return void Lacking.report([need])
        it.effect("is called encrypted where that is required", () => weCall({ client, part: {} }, "require", "rc4"))
        it.effect("is called encrypted where that is preferred", () => weCall({ client, part: {} }, "prefer", "rc4"))
        it.effect("is called plainly where that is allowed", () => weCall({ client, part: {} }, "allow", "none"))
      })
    }
  })
}
