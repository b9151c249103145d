import { assert, describe, it } from "@effect/vitest"
import { Suspects } from "../../../src/domain/swarm/Suspects.ts"
import { below, int, randomOf, seed } from "./seeded.ts"

const good = (piece: number, block: number): Uint8Array => Uint8Array.of(0, piece, block)
const bad = (piece: number, block: number, version: number): Uint8Array => Uint8Array.of(1, piece, block, version)

const PIECES = 6

/** What is known of a torrent where peers under `liars` corrupt every other block; each step is one finished piece. */
const swarm = (seed: number, liars: number, honest: number, blocks: number) => {
  const random = randomOf(seed)
  const suspects = new Suspects()
  const banned = new Set<number>()
  const corruptions = new Map<number, number>()
  const peers = Array.from({ length: liars + honest }, (_, peer) => peer)
  const step = () => {
    const piece = below(random, PIECES)
    const present = peers.filter((peer) => !banned.has(peer))
    const first = present[below(random, present.length)]!
    const others = present.filter((peer) => !suspects.isSuspect(peer))
    const alone = suspects.isSuspect(first) || others.length === 0
    const senders = Array.from({ length: blocks }, () => alone ? first : others[below(random, others.length)]!)
    const bytes = senders.map((sender, block) =>
      sender < liars && random() < 0.5 ? bad(piece, block, below(random, 2)) : good(piece, block)
    )
    for (const sender of new Set(senders)) {
      const lied = senders.some((other, block) => other === sender && bytes[block]![0] === 1)
      if (lied) corruptions.set(sender, (corruptions.get(sender) ?? 0) + 1)
    }
    const isGood = bytes.every((block) => block[0] === 0)
    const guilty = suspects[isGood ? "passed" : "failed"](piece, senders, (block) => bytes[block]!)
    for (const peer of guilty) banned.add(peer)
    return { guilty, senders, isGood }
  }
  return { step, banned, suspects, corruptions }
}

describe("Suspects", () => {
  it.prop("bans liars and nobody else", [seed, int(0, 4), int(1, 5), int(1, 6)], ([seed, liars, honest, blocks]) => {
    const { step, banned, suspects } = swarm(seed, liars, honest, blocks)
    for (let round = 0; round < 400; round++) {
      const { guilty, senders, isGood } = step()
      assert.strictEqual(new Set(guilty).size, guilty.length)
      for (const peer of guilty) {
        assert.isBelow(peer, liars)
        assert.isFalse(suspects.isSuspect(peer))
      }
      if (new Set(senders).size === 1) assert.isFalse(suspects.isSuspect(senders[0]!))
      else if (!isGood) { for (const peer of senders) assert.isTrue(suspects.isSuspect(peer) || guilty.includes(peer)) }
    }
    assert.strictEqual(banned.size, liars)
  })

  it("finds the liar in a mixed piece when the piece comes right, and clears the others", () => {
    const suspects = new Suspects()
    const wrong = (block: number) => block === 1 ? bad(0, 1, 0) : good(0, block)
    assert.deepStrictEqual(suspects.failed(0, [1, 2, 3], wrong), [])
    assert.isTrue([1, 2, 3].every((peer) => suspects.isSuspect(peer)))
    assert.deepStrictEqual(suspects.passed(0, [4, 4, 5], (block) => good(0, block)), [2])
    assert.isFalse([1, 2, 3].some((peer) => suspects.isSuspect(peer)))
    assert.strictEqual(suspects.size, 0)
  })

  it("convicts whoever sent all of a bad piece, but nobody for blocks from the disk", () => {
    const suspects = new Suspects()
    assert.deepStrictEqual(suspects.failed(0, [7, 7], (block) => bad(0, block, 0)), [7])
    assert.deepStrictEqual(suspects.failed(0, [-1, -1], (block) => bad(0, block, 0)), [])
    assert.deepStrictEqual(suspects.failed(0, [-1, 7], (block) => bad(0, block, 0)), [])
    assert.isTrue(suspects.isSuspect(7))
    assert.isFalse(suspects.isSuspect(-1))
    assert.deepStrictEqual(suspects.passed(0, [8, 8], (block) => good(0, block)), [7])
  })

  it("convicts all who sent the same bad bytes, and at once whoever sent two versions", () => {
    const suspects = new Suspects()
    const wrong = (version: number) => (block: number) => block === 0 ? bad(0, 0, version) : good(0, block)
    assert.deepStrictEqual(suspects.failed(0, [1, 9], wrong(0)), [])
    assert.deepStrictEqual(suspects.failed(0, [2, 9], wrong(0)), [])
    assert.deepStrictEqual(suspects.failed(0, [3, 9], wrong(0)), [])
    assert.deepStrictEqual(suspects.failed(0, [3, 9], wrong(1)), [3])
    assert.deepStrictEqual(suspects.passed(0, [4, 9], (block) => good(0, block)), [1, 2, 3])
    assert.isFalse(suspects.isSuspect(9))
  })

  it("clears a suspect that sends a whole good piece, yet keeps the evidence", () => {
    const suspects = new Suspects()
    suspects.failed(0, [1, 2], (block) => block === 0 ? bad(0, 0, 0) : good(0, 1))
    assert.deepStrictEqual(suspects.passed(1, [1, 1], (block) => good(1, block)), [])
    assert.isFalse(suspects.isSuspect(1))
    assert.isTrue(suspects.isSuspect(2))
    assert.deepStrictEqual(suspects.passed(0, [3, 3], (block) => good(0, block)), [1])
  })

  it.prop("forgets the oldest failures past its bounds", [int(1, 10), int(2, 40)], ([failures, blocks]) => {
    const suspects = new Suspects({ failures, blocks })
    for (let piece = 0; piece < 30; piece++) {
      suspects.failed(piece, [2 * piece, 2 * piece + 1], (block) => bad(piece, block, 0))
      const kept = Math.min(piece + 1, failures, Math.max(1, Math.floor(blocks / 2)))
      assert.strictEqual(suspects.size, kept)
      for (let earlier = 0; earlier <= piece; earlier++) {
        assert.strictEqual(suspects.isSuspect(2 * earlier), earlier > piece - kept)
      }
    }
  })
})
