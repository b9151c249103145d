import { assert, describe, it } from "@effect/vitest"
import * as Bitfield from "../../../src/domain/Bitfield.ts"
import * as PieceLayout from "../../../src/domain/PieceLayout.ts"
import { MAX_REQUEST } from "../../../src/domain/swarm/Swarm.ts"
import * as Message from "../../../src/domain/wire/Message.ts"
import { bitsOf } from "./fakes.ts"
import { below, int, randomOf, seed } from "./seeded.ts"
import { type Member, SwarmModel } from "./swarmModel.ts"

const { BLOCK } = PieceLayout

const fixture = (options: Partial<ConstructorParameters<typeof SwarmModel>[0]> = {}): SwarmModel =>
  new SwarmModel({ random: randomOf(1), ...options })

const idsOf = ({ inbox }: Member): Array<number> => inbox.map(({ id }) => id)

/** What only peers with the fast extension do. */
const fastStep = (model: SwarmModel, member: Member): void => {
  const { layout, random, swarm } = model
  const dice = random()
  if (dice < 0.4) return model.refuse(member, "takenBack", 8)
  if (dice < 0.6) return model.refuse(member, "requests", 1 + below(random, 4))
  const piece = below(random, layout.pieces)
  if (dice < 0.8) {
    member.allows.add(piece)
    assert.isUndefined(swarm.allowedFast(member.peer, piece))
  } else if (dice < 0.9) assert.isUndefined(swarm.suggest(member.peer, piece))
  else assert.isUndefined(swarm.dontHave(member.peer, piece, model.now))
  model.end(member)
}

/** Random events of random peers, some of which lie. */
const step = (model: SwarmModel): void => {
  const { layout, random, swarm } = model
  const some = model.members[below(random, model.members.length)]
  const dice = random()
  if (dice < 0.05 && model.members.length < 8) {
    const member = model.join(undefined, false, random() < 0.5)
    member.liar = random() < 0.2
    const pieces = Array.from({ length: layout.pieces }, (_, piece) => piece)
    const share = random() < 0.4 ? 1 : random()
    if (random() < 0.8) swarm.bitfield(member.peer, bitsOf(layout.pieces, pieces.filter(() => random() < share)))
    return model.end(member)
  }
  if (dice < 0.2) return void model.settle()
  if (dice < 0.25) return model.spill()
  if (dice < 0.35) return model.tick(random() < 0.1 ? 40_000 : 1000)
  if (some === undefined) return
  const { peer } = some
  if (dice < 0.37) return model.leave(some)
  if (peer.fast && random() < 0.3) return fastStep(model, some)
  if (dice < 0.4) {
    swarm.choke(peer, model.now)
    if (!peer.fast) some.requests.length = 0
  } else if (dice < 0.5) swarm.unchoke(peer)
  else if (dice < 0.6) assert.isUndefined(swarm.haveMessage(peer, below(random, layout.pieces)))
  else if (dice < 0.65) swarm.interested(peer, model.now)
  else if (dice < 0.68) swarm.notInterested(peer)
  else return model.answer(some, 1 + below(random, 5))
  model.end(some)
}

const randomModel = (seed: number): SwarmModel => {
  const random = randomOf(seed)
  const pieceLength = [BLOCK, 40_000, 4 * BLOCK][below(random, 3)]!
  return new SwarmModel({
    random,
    pieces: 1 + below(random, 10),
    pieceLength,
    short: below(random, pieceLength),
    memory: pieceLength * (1 + below(random, 6)),
    rate: random() < 0.2 ? 200_000 : Infinity
  })
}

