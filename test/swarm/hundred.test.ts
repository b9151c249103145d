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

/** What is shared, and bytes/s of the seed's uplink and, in the mean, of a leech's. */
interface Shape {
  readonly torrent: Payload.Torrent
  readonly up: number
}

const shapeOf = (pieces: number, up: number): Shape => ({
  torrent: Payload.torrent([{ length: pieces * PIECE }], PIECE),
  up
})

const SMALL = shapeOf(256, 50_000)

/**
 * Takes as long as the small one at the least. The more pieces there are, the less count the start, until a hundred leeches
 * have something to give, and the end, when uplinks fall idle; most torrents have more.
 */
const LARGE = shapeOf(512, 100_000)

/** Peers that the tracker names at once, and that each has at the most: nobody knows the whole swarm. */
const NAMED = 25
const KNOWN = 30

const share = Effect.fnUntraced(function*(
  { torrent, up }: Shape,
  seed: number,
  count: number,
  upOf: (number: number) => number = () => up
) {
  const size = torrent.payload.length
  const swarm = yield* Swarm.make({
    torrent,
    seed,
    path: () => ({ latency: 20, rate: Infinity }),
    resolution: 20,
    turn: 100
  })
  swarm.tracker.most = NAMED
  yield* swarm.start({ number: 1, has: "All", up, options: { maxPeers: KNOWN } })
  const leeches = yield* Effect.forEach(
    Swarm.range(2, count),
    (number) => swarm.start({ number, up: upOf(number), options: { maxPeers: KNOWN } })
  )
  const uplinks = leeches.reduce((sum, { number }) => sum + upOf(number), up)
  const least = 1000 * Math.max(size / up, count * size / uplinks)
  const { took } = yield* Swarm.within(4 * least, Swarm.allDone(leeches), leeches)
  const wasted = leeches.reduce((sum, { torrent }) => sum + torrent.swarm.board.wasted, 0)
  return { ratio: took / least, wasted: wasted / count / size }
})

describe("a swarm of one seed", () => {
  for (const seed of [1, 2, 3]) {
    it.effect(`and twenty equal leeches ends within 1.3 times the least (seed ${seed})`, () =>
      Effect.gen(function*() {
        const { ratio } = yield* share(SMALL, seed, 20)
        assert.isAtMost(ratio, 1.3)
      }), 600_000)
  }

  it.effect(
    "and a hundred leeches ends within 1.3 times the least, and hardly a block is sent twice to one peer",
    () =>
      Effect.gen(function*() {
        const { ratio, wasted } = yield* share(LARGE, 1, 100)
        assert.isAtMost(ratio, 1.3)
        assert.isAtMost(wasted, 0.06)
      }),
    600_000
  )

  it.effect("and twenty leeches with unequal uplinks ends within 1.65 times the least", () =>
    Effect.gen(function*() {
      const { ratio, wasted } = yield* share(SMALL, 1, 20, (number) => (number % 4 === 0 ? 2.5 : 0.5) * SMALL.up)
      assert.isAtMost(ratio, 1.65)
      assert.isAtMost(wasted, 0.1)
    }), 600_000)
})
