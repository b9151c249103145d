/** Any announces, to any layer of the swarm store and to the reference, which have to agree. */
import { assert } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Announcing } from "../../../src/domain/tracker/Announcing.ts"
import { SwarmStore } from "../../../src/services/SwarmStore.ts"
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

/** Few enough to be reached, and whole seconds, which is what the table in memory keeps. */
export const BOUNDS = { maxTorrents: 4, maxPeersPerTorrent: 5, maxPeers: 11, lifeMs: 60_000 }

const Small = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const Step = Schema.Struct({
  torrent: Small(0, TORRENTS - 1),
  place: Small(0, PLACES.length - 1),
  twin: Small(0, 4),
  role: Schema.Literals(["leech", "paused", "seed"]),
  event: Schema.Literals(["none", "started", "completed", "stopped"]),
  numWant: Small(0, 6),
  wants: Schema.Literals(["v4", "v6", "both"]),
  withIds: Schema.Boolean,
  // Never 0, so that who has been silent longest is one.
  wait: Small(1, 15)
})
type Step = typeof Step.Type

export const steps = Arbitrary.array(Arbitrary.schema(Step), { minLength: 1, maxLength: 80 })

const announcingOf = (step: Step): Announcing =>
  peer(step.torrent, 0, {
    // A twin is another peer with the id of the first place.
    peerId: id(step.twin === 0 ? 0 : step.place),
    compact: PLACES[step.place]!,
    role: step.role,
    event: step.event === "none" ? undefined : step.event,
    numWant: step.numWant,
    wants: step.wants,
    withIds: step.withIds
  })

const HASHES = Array.from({ length: TORRENTS }, (_, torrent) => hash(torrent))

export const agrees = Effect.fnUntraced(function*(steps: ReadonlyArray<Step>) {
  const store = yield* SwarmStore
  const reference = new Reference(BOUNDS)
  let now = 1_800_000_000_000
  for (const step of steps) {
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
