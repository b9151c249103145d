/**
 * HalfSipHash-1-3 (Aumasson and Bernstein): a keyed hash of 32 bits. Whoever announces chooses the addresses, so without a
 * secret key they could be chosen to fall on one place of the table.
 */

/**
 * The hash of `count` of `words` from `at` on, and two more: the last stands for the length too.
 *
 * @param key two secret words
 */
export const of = (
  key: Int32Array,
  words: Int32Array,
  at: number,
  count: number,
  more: number,
  last: number
): number => {
  let v0 = key[0]!
  let v1 = key[1]!
  let v2 = 0x6c79_6765 ^ v0
  let v3 = 0x7465_6462 ^ v1
  for (let i = 0; i < count + 5; i++) {
    const word = i < count ? words[at + i]! : i === count ? more : i === count + 1 ? last : 0
    if (i === count + 2) v2 ^= 0xff
    v3 ^= word
    v0 = (v0 + v1) | 0
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
    v0 = (v0 << 16) | (v0 >>> 16)
    v2 = (v2 + v3) | 0
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
    v0 = (v0 + v3) | 0
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
    v2 = (v2 + v1) | 0
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
    v2 = (v2 << 16) | (v2 >>> 16)
    v0 ^= word
  }
  return v1 ^ v3
}
