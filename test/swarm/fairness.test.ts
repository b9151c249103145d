/** What choking does to a swarm, in virtual time: equals get the same, and who gives nothing gets least. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import * as Payload from "../support/payload.ts"
import * as Swarm from "../support/swarm.ts"

const KB = 1000

/** Every leech's uplink. */
const UP = 100 * KB

const PIECE = 2 * PieceLayout.BLOCK

const swarmOf = (seed: number, torrent: Payload.Torrent) =>
  Swarm.make({ torrent, seed, path: () => ({ latency: 20, rate: Infinity }), resolution: 20, turn: 100 })

/** When each of them has all, in ms from here on, to the next half second. */
const endings = Effect.fnUntraced(function*(nodes: ReadonlyArray<Swarm.Node>, most: number) {
  const ends = new Map<Swarm.Node, number>()
  for (let now = 500; now <= most && ends.size < nodes.length; now += 500) {
    yield* TestClock.adjust(500)
    for (const node of nodes) if (node.torrent.swarm.isDone && !ends.has(node)) ends.set(node, now)
  }
  assert.strictEqual(ends.size, nodes.length, nodes.map(Swarm.describe).join("\n"))
  return nodes.map((node) => ends.get(node)!)
})

describe("choking", () => {
  for (const seed of [1, 2]) {
    it.effect(`lets equal peers end within 20 % of each other (seed ${seed})`, () =>
      Effect.gen(function*() {
        const torrent = Payload.torrent([{ length: 160 * PIECE }], PIECE)
        const swarm = yield* swarmOf(seed, torrent)
        yield* swarm.start({ number: 1, has: "All", up: 2 * UP })
        const leeches = yield* Effect.forEach(Swarm.range(2, 12), (number) => swarm.start({ number, up: UP }))
        const ends = yield* endings(leeches, 300_000)
        assert.isAtMost(Math.max(...ends), 1.2 * Math.min(...ends))
      }))
  }

  it.effect("gives least to who gives nothing", () =>
    Effect.gen(function*() {
      const torrent = Payload.torrent([{ length: 320 * PIECE }], PIECE)
      const swarm = yield* swarmOf(3, torrent)
      yield* swarm.start({ number: 1, has: "All", up: 3 * UP })
      const rider = yield* swarm.start({ number: 2, session: { maxUploadRate: 0 } })
      const givers = yield* Effect.forEach(Swarm.range(3, 15), (number) => swarm.start({ number, up: UP }))
      yield* TestClock.adjust("50 seconds")
      const had = [rider, ...givers].map(({ torrent }) => torrent.snapshot().downloaded)
      const mean = had.slice(1).reduce((sum, bytes) => sum + bytes, 0) / givers.length
      assert.isBelow(had[0]!, Math.min(...had.slice(1)))
      assert.isBelow(had[0]!, 0.7 * mean)
    }))
})
