import { assert, describe, it } from "@effect/vitest"
import * as InfoHash from "../../../src/domain/InfoHash.ts"
import * as PeerId from "../../../src/domain/PeerId.ts"
import * as Handshake from "../../../src/domain/wire/Handshake.ts"
import { noise } from "../../support/payload.ts"

const infoHash = InfoHash.fromBytes(noise(20, 1))
const peerId = PeerId.fromBytes(noise(20, 2))

describe("Handshake", () => {
  it("is the 68 bytes of BEP 3", () => {
    const golden = Buffer.concat([
      Buffer.from([19]),
      Buffer.from("BitTorrent protocol", "latin1"),
      Buffer.alloc(8),
      noise(20, 1),
      noise(20, 2)
    ])
    assert.strictEqual(golden.length, Handshake.LENGTH)
    assert.deepStrictEqual(Handshake.encode(infoHash, peerId), new Uint8Array(golden))
  })

  it("reads back what it wrote, anywhere in a buffer, with extension bits kept and copied", () => {
    const reserved = Uint8Array.of(0, 0, 0, 0, 0, 0x10, 0, 5)
    for (const bytes of [new Uint8Array(100), Buffer.alloc(100)]) {
      bytes.set(Handshake.encode(infoHash, peerId), 7)
      bytes.set(reserved, 27)
      const read = Handshake.decode(bytes, 7)
      bytes.fill(0xee)
      assert.deepStrictEqual(read, { infoHash, peerId, v2: false, fast: true, extended: true, reserved })
    }
  })

  it("says by one bit, the fourth of the last reserved byte, that it speaks version 2", () => {
    const bytes = Handshake.encode(infoHash, peerId, { v2: true })
    assert.deepStrictEqual(bytes.subarray(20, 28), Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0x10))
    assert.isTrue(Handshake.decode(bytes)!.v2)
    bytes.fill(0xff, 20, 28)
    bytes[27] = 0xef
    assert.isFalse(Handshake.decode(bytes)!.v2)
  })

  it("says by a bit each that it speaks the fast extension and extension messages", () => {
    const bits = [[{ fast: true }, 27, 0x04], [{ extended: true }, 25, 0x10], [{ v2: true }, 27, 0x10]] as const
    for (const [spoken, at, bit] of bits) {
      const bytes = Handshake.encode(infoHash, peerId, spoken)
      const reserved = new Uint8Array(8)
      reserved[at - 20] = bit
      assert.deepStrictEqual(bytes.subarray(20, 28), reserved)
      const { extended, fast, v2 } = Handshake.decode(bytes)!
      assert.deepStrictEqual({ fast, extended, v2 }, { fast: false, extended: false, v2: false, ...spoken })
      bytes.fill(0xff, 20, 28)
      bytes[at]! ^= bit
      const others = Handshake.decode(bytes)!
      assert.deepStrictEqual([others.fast, others.extended, others.v2].filter((is) => !is).length, 1)
    }
  })

  it("refuses other protocols by any of the first 20 bytes", () => {
    for (let at = 0; at < 20; at++) {
      const bytes = Handshake.encode(infoHash, peerId)
      bytes[at]! ^= 1
      assert.isUndefined(Handshake.decode(bytes))
    }
  })
})
