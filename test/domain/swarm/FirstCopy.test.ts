import { assert, describe, it } from "@effect/vitest"
import * as PieceLayout from "../../../src/domain/PieceLayout.ts"
import { Availability } from "../../../src/domain/swarm/Availability.ts"
import { FirstCopy } from "../../../src/domain/swarm/FirstCopy.ts"
import * as Message from "../../../src/domain/wire/Message.ts"
import { numbers } from "../../support/messages.ts"
import { type Far, far } from "./fakes.ts"
import { below, int, randomOf, seed } from "./seeded.ts"

const { BLOCK } = PieceLayout

const fixture = (pieces: number, pieceLength: number, seed: number) => {
  const random = randomOf(seed)
  const availability = new Availability(pieces, random)
  const copy = new FirstCopy({ pieces, pieceLength, availability, random })
  // Of which there is nothing to be told.
  copy.guide(far({ key: 99, pieces, fast: true }).peer)
  return { availability, copy }
}

/** The pieces that were suggested to it since the last look. */
const heard = (member: Far): Array<number> => {
  member.peer.wire.flush()
  return member.read().map((message) => {
    assert.strictEqual(message.id, Message.SUGGEST)
    return numbers(message)[0]!
  })
}

const ask = (copy: FirstCopy, { peer }: Far, piece: number): void => {
  peer.asked.push(piece, 0, BLOCK)
  copy.asked(peer, piece)
}

describe("FirstCopy", () => {
  it.prop(
    "gives peers that heed it every piece once, however they are choked, before any piece twice",
    [seed, int(1, 80), int(1, 6)],
    ([seed, pieces, count]) => {
      const random = randomOf(seed)
      const { availability, copy } = fixture(pieces, BLOCK, seed)
      const members = Array.from({ length: count }, (_, key) => far({ key, pieces, fast: true }))
      const told = members.map(() => new Array<number>())
      const sent: Array<number> = []
      for (let step = 0; step < 40 * pieces + 200 && sent.length < pieces; step++) {
        const i = below(random, count)
        const member = members[i]!
        const { asked } = member.peer
        const known = told[i]!
        if (random() < 0.05) {
          copy.choked(member.peer)
          asked.clear()
          known.length = 0
        } else if (known.length === 0) copy.guide(member.peer)
        else if (asked.length < 2) ask(copy, member, known.pop()!)
        else {
          sent.push(asked.piece(0))
          availability.add(asked.piece(0))
          asked.shift(1)
        }
        known.push(...heard(member))
        // The last ones wait for whoever was to fetch them.
        for (; asked.length > 0 && known.length === 0; asked.shift(1)) {
          sent.push(asked.piece(0))
          availability.add(asked.piece(0))
        }
      }
      assert.strictEqual(new Set(sent).size, sent.length)
      assert.lengthOf(sent, pieces)
      for (const member of members) {
        copy.guide(member.peer)
        assert.deepStrictEqual(heard(member), [])
      }
    }
  )

  it("has two pieces or eight blocks ahead for each peer, and different ones", () => {
    for (const [pieceLength, ahead] of [[BLOCK, 8], [4 * BLOCK, 2], [256 * BLOCK, 2]] as const) {
      const { copy } = fixture(100, pieceLength, 1)
      const members = [1, 2, 3].map((key) => far({ key, pieces: 100, fast: true }))
      const suggested = members.map((member) => {
        copy.guide(member.peer)
        copy.guide(member.peer)
        return heard(member)
      })
      for (const pieces of suggested) assert.lengthOf(pieces, ahead)
      assert.strictEqual(new Set(suggested.flat()).size, 3 * ahead)
      ask(copy, members[0]!, suggested[0]![0]!)
      // Sent at once, before the block: nothing else flushes here.
      assert.lengthOf(members[0]!.read(), 1)
    }
  })

  it("says nothing in BEP 3, but suggests to nobody what such a peer fetches", () => {
    const { copy } = fixture(4, BLOCK, 2)
    const plain = far({ key: 1, pieces: 4 })
    const fast = far({ key: 2, pieces: 4, fast: true })
    copy.guide(plain.peer)
    ask(copy, plain, 3)
    assert.deepStrictEqual(heard(plain), [])
    copy.guide(fast.peer)
    assert.deepStrictEqual(heard(fast).toSorted(), [0, 1, 2])
  })

  it("suggests again what a choked peer was not sent, and all of one that is gone", () => {
    const { copy } = fixture(3, BLOCK, 3)
    const [first, second, third] = [1, 2, 3].map((key) => far({ key, pieces: 3, fast: true })) as [Far, Far, Far]
    copy.guide(first.peer)
    const [sent, queued, waiting] = heard(first) as [number, number, number]
    ask(copy, first, sent)
    first.peer.asked.shift(1)
    ask(copy, first, queued)
    copy.choked(first.peer)
    first.peer.asked.clear()
    copy.guide(second.peer)
    assert.deepStrictEqual(heard(second).toSorted(), [queued, waiting].toSorted())
    copy.left(first.peer)
    copy.guide(third.peer)
    assert.deepStrictEqual(heard(third), [sent])
  })

  it("says nothing to a peer that is alone", () => {
    const alone = far({ key: 2, pieces: 3, fast: true })
    const fresh = new FirstCopy({
      pieces: 3,
      pieceLength: BLOCK,
      availability: new Availability(3, randomOf(5)),
      random: randomOf(5)
    })
    fresh.guide(alone.peer)
    ask(fresh, alone, 1)
    assert.deepStrictEqual(heard(alone), [])
  })

  it("leaves out what somebody has meanwhile", () => {
    const { availability, copy } = fixture(3, BLOCK, 4)
    availability.add(1)
    const member = far({ key: 1, pieces: 3, fast: true })
    copy.guide(member.peer)
    assert.deepStrictEqual(heard(member).toSorted(), [0, 2])
  })
})
