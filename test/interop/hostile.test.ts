/** Hostile peers at the built programs, while an honest transfer goes on. Each has a loopback address of its own. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { noise } from "../support/payload.ts"
import type * as Child from "./support/Child.ts"
import * as Clients from "./support/Clients.ts"
import * as Hostile from "./support/Hostile.ts"
import * as Stage from "./support/Stage.ts"

const MiB = 1024 * 1024
const length = 8 * MiB + 12_345
const seedIp = "127.0.0.1"
const leechIp = "127.0.0.2"
const hostileIp = (n: number) => `127.0.1.${n + 1}`
const flags = ["--no-tracker"]

const write = (dir: string): string => {
  const file = path.join(dir, "payload.bin")
  fs.writeFileSync(file, noise(length))
  return file
}

/** Makes the torrent and shares it; the info hash and the port are what the program says they are. */
const share = Effect.fnUntraced(function*(stage: Stage.Stage, peers: ReadonlyArray<string> = []) {
  const dir = stage.folder("seed")
  const torrent = path.join(stage.dir, "payload.torrent")
  const child = yield* Clients.ours.seed(stage, {
    torrent: write(dir),
    dir,
    ip: seedIp,
    port: 0,
    peers,
    flags: [...flags, `--save-torrent=${torrent}`]
  })
  const [, infoHash = "", port = ""] = yield* child.prints(/info hash ([0-9a-f]{40}), port (\d+)/)
  return { child, torrent, port: Number(port), target: { infoHash, ...shape(torrent) } }
})

const shape = (torrent: string) => {
  const pieceLength = Number(/12:piece lengthi(\d+)e/.exec(fs.readFileSync(torrent, "latin1"))?.[1])
  return { pieceLength, pieces: Math.ceil(length / pieceLength) }
}

const assertComplete = Effect.fnUntraced(function*(leech: Child.Child, dir: string) {
  assert.strictEqual(yield* leech.exit(), 0, "exit code of the honest leech")
  const got = fs.readFileSync(path.join(dir, "payload.bin"))
  assert.isTrue(got.equals(noise(length)), "the honest copy differs")
})

const assertDropped = ({ acted, hostile }: { readonly acted: Hostile.Acted; readonly hostile: Hostile.Hostile }) =>
  hostile.dropped
    ? acted.closed.pipe(
      Effect.timeoutOrElse({
        duration: "5 seconds",
        orElse: () => Effect.fail(new Error(`still connected: ${hostile.name}`))
      })
    )
    : Effect.void

/** The most memory a program has had, in bytes. */
const peakMemory = (child: Child.Child): number =>
  Number(/VmHWM:\s*(\d+) kB/.exec(fs.readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]) * 1024

describe("hostile peers", () => {
  it.live("a seed serves an honest leech among them", () =>
    Stage.playOnLoopback(Effect.fnUntraced(function*(stage) {
      const { child, port, target, torrent } = yield* share(stage)
      const cast = yield* Effect.forEach(Hostile.toAll, (hostile, n) =>
        Effect.map(
          Hostile.dial(hostile, target, { host: seedIp, port }, hostileIp(n)),
          (acted) => ({ acted, hostile })
        ))
      yield* Effect.forEach(cast, ({ acted }) => acted.begun)
      const dir = stage.folder("leech")
      const peers = [`${seedIp}:${port}`]
      const leech = yield* Clients.ours.leech(stage, { torrent, dir, ip: leechIp, port: 0, peers, flags })
      yield* assertComplete(leech, dir)
      yield* Effect.forEach(cast, assertDropped)
      assert.isBelow(peakMemory(child), 256 * MiB, "peak memory of the seed")
      yield* child.signal("SIGTERM")
      assert.strictEqual(yield* child.exit(), 0)
    })))

  it.live("a leech completes among them once an honest seed is there", () =>
    Stage.playOnLoopback(Effect.fnUntraced(function*(stage) {
      const made = yield* Effect.scoped(share(stage))
      const dir = stage.folder("leech")
      const all = [...Hostile.toAll, ...Hostile.toLeeches]
      const cast = yield* Effect.forEach(
        all,
        (hostile, n) => Effect.map(Hostile.listen(hostile, made.target, hostileIp(n)), (acted) => ({ acted, hostile }))
      )
      const port = yield* Hostile.freePort(leechIp)
      const peers = cast.map(({ acted }) => acted.address)
      const leech = yield* Clients.ours.leech(stage, { torrent: made.torrent, dir, ip: leechIp, port, peers, flags })
      yield* Effect.forEach(cast, ({ acted }) => acted.begun)
      yield* Effect.forEach(cast, assertDropped)
      yield* share(stage, [`${leechIp}:${port}`])
      yield* assertComplete(leech, dir)
    })))
})
