import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import { below, randomOf } from "../domain/swarm/seeded.ts"
import * as Payload from "../support/payload.ts"
import * as Swarm from "../support/swarm.ts"

const PIECE = 2 * PieceLayout.BLOCK

const torrent = Payload.torrent([{ length: 160 * PIECE - 5000 }], PIECE)

const KB = 1000

/** A path for every pair of hosts, the same in both directions and for every run of a seed. */
const paths = (seed: number) => (from: string, to: string) => {
  const [a, b] = [from, to].sort()
  let key = seed
  for (const char of `${a} ${b}`) key = Math.imul(key, 31) + char.charCodeAt(0)
  return { latency: 5 + below(randomOf(key), 120), rate: 2000 * KB }
}

/** Spoils a byte of the second block of every third piece. */
const spoil = (content: Uint8Array): void => {
  for (let at = PieceLayout.BLOCK; at < content.length; at += 3 * PIECE) content[at]! ^= 0xff
}

/** One seed, twenty leeches of which four have a slow line, two liars, and four that die on the way. */
const crowd = Effect.fnUntraced(function*(seed: number) {
  const random = randomOf(seed)
  const swarm = yield* Swarm.make({ torrent, seed, path: paths(seed), resolution: 5 })
  const peers = (number: number) => Swarm.range(1, number - 1)
  const source = yield* swarm.start({ number: 1, has: "All", up: 500 * KB })
  const liars = yield* Effect.forEach(
    [2, 3],
    (number) => swarm.start({ number, has: "All", up: 300 * KB, peers: peers(number) })
  )
  for (const liar of liars) spoil(Swarm.contentOf(torrent, liar))
  const leeches = yield* Effect.forEach(Swarm.range(4, 20), (number) =>
    swarm.start({
      number,
      up: (number % 5 === 0 ? 40 : 200 + below(random, 400)) * KB,
      down: 1500 * KB,
      peers: peers(number)
    }))
  const dying = yield* Effect.forEach(
    Swarm.range(24, 4),
    (number) => swarm.start({ number, up: 300 * KB, peers: peers(number) })
  )
  for (const { stop } of dying) yield* Effect.forkScoped(Effect.delay(stop, 500 + below(random, 20_000)))
  const { took } = yield* Swarm.within(600_000, Swarm.allDone(leeches), leeches)
  return { took, source, liars, leeches, dying }
})

describe("a swarm in virtual time", () => {
  for (const seed of [1, 2, 3]) {
    it.effect(`with liars, slow lines and dying peers ends with equal files (seed ${seed})`, () =>
      Effect.gen(function*() {
        const { dying, leeches, liars, source, took } = yield* crowd(seed)
        for (const leech of leeches) assert.isTrue(Swarm.isWhole(torrent, leech))
        const bannedBy = (node: Swarm.Node) => leeches.filter((leech) => Swarm.bans(leech, node)).length
        for (const liar of liars) assert.isAbove(bannedBy(liar), 2)
        for (const honest of [source, ...leeches, ...dying]) assert.strictEqual(bannedBy(honest), 0)
        assert.isBelow(took, 60_000)
      }))
  }

  it.effect("is the same every time for one seed", () =>
    Effect.gen(function*() {
      const stories = yield* Effect.forEach(
        [4, 4],
        (seed) =>
          crowd(seed).pipe(
            Effect.map(({ leeches }) => JSON.stringify(leeches.map(({ events }) => events))),
            Effect.scoped,
            Effect.provide(TestClock.layer())
          )
      )
      assert.strictEqual(stories[0], stories[1])
    }))
})
