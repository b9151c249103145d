import { assert, describe, it } from "@effect/vitest"
import * as Bitfield from "../../../src/domain/Bitfield.ts"
import { Availability } from "../../../src/domain/swarm/Availability.ts"
import { bitsOf, listOf, watched } from "./fakes.ts"
import { below, int, randomOf, seed } from "./seeded.ts"

const someBits = (random: () => number, pieces: number, share: number): Bitfield.Bitfield =>
  bitsOf(pieces, Array.from({ length: pieces }, (_, piece) => piece).filter(() => random() < share))

describe("Availability", () => {
  it.prop("counts as a table of all peers would, and finds the rarest", [seed, int(1, 60)], ([seed, pieces]) => {
    const random = randomOf(seed)
    const availability = new Availability(pieces, random)
    const listed = new Set<number>()
    const peers: Array<Bitfield.Bitfield> = []
    let seeds = 0
    const count = (piece: number) => seeds + peers.filter((bits) => Bitfield.has(bits, piece)).length
    const check = () => {
      assert.strictEqual(availability.listed, listed.size)
      for (let piece = 0; piece < pieces; piece++) {
        assert.strictEqual(availability.of(piece), count(piece))
        assert.strictEqual(availability.isListed(piece), listed.has(piece))
      }
      const least = (candidates: ReadonlyArray<number>) => Math.min(...candidates.map(count))
      for (const bits of peers) {
        const candidates = listOf(bits).filter((piece) => listed.has(piece))
        const found = availability.rarest(bits, false, pieces)
        if (candidates.length === 0) assert.isUndefined(found)
        else {
          assert.include(candidates, found)
          assert.strictEqual(count(found!), least(candidates))
        }
      }
      const found = availability.rarest(Bitfield.full(pieces), true, 1)
      if (listed.size === 0) assert.isUndefined(found)
      else assert.strictEqual(count(found!), least([...listed]))
    }
    for (let step = 0; step < 150; step++) {
      const piece = below(random, pieces)
      const dice = below(random, 8)
      if (dice === 0) seeds++
      if (dice === 0) availability.addSeed()
      if (dice === 1 && seeds > 0) availability.removeSeed()
      if (dice === 1 && seeds > 0) seeds--
      if (dice === 2 && peers.length < 6) {
        peers.push(someBits(random, pieces, random()))
        availability.addAll(peers.at(-1)!)
      }
      if (dice === 3 && peers.length > 0) availability.removeAll(peers.splice(below(random, peers.length), 1)[0]!)
      if (dice === 4 || dice === 5) availability.list(piece)
      if (dice === 4 || dice === 5) listed.add(piece)
      if (dice === 6) availability.unlist(piece)
      if (dice === 6) listed.delete(piece)
      if (dice === 7 && peers.length > 0) {
        const bits = peers[below(random, peers.length)]!
        if (!Bitfield.has(bits, piece)) availability.add(piece)
        Bitfield.set(bits, piece)
      }
      check()
    }
  }, { arbitrary: { runs: 40 } })

  it("looks at no more pieces than it may", () => {
    const availability = new Availability(100, () => 0.5)
    for (let piece = 0; piece < 100; piece++) {
      availability.list(piece)
      availability.add(piece)
    }
    for (const most of [1, 7, 100]) {
      const { looked, proxy } = watched(Bitfield.make(100))
      assert.isUndefined(availability.rarest(proxy, false, most))
      assert.strictEqual(looked.bytes, most)
    }
  })
})
