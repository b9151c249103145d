/**
 * How long a whole swarm takes, as a ratio of the least that any way of sharing could: the seed must send everything once, and
 * all uplinks together must send a copy to everybody. What is above that is mostly pieces that the seed gives twice, to leeches that
 * ask for them before either has them.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import * as Payload from "../support/payload.ts"
import * as Swarm from "../support/swarm.ts"

const PIECE = PieceLayout.BLOCK

const torrent = Payload.torrent([{ length: 256 * PIECE }], PIECE)

const size = torrent.payload.length

/** Bytes/s of the seed's uplink, and of a leech's in the mean. */
const UP = 50_000

/** Peers that the tracker names at once, and that each has at the most: nobody knows the whole swarm. */
const NAMED = 25
const KNOWN = 30

const share = Effect.fnUntraced(function*(seed: number, count: number, upOf: (number: number) => number) {
  const swarm = yield* Swarm.make({
    torrent,
    seed,
    path: () => ({ latency: 20, rate: Infinity }),
    resolution: 20,
    turn: 100
  })
  swarm.tracker.most = NAMED
  yield* swarm.start({ number: 1, has: "All", up: UP, options: { maxPeers: KNOWN } })
  const leeches = yield* Effect.forEach(
    Swarm.range(2, count),
    (number) => swarm.start({ number, up: upOf(number), options: { maxPeers: KNOWN } })
  )
  const uplinks = leeches.reduce((sum, { number }) => sum + upOf(number), UP)
  const least = 1000 * Math.max(size / UP, count * size / uplinks)
  const { took } = yield* Swarm.within(4 * least, Swarm.allDone(leeches), leeches)
  const wasted = leeches.reduce((sum, { torrent }) => sum + torrent.swarm.board.wasted, 0)
  return { ratio: took / least, wasted: wasted / count / size }
})

describe("a swarm of one seed", () => {
  for (const seed of [1, 2, 3]) {
    it.effect(`and twenty equal leeches ends within 1.3 times the least (seed ${seed})`, () =>
      Effect.gen(function*() {
        const { ratio } = yield* share(seed, 20, () => UP)
        assert.isAtMost(ratio, 1.3)
      }), 600_000)
  }

  it.effect(
    "and a hundred leeches ends within 1.45 times the least, and hardly a block is sent twice to one peer",
    () =>
      Effect.gen(function*() {
        const { ratio, wasted } = yield* share(1, 100, () => UP)
        assert.isAtMost(ratio, 1.45)
        assert.isAtMost(wasted, 0.06)
      }),
    600_000
  )

  it.effect("and twenty leeches with unequal uplinks ends within 1.65 times the least", () =>
    Effect.gen(function*() {
      const { ratio, wasted } = yield* share(1, 20, (number) => number % 4 === 0 ? 2.5 * UP : 0.5 * UP)
      assert.isAtMost(ratio, 1.65)
      assert.isAtMost(wasted, 0.1)
    }), 600_000)
})
