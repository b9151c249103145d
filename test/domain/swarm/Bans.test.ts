import { assert, describe, it } from "@effect/vitest"
import type { PeerAddress } from "../../../src/domain/PeerAddress.ts"
import * as PeerId from "../../../src/domain/PeerId.ts"
import { Bans } from "../../../src/domain/swarm/Bans.ts"
import { below, randomOf, seed } from "./seeded.ts"

const at = (host: number, port: number): PeerAddress => ({ host: `192.0.2.${host}`, port: 6881 + port, family: 4 })
const id = (n: number): PeerId.PeerId => PeerId.make(randomOf(n))

describe("Bans", () => {
  it.prop("bans ids, dialled addresses, and hosts of three banned identities; nobody else", [seed], ([seed]) => {
    const random = randomOf(seed)
    const bans = new Bans()
    const banned: Array<{ id: number; host: number; port: number; dialled: boolean }> = []
    for (let step = 0; step < 20; step++) {
      const ban = { id: below(random, 8), host: below(random, 4), port: below(random, 3), dialled: random() < 0.7 }
      bans.ban(id(ban.id), at(ban.host, ban.port), ban.dialled)
      banned.push(ban)
      const peer = { id: below(random, 12), host: below(random, 6), port: below(random, 4) }
      const ofHost = new Set(banned.filter(({ host }) => host === peer.host).map(({ id }) => id))
      const byAddress = ofHost.size >= 3 ||
        banned.some(({ dialled, host, port }) => dialled && host === peer.host && port === peer.port)
      assert.strictEqual(bans.isBanned(undefined, at(peer.host, peer.port), 0), byAddress)
      const byId = banned.some((ban) => ban.id === peer.id)
      assert.strictEqual(bans.isBanned(id(peer.id), at(peer.host, peer.port), 0), byAddress || byId)
    }
  })

  it("does not take one identity for three", () => {
    const bans = new Bans()
    for (let port = 0; port < 5; port++) bans.ban(id(1), at(1, port))
    assert.isFalse(bans.isBanned(undefined, at(1, 9), 0))
    bans.ban(id(2), at(1, 5))
    assert.isFalse(bans.isBanned(undefined, at(1, 9), 0))
    bans.ban(id(3), at(1, 6))
    assert.isTrue(bans.isBanned(undefined, at(1, 9), 0))
  })

  it("forgets the oldest when full", () => {
    const bans = new Bans(10)
    for (let n = 0; n < 11; n++) bans.ban(id(n), at(n, 0))
    assert.isFalse(bans.isBanned(id(0), at(0, 0), 0))
    for (let n = 1; n < 11; n++) {
      assert.isTrue(bans.isBanned(id(n), at(99, 0), 0))
      assert.isTrue(bans.isBanned(undefined, at(n, 0), 0))
    }
  })

  it.prop(
    "holds as long as the longest of what was said, and a host while three are banned there",
    [seed],
    ([seed]) => {
      const random = randomOf(seed)
      const bans = new Bans()
      const banned: Array<{ id: number; host: number; dialled: boolean; until: number }> = []
      for (let now = 0; now < 20; now++) {
        const until = now + (random() < 0.2 ? Infinity : 1 + below(random, 20))
        const ban = { id: below(random, 6), host: below(random, 3), dialled: random() < 0.5, until }
        bans.ban(id(ban.id), at(ban.host, ban.id), ban.dialled, until, now)
        banned.push(ban)
        for (let n = 0; n < 8; n++) {
          for (let host = 0; host < 4; host++) {
            const inForce = banned.filter(({ until }) => until > now)
            const there = new Set(inForce.filter((ban) => ban.host === host).map((ban) => ban.id))
            const byAddress = there.size >= 3 || inForce.some((ban) => ban.dialled && ban.host === host && ban.id === n)
            assert.strictEqual(bans.isBanned(undefined, at(host, n), now), byAddress)
            const byId = inForce.some((ban) => ban.id === n)
            assert.strictEqual(bans.isBanned(id(n), at(host, n), now), byAddress || byId)
          }
        }
      }
    }
  )
})
