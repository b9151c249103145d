/** Peers that take without end or promise without giving, among honest ones. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Bitfield from "../../src/domain/Bitfield.ts"
import { BLOCK } from "../../src/domain/PieceLayout.ts"
import * as Message from "../../src/domain/wire/Message.ts"
import type { TorrentEvent } from "../../src/services/TorrentEvent.ts"
import * as Payload from "../support/payload.ts"
import * as ScriptedPeer from "../support/scriptedPeer.ts"
import * as Swarm from "../support/swarm.ts"

const PIECE = 4 * BLOCK
const PIECES = 48

const torrent = Payload.torrent([{ length: PIECES * PIECE }], PIECE)

const path = () => ({ latency: 10, rate: 8_000_000 })

const bansOf = ({ events }: Swarm.Node) =>
  events.flatMap((event: TorrentEvent) =>
    event._tag === "PeerBanned" ? [`${event.address.host} ${event.cause._tag}`] : []
  )

/** A leech that asks for what `next` says, block for block, and says nothing of what it gets. */
const taker = (swarm: Swarm.Swarm, number: number, next: (asked: number) => readonly [number, number]) => {
  const story: Array<"choke" | "unchoke"> = []
  let asked = 0
  return Effect.map(
    ScriptedPeer.start(swarm, {
      number,
      target: 1,
      greeting: (outbox) => outbox.interested(),
      onFrame: ({ id }, { say }) => {
        const ask = (count: number) =>
          say((outbox) => {
            for (let i = 0; i < count; i++) outbox.request(...next(asked++), BLOCK)
          })
        if (id === Message.UNCHOKE) {
          story.push("unchoke")
          ask(32)
        }
        if (id === Message.CHOKE) story.push("choke")
        if (id === Message.PIECE) ask(1)
      }
    }),
    (peer) => ({ peer, story })
  )
}

describe("misconduct in a swarm", () => {
  it.effect("a peer that takes the torrent again and again is choked, then banned for a while; honest ones are not", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 1, path, resolution: 5 })
      const seed = yield* swarm.start({ number: 1, has: "All", peers: [] })
      const inOrder = (asked: number) => [(asked >>> 2) % PIECES, (asked & 3) * BLOCK] as const
      const greedy = yield* taker(swarm, 9, inOrder)
      yield* Swarm.until(60_000, () => greedy.story.includes("choke"), [seed])
      const taken = seed.torrent.swarm.up.total
      assert.isAbove(taken, 2 * torrent.payload.length)
      assert.deepStrictEqual(bansOf(seed), [])
      // It shuts nobody else out meanwhile.
      const leeches = yield* Effect.forEach([2, 3], (number) => swarm.start({ number, peers: [1] }))
      yield* Swarm.within(60_000, Swarm.allDone(leeches), leeches)
      assert.strictEqual(greedy.story.filter((said) => said === "unchoke").length, 1)
      yield* Swarm.until(200_000, () => bansOf(seed).length > 0, [seed])
      assert.deepStrictEqual(bansOf(seed), [`${Swarm.host(9)} TakesTooMuch`])
      yield* TestClock.adjust(1000)
      assert.isFalse(greedy.peer.isConnected())
      const again = yield* ScriptedPeer.start(swarm, { number: 9, target: 1 })
      yield* TestClock.adjust(1000)
      assert.isFalse(again.isConnected())
      yield* TestClock.adjust("1 hour")
      const later = yield* ScriptedPeer.start(swarm, { number: 9, target: 1 })
      yield* TestClock.adjust(1000)
      assert.isTrue(later.isConnected())
    }))

  it.effect("a peer that takes one block for ever is choked, then banned", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 2, path, resolution: 5 })
      const seed = yield* swarm.start({ number: 1, has: "All", peers: [] })
      const { peer, story } = yield* taker(swarm, 9, () => [7, BLOCK])
      yield* Swarm.until(30_000, () => story.includes("choke"), [seed])
      assert.deepStrictEqual(bansOf(seed), [])
      yield* Swarm.until(200_000, () => bansOf(seed).length > 0, [seed])
      assert.deepStrictEqual(bansOf(seed), [`${Swarm.host(9)} AsksAgain`])
      yield* TestClock.adjust(1000)
      assert.isFalse(peer.isConnected())
    }))

  it.effect("a peer that says to have everything and gives nothing is banned while others give, and costs little", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 3, path, resolution: 5 })
      const seed = yield* swarm.start({ number: 1, has: "All", peers: [], up: 12_000 })
      const leech = yield* swarm.start({ number: 2, peers: [1] })
      const liar = yield* ScriptedPeer.start(swarm, {
        number: 9,
        target: 2,
        greeting: (outbox) => {
          outbox.bitfield(Bitfield.full(PIECES))
          outbox.unchoke()
        }
      })
      yield* Swarm.until(300_000, () => bansOf(leech).length > 0, [leech])
      assert.deepStrictEqual(bansOf(leech), [`${Swarm.host(9)} FalseHaves`])
      yield* TestClock.adjust(1000)
      assert.isFalse(liar.isConnected())
      assert.isFalse(Swarm.bans(leech, seed))
      yield* Swarm.within(300_000, Swarm.allDone([leech]), [leech])
    }))

  it.effect("nobody is blamed when the network is gone for minutes", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 4, path, resolution: 5 })
      const seeds = yield* Effect.forEach(
        [1, 2, 3],
        (number) => swarm.start({ number, has: "All", peers: [], up: 20_000 })
      )
      const leech = yield* swarm.start({ number: 4, peers: [1, 2, 3] })
      yield* Swarm.until(30_000, () => leech.torrent.swarm.peers.size === 3, [leech])
      swarm.network.split((address) => address === Swarm.host(4) ? 1 : 0)
      yield* TestClock.adjust("10 minutes")
      swarm.network.split(() => 0)
      yield* Swarm.within(900_000, Swarm.allDone([leech]), [leech])
      assert.deepStrictEqual(bansOf(leech), [])
      for (const seed of seeds) assert.deepStrictEqual(bansOf(seed), [])
    }))
})
