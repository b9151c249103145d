/**
 * Addresses that nobody talks to: merged, sorted ranges in typed arrays, 8 bytes each for IPv4 and 32 for IPv6. A look-up is a
 * binary search that allocates nothing.
 */
import * as Bytes from "./Bytes.ts"
import * as HostBytes from "./HostBytes.ts"

/** Ranges of each family at most, before they are merged: a sorting key of 53 bits holds a start and its place. */
export const MAX_RANGES = 2 ** 21

/** 32-bit words of an address. */
const WORDS6 = 4

/** Owned by whoever asks: a look-up writes into it. */
export class IpFilter {
  readonly #starts4: Uint32Array
  readonly #ends4: Uint32Array
  readonly #starts6: Uint32Array
  readonly #ends6: Uint32Array
  readonly #bytes = new Uint8Array(HostBytes.MAX_BYTES)
  readonly #words = new Uint32Array(WORDS6)

  constructor(four: Ranges, six: Ranges) {
    this.#starts4 = four.starts
    this.#ends4 = four.ends
    this.#starts6 = six.starts
    this.#ends6 = six.ends
  }

  /** Ranges that are left of all, since those that touch are one. */
  get size(): number {
    return this.#starts4.length + this.#starts6.length / WORDS6
  }

  /** Whether the IP address is in any range; an IPv4-mapped one counts as IPv4, and a name as none. */
  isBlocked(host: string): boolean {
    const length = HostBytes.write(host, this.#bytes, 0)
    return length === 4 ? this.#has4(Bytes.readUint32(this.#bytes, 0)) : length === 16 && this.#has6()
  }

  #has4(address: number): boolean {
    const starts = this.#starts4
    let low = 0
    let high = starts.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (starts[middle]! <= address) low = middle + 1
      else high = middle
    }
    return low > 0 && address <= this.#ends4[low - 1]!
  }

  #has6(): boolean {
    const words = this.#words
    for (let i = 0; i < WORDS6; i++) words[i] = Bytes.readUint32(this.#bytes, 4 * i)
    let low = 0
    let high = this.#starts6.length / WORDS6
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compare6(this.#starts6, middle, words, 0) <= 0) low = middle + 1
      else high = middle
    }
    return low > 0 && compare6(words, 0, this.#ends6, low - 1) <= 0
  }
}

interface Ranges {
  readonly starts: Uint32Array
  readonly ends: Uint32Array
}

const compare6 = (a: Uint32Array, i: number, b: Uint32Array, j: number): number => {
  for (let word = 0; word < WORDS6; word++) {
    const difference = a[i * WORDS6 + word]! - b[j * WORDS6 + word]!
    if (difference !== 0) return difference
  }
  return 0
}

const grown = (words: Uint32Array<ArrayBuffer>, used: number): Uint32Array<ArrayBuffer> => {
  if (used < words.length) return words
  const larger = new Uint32Array(words.length * 2)
  larger.set(words)
  return larger
}

/** Takes ranges in any order, overlapping as they like. */
export class Builder {
  #starts4 = new Uint32Array(1024)
  #ends4 = new Uint32Array(1024)
  #count4 = 0
  #starts6 = new Uint32Array(256)
  #ends6 = new Uint32Array(256)
  #count6 = 0

  /** The range from one address to another, both in it; false when there are {@link MAX_RANGES} already. */
  add4(start: number, end: number): boolean {
    if (this.#count4 === MAX_RANGES) return false
    this.#starts4 = grown(this.#starts4, this.#count4)
    this.#ends4 = grown(this.#ends4, this.#count4)
    this.#starts4[this.#count4] = start
    this.#ends4[this.#count4++] = end
    return true
  }

  /** The same, of 16 bytes each. */
  add6(start: Uint8Array, end: Uint8Array): boolean {
    if (this.#count6 === MAX_RANGES) return false
    const at = this.#count6++ * WORDS6
    this.#starts6 = grown(this.#starts6, at)
    this.#ends6 = grown(this.#ends6, at)
    for (let i = 0; i < WORDS6; i++) {
      this.#starts6[at + i] = Bytes.readUint32(start, 4 * i)
      this.#ends6[at + i] = Bytes.readUint32(end, 4 * i)
    }
    return true
  }

  build(): IpFilter {
    return new IpFilter(this.#merged4(), this.#merged6())
  }

  #merged4(): Ranges {
    const count = this.#count4
    const keys = new Float64Array(count)
    for (let i = 0; i < count; i++) keys[i] = this.#starts4[i]! * MAX_RANGES + i
    keys.sort()
    const starts = new Uint32Array(count)
    const ends = new Uint32Array(count)
    let kept = 0
    for (const key of keys) {
      const i = key % MAX_RANGES
      const start = this.#starts4[i]!
      const end = this.#ends4[i]!
      if (kept > 0 && start <= ends[kept - 1]! + 1) {
        if (end > ends[kept - 1]!) ends[kept - 1] = end
        continue
      }
      starts[kept] = start
      ends[kept++] = end
    }
    return { starts: starts.slice(0, kept), ends: ends.slice(0, kept) }
  }

  #merged6(): Ranges {
    const order = Uint32Array.from({ length: this.#count6 }, (_, i) => i)
    order.sort((a, b) => compare6(this.#starts6, a, this.#starts6, b))
    const starts = new Uint32Array(this.#count6 * WORDS6)
    const ends = new Uint32Array(this.#count6 * WORDS6)
    let kept = 0
    for (const i of order) {
      const start = this.#starts6.subarray(i * WORDS6, (i + 1) * WORDS6)
      const end = this.#ends6.subarray(i * WORDS6, (i + 1) * WORDS6)
      if (kept > 0 && compare6(start, 0, ends, kept - 1) <= 0) {
        if (compare6(end, 0, ends, kept - 1) > 0) ends.set(end, (kept - 1) * WORDS6)
        continue
      }
      starts.set(start, kept * WORDS6)
      ends.set(end, kept++ * WORDS6)
    }
    return { starts: starts.slice(0, kept * WORDS6), ends: ends.slice(0, kept * WORDS6) }
  }
}
