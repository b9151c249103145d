/**
 * The address at which others see us. Nobody can know it alone, and anybody may lie about it: trackers (BEP 24) and peers
 * (`yourip` of BEP 10) vote, one voice for each host.
 */
import type * as PeerAddress from "../PeerAddress.ts"

/** Hosts whose word counts; the oldest is forgotten first. */
const VOTERS = 64

/** Peers that must agree; a tracker, which the user has chosen, weighs as much as all of them. */
const ENOUGH = 3

interface Vote {
  readonly host: string
  readonly weight: number
}

type Family = PeerAddress.PeerAddress["family"]

/** Owned by a session or a torrent. */
export class ExternalAddress {
  readonly #votes = { 4: new Map<string, Vote>(), 6: new Map<string, Vote>() }
  readonly #elected: { 4: string | undefined; 6: string | undefined } = { 4: undefined, 6: undefined }

  /**
   * Somebody says what our address is: canonical text as in a {@link PeerAddress.PeerAddress}. The last word of a voter
   * counts.
   *
   * @param voter its host; for a tracker, its URL
   */
  vote(host: string, voter: string, isTracker = false): void {
    const family: Family = host.includes(":") ? 6 : 4
    const votes = this.#votes[family]
    votes.delete(voter)
    votes.set(voter, { host, weight: isTracker ? ENOUGH : 1 })
    if (votes.size > VOTERS) votes.delete(votes.keys().next().value!)
    this.#elected[family] = elect(votes.values())
  }

  /** Where most see us, in the family; `undefined` while too few have said so. */
  of(family: Family): string | undefined {
    return this.#elected[family]
  }
}

const elect = (votes: Iterable<Vote>): string | undefined => {
  const weights = new Map<string, number>()
  let best: string | undefined
  for (const { host, weight } of votes) {
    const sum = (weights.get(host) ?? 0) + weight
    weights.set(host, sum)
    if (sum >= ENOUGH && (best === undefined || sum >= weights.get(best)!)) best = host
  }
  return best
}
