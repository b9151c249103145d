/**
 * How often each address may ask: a token bucket per IPv4 address, or per /64 of IPv6, since one subscriber has all of
 * that. The table is bounded; the address that has been silent longest is forgotten, which can only favour it.
 */
import { TokenBucket } from "../swarm/TokenBucket.ts"

/** Addresses that are remembered. */
const MAX_ADDRESSES = 65_536

/** Questions that may come at once, in seconds of the rate: clients announce all their torrents when they start. */
const BURST_SECONDS = 10

const keyOf = (host: Uint8Array, length: number): string => {
  let key = ""
  for (let i = 0; i < Math.min(length, 8); i++) key += String.fromCharCode(host[i]!)
  return key
}

export class AskerRates {
  readonly #rate: number
  readonly #maxAddresses: number
  /** The address that has been silent longest first. */
  readonly #buckets = new Map<string, TokenBucket>()

  /** @param rate questions a second; `Infinity` is no limit and costs nothing */
  constructor(rate: number, maxAddresses = MAX_ADDRESSES) {
    this.#rate = rate
    this.#maxAddresses = maxAddresses
  }

  get isLimited(): boolean {
    return this.#rate < Infinity
  }

  get size(): number {
    return this.#buckets.size
  }

  /**
   * Counts one question from this address, the first `length` bytes of `host`, at a time in ms. Answers 0 when it may be
   * asked, else the ms until the next one may. All whose address is not known, of length 0, share one rate.
   */
  take(host: Uint8Array, length: 0 | 4 | 16, now: number): number {
    if (this.#rate === Infinity) return 0
    const key = keyOf(host, length)
    const bucket = this.#buckets.get(key) ?? this.#newBucket(now)
    this.#buckets.delete(key)
    this.#buckets.set(key, bucket)
    return bucket.take(1, now) === 1 ? 0 : bucket.waitFor(1, now)
  }

  #newBucket(now: number): TokenBucket {
    if (this.#buckets.size >= this.#maxAddresses) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest)
        break
      }
    }
    return new TokenBucket(this.#rate, now, Math.max(1, this.#rate * BURST_SECONDS))
  }
}
