import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "../../src/domain/Bytes.ts"
import * as PeerAddress from "../../src/domain/PeerAddress.ts"
import * as PeerPriority from "../../src/domain/PeerPriority.ts"
import { bytes, int } from "./generators.ts"

const of = (host: string, port: number) => PeerAddress.make(host, port)!

const compact = (raw: Uint8Array, family: 4 | 6) => PeerAddress.fromCompact(raw, family)[0]

/** By whom the number was published: BEP 40, anacrolix/torrent and libtorrent, where they agree with the BEP. */
const VECTORS: ReadonlyArray<readonly [a: string, aPort: number, b: string, bPort: number, priority: string]> = [
  ["123.213.32.10", 1, "98.76.54.32", 1, "ec2d7224"],
  ["123.213.32.10", 1, "123.213.32.234", 1, "99568189"],
  ["206.248.98.111", 1, "142.147.89.224", 1, "2b41d456"],
  ["230.12.123.3", 1234, "230.12.123.3", 300, "ae8b7034"],
  ["230.12.123.1", 1234, "230.12.123.3", 300, "99c54d79"],
  ["230.12.23.1", 1234, "230.12.123.3", 300, "21fd5f80"],
  ["230.120.23.1", 1234, "230.12.123.3", 300, "fa9a860e"],
  ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1234, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 300, "ae8b7034"],
  ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1234, "ffff:fff:ffff:ffff:ffff:ffff:ffff:ffff", 300, "59d71f38"],
  ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1234, "ffff:ffff:fff:ffff:ffff:ffff:ffff:ffff", 300, "081d5282"],
  ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1234, "ffff:ffff:ff0f:ffff:ffff:ffff:ffff:ffff", 300, "755f8512"],
  ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1234, "ffff:ffff:ffff:fff:ffff:ffff:ffff:ffff", 300, "27a88382"]
]

describe("PeerPriority", () => {
  it("is CRC-32C: the check value of its catalogue", () => {
    assert.strictEqual(PeerPriority.crc32c(Bytes.fromUtf8("123456789")), 0xe306_9283)
    assert.strictEqual(PeerPriority.crc32c(Bytes.empty), 0)
  })

  for (const [a, aPort, b, bPort, priority] of VECTORS) {
    it(`between ${a} and ${b} is ${priority}, from both ends`, () => {
      const found = PeerPriority.between(of(a, aPort), of(b, bPort))
      assert.strictEqual(found.toString(16).padStart(8, "0"), priority)
      assert.strictEqual(PeerPriority.between(of(b, bPort), of(a, aPort)), found)
    })
  }

  it.prop("hides the lower bits of strangers' hosts, so that nobody can try them all", [
    bytes(6, 6),
    bytes(6, 6),
    int(0, 255)
  ], (
    [rawA, rawB, dice]
  ) => {
    const a = compact(rawA, 4)
    const b = compact(rawB, 4)
    if (a === undefined || b === undefined || (rawA[0] === rawB[0] && rawA[1] === rawB[1])) return
    const near = rawB.slice()
    near[2]! ^= dice & 0xaa
    near[3]! ^= dice & 0xaa
    assert.strictEqual(PeerPriority.between(a, compact(near, 4)!), PeerPriority.between(a, b))
  })
})
