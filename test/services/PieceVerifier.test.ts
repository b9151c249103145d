import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Bytes from "../../src/domain/Bytes.ts"
import * as Digest from "../../src/domain/Digest.ts"
import type { PieceCheck } from "../../src/domain/PieceCheck.ts"
import { PieceVerifier } from "../../src/services/PieceVerifier.ts"
import { noise } from "../support/payload.ts"

const sharedNoise = (length: number): Uint8Array => {
  const shared = new Uint8Array(new SharedArrayBuffer(length))
  shared.set(noise(length))
  return shared
}

/** The root over 16 KiB leaves, by its definition: whatever is missing of `width` is a zero hash (BEP 52). */
const rootOf = (data: Uint8Array, width: number): Uint8Array => {
  let layer = Array.from({ length: width }, (_, leaf) => {
    const block = data.subarray(leaf * 16_384, (leaf + 1) * 16_384)
    return block.length === 0 ? new Uint8Array(32) : Digest.sha256(Uint8Array.from(block))
  })
  while (layer.length > 1) {
    layer = layer.flatMap((node, i) => i % 2 === 0 ? [Digest.sha256(Bytes.concat([node, layer[i + 1]!]))] : [])
  }
  return layer[0]!
}

const spoiled = (bytes: Uint8Array): Uint8Array => {
  const copy = Uint8Array.from(bytes)
  copy[copy.length - 1]! ^= 1
  return copy
}

describe("PieceVerifier", () => {
  for (const name of ["layerNode", "layerWebCrypto"] as const) {
    describe(name, () => {
      it.live("tells right pieces from wrong ones by SHA-1, in views and shared memory too", () =>
        Effect.gen(function*() {
          const { verify } = yield* PieceVerifier
          for (
            const piece of [noise(0), noise(1), noise(70_000), noise(70_000).subarray(5, 40_000), sharedNoise(40_000)]
          ) {
            const sha1 = Digest.sha1(Uint8Array.from(piece))
            assert.strictEqual(yield* verify(piece, { sha1, merkle: undefined }), "Verified")
            assert.strictEqual(yield* verify(piece, { sha1: spoiled(sha1), merkle: undefined }), "Corrupt")
          }
        }).pipe(Effect.provide(PieceVerifier[name])))

      it.live("tells them by hash trees, and does not look at what is behind the data", () =>
        Effect.gen(function*() {
          const { verify } = yield* PieceVerifier
          for (
            const [length, width] of [[1, 1], [16_384, 1], [16_385, 2], [40_000, 4], [40_000, 8], [65_536, 4]] as const
          ) {
            for (const data of [noise(length), noise(length + 9).subarray(9), sharedNoise(length)]) {
              const check: PieceCheck = { sha1: undefined, merkle: { root: rootOf(data, width), width, length } }
              assert.strictEqual(yield* verify(data, check), "Verified")
              assert.strictEqual(yield* verify(Bytes.concat([data, noise(99)]), check), "Verified")
              assert.strictEqual(yield* verify(spoiled(data), check), "Corrupt")
            }
          }
        }).pipe(Effect.provide(PieceVerifier[name])))

      it.live("calls a hybrid inconsistent when its hashes disagree, and never when they agree", () =>
        Effect.gen(function*() {
          const { verify } = yield* PieceVerifier
          const piece = noise(40_000)
          const [sha1, root] = [Digest.sha1(piece), rootOf(piece, 4)]
          for (
            const [first, second, verdict] of [
              [sha1, root, "Verified"],
              [spoiled(sha1), spoiled(root), "Corrupt"],
              [spoiled(sha1), root, "Inconsistent"],
              [sha1, spoiled(root), "Inconsistent"]
            ] as const
          ) {
            const check = { sha1: first, merkle: { root: second, width: 4, length: piece.length } }
            assert.strictEqual(yield* verify(piece, check), verdict)
          }
        }).pipe(Effect.provide(PieceVerifier[name])))
    })
  }
})
