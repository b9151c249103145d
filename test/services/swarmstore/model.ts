/** Any announces, to any layer of the swarm store and to the reference, which have to agree. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Announcing } from "../../../src/domain/tracker/Announcing.ts"
import { SwarmStore } from "../../../src/services/SwarmStore.ts"
import { below, randomOf } from "../../domain/swarm/seeded.ts"
import { compact, hash, hosts, id, named, peer } from "./announcing.ts"
import { Reference } from "./reference.ts"

/** Of each family and reach, enough to fill the torrents. */
const PLACES = [
  "203.0.113.1:1",
  "203.0.113.1:2",
  "198.51.100.7:6881",
  "192.168.1.1:6881",
  "10.1.2.3:6881",
  "127.0.0.1:6881",
  "127.0.0.1:6882",
  "[2001:db8::1]:6881",
  "[2001:db8::2]:6881",
  "[fd00::1]:6881",
  "[::1]:6881",
  "[2001:db8::1]:1"
].map(compact)

const TORRENTS = 6

/**
 * Few enough to be reached. Announces come at whole seconds, which is what the table in memory keeps, and the half second makes
 * that no time is over at the very moment of another announce.
 */
export const BOUNDS = { maxTorrents: 4, maxPeersPerTorrent: 5, maxPeers: 11, lifeMs: 60_500 }

const STEPS = 400

const pick = <A>(random: () => number, items: ReadonlyArray<A>): A => items[below(random, items.length)]!

const stepOf = (random: () => number) => ({
  torrent: below(random, TORRENTS),
  place: below(random, PLACES.length),
  isTwin: below(random, 3) === 0,
  key: below(random, 3),
  role: pick(random, ["leech", "leech", "paused", "seed"] as const),
  event: pick(random, [undefined, "started", "completed", "stopped"] as const),
  numWant: below(random, 7),
  wants: pick(random, ["v4", "v6", "both"] as const),
  withIds: below(random, 2) === 0,
  // Never 0, so that who has been silent longest is one; at times long enough for all to leave.
  wait: below(random, 20) === 0 ? 30 + below(random, 60) : 1 + below(random, 8)
})
type Step = ReturnType<typeof stepOf>

const announcingOf = (step: Step): Announcing =>
  peer(step.torrent, 0, {
    // A twin is another peer with the id of the first place.
    peerId: id(step.isTwin ? 0 : step.place),
    compact: PLACES[step.place]!,
    key: step.key,
    role: step.role,
    event: step.event,
    numWant: step.numWant,
    wants: step.wants,
    withIds: step.withIds
  })

const HASHES = Array.from({ length: TORRENTS }, (_, torrent) => hash(torrent))

/** A few hundred announces that follow from `seed`. */
export const agrees = Effect.fnUntraced(function*(seed: number) {
  const store = yield* SwarmStore
  const reference = new Reference(BOUNDS)
  let now = 1_800_000_000_000
  const random = randomOf(seed)
  for (let n = 0; n < STEPS; n++) {
    const step = stepOf(random)
    now += 1000 * step.wait
    const announcing = announcingOf(step)
    const [answer] = yield* store.announce([announcing], now)
    const expected = reference.announce(announcing, now)
    if (expected === "TooManyTorrents" || answer === "TooManyTorrents" || answer === undefined) {
      assert.isTrue(answer === expected, `${JSON.stringify(answer)} for ${JSON.stringify(expected)}`)
    } else {
      const { allowed, ...numbers } = expected
      const { completed, leechers, seeders } = answer
      assert.deepStrictEqual({ seeders, leechers, completed }, numbers)
      const heard = step.withIds ? named(answer) : hosts(answer)
      const may = new Set(step.withIds ? allowed : allowed.map((name) => name.split(" ")[0]!))
      assert.isTrue(heard.every((name) => may.has(name)), `${heard} of ${[...may]}`)
      assert.strictEqual(new Set(heard).size, Math.min(step.numWant, allowed.length))
      assert.strictEqual(heard.length, Math.min(step.numWant, allowed.length))
    }
    if (step.wait % 3 === 0) {
      const counts = yield* store.scrape(HASHES, now)
      assert.deepStrictEqual(counts, HASHES.map((infoHash) => reference.scrape(infoHash, now)))
    }
    if (step.wait % 5 === 0) assert.deepStrictEqual(yield* store.summary(now), reference.summary(now))
  }
})
