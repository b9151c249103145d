import { assert, describe, it } from "@effect/vitest"
import * as PeerAddress from "../../../src/domain/PeerAddress.ts"
import { DialQueue } from "../../../src/domain/swarm/DialQueue.ts"
import { below, int, randomOf, seed } from "./seeded.ts"

const HOUR = 3_600_000
const peer = (n: number): PeerAddress.PeerAddress => ({ host: `10.0.${n >>> 8}.${n & 255}`, port: 6881, family: 4 })

/** What a caller may rely on for one address. */
interface Model {
  state: "fresh" | "waiting" | "busy"
  user: boolean
  failures: number
  since: number
}

describe("DialQueue", () => {
  it("knows in which swarm to call a peer: the first of those that told of it", () => {
    const queue = new DialQueue(randomOf(1))
    queue.add(peer(1), "tracker", 0, 1)
    queue.add(peer(2), "tracker", 0, 1)
    queue.add(peer(2), "tracker", 0)
    queue.add(peer(3), "tracker", 0)
    queue.add(peer(3), "tracker", 0, 1)
    assert.deepStrictEqual([1, 2, 3, 4].map((n) => queue.swarmOf(peer(n))), [1, 0, 0, 0])
  })

  it.prop("follows a simple model, step by step", [seed], ([seed]) => {
    const random = randomOf(seed)
    const queue = new DialQueue(randomOf(seed + 1))
    const model = new Map<string, Model>()
    const addresses = Array.from({ length: 12 }, (_, n) => peer(n))
    let now = 0
    for (let step = 0; step < 300; step++) {
      now += below(random, 8) ** 4
      const address = addresses[below(random, addresses.length)]!
      const key = PeerAddress.format(address)
      const known = model.get(key)
      const dice = random()
      if (dice < 0.2) {
        const user = random() < 0.3
        assert.strictEqual(queue.add(address, user ? "user" : "tracker", now), known === undefined)
        if (known === undefined) model.set(key, { state: "fresh", user, failures: 0, since: now })
        else known.user ||= user
      } else if (dice < 0.6) {
        const next = queue.next(now)
        const fresh = [...model.values()].filter(({ state }) => state === "fresh")
        if (next === undefined) assert.isEmpty(fresh)
        else {
          const chosen = model.get(PeerAddress.format(next))!
          if (fresh.length > 0) assert.strictEqual(chosen.state, "fresh")
          if (fresh.some(({ user }) => user)) assert.isTrue(chosen.user)
          if (chosen.state !== "fresh") {
            assert.strictEqual(chosen.state, "waiting")
            const wait = Math.min(HOUR, 10_000 * 3 ** Math.max(0, chosen.failures - 1))
            assert.isAtLeast(now, chosen.since + 0.75 * wait)
          }
          chosen.state = "busy"
        }
      } else if (dice < 0.61) {
        queue.forget()
        for (const [key, { user }] of model) if (!user) model.delete(key)
      } else if (dice < 0.7) {
        queue.connected(address)
        model.set(key, { ...(known ?? { user: false, failures: 0 }), state: "busy", since: now })
      } else {
        const useful = random() < 0.3
        if (dice < 0.85) queue.failed(address, now)
        else queue.disconnected(address, now, useful)
        if (known?.state === "busy") {
          known.state = "waiting"
          known.since = now
          known.failures = dice >= 0.85 && useful ? 0 : known.failures + 1
        }
      }
      assert.strictEqual(queue.size, model.size)
    }
  })

  it.prop("retries 10 s later, then three times as long, and gives up in the end", [seed], ([seed]) => {
    const queue = new DialQueue(randomOf(seed))
    queue.add(peer(1), "tracker", 0)
    assert.isBelow(queue.dueAt(), 0)
    let now = 0
    let wait = 10_000
    for (let failure = 1; failure < 8; failure++) {
      assert.deepStrictEqual(queue.next(now), peer(1))
      assert.isUndefined(queue.next(now))
      queue.failed(peer(1), now)
      assert.isAtLeast(queue.dueAt(), now + 0.75 * wait)
      assert.isAtMost(queue.dueAt(), now + wait)
      assert.isUndefined(queue.next(queue.dueAt() - 1))
      now = queue.dueAt()
      wait = Math.min(HOUR, 3 * wait)
    }
    queue.next(now)
    queue.failed(peer(1), now)
    assert.strictEqual(queue.dueAt(), Infinity)
    queue.add(peer(1), "tracker", now + HOUR - 1)
    assert.isUndefined(queue.next(now + HOUR - 1))
    queue.add(peer(1), "tracker", now + HOUR)
    assert.deepStrictEqual(queue.next(now + HOUR), peer(1))
    queue.failed(peer(1), now + HOUR)
    assert.strictEqual(queue.dueAt(), Infinity)
    queue.add(peer(1), "user", now + HOUR)
    assert.deepStrictEqual(queue.next(now + HOUR), peer(1))
    queue.failed(peer(1), now + HOUR)
    assert.isAtMost(queue.dueAt(), now + 2 * HOUR)
  })

  it.prop("stays within its limit, and what the user named or what is in use stays in it", [seed, int(5, 40)], (
    [seed, limit]
  ) => {
    const queue = new DialQueue(randomOf(seed), limit)
    queue.add(peer(0), "user", 0)
    for (let n = 1; n < 4; n++) queue.connected(peer(n))
    for (let n = 10; n < 200; n++) {
      queue.add(peer(n), "pex", 0)
      assert.isAtMost(queue.size, limit)
    }
    assert.strictEqual(queue.size, limit)
    for (let n = 0; n < 4; n++) assert.isFalse(queue.add(peer(n), "tracker", 0))
    assert.deepStrictEqual(queue.next(0), peer(0))
    while (queue.next(0) !== undefined);
    assert.isFalse(queue.add(peer(500), "tracker", 0))
    assert.strictEqual(queue.size, limit)
  })

  it("makes room by what is given up or failed rather than by what was of use", () => {
    const queue = new DialQueue(randomOf(1), 2)
    queue.add(peer(1), "tracker", 0)
    queue.add(peer(2), "tracker", 0)
    queue.next(0)
    queue.next(0)
    queue.disconnected(peer(1), 0, true)
    queue.failed(peer(2), 0)
    assert.isTrue(queue.add(peer(3), "tracker", 0))
    assert.isFalse(queue.add(peer(1), "tracker", 0))
    assert.isTrue(queue.add(peer(2), "tracker", 0))
  })

  it("never gives an excluded address", () => {
    const queue = new DialQueue(randomOf(1))
    queue.add(peer(1), "tracker", 0)
    queue.add(peer(2), "tracker", 0)
    queue.exclude(peer(1))
    queue.exclude(peer(3))
    assert.isFalse(queue.add(peer(1), "tracker", 0))
    assert.isFalse(queue.add(peer(3), "user", 0))
    queue.connected(peer(3))
    assert.strictEqual(queue.size, 1)
    assert.deepStrictEqual(queue.next(0), peer(2))
    queue.exclude(peer(2))
    queue.failed(peer(2), 0)
    assert.strictEqual(queue.size, 0)
    assert.strictEqual(queue.dueAt(), Infinity)
  })

  it("dials a peer again soon after a useful connection, and takes an early failure back", () => {
    const queue = new DialQueue(() => 0)
    queue.add(peer(1), "tracker", 0)
    for (const now of [0, 10_000, 40_000]) {
      queue.next(now)
      queue.failed(peer(1), now)
    }
    queue.connected(peer(1))
    assert.strictEqual(queue.dueAt(), Infinity)
    queue.disconnected(peer(1), 50_000, true)
    assert.strictEqual(queue.dueAt(), 60_000)
    queue.next(60_000)
    queue.failed(peer(1), 60_000)
    assert.strictEqual(queue.dueAt(), 70_000)
  })

  it("remembers how a peer was spoken with for as long as it knows the peer", () => {
    const queue = new DialQueue(() => 0)
    queue.answered(peer(1), "encrypted")
    assert.isUndefined(queue.mannerOf(peer(1)))
    queue.add(peer(1), "tracker", 0)
    assert.isUndefined(queue.mannerOf(peer(1)))
    queue.next(0)
    queue.answered(peer(1), "encrypted")
    queue.failed(peer(1), 0)
    queue.add(peer(1), "user", 1)
    assert.strictEqual(queue.mannerOf(peer(1)), "encrypted")
    queue.answered(peer(1), "plain")
    assert.strictEqual(queue.mannerOf(peer(1)), "plain")
    queue.exclude(peer(1))
    assert.isUndefined(queue.mannerOf(peer(1)))
  })

  it("tries what was of use soon, however often, while nobody is connected", () => {
    const queue = new DialQueue(() => 0)
    for (const n of [1, 2]) queue.add(peer(n), "tracker", 0)
    let now = 0
    for (let i = 0; i < 2; i++) {
      const address = queue.next(now)!
      queue.connected(address)
      queue.disconnected(address, now, PeerAddress.format(address) === PeerAddress.format(peer(1)))
    }
    const tried = new Map<string, number>()
    for (; now < 2 * HOUR; now += 1000) {
      for (let next = queue.next(now); next !== undefined; next = queue.next(now)) {
        tried.set(next.host, (tried.get(next.host) ?? 0) + 1)
        queue.failed(next, now, true)
      }
    }
    assert.isAtLeast(tried.get(peer(1).host)!, 2 * 60)
    assert.isAtMost(tried.get(peer(2).host)!, 8)
  })
})
