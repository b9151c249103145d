/** How long peers are asked to wait between announces, and how long they are remembered after one. Times are milliseconds. */

/** The share of the interval by which an answer may differ from it, so that peers who came at once do not stay together. */
const JITTER = 0.1

/** Announces that are a little late are not too late. */
const GRACE_MS = 60_000

export const DEFAULT_MS = 30 * 60_000

/** @param random from 0 to 1 */
export const jittered = (intervalMs: number, random: number): number => intervalMs * (1 + JITTER * (2 * random - 1))

/** Long enough for a peer that was given the longest interval and lost one announce. A whole number. */
export const lifeOf = (intervalMs: number): number => Math.ceil(2 * jittered(intervalMs, 1) + GRACE_MS)
