import { assert, describe, it } from "@effect/vitest"
import * as Bitfield from "../../../src/domain/Bitfield.ts"
import { Holdings } from "../../../src/domain/swarm/Holdings.ts"
import { bitsOf, type Far, far, watched } from "./fakes.ts"
import { below, randomOf, seed } from "./seeded.ts"

const holdingsOf = (pieces: number) =>
  new Holdings({
    pieces,
    have: Bitfield.make(pieces),
    wanted: Bitfield.full(pieces),
    order: "Rarest",
    random: randomOf(1)
  })

describe("Holdings", () => {
  it.prop("counts who has what, whatever peers say that they have, have got and have lost", [seed], ([seed]) => {
    const random = randomOf(seed)
    const pieces = 1 + below(random, 12)
    const all = Array.from({ length: pieces }, (_, piece) => piece)
    const holdings = holdingsOf(pieces)
    const members: Array<Far> = []
    for (let step = 0; step < 200; step++) {
      const some = members[below(random, members.length)]
      const piece = below(random, pieces)
      const dice = random()
      if (some === undefined || (dice < 0.1 && members.length < 6)) {
        const member = far({ key: step, pieces })
        const share = random() < 0.4 ? 1 : random()
        if (random() < 0.8) holdings.bitfield(member.peer, bitsOf(pieces, all.filter(() => random() < share)))
        members.push(member)
      } else if (dice < 0.15) {
        holdings.left(some.peer)
        members.splice(members.indexOf(some), 1)
      } else {
        const had = Bitfield.has(some.peer.bits, piece)
        const isNew = dice < 0.7 ? holdings.add(some.peer, piece) : holdings.remove(some.peer, piece)
        assert.strictEqual(isNew, dice < 0.7 ? !had : had)
      }
      for (const piece of all) {
        const having = members.filter(({ peer }) => Bitfield.has(peer.bits, piece)).length
        assert.strictEqual(holdings.picker.availability.of(piece), having)
      }
      for (const { peer } of members) {
        assert.strictEqual(peer.has, Bitfield.count(peer.bits))
        assert.strictEqual(peer.isSeed, peer.has === pieces)
        assert.strictEqual(peer.wants, peer.has)
      }
    }
  })

  it("does not look at all pieces each time a seed loses one and has it again", () => {
    const pieces = 8000
    const holdings = holdingsOf(pieces)
    const member = far({ key: 1, pieces })
    holdings.bitfield(member.peer, Bitfield.full(pieces))
    const { looked, proxy } = watched(member.peer.bits)
    Object.defineProperty(member.peer, "bits", { value: proxy })
    const before = looked.bytes
    for (let round = 0; round < 1000; round++) {
      holdings.remove(member.peer, 5)
      holdings.add(member.peer, 5)
    }
    assert.isTrue(member.peer.isSeed)
    assert.isBelow(looked.bytes - before, 20_000)
  })
})
