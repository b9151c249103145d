import { assert, describe, it } from "@effect/vitest"
import { BLOCK } from "../../../src/domain/PieceLayout.ts"
import { Misconduct, type Sentence } from "../../../src/domain/swarm/Misconduct.ts"
import type { Peer } from "../../../src/domain/swarm/Peer.ts"
import { Repeats } from "../../../src/domain/swarm/Repeats.ts"
import { far } from "./fakes.ts"
import { below, int, randomOf, seed } from "./seeded.ts"

const PIECES = 40
const PIECE = 8 * BLOCK
const SIZE = PIECES * PIECE

/** What the peer may have under way, by the defence's own reckoning. */
const UNDER_WAY = 500 * BLOCK

const peerOf = (identity = 1): Peer => far({ key: identity, pieces: PIECES, identity }).peer

const make = () => new Misconduct({ size: SIZE, pieceLength: PIECE })

/** A block of chance each time, so that none comes often. */
const anyBlock = (random: () => number) => ({
  piece: below(random, 1e6),
  begin: below(random, 8) * BLOCK,
  length: BLOCK
})

/** Bytes that go to a peer that claims nothing until it is choked, and until it is banned. */
const bounds = (misconduct: Misconduct, peer: Peer, random: () => number) => {
  let sent = 0
  let choked: number | undefined
  for (let now = 0;; now++) {
    sent += BLOCK
    const sentence = misconduct.sent(peer, BLOCK, [anyBlock(random)], now)
    if (sentence?._tag === "Choked") {
      assert.isUndefined(choked, "choked twice for one thing")
      assert.isAbove(sentence.until, now)
      choked = sent
    }
    if (sentence?._tag === "Banned") return { choked, banned: sent, cause: sentence.cause }
  }
}

describe("Misconduct", () => {
  it("chokes and then bans a peer that takes the torrent again and again and says to have nothing", () => {
    const { banned, cause, choked } = bounds(make(), peerOf(), randomOf(1))
    assert.strictEqual(cause._tag, "TakesTooMuch")
    assert.strictEqual(choked, 2 * SIZE + UNDER_WAY + BLOCK)
    assert.strictEqual(banned, 3 * SIZE + UNDER_WAY + BLOCK)
  })

  it("counts over reconnections, and the choke with it", () => {
    const misconduct = make()
    const random = randomOf(2)
    let sent = 0
    let sentence: Sentence
    let connection = peerOf()
    for (let now = 0; sentence === undefined; now++) {
      if (now % 50 === 0) {
        misconduct.left(connection)
        connection = peerOf()
        misconduct.opened(connection)
        assert.strictEqual(connection.barredUntil, 0)
      }
      sent += BLOCK
      sentence = misconduct.sent(connection, BLOCK, [anyBlock(random)], now)
    }
    assert.strictEqual(sent, 2 * SIZE + UNDER_WAY + BLOCK)
    const back = peerOf()
    misconduct.opened(back)
    assert.strictEqual(sentence._tag === "Choked" ? sentence.until : undefined, back.barredUntil)
    const other = peerOf(2)
    misconduct.opened(other)
    assert.strictEqual(other.barredUntil, 0)
  })

  it("counts the pieces that a peer says to have once, however often it comes anew", () => {
    const misconduct = make()
    const random = randomOf(3)
    let sent = 0
    let banned = false
    for (let round = 0; round < 6 && !banned; round++) {
      const peer = peerOf()
      misconduct.opened(peer)
      for (; !banned && peer.has < PIECES; sent += PIECE) {
        banned = misconduct.sent(peer, PIECE, [anyBlock(random)], round)?._tag === "Banned"
        peer.has++
      }
      misconduct.left(peer)
    }
    assert.isTrue(banned)
    assert.isAbove(sent, 4 * SIZE)
  })

  it.prop("leaves an honest peer alone: late news, failed pieces and one deletion of it all", [seed, int(0, 30)], (
    [seed, failures]
  ) => {
    const random = randomOf(seed)
    const misconduct = make()
    const tellsUs = random() < 0.8
    const rounds = tellsUs ? 2 : 1
    const send = (peer: Peer, piece: number, now: number) => {
      for (let begin = 0; begin < PIECE; begin += BLOCK) {
        assert.isUndefined(misconduct.sent(peer, BLOCK, [{ piece, begin, length: BLOCK }], now))
      }
    }
    for (let round = 0; round < rounds; round++) {
      const peer = peerOf()
      misconduct.opened(peer)
      let late = 0
      let failed = 0
      for (let piece = 0; piece < PIECES; piece++) {
        const again = failed < failures && random() < 0.3 ? 1 + below(random, 3) : 0
        failed += again
        for (let go = 0; go <= again; go++) send(peer, piece, piece)
        late++
        if (tellsUs && random() < 0.5) {
          peer.has += late
          late = 0
        }
      }
      if (tellsUs) peer.has = PIECES
      misconduct.left(peer)
    }
  })

  it("chokes and then bans a peer that takes one block for ever", () => {
    const misconduct = make()
    const peer = peerOf()
    const story: Array<string> = []
    for (let time = 1; time <= 32; time++) {
      const sentence = misconduct.sent(peer, BLOCK, [{ piece: 3, begin: BLOCK, length: BLOCK }], time)
      if (sentence !== undefined) story.push(`${sentence._tag} ${time}`)
    }
    assert.deepStrictEqual(story, ["Choked 8", "Banned 32"])
  })

  it("chokes and then bans a peer that never gives what it says to have, while others give", () => {
    const misconduct = make()
    const peer = peerOf()
    const story: Array<string> = []
    for (let time = 1; time <= 12; time++) {
      const sentence = misconduct.unanswered(peer, time * BLOCK, time * 20_000)
      if (sentence !== undefined) story.push(`${sentence._tag} ${time}`)
    }
    // Six questions in 120 s, and no sooner.
    assert.deepStrictEqual(story.slice(0, 2), ["Choked 3", "Banned 7"])
  })

  it("does not blame a peer that gave once, or when nobody gives", () => {
    const misconduct = make()
    const gave = peerOf(1)
    gave.received = BLOCK
    assert.isUndefined(misconduct.unanswered(gave, BLOCK, 0))
    misconduct.left(gave)
    const silent = peerOf(2)
    const back = peerOf(1)
    for (let time = 1; time <= 50; time++) {
      assert.isUndefined(misconduct.unanswered(back, time * BLOCK, time * 20_000))
      assert.isUndefined(misconduct.unanswered(silent, 0, time * 20_000))
    }
  })
})

describe("Repeats", () => {
  it.prop(
    "never counts too high, and misses a fifth of what comes at the most",
    [seed, int(1, 400)],
    ([seed, length]) => {
      const random = randomOf(seed)
      const repeats = new Repeats()
      const times = new Map<number, number>()
      for (let n = 1; n <= length; n++) {
        const key = random() < 0.4 ? 7 : below(random, 1000)
        const right = (times.get(key) ?? 0) + 1
        times.set(key, right)
        const counted = repeats.count(key)
        assert.isAtMost(counted, right)
        assert.isAtLeast(counted, right - Math.ceil(n / 5))
      }
    }
  )
})
