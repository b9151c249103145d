import { assert, describe, it } from "@effect/vitest"
import { HashTrees } from "../../../src/domain/HashTrees.ts"
import * as PieceLayout from "../../../src/domain/PieceLayout.ts"
import * as HashMessage from "../../../src/domain/wire/HashMessage.ts"
import * as Message from "../../../src/domain/wire/Message.ts"
import { noise, type Torrent } from "../../support/payload.ts"
import * as PayloadV2 from "../../support/payloadV2.ts"
import { below, int, randomOf, seed } from "./seeded.ts"
import { type Member, SwarmModel } from "./swarmModel.ts"

const { BLOCK } = PieceLayout

/** How a peer takes to being asked for hashes. */
type Habit = "Serves" | "AfterBlock" | "Rejects" | "Mute" | "Lies"

const HABITS: ReadonlyArray<Habit> = ["Serves", "AfterBlock", "Rejects", "Mute", "Lies"]

/** Peers of a torrent of version 2, with habits, and an exact account of what came. */
class World {
  readonly torrent: Torrent
  readonly trees: HashTrees
  readonly model: SwarmModel
  readonly habits = new Map<Member, Habit>()
  /** Peers that had the block of a hash request asked of them before. */
  readonly willing = new Set<Member>()
  readonly honest = new Set<number>()
  /** Identities of peers whose wrong blocks were taken. */
  readonly guilty = new Set<number>()
  hashRequests = 0

  constructor(random: () => number, torrent: Torrent, memory = 1e9) {
    this.torrent = torrent
    this.trees = new HashTrees(torrent.metainfo, torrent.metainfo.pieceRoots!)
    this.model = new SwarmModel({ random, torrent, memory })
  }

  seed(habit: Habit, liar = false, v2 = true): Member {
    const member = this.model.joinSeed(undefined, v2)
    member.liar = liar
    this.habits.set(member, habit)
    if (!liar && habit !== "Lies") this.honest.add(member.peer.identity)
    return member
  }

  /** The peer answers up to `count` requests for blocks; a liar spoils each with the chance `lies`. */
  blocks(member: Member, count: number, lies = 1): void {
    const { liar } = member
    this.model.hear(member)
    for (const [piece, begin, length] of member.requests.splice(0, count)) {
      if (!member.isOpen) return
      member.liar = liar && this.model.random() < lies
      const { wasted } = this.model.swarm.board
      this.model.send(member, piece, begin, length)
      if (member.liar && this.model.swarm.board.wasted === wasted) this.guilty.add(member.peer.identity)
    }
    member.liar = liar
    this.model.end(member)
    this.model.expel()
  }

  /** The peer answers one question for hashes. */
  hashes(member: Member): void {
    this.model.hear(member)
    // BEP 52: a request for a block that stands right before the hash request makes it binding.
    const ids = member.inbox.map(({ id }) => id)
    const range = member.hashRequests.shift()
    if (range === undefined) return
    this.hashRequests++
    const asked = ids.indexOf(Message.HASH_REQUEST) > 0 &&
      ids[ids.lastIndexOf(Message.HASH_REQUEST) - 1] === Message.REQUEST
    const habit = this.habits.get(member)!
    if (habit === "Mute") return
    if (habit === "Rejects" || (habit === "AfterBlock" && !asked)) {
      this.model.swarm.hashReject(member.peer, range, this.model.now)
    } else {
      const hashes = habit === "Lies" ? noise(32 * HashMessage.count(range), 9) : this.answer(range)
      const verdict = this.model.swarm.hashes(member.peer, range, hashes, this.model.now)
      hashes.fill(0xee)
      assert.strictEqual(verdict, habit === "Lies" ? "sent false hashes" : undefined)
    }
    this.model.expel()
    if (member.isOpen) this.model.end(member)
  }

  answer(range: HashMessage.HashRange): Uint8Array {
    const plan = this.trees.plan(range)
    assert.isDefined(plan, "a request that makes no sense")
    const leaves = new Map(plan!.pieces.map((piece) => [piece, PayloadV2.leavesOf(this.torrent, piece)]))
    return this.trees.compose(plan!, (piece) => leaves.get(piece)!)
  }

