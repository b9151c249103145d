/**
 * Reads blocklists as they are passed around, piece by piece: P2P (`name:1.2.3.4-5.6.7.8`), DAT (`1.2.3.4 - 5.6.7.8 , 100 , name`),
 * CIDR (`1.2.3.0/24`), ranges and single addresses, of both families, in any mixture.
 */
import * as Bytes from "./Bytes.ts"
import * as HostBytes from "./HostBytes.ts"
import type { Builder } from "./IpFilter.ts"

/** Characters of a line at most. */
export const MAX_LINE = 4096

/** What eMule blocks; a range with a higher level is one that may be talked to. */
const HIGHEST_BLOCKED = 127

/** Characters of an address at most. */
const MAX_ADDRESS = 45

/** What was in a list. */
export interface Findings {
  /** Lines that name a range, whether it is blocked or not. */
  readonly ranges: number
  readonly malformed: number
  /** The first malformed line, from 1; 0 when there is none. */
  readonly firstMalformed: number
  /** The list has more ranges than can be kept. */
  readonly isTooLong: boolean
}

/** U+FEFF as UTF-8, which Windows writes before a text. */
const MARK = "\u00ef\u00bb\u00bf"

const DOT = 0x2e
const DASH = 0x2d
const SLASH = 0x2f
const COLON = 0x3a
const HASH = 0x23
const SEMICOLON = 0x3b

/** The number of an IPv4 address; leading zeros are common in DAT, and decimal there. -1 for anything else. */
const read4 = (text: string, from: number, to: number): number => {
  let address = 0
  let part = 0
  let value = 0
  let digits = 0
  for (let i = from; i < to; i++) {
    const code = text.charCodeAt(i)
    if (code === DOT) {
      if (digits === 0 || ++part > 3) return -1
      address = address * 256 + value
      value = digits = 0
    } else {
      if (code < 0x30 || code > 0x39 || ++digits > 3) return -1
      value = value * 10 + code - 0x30
      if (value > 255) return -1
    }
  }
  return part === 3 && digits > 0 ? address * 256 + value : -1
}

const readNumber = (text: string, from: number, to: number): number => {
  const [digits] = /^\s*\d{1,9}\s*$/.exec(text.slice(from, to)) ?? []
  return digits === undefined ? -1 : Number(digits)
}

const isBlank = (code: number): boolean => code === 0x20 || (code >= 0x09 && code <= 0x0d)

/** `indexOf` and `lastIndexOf` would go on over the other lines. */
const find = (text: string, code: number, from: number, to: number): number => {
  for (let i = from; i < to; i++) if (text.charCodeAt(i) === code) return i
  return -1
}

const findLast = (text: string, code: number, from: number, to: number): number => {
  for (let i = to - 1; i >= from; i--) if (text.charCodeAt(i) === code) return i
  return -1
}

/** Sets all bits of 16 bytes behind a prefix. */
const fillBehind = (bytes: Uint8Array, prefix: number, bit: 0 | 1): void => {
  for (let i = prefix; i < 128; i++) {
    const mask = 0x80 >> (i & 7)
    bytes[i >> 3] = bit === 1 ? bytes[i >> 3]! | mask : bytes[i >> 3]! & ~mask
  }
}

export class BlocklistReader {
  readonly #builder: Builder
  readonly #decoder = new TextDecoder("latin1")
  /** Of a line that has not ended; `undefined` for one that is too long. */
  #rest: string | undefined = ""
  readonly #start = new Uint8Array(HostBytes.MAX_BYTES)
  readonly #end = new Uint8Array(HostBytes.MAX_BYTES)
  #lines = 0
  #ranges = 0
  #malformed = 0
  #firstMalformed = 0
  #isTooLong = false

  constructor(builder: Builder) {
    this.#builder = builder
  }

