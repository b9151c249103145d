import { assert, describe, it } from "@effect/vitest"
import * as PieceLayout from "../../../src/domain/PieceLayout.ts"
import * as DontHave from "../../../src/domain/swarm/DontHave.ts"
import { Extensions } from "../../../src/domain/swarm/Extensions.ts"
import type { Swarm } from "../../../src/domain/swarm/Swarm.ts"
import * as UploadOnly from "../../../src/domain/swarm/UploadOnly.ts"
import * as ExtensionHandshake from "../../../src/domain/wire/ExtensionHandshake.ts"
import * as Message from "../../../src/domain/wire/Message.ts"
import { listOf } from "./fakes.ts"
import { randomOf } from "./seeded.ts"
import { type Member, SwarmModel } from "./swarmModel.ts"

const { BLOCK } = PieceLayout

const fixture = (options: Partial<ConstructorParameters<typeof SwarmModel>[0]> = {}): SwarmModel =>
  new SwarmModel({ random: randomOf(1), ...options })

const fastSeed = (model: SwarmModel): Member => model.joinSeed(undefined, false, true)

const piecesAsked = ({ requests }: Member): Array<number> => Array.from(new Set(requests.map(([piece]) => piece)))

describe("a peer with the fast extension", () => {
  it("owes an answer to each request after it has choked us, and what it rejects is asked of others", () => {
    const model = fixture({ pieces: 1, pieceLength: 8 * BLOCK })
    const first = fastSeed(model)
    assert.lengthOf(first.requests, 8)
    const second = model.join(undefined, false, true)
    model.swarm.haveAll(second.peer)
    model.swarm.unchoke(second.peer)
    model.swarm.choke(first.peer, model.now)
    assert.strictEqual(first.peer.outstanding, 8)
    model.answer(first, 1)
    model.refuse(first, "requests", 7)
    assert.strictEqual(first.peer.outstanding, 0)
    model.end(second)
    assert.lengthOf(second.requests, 7)
    model.answer(second, 7)
    assert.lengthOf(model.full, 1)
  })

  it("is asked again for what it refuses, but with a pause, and in the end not any more", () => {
    const model = fixture({ pieces: 1, pieceLength: 4 * BLOCK })
    const member = fastSeed(model)
    const asked: Array<number> = []
    for (let second = 0; second < 10; second++) {
      asked.push(member.requests.length)
      model.refuse(member, "requests", 100)
      assert.lengthOf(member.requests, 0)
      model.tick(1000)
    }
    assert.deepStrictEqual(asked, [4, 4, 4, 0, 0, 0, 0, 0, 0, 0])
    assert.isFalse(member.interested)
    assert.deepStrictEqual(member.closed, [])
    // It has the piece after all.
    assert.isUndefined(model.swarm.haveMessage(member.peer, 0))
    model.end(member)
    assert.lengthOf(member.requests, 4)
  })

  it("is not blamed for rejects that came before a choke, once it has unchoked us again", () => {
    const model = fixture({ pieces: 1, pieceLength: 4 * BLOCK })
    const member = fastSeed(model)
    for (let round = 0; round < 5; round++) {
      model.refuse(member, "requests", 100)
      model.swarm.choke(member.peer, model.now)
      model.tick(1000)
      model.swarm.unchoke(member.peer)
      model.end(member)
      assert.lengthOf(member.requests, 4)
    }
  })

  it("may answer a cancelled request by a reject or by the block, and not more than that", () => {
    const model = fixture({ pieces: 1, pieceLength: 4 * BLOCK })
    const slow = fastSeed(model)
    model.tick(30_000)
    const other = fastSeed(model)
    model.answer(other, 4)
    model.hear(slow)
    assert.isAbove(slow.takenBack.length + slow.requests.length, 1)
    model.refuse(slow, "takenBack", 1)
    while (slow.takenBack.length > 0) model.refuse(slow, "takenBack", 1)
    while (slow.requests.length > 0) model.refuse(slow, "requests", 1)
    assert.strictEqual(slow.peer.forgiven, 0)
    const verdicts = Array.from({ length: 17 }, () => model.swarm.reject(slow.peer, 0, 0, BLOCK, model.now))
    assert.isTrue(verdicts.slice(0, 16).every((verdict) => verdict === undefined))
    assert.match(verdicts[16]!, /nobody asked for/)
  })

  it("gives what it allows though it chokes us, as long as it does not refuse that", () => {
    const model = fixture({ pieces: 20, order: "Rarest" })
    const member = model.join(undefined, false, true)
    member.allows.add(7)
    // BEP 6: an allowed piece may be one that the peer has not.
    member.allows.add(9)
    assert.isUndefined(model.swarm.allowedFast(member.peer, 7))
    assert.isUndefined(model.swarm.allowedFast(member.peer, 9))
    assert.isUndefined(model.swarm.haveMessage(member.peer, 7))
    assert.isUndefined(model.swarm.haveMessage(member.peer, 8))
    model.end(member)
    assert.deepStrictEqual(piecesAsked(member), [7])
    model.answer(member, 1)
    model.refuse(member, "requests", 1)
    model.tick(5000)
    assert.lengthOf(member.requests, 0)
    assert.match(model.swarm.allowedFast(member.peer, 20)!, /does not exist/)
  })

  it("is heeded when it suggests a piece, unless pieces are wanted in order", () => {
    for (const [order, first] of [["Rarest", 17], ["Sequential", 0]] as const) {
      const model = fixture({ pieces: 30, order })
      const member = model.join(undefined, false, true)
      model.swarm.haveAll(member.peer)
      assert.isUndefined(model.swarm.suggest(member.peer, 3))
      assert.isUndefined(model.swarm.suggest(member.peer, 17))
      assert.match(model.swarm.suggest(member.peer, 30)!, /does not exist/)
      model.swarm.unchoke(member.peer)
      model.end(member)
      assert.strictEqual(piecesAsked(member)[0], first)
    }
  })

  it("is dropped when it says that it has nothing after it has said what it has", () => {
    const model = fixture()
    const member = fastSeed(model)
    assert.match(model.swarm.haveNone(member.peer)!, /nothing after/)
    assert.isUndefined(model.swarm.haveAll(member.peer))
  })
})

