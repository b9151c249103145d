import { assert, describe, it } from "@effect/vitest"
import type * as InfoHash from "../../../src/domain/InfoHash.ts"
import * as PieceLayout from "../../../src/domain/PieceLayout.ts"
import { CAPACITY } from "../../../src/domain/swarm/AskedBlocks.ts"
import { Holdings } from "../../../src/domain/swarm/Holdings.ts"
import { Serving } from "../../../src/domain/swarm/Serving.ts"
import * as Message from "../../../src/domain/wire/Message.ts"
import { numbers } from "../../support/messages.ts"
import { bitsOf, type Far, far, listOf } from "./fakes.ts"
import { below, randomOf, seed } from "./seeded.ts"

const { BLOCK } = PieceLayout

const PIECES = 40
const layout = PieceLayout.make(PIECES * 2 * BLOCK, 2 * BLOCK)
const all = Array.from({ length: PIECES }, (_, piece) => piece)

/** @param seeds how many peers have everything: with two no piece is rare */
const fixture = (have: Iterable<number> = all, seeds = 2) => {
  const holdings = new Holdings({
    pieces: PIECES,
    have: bitsOf(PIECES, have),
    wanted: bitsOf(PIECES, all),
    order: "Rarest",
    random: randomOf(1)
  })
  for (let i = 0; i < seeds; i++) holdings.picker.availability.addSeed()
  const serving = new Serving({ layout, holdings, infoHash: "aa".repeat(20) as InfoHash.InfoHash, random: randomOf(2) })
  return { holdings, serving }
}

const idsOf = (member: Far): Array<number> => {
  member.peer.wire.flush()
  return member.read().map(({ id }) => id)
}

/** A peer that has said that it has nothing, and what it was told that it may have though choked. */
const starter = (serving: Serving, key = 1) => {
  const member = far({ key, pieces: PIECES, fast: true })
  serving.offer(member.peer)
  member.peer.wire.flush()
  const given = member.read().map((message) => {
    assert.strictEqual(message.id, Message.ALLOWED_FAST)
    return numbers(message)[0]!
  })
  return { ...member, given }
}

/** What the upload server takes off the queue. */
const serve = ({ peer }: Far, count: number): number => {
  const served = Math.min(count, peer.asked.length)
  peer.asked.shift(served)
  return served
}

