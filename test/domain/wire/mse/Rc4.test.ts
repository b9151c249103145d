import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "../../../../src/domain/Bytes.ts"
import * as DiffieHellman from "../../../../src/domain/wire/mse/DiffieHellman.ts"
import { Rc4 } from "../../../../src/domain/wire/mse/Rc4.ts"
import { noise } from "../../../support/payload.ts"
import { below, int, randomOf, seed } from "../../swarm/seeded.ts"
import * as Vectors from "./vectors.ts"

const hex = (text: string): Uint8Array => Bytes.fromHex(text)!

describe("RC4", () => {
  for (const { at1024, at4096, key } of Vectors.rc4) {
    it(`gives the key stream of RFC 6229 for ${key}`, () => {
      const stream = new Uint8Array(3200)
      new Rc4(hex(key)).apply(stream, 0, stream.length)
      assert.strictEqual(Bytes.toHex(stream, 0, 16), at1024)
      assert.strictEqual(Bytes.toHex(stream, 3072, 3088), at4096)
    })
  }

  it.prop(
    "is undone by itself, whatever the cuts, and two at once do not mix",
    [seed, int(1, 2000)],
    ([seed, longest]) => {
      const random = randomOf(seed)
      const key = noise(20, seed)
      const [sender, other, receiver] = [new Rc4(key), new Rc4(noise(20, seed + 1)), new Rc4(key)]
      const plain = noise(5000, seed)
      const bytes = plain.slice()
      const aside = new Uint8Array(3000)
      for (const cipher of [sender, receiver]) {
        for (let at = 0; at < bytes.length;) {
          const to = Math.min(bytes.length, at + 1 + below(random, longest))
          cipher.apply(bytes, at, to)
          other.apply(aside, 0, below(random, aside.length))
          at = to
        }
        assert.strictEqual(Bytes.equals(bytes, plain), cipher === receiver)
      }
    }
  )

  it("leaves what is outside as it was", () => {
    const bytes = new Uint8Array(100)
    new Rc4(noise(20)).apply(bytes, 10, 90)
    assert.isTrue(bytes.subarray(0, 10).every((byte) => byte === 0) && bytes.subarray(90).every((byte) => byte === 0))
    assert.isTrue(bytes.subarray(10, 90).some((byte) => byte !== 0))
  })
})

describe("the key exchange", () => {
  it("has the public key and the shared secrets that others have", () => {
    const secret = hex(Vectors.secret)
    assert.strictEqual(Bytes.toHex(DiffieHellman.publicKey(secret)), Vectors.publicKey)
    for (const { first, shared } of [Vectors.incoming, Vectors.outgoing]) {
      assert.strictEqual(Bytes.toHex(DiffieHellman.sharedSecret(secret, hex(first))!), shared)
    }
  })

  it.prop("comes to the same secret on both sides, in as many bytes", [seed], ([seed]) => {
    const [a, b] = [noise(20, seed), noise(20, seed + 1)]
    const there = DiffieHellman.sharedSecret(a, DiffieHellman.publicKey(b))!
    assert.strictEqual(there.length, DiffieHellman.KEY_BYTES)
    assert.deepStrictEqual(there, DiffieHellman.sharedSecret(b, DiffieHellman.publicKey(a)))
  }, { arbitrary: { runs: 10 } })
})
