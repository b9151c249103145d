/** One extension of BEP 10 as a value: what it is called and what it does with what peers say. */
import type { ExtensionHandshake } from "../wire/ExtensionHandshake.ts"
import type { Peer } from "./Peer.ts"
import type { Verdict } from "./Verdict.ts"

/** Time is monotonic ms. One that is switched off is not in the list of its torrent, and peers never hear of it. */
export interface Extension {
  /** Its key in `m`, ASCII. */
  readonly name: string
  /** Peers were told of it before, and hear that it is no more (BEP 10): its number stays its own, for what is on its way. */
  readonly isWithdrawn?: boolean | undefined
  /** `payload` is what follows both ids; it is valid during the call only. */
  readonly message: (peer: Peer, payload: Uint8Array, now: number) => Verdict
  /** The peer has shaken hands, perhaps again: `theirs` is all that it has said so far. */
  readonly met?: ((peer: Peer, theirs: ExtensionHandshake, now: number) => Verdict) | undefined
  readonly left?: ((peer: Peer, now: number) => void) | undefined
  /** Once a second. */
  readonly tick?: ((now: number) => void) | undefined
}
