import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as InfoHash from "../../src/domain/InfoHash.ts"
import * as PeerAddress from "../../src/domain/PeerAddress.ts"
import * as PeerMemory from "../../src/domain/PeerMemory.ts"
import type { Remembered } from "../../src/domain/swarm/DialEntry.ts"
import { SOURCES } from "../../src/domain/swarm/Source.ts"
import { bytes, int } from "./generators.ts"

const NOW = 1_800_000_000_000

const owner = { infoHash: InfoHash.fromBytes(new Uint8Array(20).fill(7)) }

const remembered = Arbitrary.all([bytes(18, 18), int(0, 1), int(0, 255), int(0, SOURCES.length - 1), int(0, 1e9)]).pipe(
  Arbitrary.map(([raw, family, flags, source, age]): Remembered => {
    raw[0] = 1 + raw[0]! % 223
    raw[5]! |= 1
    raw[17]! |= 1
    return {
      address: PeerAddress.fromCompact(family === 0 ? raw.subarray(0, 6) : raw, family === 0 ? 4 : 6)[0]!,
      flags,
      source: SOURCES[source]!,
      swarm: flags & 1,
      useful: age % 2 === 0,
      failures: flags,
      age
    }
  })
)

const peers = Arbitrary.array(remembered, { maxLength: 20 })

describe("PeerMemory", () => {
  it.prop("goes round", [peers], ([peers]) => {
    const record = PeerMemory.encode(owner, peers, NOW)
    assert.deepStrictEqual(PeerMemory.decode(owner, record, NOW), peers)
    const later = PeerMemory.decode(owner, record, NOW + 60_000)
    assert.deepStrictEqual(later.map(({ age }) => age), peers.map(({ age }) => age + 60_000))
    for (const { age } of PeerMemory.decode(owner, record, NOW - 2e9)) assert.strictEqual(age, 0)
  })

  it.prop("forgets who was met too long ago", [peers, int(0, 2 * PeerMemory.KEPT_MS)], ([peers, passed]) => {
    const kept = PeerMemory.decode(owner, PeerMemory.encode(owner, peers, NOW), NOW + passed)
    assert.lengthOf(kept, peers.filter(({ age }) => age + passed <= PeerMemory.KEPT_MS).length)
  })

  it.prop("keeps so many and no more", [remembered], ([peer]) => {
    const record = PeerMemory.encode(owner, Array.from({ length: 500 }, () => peer), NOW)
    assert.strictEqual(record.length, PeerMemory.MAX_LENGTH)
    assert.lengthOf(PeerMemory.decode(owner, record, NOW), PeerMemory.MOST)
  })

  it.prop("is of one torrent, and of a private one of one tracker", [peers], ([peers]) => {
    const mine = { ...owner, tracker: "http://a/announce" }
    const record = PeerMemory.encode(mine, peers, NOW)
    assert.deepStrictEqual(PeerMemory.decode(mine, record, NOW), peers)
    const others = [owner, { ...owner, tracker: "http://b/announce" }, {
      ...mine,
      infoHash: InfoHash.fromBytes(new Uint8Array(20))
    }]
    for (const other of others) assert.isEmpty(PeerMemory.decode(other, record, NOW))
  })

  it.prop("says nothing when any byte is changed or missing", [peers, int(0, 0xffff_ffff), int(1, 255)], (
    [peers, where, change]
  ) => {
    const record = PeerMemory.encode(owner, peers, NOW)
    assert.isEmpty(PeerMemory.decode(owner, record.subarray(0, where % record.length), NOW))
    record[where % record.length]! ^= change
    assert.isEmpty(PeerMemory.decode(owner, record, NOW))
  })

  it("leaves out addresses that no host has", () => {
    const at = (host: string): Remembered => ({
      address: PeerAddress.make(host, 6881)!,
      flags: 0,
      source: "user",
      swarm: 0,
      useful: true,
      failures: 0,
      age: 0
    })
    const hosts = ["0.1.0.3", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1", "192.0.2.1", "2001:db8::1"]
    const known = PeerMemory.decode(owner, PeerMemory.encode(owner, hosts.map(at), NOW), NOW)
    assert.deepStrictEqual(known.map(({ address }) => address.host), ["192.0.2.1", "2001:db8::1"])
  })

  it.prop("never throws", [bytes(0, 300)], ([raw]) => {
    assert.isEmpty(PeerMemory.decode(owner, raw, NOW))
  })
})
