import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as PeerAddress from "../../src/domain/PeerAddress.ts"
import { bytes, int } from "./generators.ts"

/** 18 bytes with many zeros, or of a mapped IPv4 address. */
const compact6 = Arbitrary.all([bytes(18, 18), int(0, 0xffff), int(0, 3)]).pipe(
  Arbitrary.map(([raw, zeros, mapped]) => {
    if (mapped === 0) return Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...raw.subarray(12))
    return raw.map((byte, i) => i < 16 && ((zeros >> i) & 1) === 1 ? 0 : byte)
  })
)

const isMapped = (raw: Uint8Array) =>
  raw.subarray(0, 10).every((byte) => byte === 0) && raw[10] === 0xff && raw[11] === 0xff

describe("PeerAddress", () => {
  it.prop("IPv4: compact, text and back", [bytes(6, 6)], ([raw]) => {
    const [address] = PeerAddress.fromCompact(raw, 4)
    if (raw[4] === 0 && raw[5] === 0) return assert.isUndefined(address)
    assert.deepStrictEqual(PeerAddress.toCompact(address!), raw)
    assert.strictEqual(PeerAddress.format(address!), `${raw.subarray(0, 4).join(".")}:${raw[4]! * 256 + raw[5]!}`)
    assert.deepStrictEqual(PeerAddress.parse(PeerAddress.format(address!)), address)
  })

  it.prop("IPv6: compact, text and back, mapped ones as IPv4", [compact6], ([raw]) => {
    const [address] = PeerAddress.fromCompact(raw, 6)
    if (raw[16] === 0 && raw[17] === 0) return assert.isUndefined(address)
    const mapped = isMapped(raw)
    assert.strictEqual(address!.family, mapped ? 4 : 6)
    assert.deepStrictEqual(PeerAddress.toCompact(address!), mapped ? raw.slice(12) : raw)
    const text = PeerAddress.format(address!)
    assert.deepStrictEqual(PeerAddress.parse(text), address)
    if (mapped) return
    // The URL parser of the platform writes RFC 5952 as well.
    assert.strictEqual(text, new URL(`http://${text}/`).host + (address!.port === 80 ? ":80" : ""))
  })

  it.prop("lists keep the order and drop port 0 and a trailing fragment", [
    Arbitrary.array(bytes(6, 6), { maxLength: 8 }),
    bytes(0, 5)
  ], ([entries, rest]) => {
    const list = Uint8Array.from([...entries.flatMap((entry) => [...entry]), ...rest])
    const kept = entries.filter((entry) => entry[4] !== 0 || entry[5] !== 0)
    assert.deepStrictEqual(PeerAddress.fromCompact(list, 4).map(PeerAddress.toCompact), kept)
  })

  it("has one text for one address", () => {
    const texts: ReadonlyArray<readonly [host: string, canonical: string]> = [
      ["2001:DB8:0:0:0:0:0:1", "[2001:db8::1]:6881"],
      ["[2001:db8::1]", "[2001:db8::1]:6881"],
      ["fe80::1%eth0", "[fe80::1]:6881"],
      ["::ffff:192.0.2.1", "192.0.2.1:6881"],
      ["::ffff:c000:201", "192.0.2.1:6881"],
      ["::1", "[::1]:6881"],
      ["192.0.2.1", "192.0.2.1:6881"]
    ]
    for (const [host, canonical] of texts) {
      const address = PeerAddress.make(host, 6881)
      assert.isDefined(address, host)
      assert.strictEqual(PeerAddress.format(address), canonical)
      assert.deepStrictEqual(PeerAddress.parse(canonical), address)
    }
  })

  it("refuses names, odd numbers and ports out of range", () => {
    for (
      const host of ["", "localhost", "1.2.3", "1.2.3.256", "01.2.3.4", "0x7f.1", ":::", "1::2::3", "[::1", "1.2.3.4 "]
    ) {
      assert.isUndefined(PeerAddress.make(host, 6881), host)
    }
    for (const port of [0, -1, 65_536, 1.5, Number.NaN]) {
      assert.isUndefined(PeerAddress.make("192.0.2.1", port), `${port}`)
    }
    for (const text of ["192.0.2.1", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "::1:6881", "192.0.2.1:68 81"]) {
      assert.isUndefined(PeerAddress.parse(text), text)
    }
  })
})
