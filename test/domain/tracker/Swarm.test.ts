import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as PeerAddress from "../../../src/domain/PeerAddress.ts"
import type * as PeerId from "../../../src/domain/PeerId.ts"
import type { Event } from "../../../src/domain/tracker/Announce.ts"
import * as Swarm from "../../../src/domain/tracker/Swarm.ts"

const address = (n: number): PeerAddress.PeerAddress =>
  n % 3 === 0 ? PeerAddress.make(`2001:db8::${n + 1}`, 1000)! : PeerAddress.make(`192.0.2.${n + 1}`, 1000 + n)!
const id = (n: number): PeerId.PeerId => `-FR0100-${String(n).padStart(12, "0")}` as PeerId.PeerId

const visitOf = (n: number, fields: Partial<Swarm.Visit> = {}): Swarm.Visit => ({
  address: address(n),
  peerId: id(n),
  seed: false,
  event: undefined,
  expiresAt: 1000,
  ...fields
})

const joined = (...visits: ReadonlyArray<Swarm.Visit>): Swarm.Swarm => {
  const swarm = Swarm.make()
  for (const visit of visits) Swarm.visit(swarm, visit, 100)
  return swarm
}

const asker = { peerId: id(99), seed: false }
const names = (peers: ReadonlyArray<Swarm.Peer>) => peers.map((peer) => PeerAddress.format(peer.address)).sort()

const Small = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))
const Step = Schema.Struct({
  peer: Small(9),
  id: Small(1),
  seed: Schema.Boolean,
  event: Schema.Literals(["none", "started", "completed", "stopped"]),
  wait: Small(40)
})

describe("Swarm", () => {
  it.prop("is a table of peers that leave in time", { steps: Schema.Array(Step) }, ({ steps }) => {
    const LIFE = 100
    const swarm = Swarm.make()
    const model = new Map<string, { readonly id: string; readonly seed: boolean; readonly until: number }>()
    let now = 0
    for (const step of steps) {
      now += step.wait
      const peer = address(step.peer)
      const key = PeerAddress.format(peer)
      const peerId = id(100 * step.id + step.peer)
      for (const [known, { until }] of model) if (until <= now) model.delete(known)
      if (step.event !== "stopped") model.set(key, { id: peerId, seed: step.seed, until: now + LIFE })
      else if (model.get(key)?.id === peerId) model.delete(key)
      Swarm.expire(swarm, now)
      const event: Event | undefined = step.event === "none" ? undefined : step.event
      Swarm.visit(swarm, { address: peer, peerId, seed: step.seed, event, expiresAt: now + LIFE }, 100)
      const seeders = [...model.values()].filter((entry) => entry.seed).length
      const { completed: _, ...counts } = Swarm.counts(swarm)
      assert.deepStrictEqual(counts, { seeders, leechers: model.size - seeders })
      assert.deepStrictEqual(names(Swarm.sample(swarm, asker, 100, Math.random)), [...model.keys()].sort())
    }
  })

  it("gives a seed no seeds, and nobody itself, not even at another address", () => {
    const swarm = joined(
      visitOf(1, { seed: true }),
      visitOf(2, { seed: true }),
      visitOf(3),
      visitOf(4),
      visitOf(5, { peerId: id(4) })
    )
    assert.deepStrictEqual(
      names(Swarm.sample(swarm, { peerId: id(1), seed: true }, 50, Math.random)),
      names([3, 4, 5].map((n) => ({ peerId: id(n), address: address(n), compact: new Uint8Array() })))
    )
    assert.strictEqual(Swarm.sample(swarm, { peerId: id(4), seed: false }, 50, Math.random).length, 3)
  })

  it("draws all peers alike, seeds and leeches, and never one twice", () => {
    const swarm = joined(...Array.from({ length: 10 }, (_, n) => visitOf(n, { seed: n < 4 })))
    const seen = new Map<string, number>()
    for (let i = 0; i < 4000; i++) {
      const drawn = names(Swarm.sample(swarm, asker, 3, Math.random))
      assert.strictEqual(new Set(drawn).size, 3)
      for (const name of drawn) seen.set(name, (seen.get(name) ?? 0) + 1)
    }
    assert.strictEqual(seen.size, 10)
    // 1200 expected, standard deviation 29
    for (const times of seen.values()) assert.isTrue(times > 1000 && times < 1400, `${times}`)
  })

  it("counts completed once per peer, and only of a seed", () => {
    const swarm = joined(
      visitOf(1, { event: "completed" }),
      visitOf(1, { event: "completed", seed: true }),
      visitOf(1, { event: "completed", seed: true }),
      visitOf(1, { seed: true }),
      visitOf(1, { event: "completed", seed: true })
    )
    assert.deepStrictEqual(Swarm.counts(swarm), { seeders: 1, leechers: 0, completed: 1 })
  })

  it("lets only the peer itself stop", () => {
    const swarm = joined(visitOf(1), visitOf(1, { event: "stopped", peerId: id(7) }))
    assert.strictEqual(Swarm.counts(swarm).leechers, 1)
    Swarm.visit(swarm, visitOf(1, { event: "stopped" }), 100)
    assert.strictEqual(Swarm.counts(swarm).leechers, 0)
  })

  it("drops the longest silent peer when it is full", () => {
    const swarm = Swarm.make()
    for (const n of [1, 2, 3, 1, 4]) Swarm.visit(swarm, visitOf(n), 3)
    assert.deepStrictEqual(
      names(Swarm.sample(swarm, asker, 9, Math.random)),
      [1, 3, 4].map((n) => PeerAddress.format(address(n))).sort()
    )
  })
})
