/** Whether a piece is what the metainfo says it is (BEP 3, "pieces"). */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as crypto from "node:crypto"
import * as Bytes from "../domain/Bytes.ts"

export type Verdict = "Verified" | "Corrupt"

const judge = (digest: Uint8Array, expected: Uint8Array): Verdict =>
  Bytes.equals(digest, expected) ? "Verified" : "Corrupt"

export class PieceVerifier extends Context.Service<PieceVerifier, {
  /**
   * Compares the SHA-1 of a whole piece with the 20 bytes expected. A wrong piece is an answer, not a failure. The
   * piece must not change until the answer is there.
   */
  readonly verify: (piece: Uint8Array, expected: Uint8Array) => Effect.Effect<Verdict>
}>()("freshet/services/PieceVerifier") {
  /** Hashes on the spot: the least work in all, but the event loop stands still for 0.45 ms per MiB. */
  static readonly layerNode: Layer.Layer<PieceVerifier> = Layer.succeed(PieceVerifier, {
    verify: (piece, expected) => Effect.sync(() => judge(crypto.hash("sha1", piece, "buffer"), expected))
  })

  /** Hashes on libuv's threads: a quarter of the time on the event loop, worth it while a core is idle. */
  static readonly layerWebCrypto: Layer.Layer<PieceVerifier> = Layer.succeed(PieceVerifier, {
    verify: (piece, expected) =>
      Effect.callback((resume) => {
        // WebCrypto takes no shared memory, and the types cannot tell whether a view is of that kind.
        const own = piece.buffer instanceof ArrayBuffer ? piece as Uint8Array<ArrayBuffer> : new Uint8Array(piece)
        crypto.subtle.digest("SHA-1", own).then(
          (digest) => resume(Effect.succeed(judge(new Uint8Array(digest), expected))),
          (cause: unknown) => resume(Effect.die(cause))
        )
      })
  })
}
