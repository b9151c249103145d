import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "../../src/domain/Bytes.ts"
import { Builder } from "../../src/domain/IpFilter.ts"
import * as PeerAddress from "../../src/domain/PeerAddress.ts"
import { seed } from "./swarm/seeded.ts"
import { below, randomOf } from "./swarm/seeded.ts"

const text4 = (address: number): string =>
  `${address >>> 24}.${address >>> 16 & 255}.${address >>> 8 & 255}.${address & 255}`

const bytes6 = (last: number): Uint8Array => {
  const bytes = new Uint8Array(16)
  bytes.set([0x20, 0x01, 0x0d, 0xb8])
  // Over the border of two words.
  Bytes.writeUint16(bytes, 10, last >>> 8)
  Bytes.writeUint16(bytes, 12, (last & 255) << 8)
  return bytes
}

const text6 = (last: number): string =>
  PeerAddress.fromCompact(Bytes.concat([bytes6(last), Uint8Array.of(0, 1)]), 6)[0]!.host

describe("IpFilter", () => {
  it.prop("blocks what is in any range that was added, and nothing else", [seed], ([seed]) => {
    const random = randomOf(seed)
    const builder = new Builder()
    const base = below(random, 2) === 0 ? 0 : 0xffff_ff00
    const blocked = new Set<number>()
    for (let left = below(random, 12); left > 0; left--) {
      const start = below(random, 256)
      const end = Math.min(255, start + below(random, 20))
      assert.isTrue(builder.add4(base + start, base + end))
      assert.isTrue(builder.add6(bytes6(start), bytes6(end)))
      for (let i = start; i <= end; i++) blocked.add(i)
    }
    const filter = builder.build()
    for (let i = 0; i < 256; i++) {
      assert.strictEqual(filter.isBlocked(text4(base + i)), blocked.has(i), text4(base + i))
      assert.strictEqual(filter.isBlocked(`::ffff:${text4(base + i)}`), blocked.has(i))
      assert.strictEqual(filter.isBlocked(text6(i)), blocked.has(i), text6(i))
      assert.isFalse(filter.isBlocked(text4(0x8000_0000 + i)))
    }
  })

  it("merges what overlaps or touches", () => {
    const builder = new Builder()
    builder.add4(20, 30)
    builder.add4(10, 19)
    builder.add4(25, 26)
    builder.add4(0xffff_ffff, 0xffff_ffff)
    builder.add4(0, 2)
    assert.strictEqual(builder.build().size, 3)
  })

  it("blocks no name and nothing when it is empty", () => {
    const filter = new Builder().build()
    for (const host of ["1.2.3.4", "::1", "peer.example", "", "1.2.3.4.5"]) assert.isFalse(filter.isBlocked(host))
    const all = new Builder()
    all.add4(0, 0xffff_ffff)
    assert.isTrue(all.build().isBlocked("255.255.255.255"))
    assert.isFalse(all.build().isBlocked("peer.example"))
    assert.isFalse(all.build().isBlocked("2001:db8::1"))
  })
})
