import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "../../src/domain/Bytes.ts"
import * as Digest from "../../src/domain/Digest.ts"

describe("Digest", () => {
  it("knows the vectors of FIPS 180", () => {
    const abc = Bytes.fromUtf8("abc")
    assert.strictEqual(Bytes.toHex(Digest.sha1(abc)), "a9993e364706816aba3e25717850c26c9cd0d89d")
    assert.strictEqual(
      Bytes.toHex(Digest.sha256(abc)),
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
  })

  it("knows the vectors of RFC 4231", () => {
    const mac = (key: Uint8Array, message: string) => Bytes.toHex(Digest.hmacSha256(key, Bytes.fromUtf8(message)))
    assert.strictEqual(
      mac(new Uint8Array(20).fill(0x0b), "Hi There"),
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    )
    assert.strictEqual(
      mac(Bytes.fromUtf8("Jefe"), "what do ya want for nothing?"),
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )
  })

  it("returns bytes whose slices are copies", () => {
    const digest = Digest.sha1(Bytes.empty)
    const copy = digest.slice(0, 1)
    copy[0] = 0
    assert.strictEqual(digest[0], 0xda)
  })
})