  /** Everybody answers in turn until the torrent is there. */
  finish(lies = 1): void {
    const { model } = this
    for (let rounds = 0; !model.swarm.isDone; rounds++) {
      assert.isBelow(rounds, 3000, "the torrent stands still")
      if (rounds % 4 === 0) model.tick(1000)
      for (const member of model.members.slice()) {
        if (member.isOpen) this.blocks(member, 1 + below(model.random, 4), lies)
        if (member.isOpen) this.hashes(member)
      }
      while (model.spills.length > 0) model.spill()
      while (model.settle());
      model.check()
    }
  }
}

const randomTorrent = (random: () => number): Torrent => {
  const pieceLength = BLOCK << below(random, 4)
  const lengths = Array.from({ length: 1 + below(random, 3) }, () => 1 + below(random, 30 * BLOCK))
  return PayloadV2.torrent(lengths, pieceLength, random() < 0.5 ? "2" : "hybrid", 1 + below(random, 1e6))
}

describe("a corrupt piece of version 2", () => {
  it.prop(
    "keeps all right blocks, and convicts every liar and nobody else, where peers serve leaves",
    [seed],
    ([seed]) => {
      const random = randomOf(seed)
      const world = new World(random, randomTorrent(random))
      const { model } = world
      for (let i = 0; i < 3; i++) world.seed("Serves")
      for (let i = 0; i < 1 + below(random, 3); i++) world.seed(HABITS[below(random, 5)]!, true, random() < 0.7)
      world.finish(random())
      for (const liar of world.guilty) assert.isTrue(model.liars.has(liar), `${liar} got away`)
      for (const liar of model.liars) assert.isFalse(world.honest.has(liar))
      const { fetched } = model.swarm
      const sizeOf = (piece: number) => (block: number) => PieceLayout.blockSize(fetched, piece, block)
      const wrong = model.wrong.flatMap(({ blocks, piece }) => blocks.map(sizeOf(piece)))
      // Pieces of one block are their sender's alone, and are fetched again as ever.
      const single = model.corrupted - model.wrong.length
      const exact = fetched.dataLength + wrong.reduce((sum, size) => sum + size, 0) + model.swarm.board.wasted
      assert.isAtLeast(model.swarm.down.total, exact)
      assert.isAtMost(model.swarm.down.total, exact + single * BLOCK)
    },
    { arbitrary: { runs: 60 } }
  )

  it.prop(
    "comes right whatever peers do about hashes, and no honest one is banned",
    [seed, int(1, 4)],
    ([seed, room]) => {
      const random = randomOf(seed)
      const torrent = randomTorrent(random)
      const world = new World(random, torrent, room * torrent.metainfo.layout.pieceLength)
      for (let i = 0; i < 2; i++) world.seed(HABITS[below(random, 4)]!, false, random() < 0.7)
      for (let i = 0; i < below(random, 4); i++) world.seed(HABITS[below(random, 5)]!, true, random() < 0.7)
      world.finish(random())
      assert.strictEqual(world.model.buffers.used, 0)
      for (const liar of world.model.liars) assert.isFalse(world.honest.has(liar))
    },
    { arbitrary: { runs: 100 } }
  )

  /** A piece of four blocks: an honest peer has sent two of them, a liar one wrong and one right one. */
  const doubtful = (habits: ReadonlyArray<Habit> = []) =>
    doubtfulOf(PayloadV2.torrent([4 * BLOCK], 4 * BLOCK), habits, 1e9)

  const doubtfulOf = (torrent: Torrent, habits: ReadonlyArray<Habit>, memory: number) => {
    const world = new World(randomOf(1), torrent, memory)
    const { model } = world
    const first = world.seed("Rejects")
    world.blocks(first, 2)
    model.swarm.choke(first.peer, model.now)
    first.requests.length = 0
    const liar = world.seed("Rejects")
    liar.liar = true
    world.blocks(liar, 1)
    liar.liar = false
    world.blocks(liar, 1)
    const others = habits.map((habit) => world.seed(habit))
    for (const member of [first, liar, ...others]) member.requests.length = 0
    assert.lengthOf(model.full, 1)
    model.settle()
    for (const member of [first, liar, ...others]) model.hear(member)
    return { world, model, swarm: model.swarm, first, liar, others }
  }

  it("asks for all its leaves at once, and then for the one wrong block of another than its sender", () => {
    const { first, liar, model, others, swarm, world } = doubtful(["Serves", "Mute"])
    const root = world.torrent.metainfo.files[0]!.piecesRoot!
    const range = { root, base: 0, index: 0, length: 4, proofLayers: 0 }
    for (const other of others) assert.deepStrictEqual(other.hashRequests, [range])
    for (const part of [first, liar]) assert.deepStrictEqual(part.hashRequests, [])
    assert.strictEqual(swarm.board.open.get(0)!.missing, 0)
    world.hashes(others[0]!)
    assert.deepStrictEqual(model.wrong, [{ piece: 0, blocks: [2], senders: [liar.peer.identity] }])
    assert.deepStrictEqual(model.causes, ["WrongBlocks"])
    assert.deepStrictEqual(model.liars, new Set([liar.peer.identity]))
    assert.deepStrictEqual(liar.requests, [])
    const asked = others.filter(({ requests }) => requests.length > 0)
    assert.deepStrictEqual(asked.map(({ requests }) => requests), [[[0, 2 * BLOCK, BLOCK]]])
    world.blocks(asked[0]!, 1)
    model.settle()
    assert.isTrue(swarm.isDone)
    assert.strictEqual(swarm.down.total, 5 * BLOCK)
  })

  it("asks a peer that rejects once more with a block of the piece, and last a moment later", () => {
    const { first, liar, model, others: [other], swarm } = doubtful(["Rejects"])
    const rejectAll = () => {
      for (const member of [other!, first, liar]) {
        for (const range of member.hashRequests.splice(0)) swarm.hashReject(member.peer, range, model.now)
      }
      for (const member of [other!, first, liar]) model.hear(member)
    }
    rejectAll()
    rejectAll()
    const told = ({ inbox }: Member) => inbox.slice(-2).map(({ id }) => id)
    for (const member of [other!, liar]) {
      assert.deepStrictEqual(told(member), [Message.REQUEST, Message.HASH_REQUEST])
      assert.deepStrictEqual(member.requests, [[0, 0, BLOCK]])
      assert.isUndefined(model.send(member, ...member.requests.shift()!))
    }
    assert.deepStrictEqual(first.requests, [], "it chokes us")
    assert.strictEqual(swarm.board.wasted, 2 * BLOCK)
    rejectAll()
    assert.deepStrictEqual([...other!.hashRequests, ...liar.hashRequests], [])
    model.tick(1000)
    assert.lengthOf([...other!.hashRequests, ...liar.hashRequests], 2)
    assert.strictEqual(swarm.board.open.get(0)!.missing, 0)
  })

  it("does not take the time since a peer was last asked for the time that it takes to answer", () => {
    const { first, liar, model, others: [other], swarm } = doubtful(["Rejects"])
    model.now = 50_000
    for (let rounds = 0; other!.requests.length === 0; rounds++) {
      assert.isBelow(rounds, 5)
      for (const member of [first, liar, other!]) {
        for (const range of member.hashRequests.splice(0)) swarm.hashReject(member.peer, range, model.now)
        model.hear(member)
      }
    }
    model.now += 10
    model.answer(other!)
    assert.isBelow(other!.peer.window.timeout(), 3000)
  })

  it.prop("comes right in the end where everybody lied", [seed], ([seed]) => {
    const random = randomOf(seed)
    const torrent = randomTorrent(random)
    const world = new World(random, torrent, 2 * torrent.metainfo.layout.pieceLength)
    const { model } = world
    for (let i = 0; i < 2 + below(random, 3); i++) world.seed(HABITS[below(random, 5)]!, true, random() < 0.7)
    for (let rounds = 0; model.members.length > 0; rounds++) {
      assert.isBelow(rounds, 3000, "a liar stays")
      model.tick(1000)
      for (const member of model.members.slice()) {
        if (member.isOpen) world.blocks(member, 1 + below(random, 4))
        if (member.isOpen) world.hashes(member)
      }
      while (model.settle());
      model.check()
    }
    assert.strictEqual(model.swarm.haveCount, 0)
    const honest = world.seed("Serves")
    world.finish()
    assert.strictEqual(model.buffers.used, 0)
    assert.isFalse(model.liars.has(honest.peer.identity))
  }, { arbitrary: { runs: 40 } })

  it("is fetched again as a whole when nobody knows, and its senders are watched", () => {
    const { first, liar, model, others: [other], swarm, world } = doubtful(["Rejects"])
    for (let i = 0; i < 20 && swarm.board.open.get(0)?.missing === 0; i++) {
      for (const member of [first, liar, other!]) {
        for (const range of member.hashRequests.splice(0)) swarm.hashReject(member.peer, range, model.now)
      }
      model.tick(1000)
    }
    assert.strictEqual(swarm.suspects.size, 1)
    assert.isTrue(first.peer.onParole)
    assert.isTrue(liar.peer.onParole)
    assert.isFalse(other!.peer.onParole)
    assert.deepStrictEqual(model.wrong, [])
    liar.liar = true
    world.finish()
    assert.deepStrictEqual(model.liars, new Set([liar.peer.identity]))
  })

  it("does not wait for mute peers for ever, and takes their answer when it comes late", () => {
    for (const late of [4000, 7000]) {
      const { model, others, swarm, world } = doubtful(["Mute", "Mute"])
      for (let waited = 0; waited < late; waited += 1000) model.tick(1000)
      world.habits.set(others[0]!, "Serves")
      world.hashes(others[0]!)
      assert.lengthOf(model.wrong, 1)
      assert.deepStrictEqual(others[1]!.closed, [])
      assert.isFalse(swarm.board.open.get(0)!.missing === 0)
    }
    for (const mute of [2, 12]) {
      const { model, swarm } = doubtful(Array.from({ length: mute }, () => "Mute" as const))
      model.tick(4000)
      assert.strictEqual(swarm.suspects.size, 0)
      for (let waited = 4000; waited < 20_000; waited += 1000) model.tick(1000)
      assert.strictEqual(swarm.suspects.size, 1)
    }
  })

  it("gives way sooner while its memory is wanted for others", () => {
    for (const [pieces, waits] of [[1, 8000], [3, 20_000]] as const) {
      const mute = Array.from({ length: 12 }, () => "Mute" as const)
      const torrent = PayloadV2.torrent([8 * BLOCK], 4 * BLOCK)
      const { model, swarm } = doubtfulOf(torrent, mute, pieces * 4 * BLOCK)
      const doubted = Array.from(swarm.board.open.values()).find(({ missing }) => missing === 0)!
      const stands = () => swarm.board.open.get(doubted.index) === doubted && doubted.missing === 0
      while (model.now < waits - 1000) {
        assert.isTrue(stands())
        model.tick(1000)
      }
      assert.isTrue(stands())
      model.tick(1000)
      assert.isFalse(stands())
      assert.strictEqual(swarm.suspects.size, 1)
    }
  })

  it("is one of many that one peer knows about: it is asked no more than it takes, and for all of them", () => {
    const pieces = 150
    const world = new World(randomOf(1), PayloadV2.torrent([pieces * 2 * BLOCK], 2 * BLOCK))
    const { model } = world
    const knows = world.seed("Serves")
    model.swarm.choke(knows.peer, model.now)
    knows.requests.length = 0
    const liar = world.seed("Mute", true)
    while (model.full.length < pieces) world.blocks(liar, 50)
    while (model.settle());
    assert.isFalse(liar.isOpen)
    for (let answers = 0; answers < pieces; answers++) {
      model.hear(knows)
      assert.isAtMost(knows.hashRequests.length, HashMessage.MOST_OPEN)
      if (knows.hashRequests.length === 0) model.tick(1000)
      world.hashes(knows)
    }
    assert.lengthOf(model.wrong, pieces)
    assert.strictEqual(model.swarm.suspects.size, 0)
    model.swarm.unchoke(knows.peer)
    world.finish()
    assert.deepStrictEqual(model.liars, new Set([liar.peer.identity]))
  })

  it("goes on with others when a peer leaves, lies or talks of what nobody asked", () => {
    const { liar, model, others: [leaver, fool, good], swarm, world } = doubtful(["Mute", "Lies", "Serves"])
    model.leave(leaver!)
    model.hear(good!)
    assert.lengthOf(good!.hashRequests, 1)
    const range = fool!.hashRequests[0]!
    const right = world.answer(range)
    const unasked = "sent hashes that nobody asked for"
    assert.strictEqual(swarm.hashes(fool!.peer, { ...range, proofLayers: 1 }, right, 0), unasked)
    assert.strictEqual(swarm.hashes(liar.peer, range, right, 0), unasked)
    liar.peer.owedHashes = 2
    const late = [1, 2, 3].map(() => swarm.hashes(liar.peer, range, right, 0))
    assert.deepStrictEqual(late, [undefined, undefined, unasked])
    world.hashes(fool!)
    assert.deepStrictEqual(model.causes, ["FalseHashes"])
    assert.deepStrictEqual(model.liars, new Set([fool!.peer.identity]))
    assert.isFalse(fool!.isOpen)
    world.hashes(good!)
    assert.lengthOf(model.wrong, 1)
    assert.strictEqual(swarm.hashes(good!.peer, range, right, 0), unasked)
  })

  it("asks nobody on connections of version 1, nor who lacks the piece", () => {
    const world = new World(randomOf(1), PayloadV2.torrent([4 * BLOCK], 2 * BLOCK))
    const { model } = world
    const liars = [world.seed("Serves", true, false), world.seed("Serves", true, false)]
    const lacking = model.joinWith([], undefined, true)
    while (model.full.length < 2) for (const liar of liars) world.blocks(liar, 1)
    while (model.settle());
    for (const member of [...liars, lacking]) assert.lengthOf(member.hashRequests, 0)
    assert.strictEqual(model.swarm.board.open.get(0)?.missing ?? 2, 2)
  })

  it("of more than 512 blocks is asked for in parts, with their proof", () => {
    const pieceLength = 1024 * BLOCK
    const world = new World(randomOf(1), PayloadV2.torrent([pieceLength + 530 * BLOCK - 1], pieceLength))
    const { model } = world
    const seeds = [world.seed("Serves"), world.seed("Serves")]
    const liar = world.seed("Serves", true)
    world.blocks(liar, 2)
    model.leave(liar)
    while (model.full.length < 2) for (const member of seeds) world.blocks(member, 100)
    while (model.settle());
    for (const member of seeds) {
      model.hear(member)
      for (const { index, length, proofLayers } of member.hashRequests) {
        assert.deepStrictEqual([index % 512, length, proofLayers], [0, 512, 9])
      }
      while (member.hashRequests.length > 0) world.hashes(member)
    }
    assert.strictEqual(world.hashRequests, 2 * 2)
    assert.deepStrictEqual(model.wrong.map(({ blocks }) => blocks.length), [2])
    world.finish()
    assert.deepStrictEqual(model.liars, new Set([liar.peer.identity]))
  })

  it("on the disk is repaired too: a wrong block of an earlier run is forgotten", () => {
    const world = new World(randomOf(1), PayloadV2.torrent([4 * BLOCK], 4 * BLOCK))
    const { model } = world
    model.disk.set(world.torrent.payload.subarray(0, 3 * BLOCK))
    model.disk[BLOCK]! ^= 1
    model.swarm.board.remember(0, Uint8Array.of(0b1110_0000))
    world.seed("Serves")
    world.finish()
    assert.deepStrictEqual(model.wrong, [{ piece: 0, blocks: [1], senders: [-1] }])
    assert.deepStrictEqual(model.liars, new Set())
    assert.strictEqual(model.swarm.down.total, 2 * BLOCK)
  })

  it("that is saved unfinished at the end of a run gives its memory back once", () => {
    const { model, others: [other], swarm } = doubtful(["Mute"])
    swarm.board.spill(swarm.board.open.get(0)!)
    assert.strictEqual(model.buffers.used, 0)
    for (const member of model.members.slice()) model.leave(member)
    assert.isFalse(other!.isOpen)
    assert.strictEqual(model.buffers.used, 0)
    assert.deepStrictEqual(model.liars, new Set())
  })
})
