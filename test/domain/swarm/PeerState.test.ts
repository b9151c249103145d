import { assert, describe, it } from "@effect/vitest"
import type { Peer } from "../../../src/domain/swarm/Peer.ts"
import * as PeerState from "../../../src/domain/swarm/PeerState.ts"
import { far } from "./fakes.ts"

const NOW = 100_000

const stateOf = (change: (peer: Peer) => void, facts: Partial<PeerState.Facts> = {}): PeerState.PeerState => {
  const { peer } = far({ key: 1, pieces: 4 })
  change(peer)
  return PeerState.of(peer, { unread: 0, isLimited: false, ...facts }, NOW)
}

const giving = (change: (peer: Peer) => void) => (peer: Peer) => {
  peer.amInterested = true
  peer.peerChoking = false
  change(peer)
}

describe("PeerState", () => {
  it("of a peer says what goes on, and has every state", () => {
    const table: ReadonlyArray<readonly [PeerState.PeerState, PeerState.Tag]> = [
      [stateOf((peer) => peer.isLiar = true), "Liar"],
      [stateOf((peer) => peer.barredUntil = NOW + 1), "Barred"],
      [stateOf((peer) => peer.up.add(5000, 0), { unread: 1 }), "DoesNotRead"],
      [stateOf((peer) => peer.amInterested = true), "ChokesUs"],
      [stateOf(giving((peer) => peer.window.onTimedOut(NOW))), "Snubs"],
      [
        stateOf(giving((peer) => {
          peer.onParole = true
          peer.outstanding = 2
        })),
        "OnParole"
      ],
      [stateOf(giving((peer) => peer.outstanding = peer.window.depth())), "AtWindow"],
      [stateOf(giving((peer) => peer.outstanding = 1)), "Asked"],
      [stateOf(giving(() => {}), { isLimited: true }), "Limited"],
      [stateOf(giving(() => {})), "NothingFree"],
      [
        stateOf((peer) => {
          peer.peerInterested = true
          peer.amChoking = false
          peer.asked.push(0, 0, 1)
        }),
        "Takes"
      ],
      [stateOf((peer) => peer.peerInterested = true), "WeChoke"],
      [
        stateOf((peer) => {
          peer.peerInterested = true
          peer.amChoking = false
        }),
        "AsksNothing"
      ],
      [stateOf((peer) => peer.isSeed = true), "Seed"],
      [stateOf(() => {}), "HasNothing"],
      [stateOf((peer) => peer.has = 1), "Idle"]
    ]
    assert.deepStrictEqual(table.map(([{ _tag }]) => _tag), table.map(([, tag]) => tag))
    const ofMagnets = ["HasMetadata", "NoMetadata"]
    assert.deepStrictEqual([...table.map(([, tag]) => tag), ...ofMagnets], [...PeerState.TAGS])
  })
})
