/**
 * The built tracker, and the clients people have: they meet through it and through nothing else, over HTTP and over UDP.
 * With FRESHET_INTEROP=required whatever is missing is a failure.
 */
import { assert, describe, layer, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as http from "node:http"
import * as path from "node:path"
import * as Clients from "./support/Clients.ts"
import * as Fixtures from "./support/Fixtures.ts"
import * as Lacking from "./support/Lacking.ts"
import * as Namespace from "./support/Namespace.ts"
import * as Stage from "./support/Stage.ts"

vi.setConfig({ testTimeout: 180_000 })

const everybody: ReadonlyArray<Clients.Peer> = [Clients.ours, ...Clients.foreign]

const urls = {
  http: Stage.trackerUrl(),
  udp: Stage.trackerUrl().replace(/^http/, "udp")
} as const

type Protocol = keyof typeof urls

const spot = (n: number) => ({ ip: Namespace.address(2 + n), port: 7001 + n })

/** Our tracker in the namespace, once it listens. */
const tracker = (stage: Stage.Stage, ...flags: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const child = yield* stage.spawn("tracker.js", [
      Stage.machineNode,
      Clients.program("tracker"),
      `--bind=${Namespace.address(1)}`,
      `--data-dir=${stage.folder("tracker")}`,
      ...flags
    ])
    yield* child.prints(/^announce .*$/m)
    return child
  })

/** One seed, and everybody else a leech: all must end with equal files. */
const meet = Effect.fnUntraced(function*(from: Clients.Peer, protocol: Protocol) {
  const fixture = (yield* Fixtures.Fixtures)["odd pieces"]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    yield* tracker(stage, protocol === "udp" ? "--no-http" : "--no-udp")
    const { torrent } = protocol === "http"
      ? fixture
      : Fixtures.retracked(fixture, urls.http, urls.udp, path.join(stage.dir, "udp.torrent"))
    const dir = stage.folder("seed")
    fs.cpSync(fixture.dir, dir, { recursive: true })
    yield* from.seed(stage, { torrent, dir, ...spot(0) })
    const leeches = everybody.filter((client) => client !== from)
    yield* Effect.forEach(leeches, (client, n) =>
      Effect.gen(function*() {
        const at = stage.folder(`leech ${n}`)
        const leech = yield* client.leech(stage, { torrent, dir: at, ...spot(n + 1) })
        assert.strictEqual(yield* leech.exit("90 seconds"), 0, `exit code of ${client.name}`)
        assert.isUndefined(Fixtures.difference(fixture, at, client.makesEmptyFiles), client.name)
      }), { concurrency: "unbounded", discard: true })
  }))
})

/** A file goes from one side to the other, and both know of nothing but the tracker and a name. */
const byName = Effect.gen(function*() {
  const fixture = (yield* Fixtures.Fixtures)["many files"]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    yield* tracker(stage)
    const name = "many files"
    const from = spot(0)
    const seed = yield* stage.spawn("seed.js", [
      Stage.machineNode,
      Clients.program("seed"),
      path.join(fixture.dir, name),
      `--bind=${from.ip}`,
      `--listen-port=${from.port}`,
      `--state-dir=${stage.folder("seed state")}`,
      `--tracker=${urls.http}`,
      "--publish"
    ])
    yield* seed.prints(/published at/)
    const dir = stage.folder("leech")
    const to = spot(1)
    const leech = yield* stage.spawn("leech.js", [
      Stage.machineNode,
      Clients.program("leech"),
      `--from=${new URL(urls.http).origin}`,
      name,
      `--dir=${dir}`,
      `--bind=${to.ip}`,
      `--listen-port=${to.port}`,
      `--state-dir=${stage.folder("leech state")}`
    ])
    assert.strictEqual(yield* leech.exit(), 0)
    assert.isUndefined(Fixtures.difference(fixture, dir))
  }))
})

/** What it knew at its end it knows again: a leech finds a seed that has announced itself to the process before. */
const restart = Effect.gen(function*() {
  const fixture = (yield* Fixtures.Fixtures)["one piece"]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    const first = yield* tracker(stage, "--access-log")
    const { torrent } = fixture
    yield* Clients.libtorrent.seed(stage, { torrent, dir: fixture.dir, ...spot(0) })
    yield* first.prints(/announce/)
    yield* first.prints(/left=0|seed/)
    yield* first.signal("SIGTERM")
    assert.strictEqual(yield* first.exit(), 0)
    yield* tracker(stage)
    const dir = stage.folder("leech")
    const leech = yield* Clients.ours.leech(stage, { torrent, dir, ...spot(1) })
    assert.strictEqual(yield* leech.exit(), 0)
  }))
})

/** The reply of a tracker on loopback to an announce, without its times. */
const ask = (port: number, query: string): Promise<string> =>
  new Promise((resolve, reject) => {
    http.get(`http://127.0.0.1:${port}/announce?${query}`, (response) => {
      let body = ""
      response.setEncoding("latin1").on("data", (chunk: string) => body += chunk).on("end", () => resolve(body))
    }).on("error", reject)
  })

const field = (reply: string, name: string): number =>
  Number(new RegExp(`${name.length}:${name}i(\\d+)e`).exec(reply)?.[1] ?? Number.NaN)

/** Ports of the packed peers; all are at one address. */
const portsOf = (reply: string): ReadonlyArray<number> => {
  const at = /5:peers(\d+):/.exec(reply)!
  const packed = reply.slice(at.index + at[0].length).slice(0, Number(at[1]))
  const ports: Array<number> = []
  for (let i = 0; i < packed.length; i += 6) ports.push(packed.charCodeAt(i + 4) * 256 + packed.charCodeAt(i + 5))
  return ports.sort((a, b) => a - b)
}

void ask
void field
void portsOf

const lacking = [
  Namespace.unavailable(),
  ...Clients.foreign.map(Lacking.debian)
].filter((need) => need !== undefined)

const clients = layer(Fixtures.Fixtures.layer, { excludeTestServices: true, concurrent: true })

if (lacking.length > 0) describe("the tracker", () => void Lacking.report(lacking))
else {
  clients("the tracker", (it) => {
    for (const protocol of ["http", "udp"] as const) {
      for (const client of everybody) {
        it.effect(`everybody finds ${client.name} over ${protocol}`, () => meet(client, protocol))
      }
    }
    it.effect("a folder travels by its name alone", () => byName)
    it.effect("a restart loses nobody", () => restart)
  })
}