describe("Serving", () => {
  it("says what it has in one message: all, nothing, or the bits, and nothing is not said in BEP 3", () => {
    for (
      const [have, fast, ids] of [
        [all, true, [Message.HAVE_ALL]],
        [[], true, [Message.HAVE_NONE]],
        [[1, 2], true, [Message.BITFIELD]],
        [all, false, [Message.BITFIELD]],
        [[], false, []]
      ] as const
    ) {
      const { serving } = fixture(have)
      const member = far({ key: 1, pieces: PIECES, fast })
      serving.introduce(member.peer)
      assert.deepStrictEqual(idsOf(member), [...ids])
      // Handed over by whoever has said it already, it hears of what came since, piece by piece.
      serving.introduce(member.peer)
      assert.deepStrictEqual(idsOf(member), have.map(() => Message.HAVE))
    }
  })

  it.prop("answers each request of a fast peer once, by its block or a reject, whatever happens", [seed], ([seed]) => {
    const random = randomOf(seed)
    const { holdings, serving } = fixture(all.filter(() => random() < 0.8))
    const member = starter(serving)
    const { peer } = member
    const asked = new Map<string, number>()
    const blocks: Array<string> = []
    for (let step = 0; step < 300; step++) {
      const dice = random()
      const piece = random() < 0.5 && member.given.length > 0 ? member.given[0]! : below(random, PIECES)
      const begin = below(random, 2) * BLOCK
      const key = `${piece} ${begin}`
      if (dice < 0.6) {
        asked.set(key, (asked.get(key) ?? 0) + 1)
        assert.isUndefined(serving.request(peer, piece, begin, BLOCK))
      } else if (dice < 0.7) serving.cancel(peer, piece, begin, BLOCK)
      else if (dice < 0.75) serving.choke(peer, step)
      else if (dice < 0.8) serving.unchoke(peer, step)
      else if (dice < 0.83) {
        if (holdings.lose(piece)) serving.lost(piece, new Set([peer]))
      } else {
        for (let i = 0; i < 2 && peer.asked.length > 0; i++) {
          blocks.push(`${peer.asked.piece(0)} ${peer.asked.begin(0)}`)
          serve(member, 1)
        }
      }
    }
    serving.choke(peer, 300)
    while (peer.asked.length > 0) {
      blocks.push(`${peer.asked.piece(0)} ${peer.asked.begin(0)}`)
      serve(member, 1)
    }
    peer.wire.flush()
    const answers = new Map<string, number>()
    const rejects = member.read().filter(({ id }) => id === Message.REJECT).map((message) =>
      numbers(message).slice(0, 2).join(" ")
    )
    for (const key of [...blocks, ...rejects]) answers.set(key, (answers.get(key) ?? 0) + 1)
    assert.deepStrictEqual([...answers].sort(), [...asked].sort())
  })

  it("never sends a reject to a peer of BEP 3, and forgets what it asked when it is choked", () => {
    const { serving } = fixture([0, 1])
    const member = far({ key: 1, pieces: PIECES })
    assert.isUndefined(serving.request(member.peer, 0, 0, BLOCK))
    serving.unchoke(member.peer, 0)
    assert.isUndefined(serving.request(member.peer, 5, 0, BLOCK))
    assert.isUndefined(serving.request(member.peer, 1, 0, BLOCK))
    serving.cancel(member.peer, 1, 0, BLOCK)
    assert.isUndefined(serving.request(member.peer, 1, 0, BLOCK))
    serving.choke(member.peer, 1)
    assert.strictEqual(member.peer.asked.length, 0)
    assert.deepStrictEqual(idsOf(member), [Message.UNCHOKE, Message.CHOKE])
  })

  it("chokes first and rejects then, all but what the peer may have though choked", () => {
    const { serving } = fixture()
    const member = starter(serving)
    const other = all.find((piece) => !member.given.includes(piece))!
    serving.unchoke(member.peer, 0)
    for (const piece of [other, member.given[0]!]) assert.isUndefined(serving.request(member.peer, piece, 0, BLOCK))
    serving.choke(member.peer, 1)
    assert.deepStrictEqual(idsOf(member), [Message.UNCHOKE, Message.CHOKE, Message.REJECT])
    assert.strictEqual(member.peer.asked.length, 1)
    assert.strictEqual(member.peer.asked.piece(0), member.given[0])
  })

  it("gives a choked starter its pieces once over, and nothing to whoever has enough", () => {
    const { serving } = fixture()
    const member = starter(serving)
    assert.lengthOf(member.given, 4)
    for (let round = 0; round < 3; round++) {
      for (const piece of member.given) {
        for (const begin of [0, BLOCK]) assert.isUndefined(serving.request(member.peer, piece, begin, BLOCK))
      }
    }
    assert.strictEqual(serve(member, 1000), 8)
    assert.lengthOf(idsOf(member).filter((id) => id === Message.REJECT), 16)

    const rich = starter(serving, 2)
    rich.peer.has = 5
    assert.isUndefined(serving.request(rich.peer, rich.given[0]!, 0, BLOCK))
    assert.deepStrictEqual(idsOf(rich), [Message.REJECT])
    const seeder = far({ key: 3, pieces: PIECES, fast: true })
    seeder.peer.has = PIECES
    serving.offer(seeder.peer)
    assert.deepStrictEqual(idsOf(seeder), [])
  })

  it("offers once", () => {
    const { serving } = fixture()
    const member = starter(serving)
    serving.offer(member.peer)
    assert.deepStrictEqual(idsOf(member), [])
  })

  it("offers nothing while a piece is rare", () => {
    for (const seeds of [0, 1]) {
      const { serving } = fixture(all, seeds)
      const member = starter(serving)
      assert.deepStrictEqual(member.given, [])
      assert.isUndefined(serving.request(member.peer, 0, 0, BLOCK))
      assert.deepStrictEqual(idsOf(member), [Message.REJECT])
    }
  })

  it("drops a fast peer that asks for what does not exist, or goes on asking while it is choked", () => {
    const { serving } = fixture()
    const member = starter(serving)
    assert.match(serving.request(member.peer, PIECES, 0, BLOCK)!, /do not exist/)
    assert.match(serving.request(member.peer, 0, 0, 2 * BLOCK + 1)!, /do not exist/)
    const other = all.find((piece) => !member.given.includes(piece))!
    const verdicts = Array.from({ length: CAPACITY + 1 }, () => serving.request(member.peer, other, 0, BLOCK))
    assert.isTrue(verdicts.slice(0, -1).every((verdict) => verdict === undefined))
    assert.match(verdicts.at(-1)!, /keeps asking/)
  })

  it("rejects what a fast peer asks beyond its queue, and drops another for it", () => {
    const { serving } = fixture()
    const member = starter(serving)
    const plain = far({ key: 2, pieces: PIECES })
    for (const { peer } of [member, plain]) {
      serving.unchoke(peer, 0)
      for (let i = 0; i < CAPACITY; i++) assert.isUndefined(serving.request(peer, i % PIECES, 0, BLOCK))
    }
    assert.isUndefined(serving.request(member.peer, 0, 0, BLOCK))
    assert.deepStrictEqual(idsOf(member), [Message.UNCHOKE, Message.REJECT])
    assert.match(serving.request(plain.peer, 0, 0, BLOCK)!, /more blocks than anybody/)
  })

  it("suggests what was read a moment ago to the others, unless a piece is rare", () => {
    for (const isRare of [true, false]) {
      const { holdings, serving } = fixture(all, 0)
      const members = [1, 2, 3].map((key) => far({ key, pieces: PIECES, fast: true }))
      const plain = far({ key: 4, pieces: PIECES })
      const choked = far({ key: 5, pieces: PIECES, fast: true })
      for (const { peer } of [...members, plain]) {
        serving.unchoke(peer, 0)
        peer.peerInterested = true
      }
      // Two have all but the pieces asked for; of those there are two copies, unless one is rare.
      holdings.bitfield(members[1]!.peer, bitsOf(PIECES, all.filter((piece) => piece !== 7)))
      holdings.bitfield(members[2]!.peer, bitsOf(PIECES, all))
      holdings.bitfield(choked.peer, bitsOf(PIECES, isRare ? [1] : [7]))
      for (const member of [...members, plain, choked]) idsOf(member)
      assert.isUndefined(serving.request(members[0]!.peer, 7, 0, BLOCK))
      const peers = new Set([...members, plain, choked].map(({ peer }) => peer))
      for (let second = 0; second < 3; second++) serving.tick(peers)
      const heard = [...members, plain, choked].map(idsOf)
      const one = isRare ? [] : [Message.SUGGEST]
      assert.deepStrictEqual(heard, [one, one, [], [], []])
      holdings.lose(7)
      serving.lost(7, new Set())
      members[1]!.peer.hinted = []
      serving.tick(peers)
      assert.deepStrictEqual(idsOf(members[1]!), [])
    }
  })

  it("rejects what is queued of a piece that is lost, and what is asked of it later", () => {
    const { holdings, serving } = fixture()
    const member = starter(serving)
    serving.unchoke(member.peer, 0)
    for (const piece of [3, 4, 3]) assert.isUndefined(serving.request(member.peer, piece, 0, BLOCK))
    holdings.lose(3)
    serving.lost(3, new Set([member.peer]))
    assert.isUndefined(serving.request(member.peer, 3, BLOCK, BLOCK))
    assert.deepStrictEqual(idsOf(member), [Message.UNCHOKE, Message.REJECT, Message.REJECT, Message.REJECT])
    assert.strictEqual(member.peer.asked.length, 1)
    assert.notInclude(listOf(holdings.have), 3)
  })
})
