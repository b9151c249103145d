/** Swarms drawn by lot, with everything that goes wrong at once: they all end with equal files and just bans. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import { below, randomOf } from "../domain/swarm/seeded.ts"
import * as Payload from "../support/payload.ts"
import * as Swarm from "../support/swarm.ts"

const KB = 1000

const FIRST_LEECH = 10
const FIRST_DYING = 30

interface Lot {
  readonly seed: number
  readonly random: () => number
  readonly pick: <A>(items: ReadonlyArray<A>) => A
  readonly torrent: Payload.Torrent
  readonly swarm: Swarm.Swarm
  /** Whom a node is told of; the tracker says it when absent. */
  readonly peers: (number: number) => ReadonlyArray<number> | undefined
  readonly session: () => Swarm.NodeOptions["session"]
}

/** A torrent of large or small pieces, now and then with room for one piece in memory. */
const draw = Effect.fnUntraced(function*(seed: number) {
  const random = randomOf(seed * 7919)
  const pick = <A>(items: ReadonlyArray<A>): A => items[below(random, items.length)]!
  const blocks = pick([1, 2, 3, 8, 16])
  const pieceLength = blocks * PieceLayout.BLOCK - pick([0, 0, 0, 77])
  const pieces = Math.ceil(pick([40, 160, 300]) / blocks) + 1
  const torrent = Payload.torrent([{ length: pieceLength * pieces - below(random, pieceLength) }], pieceLength, seed)
  const latencies = Array.from({ length: 17 }, () => 5 + below(random, 150))
  const last = (host: string) => Number(host.split(".")[3])
  const path = (from: string, to: string) => ({
    latency: latencies[(last(from) + last(to)) % latencies.length]!,
    rate: 2000 * KB
  })
  const asksTracker = random() < 0.5
  const lot: Lot = {
    seed,
    random,
    pick,
    torrent,
    swarm: yield* Swarm.make({ torrent, seed, path, resolution: 5 }),
    peers: (number) => asksTracker ? undefined : Swarm.range(1, number - 1),
    session: () => ({
      maxUploads: pick([1, 2, 8]),
      memory: pick([pieceLength, 4 * pieceLength, undefined]),
      maxDownloadRate: random() < 0.1 ? 100 * KB : undefined
    })
  }
  return lot
})

/** Seeds that lie about one block in a few. */
const startLiars = Effect.fnUntraced(function*({ peers, pick, random, swarm, torrent }: Lot) {
  const liars = yield* Effect.forEach(
    Swarm.range(2, below(random, 4)),
    (number) => swarm.start({ number, has: "All", up: 300 * KB, peers: peers(number) })
  )
  for (const liar of liars) {
    const content = Swarm.contentOf(torrent, liar)
    const every = pick([1, 3, 5]) * PieceLayout.BLOCK
    for (let at = below(random, every); at < content.length; at += every) content[at]! ^= 0xff
  }
  return liars
})

/** Some leave in order, some crash. */
const startDying = Effect.fnUntraced(function*({ peers, random, swarm }: Lot) {
  const dying = yield* Effect.forEach(
    Swarm.range(FIRST_DYING, below(random, 6)),
    (number) => swarm.start({ number, up: 300 * KB, peers: peers(number) })
  )
  for (const { number, stop } of dying) {
    const crash = Effect.sync(() => swarm.network.reset(Swarm.host(number)))
    yield* Effect.forkScoped(Effect.delay(random() < 0.5 ? stop : crash, 500 + below(random, 20_000)))
  }
  return dying
})

/** The network falls apart for a while. */
const split = ({ pick, random, swarm }: Lot) => {
  const border = below(random, FIRST_DYING)
  const sideOf = (host: string) => Number(Number(host.split(".")[3]) < border)
  return Effect.sleep(below(random, 15_000)).pipe(
    Effect.andThen(Effect.sync(() => swarm.network.split(sideOf))),
    Effect.andThen(Effect.sleep(pick([2000, 30_000, 200_000]))),
    Effect.andThen(Effect.sync(() => swarm.network.split(() => 0)))
  )
}

/** A leech stops, or is killed, and comes back with what is left of it. */
const restart = Effect.fnUntraced(function*({ peers, random, session, swarm }: Lot, victim: Swarm.Node) {
  yield* TestClock.adjust(500 + below(random, 8000))
  const killed = Swarm.leftovers(victim)
  yield* Swarm.within(5000, victim.stop)
  const { disk, records } = random() < 0.5 ? killed : victim
  yield* TestClock.adjust(500 + below(random, 5000))
  const { number } = victim
  return yield* swarm.start({ number, up: 300 * KB, peers: peers(number), session: session(), disk, records })
})

describe("any swarm", () => {
  for (const seed of Swarm.range(1, 10)) {
    it.effect(`ends with equal files (seed ${seed})`, () =>
      Effect.gen(function*() {
        const lot = yield* draw(seed)
        const { peers, pick, random, session, swarm, torrent } = lot
        const source = yield* swarm.start({ number: 1, has: "All", up: 400 * KB, peers: peers(1), session: session() })
        const liars = yield* startLiars(lot)
        const leeches = yield* Effect.forEach(Swarm.range(FIRST_LEECH, 2 + below(random, 8)), (number) =>
          swarm.start({
            number,
            up: pick([30, 200, 600]) * KB,
            down: 1500 * KB,
            peers: peers(number),
            session: session(),
            options: { order: pick(["Rarest", "Rarest", "Sequential"]) }
          }))
        const dying = yield* startDying(lot)
        if (random() < 0.5) yield* Effect.forkScoped(split(lot))
        for (let i = below(random, 3); i > 0; i--) leeches[i - 1] = yield* restart(lot, leeches[i - 1]!)
        yield* Swarm.within(900_000, Swarm.allDone(leeches), leeches)
        for (const leech of leeches) assert.isTrue(Swarm.isWhole(torrent, leech))
        const honest = [source, ...leeches, ...dying]
        for (const leech of leeches) assert.isFalse(honest.some((node) => Swarm.bans(leech, node)))
        // Nothing leaks: whoever is done holds no memory.
        for (const leech of leeches) assert.strictEqual(leech.session.buffers.used, 0)
        for (const leech of leeches) {
          const known = new Set([...leech.torrent.swarm.peers].map(({ id }) => id))
          for (const liar of liars) assert.isFalse(known.has(liar.session.peerId) && Swarm.bans(leech, liar))
        }
      }))
  }
})
