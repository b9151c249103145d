import { assert, describe, it } from "@effect/vitest"
import * as PeerAddress from "../../../src/domain/PeerAddress.ts"
import { DialQueue } from "../../../src/domain/swarm/DialQueue.ts"
import * as PexMessage from "../../../src/domain/wire/PexMessage.ts"
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
        queue.connected(address, now)
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
    for (let n = 1; n < 4; n++) queue.connected(peer(n), 0)
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
    queue.connected(peer(3), 0)
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
    queue.connected(peer(1), 40_000)
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
      queue.connected(address, now)
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

  it("dials what a tracker names before what peers tell of, and takes turns between that and retries", () => {
    const queue = new DialQueue(() => 0)
    for (let n = 10; n < 20; n++) queue.told({ address: peer(n), flags: 0 }, "teller", 0)
    for (const n of [1, 2]) queue.add(peer(n), "tracker", 0)
    const first = [queue.next(0), queue.next(0)]
    assert.sameDeepMembers(first, [peer(1), peer(2)])
    for (const address of first) queue.failed(address!, 0)
    const source = () => {
      const next = queue.next(10_000)
      return next === undefined ? "nobody" : next.host.length < "10.0.0.10".length ? "retry" : "told"
    }
    assert.deepStrictEqual([1, 2, 3, 4, 5, 6, 7].map(source), [
      "told",
      "retry",
      "told",
      "retry",
      "told",
      "told",
      "nobody"
    ])
  })

  it("gives up what a peer told of after two failures, and keeps it once a peer was there", () => {
    const queue = new DialQueue(() => 0)
    for (const n of [1, 2]) queue.told({ address: peer(n), flags: 0 }, "teller", 0)
    const [met, never] = [queue.next(0)!, queue.next(0)!]
    queue.connected(met, 0)
    queue.disconnected(met, 0, false)
    queue.failed(never, 0)
    assert.strictEqual(queue.size, 2)
    for (const address of [queue.next(HOUR)!, queue.next(HOUR)!]) queue.failed(address, HOUR)
    assert.strictEqual(queue.size, 1)
    assert.deepStrictEqual(queue.next(2 * HOUR), met)
  })

  it.prop("finds the way to what others named through a flood of one teller", [seed, int(0, 1500)], ([seed, flood]) => {
    const random = randomOf(seed)
    const queue = new DialQueue(random, 200)
    for (let n = 0; n < flood; n++) queue.told({ address: peer(5000 + n), flags: 0 }, "liar", 0)
    for (let n = 0; n < 20; n++) queue.told({ address: peer(n), flags: 0 }, "honest", 0)
    for (let n = 20; n < 40; n++) queue.add(peer(n), "tracker", 0)
    const found = new Set<string>()
    let wasted = 0
    for (let now = 0; now < 60_000; now += 1000) {
      for (let next = queue.next(now); next !== undefined; next = queue.next(now)) {
        const n = Number(next.host.split(".")[2]) * 256 + Number(next.host.split(".")[3])
        if (n >= 5000) {
          wasted++
          queue.failed(next, now)
        } else {
          found.add(next.host)
          queue.connected(next, now)
        }
      }
      assert.isAtMost(queue.size, 200)
    }
    assert.strictEqual(found.size, 40)
    assert.isAtMost(wasted, 16)
  })

  it("does not wait for ever for what was forgotten or excluded on the way", () => {
    const queue = new DialQueue(() => 0)
    for (let n = 0; n < 4; n++) queue.told({ address: peer(n), flags: 0 }, "teller", 0)
    for (let n = 0; n < 4; n++) queue.next(0)
    queue.exclude(peer(0))
    queue.forget()
    queue.told({ address: peer(9), flags: 0 }, "teller", 0)
    assert.deepStrictEqual(queue.next(0), peer(9))
  })

  it("orders by rank what was never tried, whoever told of it", () => {
    const queue = new DialQueue(() => 0.5, 100, ({ host }) => Number(host.split(".")[3]) / 256)
    for (const n of [3, 9, 5]) queue.add(peer(n), "tracker", 0)
    queue.add(peer(1), "user", 0)
    assert.deepStrictEqual([1, 2, 3, 4].map(() => queue.next(0)), [1, 9, 5, 3].map(peer))
  })

  it("takes a peer's word for how another prefers to be called, until that has answered itself", () => {
    const queue = new DialQueue(() => 0.5)
    queue.told({ address: peer(1), flags: PexMessage.PREFERS_ENCRYPTION | PexMessage.REACHABLE }, "10.9.9.9", 0)
    queue.told({ address: peer(2), flags: PexMessage.REACHABLE }, "10.9.9.9", 0)
    const manners = () => [1, 2].map((n) => queue.mannerOf(peer(n)))
    queue.next(0)
    queue.next(0)
    assert.deepStrictEqual(manners(), ["encrypted", undefined])
    queue.answered(peer(1), "plain")
    queue.answered(peer(2), "encrypted")
    assert.deepStrictEqual(manners(), ["plain", "encrypted"])
  })

  it("remembers nobody that is known by name alone", () => {
    const queue = new DialQueue(() => 0.5)
    for (const address of [PeerAddress.named("peer.example", 6881, 1), peer(1)]) {
      queue.add(address, "user", 0)
      assert.deepStrictEqual(queue.next(0), address)
      queue.connected(address, 0)
      queue.disconnected(address, 1000, true)
    }
    assert.deepStrictEqual(queue.memory(2000, 1).map(({ address }) => address), [peer(1)])
  })

  it.prop("remembers whom it met, the best first, and dials them first in the next run", [seed], ([seed]) => {
    const queue = new DialQueue(randomOf(seed))
    for (let n = 1; n <= 6; n++) queue.add(peer(n), n === 2 ? "user" : "tracker", 0, n % 2)
    for (let i = 0; i < 6; i++) queue.next(0)
    queue.failed(peer(6), 0)
    for (let n = 1; n <= 5; n++) queue.connected(peer(n), 0)
    queue.note(peer(1), 2, true)
    queue.disconnected(peer(2), 1000, true)
    queue.disconnected(peer(3), 2000, false)
    queue.exclude(peer(4))
    const memory = queue.memory(5000, 10)
    assert.deepStrictEqual(memory.map(({ address }) => address), [1, 2, 5, 3].map(peer))
    assert.deepStrictEqual(memory.map(({ age }) => age), [0, 4000, 0, 3000])
    assert.deepStrictEqual(memory.map(({ failures }) => failures), [0, 0, 0, 1])
    assert.deepStrictEqual(memory.map(({ useful }) => useful), [true, true, false, false])
    assert.deepStrictEqual(memory.map(({ flags }) => flags), [2, 0, 0, 0])
    assert.deepStrictEqual(memory.map(({ swarm }) => swarm), [1, 0, 1, 1])
    assert.deepStrictEqual(queue.memory(5000, 2), memory.slice(0, 2))
    const again = new DialQueue(randomOf(seed))
    again.add(peer(7), "tracker", 0)
    again.recall(memory, 0)
    assert.deepStrictEqual(again.memory(1000, 10).map(({ age }) => age), [1000, 5000, 1000, 4000])
    const order = Array.from({ length: 5 }, () => again.next(0))
    assert.sameDeepMembers(order.slice(0, 2), [1, 2].map(peer))
    assert.sameDeepMembers(order.slice(2), [3, 5, 7].map(peer))
    assert.strictEqual(again.swarmOf(peer(2)), 0)
    assert.isUndefined(again.next(0))
  })
})
