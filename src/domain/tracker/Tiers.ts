/**
 * The order in which a torrent's trackers are asked (BEP 12): tiers in the torrent's order, the trackers of a tier in
 * an order of chance at first, then the one that answered before the others. A value: every change makes a new one.
 */

export type Tiers = ReadonlyArray<ReadonlyArray<string>>

/** Trackers of one torrent that are kept; public torrents come with hundreds, most of them dead. */
export const MAX_TRACKERS = 100

const shuffled = (urls: ReadonlyArray<string>, random: () => number): Array<string> => {
  const out = [...urls]
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const moved = out[i]!
    out[i] = out[j]!
    out[j] = moved
  }
  return out
}

/**
 * Shuffles each tier once; `random` gives numbers in [0, 1). A tracker named twice stays where it came first, empty
 * tiers go, and so do trackers past {@link MAX_TRACKERS}.
 */
export const make = (tiers: ReadonlyArray<ReadonlyArray<string>>, random: () => number): Tiers => {
  const seen = new Set<string>()
  const isNew = (url: string): boolean => seen.size < MAX_TRACKERS && !seen.has(url) && seen.add(url) !== undefined
  return tiers.map((tier) => shuffled(tier.filter(isNew), random)).filter((tier) => tier.length > 0)
}

/** The tracker that answered moves to the front of its tier. */
export const promote = (tiers: Tiers, url: string): Tiers =>
  tiers.map((tier) => tier.includes(url) ? [url, ...tier.filter((other) => other !== url)] : tier)

/**
 * The lines of trackers; of each line one tracker at a time is announced to. A public torrent has a line per tier, so
 * that a dead tier delays no other. A private one has a single line, since its peers must come from one tracker at a
 * time (BEP 27): the tiers one after the other.
 */
export const lines = (tiers: Tiers, isPrivate: boolean): Tiers => isPrivate && tiers.length > 0 ? [tiers.flat()] : tiers

/**
 * Whom to ask next: the first of the line that may be asked `now`, else the one that may be asked soonest, and when.
 * `readyAt` gives the time before which a tracker must be left alone; `Infinity` for good.
 */
export const next = (
  line: ReadonlyArray<string>,
  readyAt: (url: string) => number,
  now: number
): { readonly url: string; readonly at: number } | undefined => {
  let best: { readonly url: string; readonly at: number } | undefined
  for (const url of line) {
    const at = Math.max(now, readyAt(url))
    if (at === now) return { url, at }
    if (at < (best?.at ?? Number.POSITIVE_INFINITY)) best = { url, at }
  }
  return best
}
