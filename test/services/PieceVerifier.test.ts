import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Digest from "../../src/domain/Digest.ts"
import { PieceVerifier } from "../../src/services/PieceVerifier.ts"
import { noise } from "../support/payload.ts"

describe("PieceVerifier", () => {
  for (const name of ["layerNode", "layerWebCrypto"] as const) {
    it.live(`${name} tells right pieces from wrong ones, in views and shared memory too`, () =>
      Effect.gen(function*() {
        const { verify } = yield* PieceVerifier
        const shared = new Uint8Array(new SharedArrayBuffer(40_000))
        shared.set(noise(40_000))
        for (const piece of [noise(0), noise(1), noise(70_000), noise(70_000).subarray(5, 40_000), shared]) {
          const expected = Digest.sha1(Uint8Array.from(piece))
          assert.strictEqual(yield* verify(piece, expected), "Verified")
          expected[19]! ^= 1
          assert.strictEqual(yield* verify(piece, expected), "Corrupt")
        }
      }).pipe(Effect.provide(PieceVerifier[name])))
  }
})
