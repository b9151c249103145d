import * as Effect from "effect/Effect"
import type { PeerAddress } from "../domain/PeerAddress.ts"
export const run = (
  _options: { readonly onPeers: (peers: ReadonlyArray<PeerAddress>) => void } & Record<string, unknown>
): Effect.Effect<never> => Effect.never
