/**
 * The main job on an embedded default: a tracker, a seed and two leeches on one runtime, over real loopback sockets and real
 * files, from nothing to equal copies.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { createHash, randomFillSync } from "node:crypto"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import type { Metainfo } from "../../domain/Metainfo.ts"
import * as Monotonic from "../../services/Monotonic.ts"
import { SwarmStore } from "../../services/SwarmStore.ts"
import * as Torrent from "../../services/Torrent.ts"
import { TorrentMaker } from "../../services/TorrentMaker.ts"
import * as TrackerServer from "../../services/TrackerServer.ts"
import * as Engine from "./Engine.ts"
import { ExitCode, failure } from "./ExitCode.ts"
import * as Format from "./Format.ts"
import { untilStopped } from "./Main.ts"
import * as Painter from "./Painter.ts"

const MIB = 1024 * 1024

/** Sizes that a torrent has in life: large, small, odd and empty. 256 MiB in all. */
const PAYLOAD: ReadonlyArray<readonly [name: string, bytes: number]> = [
  ["film.mkv", 160 * MIB],
  ["extras/making of.mkv", 64 * MIB],
  ["extras/stills/001.png", 7 * MIB + 12_345],
  ["extras/stills/002.png", 3 * MIB + 1],
  ["sound.flac", 22 * MIB - 12_345 - 1 - 777],
  ["readme.txt", 777],
  ["extras/empty", 0]
]

/** Between two states of the live line: on a terminal, and where each is a line of its own. */
const FRAME = "200 millis"
const LINE = "2 seconds"

const say = (text: string): void => {
  process.stdout.write(`${text}\n`)
}

const makePayload = (folder: string): void => {
  const chunk = Buffer.alloc(MIB)
  for (const [name, size] of PAYLOAD) {
    const file = path.join(folder, name)
    fs.mkdirSync(path.dirname(file), { recursive: true })
    const fd = fs.openSync(file, "w")
    for (let at = 0; at < size; at += MIB) fs.writeSync(fd, randomFillSync(chunk), 0, Math.min(MIB, size - at))
    fs.closeSync(fd)
  }
}

/** One hash over all files of a copy. */
const digestOf = (folder: string): string => {
  const hash = createHash("sha256")
  const chunk = Buffer.alloc(MIB)
  for (const [name, size] of PAYLOAD) {
    const fd = fs.openSync(path.join(folder, name), "r")
    hash.update(`${name}\0${size}\0`)
    for (let read = fs.readSync(fd, chunk); read > 0; read = fs.readSync(fd, chunk)) {
      hash.update(chunk.subarray(0, read))
    }
    fs.closeSync(fd)
  }
  return hash.digest("hex")
}

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "freshet-demo-"))),
  (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
)

/** A client of its own on 127.0.0.1, with the torrent started; both live as long as the scope. */
const client = Effect.fnUntraced(function*(
  metainfo: Metainfo,
  dir: string,
  options: { readonly seeds: boolean; readonly stateDir: string }
) {
  const { seeds, stateDir } = options
  const engine = yield* Layer.build(Engine.layer({ bind: { v4: "127.0.0.1" }, listenPort: 0, stateDir }))
  return yield* Effect.provide(
    Torrent.start({ metainfo, dir, trackers: metainfo.trackers, readOnly: seeds, isKnown: seeds }),
    engine
  )
})

const watch = Effect.fnUntraced(function*(leeches: ReadonlyArray<Torrent.Torrent>) {
  const stream = process.stderr
  const screen = new Painter.Screen({
    write: (text) => {
      stream.write(text)
    },
    isTTY: stream.isTTY,
    columns: () => stream.columns ?? 80
  })
  const frame = Effect.sync(() => {
    const cells = leeches.map((leech, i) => {
      const { done, downRate, total, upRate } = leech.snapshot()
      return `leech ${i + 1} ${Format.percent(done, total)} ↓${Format.rate(downRate)} ↑${Format.rate(upRate)}`
    })
    screen.paint(cells.join("   "))
  })
  const every = stream.isTTY ? FRAME : LINE
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(every), frame)))
  // The last word is said when all is there.
  yield* Effect.addFinalizer(() => Effect.andThen(frame, Effect.sync(() => screen.done())))
  yield* frame
})

const show = Effect.gen(function*() {
  const clock = yield* Clock.Clock
  const folder = yield* temporaryFolder
  const original = path.join(folder, "seed", "holiday")
  const stateDir = path.join(folder, "state")
  say("freshet demo: 256 MiB in 7 files from one seed to two leeches, over loopback, in this one process\n")
  makePayload(original)
  say(`  payload    ${original}`)

  const tracker = yield* TrackerServer.make({ port: 0, hosts: ["127.0.0.1"], intervalMs: 60_000 })
  say(`  tracker    ${tracker.url}`)
  const maker = yield* TorrentMaker
  const { metainfo } = yield* maker.make(yield* maker.plan({ path: original }), { trackers: [[tracker.url]] })
  say(
    `  torrent    ${metainfo.infoHash}, ${metainfo.layout.pieces} pieces of ${
      Format.bytes(metainfo.layout.pieceLength)
    }`
  )

  const seed = yield* client(metainfo, path.dirname(original), { seeds: true, stateDir })
  say(`  seed       127.0.0.1:${seed.port}`)
  const began = Monotonic.millis(clock)
  const dirs = [1, 2].map((n) => path.join(folder, `leech-${n}`))
  const leeches = yield* Effect.forEach(dirs, (dir) => client(metainfo, dir, { seeds: false, stateDir }))
  say(`  leeches    ${leeches.map(({ port }) => `127.0.0.1:${port}`).join(", ")}\n`)

  yield* Effect.scoped(Effect.andThen(
    watch(leeches),
    Effect.forEach(leeches, ({ completed }) => completed, { concurrency: "unbounded" })
  ))
  const seconds = (Monotonic.millis(clock) - began) / 1000
  const want = digestOf(original)
  for (const dir of dirs) {
    if (digestOf(path.join(dir, "holiday")) !== want) {
      return yield* failure(ExitCode.integrity, `the copy in ${dir} is not equal to the original`)
    }
  }
  report(metainfo, leeches, seconds)
  return ExitCode.ok
})

const report = (metainfo: Metainfo, leeches: ReadonlyArray<Torrent.Torrent>, seconds: number): void => {
  const { totalLength } = metainfo.layout
  say(`\nboth copies are equal to the original, byte for byte`)
  say(
    `  ${Format.bytes(2 * totalLength)} delivered in ${seconds.toFixed(1)} s: ${Format.rate(2 * totalLength / seconds)}`
  )
  leeches.forEach((leech, i) => {
    const { downloaded, uploaded } = leech.snapshot()
    say(`  leech ${i + 1}: ${Format.bytes(downloaded)} down, ${Format.bytes(uploaded)} up to the other`)
  })
  say(`
try next:
  npm start -- tracker                                           where others meet, with a page at port 6969
  npm start -- seed FILE_OR_FOLDER --tracker http://HOST_IP:6969 --publish
                                                                 share something there
  npm start -- leech --from http://HOST_IP:6969 NAME --dir copy  fetch it elsewhere, by its name
  npm start -- leech --help                                      all options`)
}

export const runDemo = untilStopped(
  Effect.scoped(show).pipe(
    Effect.provide([TorrentMaker.layer, SwarmStore.layerMemory()])
  ),
  () => ExitCode.unfinished
)
