/** Rate limits as users meet them: whole clients, in virtual time. What is measured is payload. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import * as Payload from "../support/payload.ts"
import * as Swarm from "../support/swarm.ts"

const { BLOCK } = PieceLayout

const KB = 1000
const MB = 1000 * KB

/** ms between two looks, and the stretches that must be smooth. */
const LOOK = 20
const SMOOTH = 100

const payloadOf = (bytes: number): Payload.Torrent => {
  const pieceLength = bytes < 4 * MB ? 2 * BLOCK : 16 * BLOCK
  return Payload.torrent([{ length: Math.ceil(bytes / pieceLength) * pieceLength }], pieceLength)
}

type Count = "downloaded" | "uploaded"

/** Bytes/s over so many ms, and the most bytes that any stretch of {@link SMOOTH} ms carried. */
const measure = Effect.fnUntraced(function*(node: Swarm.Node, count: Count, ms: number) {
  const counts = [node.torrent.snapshot()[count]]
  let most = 0
  for (let at = 0; at < ms; at += LOOK) {
    yield* TestClock.adjust(LOOK)
    counts.push(node.torrent.snapshot()[count])
    most = Math.max(most, counts.at(-1)! - (counts.at(-1 - SMOOTH / LOOK) ?? counts[0]!))
  }
  return { rate: (counts.at(-1)! - counts[0]!) * 1000 / ms, most }
})

/** 10 s, or as long as it takes until a block is 5 % of what moves. */
const long = (rate: number): number => Math.max(10_000, Math.ceil(BLOCK / rate / 0.05) * 1000)

const assertLimited = ({ most, rate }: { readonly most: number; readonly rate: number }, limit: number) => {
  assert.approximately(rate, limit, 0.05 * limit)
  // Twice the share and a block may be asked for; a write or a read may bring one more.
  assert.isAtMost(most, 2 * limit * SMOOTH / 1000 + 2 * BLOCK)
}

const path = () => ({ latency: 20, rate: 30 * MB })

/** One seed and so many leeches, or one leech and so many seeds. */
const crowd = Effect.fnUntraced(function*(
  torrent: Payload.Torrent,
  many: "seeds" | "leeches",
  count: number,
  one: Partial<Swarm.NodeOptions>
) {
  const swarm = yield* Swarm.make({ torrent, seed: 1, path, resolution: 5 })
  const others = Swarm.range(10, count)
  if (many === "leeches") {
    const node = yield* swarm.start({ number: 1, has: "All", ...one })
    // They get all from the one, and nothing from each other.
    const start = (number: number) => swarm.start({ number, peers: [1], options: { pex: false } })
    return { node, others: yield* Effect.forEach(others, start), swarm }
  }
  const seeds = yield* Effect.forEach(others, (number) => swarm.start({ number, has: "All" }))
  return { node: yield* swarm.start({ number: 1, peers: others, ...one }), others: seeds, swarm }
})

/** Higher ones take too long to simulate; the programs and the RateLimit are tested with those. */
const rates = [10 * KB, 100 * KB, 1 * MB]

describe("a limit", () => {
  for (const [scope, limited] of [["session", "session"], ["torrent", "options"]] as const) {
    for (const rate of rates) {
      it.effect(`of the ${scope} holds for a download at ${rate / KB} KB/s`, () =>
        Effect.gen(function*() {
          const torrent = payloadOf((4 + long(rate) / 1000) * 1.1 * rate)
          const { node } = yield* crowd(torrent, "seeds", 3, { [limited]: { maxDownloadRate: rate } })
          yield* TestClock.adjust("2 seconds")
          assertLimited(yield* measure(node, "downloaded", long(rate)), rate)
        }))

      it.effect(`of the ${scope} holds for an upload at ${rate / KB} KB/s`, () =>
        Effect.gen(function*() {
          const torrent = payloadOf((4 + long(rate) / 1000) * 1.1 * rate / 2)
          const { node } = yield* crowd(torrent, "leeches", 3, { [limited]: { maxUploadRate: rate } })
          yield* TestClock.adjust("2 seconds")
          assertLimited(yield* measure(node, "uploaded", long(rate)), rate)
        }))
    }
  }

  it.effect("changes while the download runs, from and to none", () =>
    Effect.gen(function*() {
      const { node } = yield* crowd(payloadOf(80 * MB), "seeds", 2, { down: 2 * MB })
      const { session, torrent } = node
      const settled = (ms: number) => Effect.andThen(TestClock.adjust("4 seconds"), measure(node, "downloaded", ms))
      assert.approximately((yield* settled(4000)).rate, 2 * MB, 0.1 * MB)
      yield* torrent.setLimits({ download: 100 * KB })
      assertLimited(yield* settled(10_000), 100 * KB)
      yield* session.setLimits({ download: 500 * KB })
      assertLimited(yield* settled(10_000), 100 * KB)
      yield* torrent.setLimits({ download: Infinity })
      assertLimited(yield* settled(10_000), 500 * KB)
      yield* session.setLimits({ download: 0 })
      assert.strictEqual((yield* settled(10_000)).rate, 0)
      yield* session.setLimits({ download: Infinity })
      assert.approximately((yield* settled(4000)).rate, 2 * MB, 0.1 * MB)
    }))

  it.effect("changes while the upload runs, from and to none", () =>
    Effect.gen(function*() {
      const { node } = yield* crowd(payloadOf(80 * MB), "leeches", 2, { up: 2 * MB })
      const { session, torrent } = node
      const settled = (ms: number) => Effect.andThen(TestClock.adjust("2 seconds"), measure(node, "uploaded", ms))
      assert.approximately((yield* settled(4000)).rate, 2 * MB, 0.2 * MB)
      yield* session.setLimits({ upload: 100 * KB })
      assertLimited(yield* settled(10_000), 100 * KB)
      yield* torrent.setLimits({ upload: 0 })
      assert.strictEqual((yield* settled(10_000)).rate, 0)
      yield* torrent.setLimits({ upload: 500 * KB })
      yield* session.setLimits({ upload: Infinity })
      assertLimited(yield* settled(10_000), 500 * KB)
      yield* torrent.setLimits({ upload: Infinity })
      assert.approximately((yield* settled(4000)).rate, 2 * MB, 0.2 * MB)
    }))

  it.effect("of a download is reached though some peers take requests and never answer", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent: payloadOf(8 * MB), seed: 1, path, resolution: 5 })
      yield* Effect.forEach([2, 3], (number) => swarm.start({ number, has: "All" }))
      const silent = Swarm.range(10, 8)
      yield* Effect.forEach(
        silent,
        (number) => swarm.start({ number, has: "All", session: { maxUploadRate: 0 } })
      )
      const leech = yield* swarm.start({ number: 1, peers: [2, 3, ...silent], session: { maxDownloadRate: 100 * KB } })
      yield* TestClock.adjust("30 seconds")
      // What they hold is given back when they time out, and then asked of others at once: that is not smooth.
      const { rate } = yield* measure(leech, "downloaded", 20_000)
      assert.approximately(rate, 100 * KB, 5 * KB)
    }))
})
