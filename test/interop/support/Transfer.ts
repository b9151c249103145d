/** One seed and one leech, and what must be so at the end. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import type * as Child from "./Child.ts"
import * as Clients from "./Clients.ts"
import * as Fixtures from "./Fixtures.ts"
import * as Namespace from "./Namespace.ts"
import * as Stage from "./Stage.ts"

export const seedAt = { ip: Namespace.address(2), port: 7001 }
export const leechAt = { ip: Namespace.address(3), port: 7002 }
export const dialled = ({ ip, port }: typeof seedAt) => `${ip}:${port}`

/** A copy of the payload, so that no client can spoil that of another. */
export const payload = (stage: Stage.Stage, fixture: Fixtures.Fixture, name = "seed"): string => {
  const dir = stage.folder(name)
  fs.cpSync(fixture.dir, dir, { recursive: true })
  return dir
}

export const assertEqualFiles = (fixture: Fixtures.Fixture, dir: string, of: Clients.Peer) =>
  Effect.sync(() => assert.isUndefined(Fixtures.difference(fixture, dir, of.makesEmptyFiles)))

export const assertNothingElse = (fixture: Fixtures.Fixture, dir: string) =>
  Effect.sync(() => assert.deepStrictEqual(Fixtures.listing(dir), Fixtures.listing(fixture.dir)))

export const assertExit = Effect.fnUntraced(function*(child: Child.Child, code: number) {
  assert.strictEqual(yield* child.exit(), code, `exit code of ${child.name}`)
})

/** One seed, one leech and a tracker; both must end well and the leech's files must be the seed's. */
export const transfer = Effect.fnUntraced(function*(from: Clients.Peer, to: Clients.Peer, name: Fixtures.Name) {
  const fixture = (yield* Fixtures.Fixtures)[name]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    const { torrent } = fixture
    const dir = stage.folder("leech")
    const tracker = yield* stage.tracker()
    const seed = yield* from.seed(stage, { torrent, dir: payload(stage, fixture), ...seedAt })
    yield* seen(tracker, seed, { ...seedAt, left: 0 })
    const leech = yield* to.leech(stage, { torrent, dir, ...leechAt })
    yield* assertExit(leech, 0)
    yield* assertEqualFiles(fixture, dir, to)
    if (isOurs(to)) {
      yield* assertNothingElse(fixture, dir)
      for (const event of ["started", "completed", "stopped"] as const) {
        yield* tracker.hears(leechAt.port, event, "2 seconds")
      }
    }
    if (isOurs(from)) {
      yield* seed.signal("SIGTERM")
      yield* assertExit(seed, 0)
      yield* tracker.hears(seedAt.port, "stopped", "2 seconds")
      yield* assertNothingElse(fixture, stage.folder("seed"))
    }
  }))
})

const isOurs = (peer: Clients.Peer) => peer === Clients.ours || peer === Clients.oursPinned

/** Waits until the tracker knows the peer; its death meanwhile is the failure to show. */
export const seen = Effect.fnUntraced(function*(
  tracker: Stage.Tracker,
  child: Child.Child,
  { ip, left, port }: typeof seedAt & { readonly left: number }
) {
  const died = Effect.flatMap(
    child.exit("10 minutes"),
    (code) => Effect.fail(new Error(`${child.name} ended: ${code}`))
  )
  const announce = yield* Effect.raceFirst(tracker.hears(port, "started"), died)
  assert.strictEqual(announce.ip, ip, `where ${child.name} announces from`)
  assert.strictEqual(announce.left, left, `what ${child.name} says it lacks`)
})

/** We dial a seed that we are told of, and no tracker is there. */
export const leechDirectly = Effect.fnUntraced(function*(from: Clients.Client, name: Fixtures.Name) {
  const fixture = (yield* Fixtures.Fixtures)[name]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    const { torrent } = fixture
    const dir = stage.folder("leech")
    const seed = yield* from.seed(stage, { torrent, dir: payload(stage, fixture), ...seedAt })
    yield* seed.prints(from.ready)
    const flags = ["--no-tracker"]
    const leech = yield* Clients.ours.leech(stage, { torrent, dir, ...leechAt, peers: [dialled(seedAt)], flags })
    yield* assertExit(leech, 0)
    yield* assertEqualFiles(fixture, dir, Clients.ours)
  }))
})

/** Our seed dials a leech that it is told of, and no tracker is there. */
export const seedDirectly = Effect.fnUntraced(function*(to: Clients.Client, name: Fixtures.Name) {
  const fixture = (yield* Fixtures.Fixtures)[name]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    const { torrent } = fixture
    const dir = stage.folder("leech")
    const leech = yield* to.leech(stage, { torrent, dir, ...leechAt })
    yield* leech.prints(to.ready)
    const peers = [dialled(leechAt)]
    yield* Clients.ours.seed(stage, {
      torrent,
      dir: payload(stage, fixture),
      ...seedAt,
      peers,
      flags: ["--no-tracker"]
    })
    yield* assertExit(leech, 0)
    yield* assertEqualFiles(fixture, dir, to)
  }))
})

/** A torrent that `seed.js` makes of a folder is one that the client takes. */
export const ownTorrent = Effect.fnUntraced(function*(to: Clients.Client, ...making: ReadonlyArray<string>) {
  const fixture = (yield* Fixtures.Fixtures)["many files"]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    const source = path.join(payload(stage, fixture), "many files")
    const torrent = path.join(stage.dir, "own.torrent")
    const dir = stage.folder("leech")
    const tracker = yield* stage.tracker()
    const flags = [...making, `--tracker=${Stage.trackerUrl()}`, `--save-torrent=${torrent}`]
    const seed = yield* Clients.ours.seed(stage, { torrent: source, dir: path.dirname(source), ...seedAt, flags })
    yield* seen(tracker, seed, { ...seedAt, left: 0 })
    const leech = yield* to.leech(stage, { torrent, dir, ...leechAt })
    yield* assertExit(leech, 0)
    yield* assertEqualFiles(fixture, dir, to)
  }))
})
