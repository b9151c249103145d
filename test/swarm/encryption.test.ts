/** Who connects with whom under which `--encryption`, and whole swarms that hide. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import * as StallCause from "../../src/domain/swarm/StallCause.ts"
import { type Cipher, POLICIES, type Policy } from "../../src/domain/wire/mse/Policy.ts"
import * as Payload from "../support/payload.ts"
import * as Swarm from "../support/swarm.ts"

const PIECE = 2 * PieceLayout.BLOCK

const torrent = Payload.torrent([{ length: 30 * PIECE - 5000 }], PIECE)

const path = () => ({ latency: 20, rate: 4_000_000 })

const ciphers = (node: Swarm.Node): ReadonlyArray<Cipher> =>
  node.events.flatMap((event) => event._tag === "PeerConnected" ? [event.cipher] : [])

/** By who dials, then by who listens; `undefined` where they must not meet. */
const MEETINGS: Readonly<Record<Policy, Readonly<Record<Policy, Cipher | undefined>>>> = {
  require: { require: "rc4", prefer: "rc4", allow: "rc4", off: undefined },
  prefer: { require: "rc4", prefer: "rc4", allow: "rc4", off: "none" },
  allow: { require: "rc4", prefer: "none", allow: "none", off: "none" },
  off: { require: undefined, prefer: "none", allow: "none", off: "none" }
}

describe("encryption", () => {
  for (const dialler of POLICIES) {
    for (const listener of POLICIES) {
      const cipher = MEETINGS[dialler][listener]
      it.effect(`${dialler} dials ${listener}: ${cipher ?? "no connection"}`, () =>
        Effect.gen(function*() {
          const swarm = yield* Swarm.make({ torrent, seed: 1, path, resolution: 5 })
          const seed = yield* swarm.start({ number: 1, has: "All", session: { encryption: listener } })
          const leech = yield* swarm.start({ number: 2, peers: [1], session: { encryption: dialler } })
          if (cipher === undefined) {
            yield* TestClock.adjust("2 minutes")
            const { state } = leech.torrent.snapshot()
            const text = state._tag === "Stalled" ? StallCause.text(state.cause) : state._tag
            assert.include(text, `perhaps since encryption is ${dialler === "off" ? "off" : "required"} here`)
          } else {
            yield* Swarm.within(60_000, Swarm.allDone([leech]), [leech])
            assert.isTrue(Swarm.isWhole(torrent, leech))
          }
          const seen = cipher === undefined ? [] : [cipher]
          assert.deepStrictEqual([ciphers(leech), ciphers(seed)], [seen, seen])
        }))
    }
  }

  it.effect("of a whole swarm that requires it leaves nothing in the clear", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 2, path, resolution: 5 })
      const session = { encryption: "require" } as const
      yield* swarm.start({ number: 1, has: "All", session })
      const leeches = yield* Effect.forEach(Swarm.range(2, 6), (number) => swarm.start({ number, session }))
      const curious = yield* swarm.start({ number: 10, session: { encryption: "off" } })
      yield* Swarm.within(120_000, Swarm.allDone(leeches), leeches)
      for (const leech of leeches) {
        assert.isTrue(Swarm.isWhole(torrent, leech))
        assert.isNotEmpty(ciphers(leech))
        assert.isTrue(ciphers(leech).every((cipher) => cipher === "rc4"))
      }
      assert.deepStrictEqual([ciphers(curious), curious.torrent.swarm.missing], [[], 30])
    }))

  it.effect("of many minds lets all have the torrent who can reach somebody", () =>
    Effect.gen(function*() {
      const swarm = yield* Swarm.make({ torrent, seed: 3, path, resolution: 5 })
      yield* swarm.start({ number: 1, has: "All", session: { encryption: "allow" } })
      const leeches = yield* Effect.forEach(
        POLICIES.flatMap((encryption) => [encryption, encryption]),
        (encryption, n) => swarm.start({ number: 2 + n, session: { encryption } })
      )
      yield* Swarm.within(180_000, Swarm.allDone(leeches), leeches)
      for (const leech of leeches) assert.isTrue(Swarm.isWhole(torrent, leech))
      for (const leech of leeches.slice(0, 2)) assert.isTrue(ciphers(leech).every((cipher) => cipher === "rc4"))
      for (const leech of leeches.slice(6)) assert.isTrue(ciphers(leech).every((cipher) => cipher === "none"))
      const announced = (number: number) =>
        swarm.tracker.announces.find(({ host }) => host === Swarm.host(number))?.crypto
      const all = POLICIES.map((_, n) => announced(2 + 2 * n))
      assert.deepStrictEqual(all, ["required", "supported", "supported", undefined])
    }))
})
