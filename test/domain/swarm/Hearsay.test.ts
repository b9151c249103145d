import { assert, describe, it } from "@effect/vitest"
import * as PeerAddress from "../../../src/domain/PeerAddress.ts"
import { Hearsay, type Rumour } from "../../../src/domain/swarm/Hearsay.ts"
import { below, randomOf } from "./seeded.ts"

const address = (n: number, port = 6881): PeerAddress.PeerAddress =>
  PeerAddress.make(`10.${n >>> 16}.${(n >>> 8) & 255}.${n & 255}`, port)!

const rumour = (n: number, teller = "liar", port = 6881): Rumour => ({
  address: address(n, port),
  flags: 0,
  teller,
  swarm: 0
})

const tellers = (hearsay: Hearsay, count: number, now = 0) =>
  Array.from({ length: count }, () => hearsay.next(now)?.teller)

describe("Hearsay", () => {
  it("serves its tellers in turn, so that a flood delays nobody else", () => {
    const hearsay = new Hearsay(() => 0)
    for (let n = 0; n < 500; n++) hearsay.add(rumour(n), 0)
    hearsay.add(rumour(1000, "a"), 0)
    hearsay.add(rumour(1001, "b"), 0)
    assert.strictEqual(hearsay.size, 102)
    assert.deepStrictEqual(tellers(hearsay, 4), ["liar", "a", "b", "liar"])
  })

  it("tries four of a teller at once, and no more than its credit, which comes back by one a minute", () => {
    const hearsay = new Hearsay(() => 0)
    for (let n = 0; n < 100; n++) hearsay.add(rumour(n), 0)
    const tried = (now: number) => {
      let count = 0
      while (hearsay.next(now) !== undefined) count++
      for (let i = 0; i < count; i++) hearsay.judge("liar", false, now)
      return count
    }
    assert.deepStrictEqual([0, 0, 0, 59_999, 60_000, 60_001, 600_000].map(tried), [4, 4, 0, 0, 1, 0, 4])
  })

  it("trusts whoever names peers that are there", () => {
    const hearsay = new Hearsay(() => 0)
    for (let n = 0; n < 90; n++) hearsay.add(rumour(n, "honest"), 0)
    let found = 0
    while (hearsay.next(0) !== undefined) hearsay.judge("honest", ++found % 2 === 0, 0)
    assert.strictEqual(found, 90)
  })

  it("takes of one host no more than four ports, whoever tells", () => {
    const hearsay = new Hearsay(() => 0)
    for (let port = 1; port <= 100; port++) hearsay.add(rumour(7, `teller ${port}`, port), 0)
    assert.strictEqual(hearsay.size, 4)
  })

  it("lets only its teller take back what it told", () => {
    const hearsay = new Hearsay(() => 0)
    hearsay.add(rumour(1, "a"), 0)
    hearsay.remove(address(1), "b")
    assert.strictEqual(hearsay.size, 1)
    hearsay.remove(address(1), "a")
    assert.isUndefined(hearsay.next(0))
  })

  it("tries first what ranks highest", () => {
    const hearsay = new Hearsay(({ port }) => port)
    for (const port of [3, 9, 5]) hearsay.add(rumour(port, "a", port), 0)
    assert.deepStrictEqual([0, 0, 0].map((now) => hearsay.next(now)?.address.port), [9, 5, 3])
  })

  it.each([1, 2, 3, 4])("keeps to its bounds, and gives each address once while it waits (seed %i)", (seed) => {
    const random = randomOf(seed)
    const hearsay = new Hearsay(random)
    const waiting = new Map<string, string>()
    const under = new Map<string, number>()
    let now = 0
    for (let step = 0; step < 4000; step++) {
      now += below(random, 50)
      const teller = `teller ${below(random, 300)}`
      const one = rumour(below(random, 100_000), teller)
      const key = PeerAddress.format(one.address)
      const dice = random()
      if (dice < 0.9) {
        if (hearsay.add(one, now)) waiting.set(key, teller)
      } else if (dice < 0.95) {
        const next = hearsay.next(now)
        if (next === undefined) continue
        assert.strictEqual(next.teller, waiting.get(PeerAddress.format(next.address)))
        waiting.delete(PeerAddress.format(next.address))
        under.set(next.teller, (under.get(next.teller) ?? 0) + 1)
        assert.isAtMost(under.get(next.teller)!, 4)
      } else if (under.size > 0) {
        const [teller, count] = under.entries().next().value!
        hearsay.judge(teller, random() < 0.5, now)
        if (count > 1) under.set(teller, count - 1)
        else under.delete(teller)
      }
      assert.isAtMost(hearsay.size, 1000)
    }
    hearsay.clear()
    assert.strictEqual(hearsay.size, 0)
    assert.isUndefined(hearsay.next(now))
  })
})