describe("Swarm", () => {
  it.prop("says the truth about interest, requests and pieces whatever happens", [seed], ([seed]) => {
    const model = randomModel(seed)
    for (let steps = 0; steps < 300; steps++) {
      step(model)
      model.check()
    }
    for (const { closed } of model.members) {
      assert.deepStrictEqual(closed.filter((why) => why !== "has nothing to exchange"), [])
    }
  }, { arbitrary: { runs: 150 } })

  it.prop("finishes with one honest seed after anything, and bans no honest peer", [seed, int(0, 300)], (
    [seed, prefix]
  ) => {
    const model = randomModel(seed)
    const honest = new Set<number>()
    for (let steps = 0; steps < prefix; steps++) {
      step(model)
      for (const { liar, peer } of model.members) if (!liar) honest.add(peer.identity)
    }
    for (const member of model.members.slice()) if (member.liar) model.leave(member)
    const last = model.joinSeed(undefined, false, seed % 2 === 0)
    honest.add(last.peer.identity)
    for (let rounds = 0; !model.swarm.isDone; rounds++) {
      assert.isBelow(rounds, 4000, "the torrent stands still")
      if (rounds % 3 === 0) model.tick(1000)
      while (model.spills.length > 0) model.spill()
      model.answer(last, 4)
      while (model.settle());
      model.check()
    }
    assert.isTrue(model.swarm.isSeed)
    assert.strictEqual(model.buffers.used, 0)
    for (const liar of model.liars) assert.isFalse(honest.has(liar))
  }, { arbitrary: { runs: 150 } })

  it("greets with what it has, and only when it has something", () => {
    const empty = fixture().join()
    assert.deepStrictEqual(empty.inbox, [])
    const some = fixture({ have: [1, 4] }).join()
    assert.deepStrictEqual(idsOf(some), [Message.BITFIELD])
    assert.deepStrictEqual([...some.told], [1, 4])
  })

  it("tells of a piece after it landed, seeds too, but not leeches that have it", () => {
    const model = fixture({ pieces: 3, wanted: [0, 1] })
    const seeder = model.joinSeed()
    const holder = model.joinWith([0, 1])
    const leech = model.join()
    model.answer(seeder, 4)
    assert.lengthOf(model.full, 2)
    assert.deepStrictEqual(leech.inbox, [])
    model.settle()
    model.hear(leech)
    assert.strictEqual(leech.told.size, 1)
    assert.include(idsOf(seeder), Message.HAVE)
    assert.notInclude(idsOf(holder), Message.HAVE)
    model.settle()
    assert.deepStrictEqual(seeder.closed, ["has nothing to exchange"])
  })

  it("wants only what was chosen", () => {
    const model = fixture({ wanted: [2], have: [0] })
    const other = model.joinWith([0, 1, 3])
    assert.isFalse(other.peer.amInterested)
    model.swarm.haveMessage(other.peer, 2)
    model.end(other)
    assert.deepStrictEqual(other.requests.map(([piece]) => piece), [2, 2])
    model.answer(other, 2)
    model.settle()
    assert.isTrue(model.swarm.isDone)
    assert.isFalse(model.swarm.isSeed)
    model.check()
  })

  it("lets go of a seed that meets a seed, by bitfield or by its last have", () => {
    const model = fixture({ have: [0, 1, 2, 3, 4, 5] })
    assert.deepStrictEqual(model.joinSeed().closed, ["has nothing to exchange"])
    const other = model.joinWith([0, 1, 2, 3, 4])
    assert.deepStrictEqual(other.closed, [])
    model.swarm.haveMessage(other.peer, 5)
    assert.deepStrictEqual(other.closed, ["has nothing to exchange"])
  })

  it("takes a late bitfield for the haves that it stands for, as aria2 sends it", () => {
    const model = fixture({ have: [0] })
    const { swarm } = model
    const { peer } = model.join()
    assert.isUndefined(swarm.haveMessage(peer, 3))
    assert.isUndefined(swarm.bitfield(peer, Uint8Array.of(0b11010000)))
    assert.deepStrictEqual(peer.bits, Uint8Array.of(0b11010000))
    assert.strictEqual(peer.has, 3)
    assert.isDefined(swarm.bitfield(peer, Uint8Array.of(0b11)))
    model.check()
  })

  it("neither offers nor serves a piece that is lost", () => {
    const model = fixture({ have: [0, 2] })
    const { swarm } = model
    const { peer } = model.join()
    swarm.unchokePeer(peer, 0)
    assert.isTrue(swarm.lose(2))
    assert.isFalse(swarm.lose(2))
    assert.isUndefined(swarm.request(peer, 2, 0, BLOCK))
    assert.isUndefined(swarm.request(peer, 0, 0, BLOCK))
    assert.strictEqual(peer.asked.length, 1)
    assert.strictEqual(swarm.haveCount, 1)
    assert.isFalse(Bitfield.has(swarm.have, 2))
  })

  it("has a verdict for what breaks the protocol", () => {
    const model = fixture({ have: [0] })
    const { swarm } = model
    const { peer } = model.join()
    assert.isDefined(swarm.bitfield(peer, new Uint8Array(2)))
    assert.isDefined(swarm.bitfield(peer, new Uint8Array(0)))
    assert.isDefined(swarm.bitfield(peer, Uint8Array.of(0b10)))
    assert.isUndefined(swarm.bitfield(peer, Uint8Array.of(0b1000)))
    assert.isDefined(swarm.haveMessage(peer, 6))
    assert.isDefined(swarm.haveMessage(peer, 2 ** 32 - 1))
    for (
      const [piece, begin, length] of [
        [6, 0, 1],
        [0, 0, 0],
        [0, 0, MAX_REQUEST + 1],
        [0, 2 * BLOCK, 1],
        [0, BLOCK + 1, BLOCK],
        [2 ** 32 - 1, 2 ** 32 - 1, BLOCK]
      ] as const
    ) assert.isDefined(swarm.request(peer, piece, begin, length), `${piece}/${begin}/${length}`)
    assert.isDefined(swarm.block(peer, 0, 1, new Uint8Array(BLOCK), 0, BLOCK, 0))
    assert.isDefined(swarm.block(peer, 6, 0, new Uint8Array(BLOCK), 0, BLOCK, 0))
    model.check()
  })

  it("queues what an unchoked peer asks for, and forgets it with the choke", () => {
    const model = fixture({ have: [0] })
    const { swarm } = model
    const other = model.join()
    const { peer } = other
    assert.isUndefined(swarm.request(peer, 0, 0, BLOCK))
    assert.strictEqual(peer.asked.length, 0)
    swarm.unchokePeer(peer, 5)
    assert.isUndefined(swarm.request(peer, 0, 0, BLOCK))
    assert.isUndefined(swarm.request(peer, 1, 0, BLOCK))
    assert.strictEqual(peer.asked.length, 1)
    model.end(other)
    assert.deepStrictEqual(model.asked, [peer])
    swarm.chokePeer(peer, 6)
    assert.strictEqual(peer.asked.length, 0)
    assert.isUndefined(swarm.request(peer, 0, 0, BLOCK))
    assert.strictEqual(peer.asked.length, 0)
    swarm.unchokePeer(peer, 7)
    for (let i = 0; i < 2048; i++) assert.isUndefined(swarm.request(peer, 0, 0, BLOCK))
    assert.isDefined(swarm.request(peer, 0, 0, BLOCK))
  })

  it("drops a peer that floods it with blocks, but not one whose requests were taken back", () => {
    const model = fixture({ pieces: 40, pieceLength: BLOCK })
    const flooder = model.join()
    let sent = 0
    while (model.send(flooder, 39, 0, BLOCK) === undefined) assert.isBelow(++sent, 20)
    assert.strictEqual(sent, 16)
    const honest = model.joinSeed()
    const requests = honest.requests.slice()
    model.swarm.choke(honest.peer, model.now)
    for (const request of requests) assert.isUndefined(model.send(honest, ...request))
    assert.strictEqual(honest.peer.unasked, 0)
    assert.strictEqual(model.full.length, requests.length)
  })

  it("tells the slower of two at once that its block is not needed any more", () => {
    const model = fixture({ pieces: 1, pieceLength: 4 * BLOCK })
    const slow = model.joinSeed()
    assert.lengthOf(slow.requests, 4)
    model.now = 5000
    const fast = model.joinSeed()
    assert.lengthOf(fast.requests, 2)
    model.answer(fast, 2)
    assert.deepStrictEqual(idsOf(slow).slice(-2), [Message.CANCEL, Message.CANCEL])
    assert.lengthOf(slow.requests, 2)
    model.check()
  })

  it("gives the blocks of a silent peer to others, and takes it back when it answers", () => {
    const model = fixture({ pieces: 4 })
    const silent = model.joinSeed()
    assert.lengthOf(silent.requests, 8)
    const other = model.joinWith([])
    for (let piece = 0; piece < 4; piece++) model.swarm.haveMessage(other.peer, piece)
    model.end(other)
    const before = other.requests.length
    for (let i = 0; i < 21; i++) model.tick(1000)
    assert.isTrue(silent.peer.window.snubbed)
    assert.isAbove(other.requests.length, before)
    assert.isAtMost(silent.peer.outstanding, 1)
    model.answer(silent, 8)
    assert.isFalse(silent.peer.window.snubbed)
    assert.strictEqual(silent.peer.unasked, 0)
    model.check()
  })

  it("fetches a corrupt piece again, finds the liar and clears the honest", () => {
    const model = fixture({ pieces: 1, pieceLength: 8 * BLOCK })
    const honest = model.joinSeed()
    model.answer(honest, 2)
    const liar = model.joinSeed()
    liar.liar = true
    model.swarm.choke(honest.peer, model.now)
    honest.requests.length = 0
    model.tick(1000)
    for (let i = 0; i < 8; i++) model.answer(liar, 1)
    assert.isTrue(model.settle())
    assert.strictEqual(model.corrupted, 1)
    assert.isTrue(honest.peer.onParole)
    assert.isTrue(liar.peer.onParole)
    model.leave(liar)
    const back = model.joinWith([], liar.peer.identity)
    assert.isTrue(back.peer.onParole, "a suspect stays one when it comes again")
    model.swarm.unchoke(honest.peer)
    model.end(honest)
    for (let i = 0; i < 8; i++) model.answer(honest, 1)
    model.settle()
    assert.isTrue(model.swarm.isSeed)
    assert.deepStrictEqual([...model.liars], [liar.peer.identity])
    assert.isFalse(honest.peer.onParole)
  })

  it("refetches blocks from the disk that were wrong, and blames nobody", () => {
    const model = fixture({ pieces: 1, pieceLength: 3 * BLOCK })
    model.swarm.board.remember(0, bitsOf(3, [1]))
    const honest = model.joinSeed()
    assert.lengthOf(honest.requests, 2)
    model.answer(honest, 2)
    model.settle()
    assert.strictEqual(model.corrupted, 1)
    assert.lengthOf(honest.requests, 3)
    model.answer(honest, 3)
    model.settle()
    assert.isTrue(model.swarm.isSeed)
    assert.strictEqual(model.liars.size, 0)
    assert.strictEqual(model.swarm.suspects.size, 0)
  })

  it("writes a piece out that stands still while the memory is spent, and goes on with it later", () => {
    const model = fixture({ pieces: 2, pieceLength: 3 * BLOCK, memory: 3 * BLOCK })
    const gone = model.joinWith([0])
    model.answer(gone, 1)
    model.leave(gone)
    const other = model.joinWith([1])
    assert.lengthOf(other.requests, 0)
    for (let i = 0; i < 32; i++) model.tick(1000)
    assert.lengthOf(model.spills, 1)
    model.spill()
    model.hear(other)
    assert.lengthOf(other.requests, 3)
    model.answer(other, 3)
    model.settle()
    const seeder = model.joinSeed()
    assert.lengthOf(seeder.requests, 2)
    model.answer(seeder, 2)
    model.settle()
    assert.isTrue(model.swarm.isSeed)
    assert.strictEqual(model.corrupted, 0)
  })

  it("gives up the memory of a piece that nobody is left to finish, for the sake of other torrents", () => {
    const model = fixture({ pieceLength: 3 * BLOCK, memory: 3 * BLOCK })
    const gone = model.joinSeed()
    model.answer(gone, 1)
    model.leave(gone)
    for (let i = 0; i < 32; i++) model.tick(1000)
    assert.lengthOf(model.spills, 1)
    model.spill()
    assert.strictEqual(model.buffers.used, 0)
  })

  it("asks no faster than the limit, and goes on when there is a block's worth again", () => {
    const model = fixture({ pieces: 64, pieceLength: BLOCK, rate: 2 * BLOCK })
    const seeder = model.joinSeed()
    let asked = seeder.requests.length
    assert.strictEqual(asked, 0)
    for (let second = 1; second <= 10; second++) {
      const before = seeder.requests.length
      for (let i = 0; i < 5; i++) {
        model.now += 200
        model.swarm.feed(model.now)
        model.hear(seeder)
      }
      asked += seeder.requests.length - before
      model.answer(seeder, seeder.requests.length)
      while (model.settle());
      asked += seeder.requests.length
      assert.isAtMost(asked, 2 * second)
      assert.isAtLeast(asked, 2 * second - 1)
    }
  })

  it("under a limit asks the slow ones too, however fast one of them is", () => {
    const model = fixture({ pieces: 64, pieceLength: BLOCK, rate: 2 * BLOCK })
    const [fast, ...slow] = [model.joinSeed(), model.joinSeed(), model.joinSeed()]
    for (let turn = 0; turn < 10; turn++) {
      model.now += 500
      // Its blocks are there before anybody else has a word.
      model.answer(fast!, fast!.requests.length)
      while (model.settle());
      for (const member of slow) model.hear(member)
    }
    for (const { requests } of slow) assert.isAbove(requests.length, 0)
  })

  it("looks once at a peer that it has nothing for, however few wait", () => {
    const model = fixture({ pieces: 1, pieceLength: 4 * BLOCK })
    model.joinSeed()
    const idle = model.joinSeed()
    let looks = 0
    const { window } = idle.peer
    const onRequested = window.onRequested.bind(window)
    window.onRequested = (outstanding, now) => {
      looks++
      onRequested(outstanding, now)
    }
    model.swarm.feed(model.now)
    assert.strictEqual(looks, 1)
  })

  it("frees all that a peer held when it goes", () => {
    const model = fixture({ pieces: 2 })
    const first = model.joinSeed()
    const second = model.joinSeed()
    assert.lengthOf(second.requests, 0)
    model.swarm.interested(first.peer, 0)
    model.swarm.unchokePeer(first.peer, 0)
    model.leave(first)
    assert.lengthOf(second.requests, 4)
    assert.deepStrictEqual(model.interest.at(-1), ["off", first.peer])
    model.swarm.closed(first.peer, 0)
    model.check()
    assert.isFalse(Bitfield.isFull(model.swarm.have, 2))
  })
})
