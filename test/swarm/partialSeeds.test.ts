/** Clients that have all they want and not all there is (BEP 21). */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import * as ExtensionHandshake from "../../src/domain/wire/ExtensionHandshake.ts"
import * as Message from "../../src/domain/wire/Message.ts"
import * as Payload from "../support/payload.ts"
import * as ScriptedPeer from "../support/scriptedPeer.ts"
import * as Swarm from "../support/swarm.ts"

const PIECE = 2 * PieceLayout.BLOCK

const torrent = Payload.torrent([{ length: 20 * PIECE }, { length: 20 * PIECE }], PIECE)

const path = () => ({ latency: 20, rate: 1_000_000 })

const only = (...files: ReadonlyArray<number>) => ({ selected: new Set(files) })

describe("a partial seed", () => {
  it.effect("tells its peers once it has all it wants, in the way each understands", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 1, path })
      yield* swarm.start({ number: 1, has: "All", up: 100_000 })
      const leech = yield* swarm.start({ number: 2, peers: [1], options: only(0) })
      const [terse, plain] = yield* Effect.forEach(
        [["d1:md11:upload_onlyi9eee", 3], ["d1:mdee", 4]] as const,
        ([said, number]) =>
          ScriptedPeer.start(swarm, {
            number,
            target: 2,
            fast: true,
            extended: true,
            greeting: (outbox) => {
              outbox.haveNone()
              outbox.extended(0, new TextEncoder().encode(said))
            }
          })
      )
      yield* Swarm.within(60_000, leech.torrent.completed, [leech])
      yield* TestClock.adjust("1 second")
      const heard = (peer: ScriptedPeer.ScriptedPeer) => peer.frames.filter(({ id }) => id === Message.EXTENDED)
      const handshakes = (peer: ScriptedPeer.ScriptedPeer) =>
        heard(peer).filter(({ payload }) => payload[0] === 0).map(({ payload }) =>
          ExtensionHandshake.decode(payload.subarray(1))!.uploadOnly
        )
      assert.deepStrictEqual(handshakes(terse!), [false])
      assert.deepStrictEqual(heard(terse!).at(-1)!.payload, Uint8Array.of(9, 1))
      assert.deepStrictEqual(handshakes(plain!), [false, true])
    }))

  it.effect("says so to the tracker with every announce, and parts from others that want nothing", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 2, path })
      const source = yield* swarm.start({ number: 1, has: "All" })
      const [first, second] = yield* Effect.forEach(
        [[2, 0], [3, 1]] as const,
        ([number, file]) => swarm.start({ number, options: only(file) })
      )
      yield* Swarm.within(60_000, Swarm.allDone([first!, second!]), [first!, second!])
      yield* source.stop
      yield* TestClock.adjust("2 hours")
      for (const { torrent } of [first!, second!]) {
        assert.isFalse(torrent.swarm.isSeed)
        assert.strictEqual(torrent.swarm.peers.size, 0)
      }
      const events = swarm.tracker.announces.filter(({ host }) => host === Swarm.host(2)).map(({ event }) => event)
      assert.strictEqual(events[0], "started")
      assert.isAbove(events.length, 3)
      assert.isTrue(events.slice(1).every((event) => event === "paused"), events.join(" "))

      // Whoever wants what they have is served all the same.
      const third = yield* swarm.start({ number: 4 })
      yield* Swarm.within(120_000, third.torrent.completed, [third])
      for (const file of [0, 1]) assert.isTrue(Swarm.isWhole(torrent, third, file))
    }))
})
