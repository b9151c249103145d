import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Bytes from "../../../src/domain/Bytes.ts"
import * as PeerAddress from "../../../src/domain/PeerAddress.ts"
import * as PexMessage from "../../../src/domain/wire/PexMessage.ts"
import { bytes, int } from "../generators.ts"

const key = ({ address }: PexMessage.Contact) => PeerAddress.format(address)

/** Addresses of both families, each once. */
const contacts = Arbitrary.array(Arbitrary.all([bytes(18, 18), int(0, 1), int(0, 255)]), { maxLength: 60 }).pipe(
  Arbitrary.map((raws) => {
    const found = new Map<string, PexMessage.Contact>()
    for (const [raw, family, flags] of raws) {
      raw[5]! |= 1
      raw[17]! |= 1
      const [address] = PeerAddress.fromCompact(family === 0 ? raw.subarray(0, 6) : raw, family === 0 ? 4 : 6)
      found.set(PeerAddress.format(address!), { address: address!, flags })
    }
    return Array.from(found.values())
  })
)

const sorted = (list: ReadonlyArray<PexMessage.Contact>) => list.toSorted((a, b) => key(a) < key(b) ? -1 : 1)

const latin1 = (text: string) => Bytes.fromLatin1(text)

describe("PexMessage", () => {
  it.prop("goes round: who came with his flags, who left", [contacts, contacts], ([added, gone]) => {
    const dropped = gone.map(({ address }) => address)
    const decoded = PexMessage.decode(PexMessage.encode({ added, dropped }))!
    assert.deepStrictEqual(sorted(decoded.added), sorted(added))
    assert.sameDeepMembers([...decoded.dropped], dropped)
  })

  it("is what BEP 11 says, byte by byte", () => {
    const message = PexMessage.encode({
      added: [
        { address: PeerAddress.parse("65.66.67.68:17734")!, flags: 0x12 },
        { address: PeerAddress.parse("[6162:6364:6566:6768:696a:6b6c:6d6e:6f70]:29042")!, flags: 1 }
      ],
      dropped: [PeerAddress.parse("48.49.50.51:13365")!]
    })
    assert.strictEqual(
      Bytes.toLatin1(message),
      "d5:added6:ABCDEF7:added.f1:\x126:added618:abcdefghijklmnopqr8:added6.f1:\x017:dropped6:012345e"
    )
  })

  it("keeps flags with their peers when an entry is of no use", () => {
    const text = "d5:added18:AAAA\0\0BBBB\x1a\xe1CCCC\x1a\xe17:added.f3:\x01\x02\x10e"
    assert.deepStrictEqual(PexMessage.decode(latin1(text))!.added.map(({ flags }) => flags), [0x02, 0x10])
  })

  it("takes a list without flags, and one of an odd length", () => {
    const { added } = PexMessage.decode(latin1("d5:added8:AAAA\x1a\xe1xxe"))!
    assert.deepStrictEqual(added, [{ address: PeerAddress.make("65.65.65.65", 6881)!, flags: 0 }])
  })

  it("takes an address once, and no more than it was told", () => {
    const one = "AAAA\x1a\xe1"
    assert.lengthOf(PexMessage.decode(latin1(`d5:added24:${one.repeat(4)}e`))!.added, 1)
    const many = Bytes.concat(Array.from({ length: 300 }, (_, i) => Uint8Array.of(9, 9, i >>> 8, i, 26, 225)))
    const message = Bytes.concat([latin1("d5:added1800:"), many, latin1("7:dropped1800:"), many, latin1("e")])
    assert.lengthOf(PexMessage.decode(message)!.added, PexMessage.MOST_AT_FIRST)
    const later = PexMessage.decode(message, PexMessage.MOST_LATER)!
    assert.deepStrictEqual([later.added.length, later.dropped.length], [50, 50])
  })

  it("refuses what is no dictionary, or too large to be honest", () => {
    for (const text of ["", "le", "i1e", "d5:added", "5:added", `d1:x20000:${"x".repeat(20_000)}e`]) {
      assert.isUndefined(PexMessage.decode(latin1(text)))
    }
  })

  it.prop("survives any change of any byte", [
    contacts,
    contacts,
    Arbitrary.array(int(0, 0xffff_ffff), { minLength: 1, maxLength: 8 })
  ], (
    [added, gone, changes]
  ) => {
    const message = PexMessage.encode({ added, dropped: gone.map(({ address }) => address) })
    for (const change of changes) message[change % message.length] = change >>> 24
    const decoded = PexMessage.decode(message)
    if (decoded === undefined) return
    assert.isAtMost(decoded.added.length + decoded.dropped.length, 4 * PexMessage.MOST_AT_FIRST)
    for (const { flags } of decoded.added) assert.isTrue(flags >= 0 && flags < 256)
  })

  it.prop("never throws", [bytes(0, 200)], ([raw]) => {
    PexMessage.decode(raw)
  })
})