  push(bytes: Uint8Array): void {
    const text = this.#decoder.decode(bytes)
    const chunk = this.#lines === 0 && this.#rest === "" && text.startsWith(MARK) ? text.slice(MARK.length) : text
    let from = 0
    let end = chunk.indexOf("\n")
    if (end >= 0) {
      const rest = this.#rest
      if (rest === undefined) this.#refuse()
      else this.#line(rest + chunk.slice(0, end), 0, rest.length + end)
      for (from = end + 1; (end = chunk.indexOf("\n", from)) >= 0; from = end + 1) this.#line(chunk, from, end)
      this.#rest = ""
    }
    if (this.#rest === undefined) return
    const left = this.#rest.length + chunk.length - from
    this.#rest = left > MAX_LINE ? undefined : this.#rest + chunk.slice(from)
  }

  /** The list is at its end. */
  end(): Findings {
    const rest = this.#rest
    if (rest === undefined) this.#refuse()
    else if (rest !== "") this.#line(rest, 0, rest.length)
    this.#rest = ""
    return {
      ranges: this.#ranges,
      malformed: this.#malformed,
      firstMalformed: this.#firstMalformed,
      isTooLong: this.#isTooLong
    }
  }

  #refuse(): void {
    this.#lines++
    this.#malformed++
    if (this.#firstMalformed === 0) this.#firstMalformed = this.#lines
  }

  #line(text: string, begin: number, end: number): void {
    let from = begin
    let to = end
    while (from < to && isBlank(text.charCodeAt(from))) from++
    while (from < to && isBlank(text.charCodeAt(to - 1))) to--
    const first = text.charCodeAt(from)
    const isComment = first === HASH || first === SEMICOLON || (first === SLASH && text.charCodeAt(from + 1) === SLASH)
    if (from === to || isComment) {
      this.#lines++
      return
    }
    if (to - from > MAX_LINE || !this.#entry(text, from, to)) return this.#refuse()
    this.#lines++
    this.#ranges++
  }

  /** In the order of how surely each way of writing can be told. */
  #entry(text: string, from: number, to: number): boolean {
    const comma = find(text, 0x2c, from, to)
    const dash = find(text, DASH, from, to)
    if (comma >= 0 && dash >= 0 && dash < comma) {
      const end = find(text, 0x2c, comma + 1, to)
      const level = readNumber(text, comma + 1, end < 0 ? to : end)
      if (level >= 0 && this.#range(text, from, comma, level <= HIGHEST_BLOCKED)) return true
    }
    if (this.#range(text, from, to, true)) return true
    const colon = findLast(text, COLON, from, to)
    if (colon >= 0 && find(text, DASH, colon, to) >= 0 && this.#range(text, colon + 1, to, true)) return true
    return this.#named6(text, from, to) || this.#remarked(text, from, to)
  }

  /** A name before a range of IPv6: where it ends only the address can tell. */
  #named6(text: string, from: number, to: number): boolean {
    const dash = findLast(text, DASH, from, to)
    // A range that is wrong as a whole has no name, though its first digits could be one.
    if (dash < 0 || this.#write(text, from, dash, this.#start) > 0) return false
    for (let colon = Math.max(from, dash - MAX_ADDRESS - 2);;) {
      colon = find(text, COLON, colon, dash)
      if (colon < 0) return false
      if (this.#range(text, ++colon, to, true)) return true
    }
  }

  /** Words behind a range, as Spamhaus writes them. */
  #remarked(text: string, from: number, to: number): boolean {
    for (const mark of [SEMICOLON, HASH]) {
      const at = find(text, mark, from, to)
      if (at >= 0 && this.#range(text, from, at, true)) return true
    }
    return false
  }

  #range(text: string, begin: number, end: number, isBlocked: boolean): boolean {
    let from = begin
    let to = end
    while (from < to && isBlank(text.charCodeAt(from))) from++
    while (from < to && isBlank(text.charCodeAt(to - 1))) to--
    const dash = find(text, DASH, from, to)
    if (dash >= 0) return this.#between(text, from, dash, to, isBlocked)
    const slash = find(text, SLASH, from, to)
    return slash < 0
      ? this.#below(text, from, to, undefined, isBlocked)
      : this.#below(text, from, slash, readNumber(text, slash + 1, to), isBlocked)
  }

  #between(text: string, from: number, dash: number, to: number, isBlocked: boolean): boolean {
    let firstEnd = dash
    let second = dash + 1
    while (firstEnd > from && isBlank(text.charCodeAt(firstEnd - 1))) firstEnd--
    while (second < to && isBlank(text.charCodeAt(second))) second++
    const start = read4(text, from, firstEnd)
    if (start >= 0) {
      const last = read4(text, second, to)
      return last >= start && this.#add4(start, last, isBlocked)
    }
    const length = this.#write(text, from, firstEnd, this.#start)
    if (length === 0 || this.#write(text, second, to, this.#end) !== length) return false
    if (length === 4) {
      const [first, last] = [Bytes.readUint32(this.#start, 0), Bytes.readUint32(this.#end, 0)]
      return last >= first && this.#add4(first, last, isBlocked)
    }
    return Bytes.compare(this.#start, this.#end) <= 0 && this.#add6(isBlocked)
  }

  #below(text: string, from: number, to: number, prefix: number | undefined, isBlocked: boolean): boolean {
    const address = read4(text, from, to)
    if (address >= 0) return this.#block4(address, prefix ?? 32, isBlocked)
    const length = this.#write(text, from, to, this.#start)
    if (length === 0) return false
    const bits = prefix ?? 128
    // An IPv4-mapped address has 96 bits before its own.
    if (length === 4) return this.#block4(Bytes.readUint32(this.#start, 0), bits - 96, isBlocked)
    if (bits < 0 || bits > 128) return false
    this.#end.set(this.#start)
    fillBehind(this.#start, bits, 0)
    fillBehind(this.#end, bits, 1)
    return this.#add6(isBlocked)
  }

  #block4(address: number, prefix: number, isBlocked: boolean): boolean {
    if (prefix < 0 || prefix > 32) return false
    const size = 2 ** (32 - prefix)
    const start = address - address % size
    return this.#add4(start, start + size - 1, isBlocked)
  }

  #write(text: string, from: number, to: number, out: Uint8Array): 0 | 4 | 16 {
    return to - from > MAX_ADDRESS || to <= from ? 0 : HostBytes.write(text.slice(from, to), out, 0)
  }

  #add4(start: number, end: number, isBlocked: boolean): true {
    if (isBlocked && !this.#builder.add4(start, end)) this.#isTooLong = true
    return true
  }

  #add6(isBlocked: boolean): true {
    if (isBlocked && !this.#builder.add6(this.#start, this.#end)) this.#isTooLong = true
    return true
  }
}
