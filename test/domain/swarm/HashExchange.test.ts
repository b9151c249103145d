import { assert, describe, it } from "@effect/vitest"
import * as Merkle from "../../../src/domain/Merkle.ts"
import { HashExchange, type Question, rangeOf } from "../../../src/domain/swarm/HashExchange.ts"
import * as HashMessage from "../../../src/domain/wire/HashMessage.ts"
import * as Message from "../../../src/domain/wire/Message.ts"
import { noise } from "../../support/payload.ts"
import { far } from "./fakes.ts"

const leaves = noise(8 * 32)

const top = Merkle.root(leaves, 8)

const root = noise(32, 2)

/** All leaves of one of many equal pieces. */
const question = (subject: number): Question<number> => ({
  subject,
  range: rangeOf(root, 0, 8 * subject, 8, 8),
  top,
  width: 8
})

const peerOf = (key: number) => far({ key, pieces: 1, v2: true }).peer

describe("HashExchange", () => {
  it("has no more questions open with a peer than it would take itself, late ones among them", () => {
    const exchange = new HashExchange<number>()
    const { peer, read } = far({ key: 1, pieces: 1, v2: true })
    for (let i = 0; exchange.mayAsk(peer); i++) exchange.ask(peer, question(i), i)
    peer.wire.flush()
    const asked = read().filter(({ id }) => id === Message.HASH_REQUEST)
    assert.lengthOf(asked, HashMessage.MOST_OPEN)
    assert.isTrue(exchange.isAnswering(peer))
    assert.lengthOf(exchange.expire(1e6), HashMessage.MOST_OPEN)
    assert.isFalse(exchange.mayAsk(peer))
    assert.isFalse(exchange.isAnswering(peer), "all its answers are late")
    assert.deepStrictEqual(exchange.expire(2e6), [])
    assert.deepStrictEqual(exchange.answered(peer, question(7).range, leaves), {
      subject: 7,
      nodes: leaves,
      wasLate: true
    })
    assert.isTrue(exchange.mayAsk(peer))
    assert.deepStrictEqual(exchange.left(peer), [])
  })

  it("has no hope of version 1", () => {
    assert.isFalse(new HashExchange().mayAsk(far({ key: 1, pieces: 1 }).peer))
  })

  it("takes an answer once, and for a lie what leads elsewhere", () => {
    const exchange = new HashExchange<number>()
    const peer = peerOf(1)
    const { range } = question(3)
    exchange.ask(peer, question(3), 0)
    assert.strictEqual(exchange.answered(peer, { ...range, index: 0 }, leaves), "Unasked")
    assert.strictEqual(exchange.answered(peerOf(2), range, leaves), "Unasked")
    const wrong = leaves.slice()
    wrong[255]! ^= 1
    assert.strictEqual(exchange.answered(peer, range, wrong), "Lie")
    assert.notStrictEqual(exchange.answered(peer, range, leaves), "Unasked")
    assert.strictEqual(exchange.answered(peer, range, leaves), "Unasked")
    assert.isUndefined(exchange.rejected(peer, range))
    assert.deepStrictEqual(exchange.left(peer), [])
  })

  it("expects most of those that answer, and little of one that answered once and then no more", () => {
    const exchange = new HashExchange<number>()
    const [unknown, good, refusing, mute] = [peerOf(1), peerOf(2), peerOf(3), peerOf(4)]
    for (let i = 0; i < 5; i++) {
      exchange.ask(good, question(i), 0)
      exchange.answered(good, question(i).range, leaves)
    }
    exchange.ask(refusing, question(0), 0)
    assert.strictEqual(exchange.rejected(refusing, question(0).range), 0)
    exchange.ask(mute, question(0), 0)
    exchange.answered(mute, question(0).range, leaves)
    for (let i = 1; i < 4; i++) exchange.ask(mute, question(i), 0)
    const order = [mute, refusing, unknown, good].toSorted((a, b) => exchange.reluctance(a) - exchange.reluctance(b))
    assert.deepStrictEqual(order, [good, unknown, refusing, mute])
  })
})
