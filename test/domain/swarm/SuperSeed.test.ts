import { assert, describe, it } from "@effect/vitest"
import * as Bitfield from "../../../src/domain/Bitfield.ts"
import type { Peer } from "../../../src/domain/swarm/Peer.ts"
import { SuperSeed } from "../../../src/domain/swarm/SuperSeed.ts"
import { bitsOf, far, watched } from "./fakes.ts"

const PIECES = 64

const make = (peers: ReadonlySet<Peer>) =>
  new SuperSeed({
    pieces: PIECES,
    pieceLength: 16_384,
    sizeOf: () => 16_384,
    have: Bitfield.full(PIECES),
    peers,
    availability: () => 0,
    random: () => 0.5,
    onEnd: () => {}
  })

describe("SuperSeed", () => {
  it("looks through what a peer has when that changes, not whenever it says so", () => {
    const { looked, proxy } = watched(bitsOf(PIECES, [1, 5]))
    const { peer } = far({ key: 1, pieces: PIECES, fast: true })
    Object.assign(peer, { bits: proxy, has: 2 })
    const seed = make(new Set([peer]))
    seed.opened(peer)
    seed.hasMany(peer)
    const once = looked.bytes
    assert.isAtLeast(once, PIECES)
    for (let again = 0; again < 100; again++) seed.hasMany(peer)
    assert.strictEqual(looked.bytes, once)
    Bitfield.set(proxy, 9)
    peer.has = 3
    seed.hasMany(peer)
    assert.isAtLeast(looked.bytes, 2 * once)
  })
})