describe("a piece that is there no more", () => {
  it("is not asked of the peer that lost it, and what was asked is free where no answer comes", () => {
    for (const fast of [false, true]) {
      const model = fixture({ pieces: 1, pieceLength: 4 * BLOCK })
      const member = model.joinSeed(undefined, false, fast)
      assert.lengthOf(member.requests, 4)
      assert.isUndefined(model.swarm.dontHave(member.peer, 0, model.now))
      model.end(member)
      assert.isFalse(member.interested)
      assert.strictEqual(member.peer.outstanding, fast ? 4 : 0)
      assert.deepStrictEqual(listOf(member.peer.bits), [])
      if (fast) model.refuse(member, "requests", 4)
      const other = model.joinSeed()
      assert.lengthOf(other.requests, 4)
      model.check()
    }
    assert.match(fixture().swarm.dontHave(fixture().join().peer, 6, 0)!, /does not exist/)
  })
})

/** A swarm with the extensions of every torrent, and a peer that speaks them. */
const extended = (options: Partial<ConstructorParameters<typeof SwarmModel>[0]> = {}) => {
  let swarm: Swarm | undefined
  const extensions = new Extensions([
    UploadOnly.make((peer) => swarm!.reconsider(peer)),
    DontHave.make((peer, piece, now) => swarm!.dontHave(peer, piece, now))
  ], { own: () => ({ uploadOnly: swarm!.isDone }) })
  const model = fixture({ ...options, extensions })
  swarm = model.swarm
  const member = model.join(undefined, false, true, true)
  const said = ({ payload }: (typeof member.inbox)[number]) => ExtensionHandshake.decode(payload.subarray(1))!
  const hello = (handshake: ExtensionHandshake.ExtensionHandshake) =>
    model.swarm.extended(member.peer, Uint8Array.of(0, ...ExtensionHandshake.encode(handshake)), model.now)
  return { model, member, said, hello }
}

