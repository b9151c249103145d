import { assert, describe, it } from "@effect/vitest"
import * as HostBytes from "../../../src/domain/HostBytes.ts"
import { ConnectionIds, SLOT_MS } from "../../../src/domain/tracker/ConnectionIds.ts"
import { bytes, int } from "../generators.ts"

const key = new Uint8Array(32).fill(5)

const bytesOf = (source: string): readonly [host: Uint8Array, length: 4 | 16] => {
  const host = new Uint8Array(16)
  return [host, HostBytes.write(source, host, 0) || assert.fail(source)]
}

const given = (ids: ConnectionIds, source: string, now: number): Uint8Array => {
  const out = new Uint8Array(12)
  ids.write(...bytesOf(source), now, out, 2)
  assert.deepStrictEqual([out[0], out[1], out[10], out[11]], [0, 0, 0, 0])
  return out.slice(2, 10)
}

// Without room to keep anything, every answer is computed anew.
const BOUNDS = [undefined, 0, 1]

describe("ConnectionIds", () => {
  it.prop("are good for two minutes, and for four at most", {
    key: bytes(32, 32),
    at: int(0, 1e13),
    age: int(0, 3 * SLOT_MS)
  }, ({ age, at, key }) => {
    for (const maxKept of BOUNDS) {
      const ids = new ConnectionIds(key, maxKept)
      const id = given(ids, "192.0.2.1", at)
      assert.strictEqual(ids.accepts(...bytesOf("192.0.2.1"), at, id, 0), true)
      const accepted = ids.accepts(...bytesOf("192.0.2.1"), at + age, id, 0)
      if (age <= 120_000) assert.isTrue(accepted)
      if (age >= 240_000) assert.isFalse(accepted)
    }
  })

  it.prop("are good for one address and one secret, unchanged", {
    at: int(0, 1e13),
    bit: int(0, 63),
    age: int(0, 120_000)
  }, ({ age, at, bit }) => {
    for (const maxKept of BOUNDS) {
      const ids = new ConnectionIds(key, maxKept)
      const id = given(ids, "192.0.2.1", at)
      assert.isFalse(ids.accepts(...bytesOf("192.0.2.2"), at + age, id, 0))
      assert.isFalse(ids.accepts(...bytesOf("2001:db8::1"), at + age, id, 0))
      assert.isFalse(
        new ConnectionIds(new Uint8Array(32).fill(6), maxKept).accepts(...bytesOf("192.0.2.1"), at + age, id, 0)
      )
      id[bit >>> 3]! ^= 1 << (bit & 7)
      assert.isFalse(ids.accepts(...bytesOf("192.0.2.1"), at + age, id, 0))
    }
  })

  it("stay right when addresses take each other's place", () => {
    const addresses = Array.from({ length: 200 }, (_, n) => n % 2 === 0 ? `192.0.2.${n}` : `2001:db8::${n}`)
    const ids = new ConnectionIds(key, 16)
    const before = addresses.map((source) => given(ids, source, 5))
    const after = addresses.map((source) => given(ids, source, SLOT_MS + 5))
    for (const [n, source] of addresses.entries()) {
      for (const id of [before[n]!, after[n]!]) assert.isTrue(ids.accepts(...bytesOf(source), SLOT_MS + 6, id, 0))
      const other = addresses[(n + 1) % addresses.length]!
      for (const id of [before[n]!, after[n]!]) assert.isFalse(ids.accepts(...bytesOf(other), SLOT_MS + 6, id, 0))
      assert.isFalse(ids.accepts(...bytesOf(source), 2 * SLOT_MS + 5, before[n]!, 0))
      assert.isTrue(ids.accepts(...bytesOf(source), SLOT_MS + 5, after[n]!, 0))
    }
  })

  it("need no memory of their own", () => {
    const id = given(new ConnectionIds(key), "::1", 5)
    assert.isTrue(new ConnectionIds(key).accepts(...bytesOf("::1"), 5 + SLOT_MS, id, 0))
    assert.deepStrictEqual(given(new ConnectionIds(key), "::1", SLOT_MS - 1), id)
    assert.notDeepEqual(given(new ConnectionIds(key), "::1", SLOT_MS), id)
  })
})
