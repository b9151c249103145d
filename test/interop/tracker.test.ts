/**
 * The built tracker, and the clients people have: they meet through it and through nothing else, over HTTP and over UDP.
 * With FRESHET_INTEROP=required whatever is missing is a failure.
 */
import { assert, describe, layer, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Clients from "./support/Clients.ts"
import * as Fixtures from "./support/Fixtures.ts"
import * as Lacking from "./support/Lacking.ts"
import * as Namespace from "./support/Namespace.ts"
import * as Stage from "./support/Stage.ts"

vi.setConfig({ testTimeout: 180_000 })

/** aria2 asks UDP trackers only through the socket of its DHT. */
const everybody = (protocol: Protocol): ReadonlyArray<Clients.Peer> => [
  Clients.ours,
  protocol === "udp" ? Clients.aria2WithDht : Clients.aria2,
  Clients.transmission,
  Clients.libtorrent
]

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
    const leeches = everybody(protocol).filter((client) => client !== from)
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

interface Heard {
  readonly asker: string
  readonly seed: boolean
  readonly stopped: boolean
  readonly complete: number
  readonly incomplete: number
  readonly downloaded: number | undefined
  readonly peers: ReadonlyArray<string>
}

/** What a tracker answers to the series of announces. */
const answers = Effect.fnUntraced(function*(stage: Stage.Stage, port: number) {
  const child = yield* stage.spawn(`announces to ${port}`, [
    Stage.pinnedNode,
    Stage.script("announces.ts"),
    Stage.trackerUrl(port)
  ])
  yield* child.prints(/^end$/m)
  return child.log().split("\n").filter((line) => line.startsWith("{")).map((line): Heard => JSON.parse(line))
})

const otherPort = 6970

/** The hash that announces.ts asks for, in the list without which Debian's opentracker serves nobody. */
const asked = `${Array.from({ length: 20 }, (_, i) => (i + 65).toString(16)).join("")}\n`

/** The same counts, and the same peers but for the asker himself and seeds for a seed. */
const likeOpentracker = Stage.play(Effect.fnUntraced(function*(stage) {
  const list = path.join(stage.dir, "list")
  fs.writeFileSync(list, asked)
  const at = Namespace.address(1)
  const port = String(otherPort)
  yield* stage.spawn("opentracker", ["opentracker", "-i", at, "-p", port, "-P", port, "-w", list])
  yield* tracker(stage)
  const theirs = yield* answers(stage, otherPort)
  const ours = yield* answers(stage, 6969)
  const seeds = new Set<string>()
  assert.strictEqual(ours.length, theirs.length)
  theirs.forEach(({ asker, complete, downloaded, incomplete, peers, seed, stopped }, i) => {
    if (seed && !stopped) seeds.add(asker)
    const others = peers.filter((peer) => peer !== asker && !(seed && seeds.has(peer)))
    const own = ours[i]!
    assert.deepStrictEqual([own.asker, own.complete, own.incomplete, own.peers], [asker, complete, incomplete, others])
    // It leaves this count out when it sends no peers.
    if (downloaded !== undefined) assert.strictEqual(own.downloaded, downloaded)
  })
}))

const lacking = [
  Namespace.unavailable(),
  ...Clients.foreign.map(Lacking.debian)
].filter((need) => need !== undefined)

const opentracker = Lacking.command("opentracker")

const clients = layer(Fixtures.Fixtures.layer, { excludeTestServices: true, concurrent: true })

if (lacking.length > 0) describe("the tracker", () => void Lacking.report(lacking))
else {
  clients("the tracker", (it) => {
    for (const protocol of ["http", "udp"] as const) {
      for (const client of everybody(protocol)) {
        it.effect(`everybody finds ${client.name} over ${protocol}`, () => meet(client, protocol))
      }
    }
    it.effect("a folder travels by its name alone", () => byName)
    it.effect("a restart loses nobody", () => restart)
    if (opentracker !== undefined) describe("opentracker", () => void Lacking.report([opentracker]))
    else it.effect("answers as opentracker does", () => likeOpentracker)
  })
}
