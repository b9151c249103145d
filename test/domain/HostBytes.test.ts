import { assert, describe, it } from "@effect/vitest"
import * as NetAddress from "effect/net/NetAddress"
import * as HostBytes from "../../src/domain/HostBytes.ts"
import * as PeerAddress from "../../src/domain/PeerAddress.ts"
import { bytes, int, textOf } from "./generators.ts"

const read = (text: string): ReadonlyArray<number> | undefined => {
  const out = new Uint8Array(20).fill(0xee)
  const length = HostBytes.write(text, out, 2)
  assert.deepStrictEqual([out[0], out[1], out[18], out[19]], [0xee, 0xee, 0xee, 0xee])
  return length === 0 ? undefined : [...out.subarray(2, 2 + length)]
}

/** What the general reader makes of it. */
const model = (text: string): ReadonlyArray<number> | undefined => {
  const address = PeerAddress.make(text, 1)
  return address && [...PeerAddress.hostBytes(address)]
}

describe("HostBytes", () => {
  it.prop("reads what the system writes", { four: bytes(4, 4), six: bytes(16, 16), hole: int(0, 16) }, (fields) => {
    const { four, six } = fields
    const text4 = NetAddress.formatIp(NetAddress.ipv4FromBytesUnsafe(four))
    assert.deepStrictEqual(read(text4), [...four])
    assert.deepStrictEqual(read(`::ffff:${text4}`), [...four])
    six.fill(0, fields.hole, fields.hole + 8)
    const text6 = NetAddress.formatIp(NetAddress.ipv6FromBytesUnsafe(six))
    assert.deepStrictEqual(read(text6), model(text6))
    assert.deepStrictEqual(read(`${text6}%eth0`), model(text6))
  })

  const pieces = textOf(["0", "1", "9", "f", "ff", "255", "256", ":", "::", ":0", ".", "1.2.3.4", "g"], 0, 12)

  it.prop("takes for an address what the general reader does", { pieces }, ({ pieces }) => {
    assert.deepStrictEqual(read(pieces), model(pieces), pieces)
  })

  it("refuses what is no address", () => {
    const texts = ["", ":", ":::", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.256", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9"]
    for (
      const text of [...texts, "::1::", "12345::", "1:2:3:4:5:6:7:1.2.3.4", "1.2.3.4::", "evil.example", "1".repeat(99)]
    ) {
      assert.isUndefined(read(text), text)
    }
  })

  it("knows this machine", () => {
    const is = (text: string) => {
      const out = new Uint8Array(16)
      return HostBytes.isLoopback(out, 0, HostBytes.write(text, out, 0))
    }
    assert.deepStrictEqual(["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"].map(is), [true, true, true, true])
    assert.deepStrictEqual(["128.0.0.1", "::2", "1::1", "::ffff:192.0.2.1"].map(is), [false, false, false, false])
  })
})
