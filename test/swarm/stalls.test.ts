/** Why a torrent stands still, said by whole clients. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Bitfield from "../../src/domain/Bitfield.ts"
import { BLOCK } from "../../src/domain/PieceLayout.ts"
import type { StallCause } from "../../src/domain/swarm/StallCause.ts"
import * as Payload from "../support/payload.ts"
import * as ScriptedPeer from "../support/scriptedPeer.ts"
import * as Swarm from "../support/swarm.ts"

const PIECE = 2 * BLOCK
const PIECES = 20

const torrent = Payload.torrent([{ length: PIECES * PIECE }], PIECE)

const all = new Set(Swarm.range(0, PIECES))

const causeOf = (node: Swarm.Node): StallCause => {
  const { state } = node.torrent.snapshot()
  if (state._tag !== "Stalled") return assert.fail(`is ${state._tag}`)
  assert.deepStrictEqual(node.torrent.diagnosis().state, state)
  return state.cause
}

const make = () => Swarm.make({ torrent, seed: 1 })

describe("a torrent that stands still says why", () => {
  it.effect("nobody is known, nobody answers", () =>
    Effect.gen(function*() {
      const swarm = yield* make()
      const lone = yield* swarm.start({ number: 1, peers: [] })
      assert.deepStrictEqual(causeOf(lone), { _tag: "NoPeersKnown", trackers: 0, nextInMs: undefined })
      const told = yield* swarm.start({ number: 2 })
      yield* TestClock.adjust(2000)
      const cause = causeOf(told)
      assert.strictEqual(cause._tag, "NoPeersKnown")
      assert.strictEqual(told.torrent.diagnosis().trackers[0]?.result, "ok")
      const caller = yield* swarm.start({ number: 3, peers: [8, 9] })
      yield* TestClock.adjust(2000)
      const refused = causeOf(caller)
      assert.strictEqual(refused._tag, "NobodyAnswers")
      if (refused._tag === "NobodyAnswers") {
        assert.strictEqual(refused.tried, 2)
        assert.match(refused.refusal!, /ECONNREFUSED/)
      }
    }))

  it.effect("no peer has a piece; then one comes that has", () =>
    Effect.gen(function*() {
      const swarm = yield* make()
      const has = new Set(all)
      has.delete(12)
      yield* swarm.start({ number: 1, has, peers: [] })
      const leech = yield* swarm.start({ number: 2, peers: [1] })
      yield* TestClock.adjust(20_000)
      assert.deepStrictEqual(causeOf(leech), { _tag: "NobodyHas", piece: 12, others: 0, peers: 1 })
      yield* swarm.start({ number: 3, has: "All", peers: [2] })
      yield* Swarm.within(20_000, Swarm.allDone([leech]), [leech])
      assert.deepStrictEqual(leech.torrent.snapshot().state, { _tag: "Done" })
    }))

  it.effect("all choke us", () =>
    Effect.gen(function*() {
      const swarm = yield* make()
      const session = { maxUploads: 0 }
      for (const number of [1, 2, 3]) yield* swarm.start({ number, has: "All", peers: [], session })
      const leech = yield* swarm.start({ number: 4, peers: [1, 2, 3] })
      yield* TestClock.adjust(12_000)
      assert.deepStrictEqual(causeOf(leech), { _tag: "AllChoke", peers: 3 })
      assert.deepStrictEqual(leech.torrent.diagnosis().peers.map(({ state }) => state._tag), [
        "ChokesUs",
        "ChokesUs",
        "ChokesUs"
      ])
    }))

  it.effect("peers send nothing", () =>
    Effect.gen(function*() {
      const swarm = yield* make()
      const leech = yield* swarm.start({ number: 1, peers: [] })
      yield* ScriptedPeer.start(swarm, {
        number: 2,
        target: 1,
        greeting: (outbox) => {
          outbox.bitfield(Bitfield.full(PIECES))
          outbox.unchoke()
        }
      })
      yield* TestClock.adjust(12_000)
      const cause = causeOf(leech)
      assert.strictEqual(cause._tag, "WaitingForPeers")
      const [peer] = leech.torrent.diagnosis().peers
      assert.strictEqual(peer?.asked, cause._tag === "WaitingForPeers" ? cause.blocks : undefined)
      yield* TestClock.adjust(12_000)
      assert.strictEqual(leech.torrent.diagnosis().peers[0]?.state._tag, "Snubs")
    }))

  it.effect("the only peer is banned", () =>
    Effect.gen(function*() {
      const swarm = yield* make()
      const liar = yield* swarm.start({ number: 1, has: "All", peers: [] })
      Swarm.contentOf(torrent, liar).fill(0)
      const leech = yield* swarm.start({ number: 2, peers: [1] })
      yield* TestClock.adjust(60_000)
      assert.deepStrictEqual(causeOf(leech), { _tag: "OnlyBadPeers", banned: 1 })
    }))

  it.effect("the download limit", () =>
    Effect.gen(function*() {
      const swarm = yield* make()
      yield* swarm.start({ number: 1, has: "All", peers: [] })
      const leech = yield* swarm.start({ number: 2, peers: [1], session: { maxDownloadRate: 500 } })
      const limited = () => {
        const { state } = leech.torrent.snapshot()
        return state._tag === "Stalled" && state.cause._tag === "DownloadLimit"
      }
      yield* Swarm.until(60_000, limited, [leech])
    }))
})
