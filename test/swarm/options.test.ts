/** What users ask for: which files, in which order, how fast, and what they get for giving. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import * as Payload from "../support/payload.ts"
import * as Swarm from "../support/swarm.ts"

const BLOCK = PieceLayout.BLOCK

const PIECE = 2 * BLOCK

const torrent = Payload.torrent([{ length: 160 * PIECE - 5000 }], PIECE)

const { totalLength } = torrent.metainfo.layout

const KB = 1000

const path = () => ({ latency: 30, rate: 2000 * KB })

const landed = (node: Swarm.Node): Array<number> =>
  node.events.flatMap((event) => event._tag === "PieceLanded" ? [event.piece] : [])

describe("a torrent", () => {
  it.effect("fetches the files that were chosen, and no piece more", () =>
    Effect.gen(function*() {
      const files = Payload.torrent(
        [{ length: 10 * PIECE + 77 }, { length: 5 }, { length: 7 * PIECE }, { length: 0 }, { length: 9 * PIECE }],
        PIECE
      )
      const swarm = yield* Swarm.make({ torrent: files, seed: 1, path })
      yield* swarm.start({ number: 1, has: "All" })
      const leech = yield* swarm.start({ number: 2, peers: [1], options: { selected: new Set([1, 2]) } })
      yield* Swarm.within(60_000, Swarm.allDone([leech]), [leech])
      for (const file of [1, 2]) assert.isTrue(Swarm.isWhole(files, leech, file))
      for (const file of [0, 3, 4]) assert.isFalse(leech.disk.files.has(Swarm.placeOf(files, file)))
      assert.deepStrictEqual(landed(leech).sort((a, b) => a - b), Swarm.range(10, 8))
      const { done, downloaded, isDone, total } = leech.torrent.snapshot()
      assert.deepStrictEqual([done, total, isDone], [7 * PIECE + 5, 7 * PIECE + 5, true])
      assert.strictEqual(downloaded, 8 * PIECE)
    }))

  it.effect("two that chose different files complete each other without a seed", () =>
    Effect.gen(function*() {
      const files = Payload.torrent([{ length: 10 * PIECE }, { length: 10 * PIECE }], PIECE)
      const swarm = yield* Swarm.make({ torrent: files, seed: 1, path })
      const first = yield* swarm.start({ number: 1, has: new Set(Swarm.range(0, 10)) })
      const second = yield* swarm.start({ number: 2, has: new Set(Swarm.range(10, 10)), peers: [1] })
      yield* Swarm.within(60_000, Swarm.allDone([first, second]), [first, second])
      for (const node of [first, second]) {
        for (const file of [0, 1]) assert.isTrue(Swarm.isWhole(files, node, file))
      }
    }))

  it.effect("comes in order when asked to, from several peers", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 1, path, resolution: 5 })
      yield* Effect.forEach([1, 2, 3], (number) => swarm.start({ number, has: "All", up: (100 + 100 * number) * KB }))
      const leech = yield* swarm.start({ number: 4, peers: [1, 2, 3], options: { order: "Sequential" } })
      let ahead = 0
      const watch = Effect.sync(() => {
        const have = new Set(landed(leech))
        let first = 0
        while (have.has(first)) first++
        for (const piece of have) ahead = Math.max(ahead, piece - first)
      })
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(50), watch), { disableYield: true }))
      yield* Swarm.within(60_000, Swarm.allDone([leech]), [leech])
      assert.isTrue(Swarm.isWhole(torrent, leech))
      // Three seconds of what three peers give are under way at any time.
      assert.isBelow(ahead, 3 * 900 * KB / PIECE)
    }))

  for (const [limit, seeds] of [[100, 1], [100, 4], [20, 2], [400, 3]] as const) {
    it.effect(`downloads at ${limit} KB/s from ${seeds} peers when told to`, () =>
      Effect.gen(function*() {
        const swarm = yield* Swarm.make({ torrent, seed: 1, path, resolution: 5 })
        yield* Effect.forEach(Swarm.range(1, seeds), (number) => swarm.start({ number, has: "All" }))
        const leech = yield* swarm.start({
          number: 10,
          peers: Swarm.range(1, seeds),
          session: { maxDownloadRate: limit * KB }
        })
        yield* TestClock.adjust("2 seconds")
        const before = leech.torrent.snapshot().downloaded
        yield* TestClock.adjust("10 seconds")
        const rate = (leech.torrent.snapshot().downloaded - before) / 10
        assert.approximately(rate, limit * KB, limit * KB / 10)
        yield* Swarm.within(300_000, Swarm.allDone([leech]), [leech])
        assert.isTrue(Swarm.isWhole(torrent, leech))
      }))
  }

  for (const [limit, leeches] of [[100, 1], [100, 6], [20, 3], [400, 3]] as const) {
    it.effect(`uploads at ${limit} KB/s to ${leeches} peers when told to`, () =>
      Effect.gen(function*() {
        const swarm = yield* Swarm.make({ torrent, seed: 1, path, resolution: 5 })
        const source = yield* swarm.start({ number: 1, has: "All", session: { maxUploadRate: limit * KB } })
        // They get all from the one, and nothing from each other.
        const start = (number: number) => swarm.start({ number, peers: [1], options: { pex: false } })
        const nodes = yield* Effect.forEach(Swarm.range(10, leeches), start)
        const got = () => nodes.reduce((sum, { torrent }) => sum + torrent.snapshot().downloaded, 0)
        yield* TestClock.adjust("4 seconds")
        const before = got()
        yield* TestClock.adjust("8 seconds")
        const rate = (got() - before) / 8
        assert.approximately(rate, limit * KB, limit * KB / 10)
        assert.isAtMost(source.torrent.snapshot().uploaded, 12.5 * limit * KB + 3 * BLOCK)
      }))
  }

  it.effect("gives more to those who give", () =>
    Effect.gen(function*() {
      const large = Payload.torrent([{ length: 800 * PIECE }], PIECE)
      const swarm = yield* Swarm.make({ torrent: large, seed: 1, path, resolution: 5 })
      yield* swarm.start({ number: 1, has: "All", up: 400 * KB, session: { maxUploads: 4 } })
      const givers = yield* Effect.forEach(Swarm.range(10, 10), (number) =>
        swarm.start({ number, up: 200 * KB, session: { maxUploads: 4 } }))
      const takers = yield* Effect.forEach(Swarm.range(20, 6), (number) =>
        swarm.start({ number, up: 200 * KB, session: { maxUploadRate: 1 * KB, maxUploads: 4 } }))
      yield* TestClock.adjust("60 seconds")
      const mean = (nodes: ReadonlyArray<Swarm.Node>) =>
        nodes.reduce((sum, { torrent }) =>
          sum + torrent.snapshot().downloaded, 0) / nodes.length
      assert.isFalse(givers.some(({ torrent }) =>
        torrent.swarm.isDone
      ))
      assert.isAbove(mean(givers), 1.7 * mean(takers))
    }))

  it.effect("tells the tracker how it starts, completes and stops", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 1, path, resolution: 5 })
      yield* swarm.start({ number: 1, has: "All", up: 500 * KB })
      const leech = yield* swarm.start({ number: 2 })
      yield* Swarm.within(60_000, Swarm.allDone([leech]), [leech])
      yield* TestClock.adjust("1 second")
      yield* Swarm.within(10_000, leech.stop)
      assert.deepStrictEqual(swarm.tracker.heard.get(Swarm.host(1)), ["started"])
      assert.deepStrictEqual(swarm.tracker.heard.get(Swarm.host(2)), ["started", "completed", "stopped"])
      assert.isAtLeast(leech.torrent.snapshot().downloaded, totalLength)
    }))
})
