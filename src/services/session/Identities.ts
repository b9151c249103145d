/** Peers by number: a peer id is known again by it, and a liar by its id. */
import type * as PeerId from "../../domain/PeerId.ts"

/** Peer ids whose numbers are remembered. */
const IDENTITIES = 10_000

/** Numbers for peer ids; the oldest are forgotten. */
export const make = (): (peerId: PeerId.PeerId) => number => {
  const known = new Map<PeerId.PeerId, number>()
  let last = 0
  return (peerId) => {
    const identity = known.get(peerId) ?? ++last
    known.delete(peerId)
    known.set(peerId, identity)
    if (known.size > IDENTITIES) known.delete(known.keys().next().value!)
    return identity
  }
}