describe("a torrent with extensions", () => {
  it("greets with them, and says whether it wants nothing more", () => {
    for (const [have, uploadOnly] of [[[0, 1, 2, 3, 4, 5], true], [[1], false]] as const) {
      const { member, said } = extended({ have })
      assert.strictEqual(member.inbox[0]!.id, Message.EXTENDED)
      assert.deepStrictEqual([...said(member.inbox[0]!).messages.keys()].sort(), ["lt_donthave", "upload_only"])
      assert.strictEqual(said(member.inbox[0]!).uploadOnly, uploadOnly)
    }
  })

  it("tells peers that understand it of a piece that is lost, and takes the news of theirs", () => {
    const { hello, member, model } = extended({ have: [0, 1, 2, 3, 4, 5] })
    const deaf = model.join()
    hello({ messages: new Map([["lt_donthave", 9]]) })
    assert.isTrue(model.swarm.lose(4))
    assert.isFalse(model.swarm.lose(4))
    model.tick(1000)
    assert.deepStrictEqual(member.inbox.at(-1), { id: Message.EXTENDED, payload: Uint8Array.of(9, 0, 0, 0, 4) })
    assert.lengthOf(deaf.inbox.filter(({ id }) => id === Message.EXTENDED), 0)

    model.swarm.haveAll(member.peer)
    assert.isUndefined(model.swarm.extended(member.peer, Uint8Array.of(2, 0, 0, 0, 1), model.now))
    assert.deepStrictEqual(listOf(member.peer.bits), [0, 2, 3, 4, 5])
    assert.isFalse(member.peer.isSeed)
    assert.match(model.swarm.extended(member.peer, Uint8Array.of(2, 0, 0, 1), model.now)!, /wrong length/)
    assert.match(model.swarm.extended(member.peer, Uint8Array.of(2, 1, 0, 0, 1), model.now)!, /does not exist/)
  })

  it("parts from a peer that wants nothing more once it wants nothing either", () => {
    for (const say of ["handshake", "message"] as const) {
      const { hello, member, model } = extended({ pieces: 1 })
      assert.isUndefined(
        say === "handshake"
          ? hello({ messages: new Map(), uploadOnly: true })
          : model.swarm.extended(member.peer, Uint8Array.of(1, 1), model.now)
      )
      assert.deepStrictEqual(member.closed, [])
      const seeder = model.joinSeed()
      model.answer(seeder, 2)
      model.settle()
      assert.deepStrictEqual(member.closed, ["has nothing to exchange"])
    }
    const { hello, member, model } = extended({ have: [0, 1, 2, 3, 4, 5] })
    hello({ messages: new Map(), uploadOnly: false })
    assert.deepStrictEqual(member.closed, [])
    assert.match(model.swarm.extended(member.peer, Uint8Array.of(1), model.now)!, /wrong length/)
    hello({ messages: new Map(), uploadOnly: true })
    assert.deepStrictEqual(member.closed, ["has nothing to exchange"])
  })

  it("asks a peer for no more blocks at a time than it holds", () => {
    const { hello, member, model } = extended({ pieces: 4, pieceLength: 8 * BLOCK })
    hello({ messages: new Map(), requestQueue: 3 })
    model.swarm.haveAll(member.peer)
    model.swarm.unchoke(member.peer)
    model.end(member)
    for (let i = 0; i < 10; i++) {
      assert.isAtMost(member.requests.length, 3)
      model.answer(member, 1)
    }
  })
})
