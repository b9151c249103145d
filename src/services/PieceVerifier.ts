/** Whether a piece is what the metainfo says it is (BEP 3, "pieces"; BEP 52, "piece layers"). */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as crypto from "node:crypto"
import * as Bytes from "../domain/Bytes.ts"
import * as PieceCheck from "../domain/PieceCheck.ts"

export type { PieceCheck, Verdict } from "../domain/PieceCheck.ts"

export class PieceVerifier extends Context.Service<PieceVerifier, {
  /**
   * Compares the hashes of a whole piece with those expected. A wrong piece is an answer, not a failure. The piece must
   * not change until the answer is there.
   */
  readonly verify: (piece: Uint8Array, check: PieceCheck.PieceCheck) => Effect.Effect<PieceCheck.Verdict>
}>()("freshet/services/PieceVerifier") {
  /** Hashes on the spot: the least work in all, but the event loop stands still for 0.45 ms per MiB and version. */
  static readonly layerNode: Layer.Layer<PieceVerifier> = Layer.succeed(PieceVerifier, {
    verify: (piece, check) =>
      Effect.sync(() =>
        PieceCheck.judge(piece, check.sha1 === undefined ? Bytes.empty : crypto.hash("sha1", piece, "buffer"), check)
      )
  })

  /**
   * Takes the SHA-1 on libuv's threads: a quarter of the time on the event loop, worth it while a core is idle. Hash
   * trees are grown on the spot: block by block WebCrypto costs the event loop twice what the hashing itself does.
   */
  static readonly layerWebCrypto: Layer.Layer<PieceVerifier> = Layer.succeed(PieceVerifier, {
    verify: (piece, check) =>
      check.sha1 === undefined ?
        Effect.sync(() => PieceCheck.judge(piece, Bytes.empty, check)) :
        Effect.callback((resume) => {
          // WebCrypto takes no shared memory, and the types cannot tell whether a view is of that kind.
          const own = piece.buffer instanceof ArrayBuffer ? piece as Uint8Array<ArrayBuffer> : new Uint8Array(piece)
          crypto.subtle.digest("SHA-1", own).then(
            (digest) => resume(Effect.sync(() => PieceCheck.judge(piece, new Uint8Array(digest), check))),
            (cause: unknown) => resume(Effect.die(cause))
          )
        })
  })
}
