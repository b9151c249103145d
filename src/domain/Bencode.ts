/**
 * Bencode (BEP 3) from strangers. {@link scan} checks a text once, without recursion and without building anything;
 * what it has passed can be walked freely. A {@link Value} is then only a span of its document, so that the largest
 * torrent costs nothing until its fields are asked for, and `info` can be hashed as it stood.
 *
 * What is accepted: dictionaries out of order, repeated keys (the first one counts), leading zeros and `-0`, since
 * hashes are taken over raw bytes and nothing is ever written back; bytes after the value (see {@link scan}).
 */
import npm from "bencode"
import type { Decoded } from "bencode"
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import * as Bytes from "./Bytes.ts"

export { type Encodable, encode } from "./BencodeWriter.ts"

export interface Limits {
  readonly maxBytes: number
  /** Lists and dictionaries inside each other. */
  readonly maxDepth: number
  /** Values and keys in all. */
  readonly maxTokens: number
}

export const DOCUMENT: Limits = { maxBytes: 64 * 1024 * 1024, maxDepth: 100, maxTokens: 16 * 1024 * 1024 }

/** For messages and replies of {@link decodeClosed}, which costs far more memory a token than a document does. */
export const CLOSED: Limits = { maxBytes: 4 * 1024 * 1024, maxDepth: 32, maxTokens: 256 * 1024 }

export class BencodeError extends Data.TaggedError("BencodeError")<{
  readonly reason: "TooLarge" | "TooDeep" | "TooManyTokens" | "Malformed"
  /** Byte position of the trouble. */
  readonly at: number
  readonly detail: string
}> {
  override get message(): string {
    return `${this.detail} at byte ${this.at}`
  }
}

const ZERO = 0x30
const NINE = 0x39
const COLON = 0x3a
const MINUS = 0x2d
const DICTIONARY = 0x64
const END = 0x65
const INTEGER = 0x69
const LIST = 0x6c

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= ZERO && byte <= NINE

/** The end of the byte string that starts here, or -1. */
const stringEnd = (bytes: Uint8Array, start: number): number => {
  let length = 0
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at]!
    if (byte === COLON) {
      const end = at + 1 + length
      return at > start && end <= bytes.length ? end : -1
    }
    if (!isDigit(byte)) return -1
    length = length * 10 + byte - ZERO
    if (length > bytes.length) return -1
  }
  return -1
}

/** The end of the integer whose `i` stands here, or -1. */
const integerEnd = (bytes: Uint8Array, start: number): number => {
  const first = bytes[start + 1] === MINUS ? start + 2 : start + 1
  let at = first
  while (isDigit(bytes[at])) at++
  return at > first && bytes[at] === END ? at + 1 : -1
}

/** Whether the value that begins here, which is none yet, could go on behind the end. */
const isCutOff = (bytes: Uint8Array, start: number): boolean => {
  const isInteger = bytes[start] === INTEGER
  let at = isInteger ? start + 1 : start
  if (isInteger && bytes[at] === MINUS) at++
  while (isDigit(bytes[at])) at++
  return at >= bytes.length || (!isInteger && at > start && bytes[at] === COLON)
}

const fail = (reason: BencodeError["reason"], at: number, detail: string): Result.Result<never, BencodeError> =>
  Result.fail(new BencodeError({ reason, at, detail }))

// What an open list or dictionary waits for.
const ITEM = 0
const KEY = 1
const FIELD = 2

/**
 * Checks the one value at the start of `bytes` and returns where it ends, so that the caller decides about what follows
 * (BEP 9 sends a piece after its dictionary).
 */
export const scan = (bytes: Uint8Array, limits: Limits = DOCUMENT): Result.Result<number, BencodeError> => {
  const { maxBytes, maxDepth, maxTokens } = limits
  if (bytes.length > maxBytes) return fail("TooLarge", maxBytes, `more than ${maxBytes} bytes`)
  const open = new Uint8Array(maxDepth)
  let depth = 0
  let tokens = 0
  let at = 0
  do {
    const byte = bytes[at]
    const awaited = depth === 0 ? ITEM : open[depth - 1]!
    if (byte === END && depth > 0 && awaited !== FIELD) {
      depth--
      at++
    } else if (++tokens > maxTokens) {
      return fail("TooManyTokens", at, `more than ${maxTokens} values`)
    } else if (byte === LIST || byte === DICTIONARY) {
      if (awaited === KEY) return fail("Malformed", at, "a key that is not a string")
      if (depth === maxDepth) return fail("TooDeep", at, `more than ${maxDepth} levels`)
      open[depth++] = byte === LIST ? ITEM : KEY
      at++
      continue
    } else {
      const end = byte === INTEGER && awaited !== KEY ? integerEnd(bytes, at) : stringEnd(bytes, at)
      if (end < 0) return fail("Malformed", at, isCutOff(bytes, at) ? "it is cut off" : "not bencode")
      at = end
    }
    if (depth > 0 && open[depth - 1] !== ITEM) open[depth - 1] = open[depth - 1] === KEY ? FIELD : KEY
  } while (depth > 0)
  return Result.succeed(at)
}

/** A checked span of a document. Nothing is copied: whoever changes the document's bytes changes its values. */
export interface Value {
  readonly kind: "Integer" | "Bytes" | "List" | "Dictionary"
  readonly document: Uint8Array
  readonly start: number
  readonly end: number
}

const kindOf = (byte: number): Value["kind"] =>
  byte === DICTIONARY ? "Dictionary" : byte === LIST ? "List" : byte === INTEGER ? "Integer" : "Bytes"

/** The end of a value in a text that {@link scan} has passed. */
const valueEnd = (bytes: Uint8Array, start: number): number => {
  let at = start
  let depth = 0
  do {
    const byte = bytes[at]!
    if (byte === DICTIONARY || byte === LIST) {
      depth++
      at++
    } else if (byte === END) {
      depth--
      at++
    } else at = byte === INTEGER ? integerEnd(bytes, at) : stringEnd(bytes, at)
  } while (depth > 0)
  return at
}

/** The value at a place where {@link walk} has found one. */
export const valueAt = (document: Uint8Array, start: number): Value => ({
  kind: kindOf(document[start]!),
  document,
  start,
  end: valueEnd(document, start)
})

/** The value at the start of a document; its `end` tells where it stops. */
export const read = (bytes: Uint8Array, limits: Limits = DOCUMENT): Result.Result<Value, BencodeError> =>
  Result.map(scan(bytes, limits), () => valueAt(bytes, 0))

/** The value as it stands in the document; a view. */
export const raw = (value: Value): Uint8Array => value.document.subarray(value.start, value.end)

/** The bytes of a byte string, as a view; `undefined` for anything else. */
export const bytes = (value: Value | undefined): Uint8Array | undefined =>
  value?.kind === "Bytes"
    ? value.document.subarray(value.document.indexOf(COLON, value.start) + 1, value.end)
    : undefined

/** A byte string read as UTF-8; `undefined` for anything else. */
export const text = (value: Value | undefined): string | undefined => {
  const content = bytes(value)
  return content && Bytes.toUtf8(content)
}

/** An integer within ±(2^53 - 1); `undefined` for anything else. */
export const integer = (value: Value | undefined): number | undefined => {
  if (value?.kind !== "Integer") return undefined
  const { document, end, start } = value
  const negative = document[start + 1] === MINUS
  let magnitude = 0
  for (let at = negative ? start + 2 : start + 1; at < end - 1; at++) {
    magnitude = magnitude * 10 + (document[at]! - ZERO)
    if (magnitude > Number.MAX_SAFE_INTEGER) return undefined
  }
  return negative ? 0 - magnitude : magnitude
}

/** The values of a list, found one by one; none for anything else. */
export function* items(value: Value | undefined): Generator<Value, void> {
  if (value?.kind !== "List") return
  for (let at = value.start + 1; at < value.end - 1;) {
    const item = valueAt(value.document, at)
    yield item
    at = item.end
  }
}

/** Keys and values of a dictionary, found one by one, repeated keys included; none for anything else. */
export function* entries(value: Value | undefined): Generator<readonly [key: Uint8Array, value: Value], void> {
  if (value?.kind !== "Dictionary") return
  for (let at = value.start + 1; at < value.end - 1;) {
    const key = valueAt(value.document, at)
    const field = valueAt(value.document, key.end)
    yield [bytes(key)!, field]
    at = field.end
  }
}

/**
 * Walks dictionaries inside each other in one pass, however deep they are; {@link entries} would look at every value once
 * for each level around it. `visit` gets each key with the place of its value, and how many levels it lies below the
 * outermost; it answers "Into" for a dictionary whose keys it wants to see, or the value, measured, to go on behind it, or
 * `undefined` to end the walk. No keys for anything but a dictionary.
 */
export const walk = (
  value: Value,
  visit: (key: Uint8Array, at: number, depth: number) => "Into" | Value | undefined
): void => {
  if (value.kind !== "Dictionary") return
  const { document } = value
  let at = value.start + 1
  for (let depth = 0; depth >= 0;) {
    if (document[at] === END) {
      depth--
      at++
      continue
    }
    const field = stringEnd(document, at)
    const next = visit(document.subarray(document.indexOf(COLON, at) + 1, field), field, depth)
    if (next === undefined) return
    if (next === "Into") depth++
    at = next === "Into" ? field + 1 : next.end
  }
}

/** Whether a dictionary stands at this place. */
export const isDictionaryAt = (document: Uint8Array, at: number): boolean => document[at] === DICTIONARY

/** Whether the text between two positions is this ASCII name. */
const isName = (document: Uint8Array, start: number, end: number, name: string): boolean => {
  if (end - start !== name.length) return false
  for (let i = 0; i < name.length; i++) if (document[start + i] !== name.charCodeAt(i)) return false
  return true
}

/**
 * The named fields of a dictionary, as far as it has them, in one walk and without a table of its keys; of a repeated
 * key the first. No fields for anything else. Names are ASCII.
 */
export const pick = <Name extends string>(
  value: Value | undefined,
  names: ReadonlyArray<Name>
): { readonly [N in Name]?: Value } => {
  const found: { [N in Name]?: Value } = {}
  if (value?.kind !== "Dictionary") return found
  const { document, end, start } = value
  for (let at = start + 1; at < end - 1;) {
    const keyStart = document.indexOf(COLON, at) + 1
    const keyEnd = stringEnd(document, at)
    const field = valueAt(document, keyEnd)
    for (const name of names) {
      if (found[name] === undefined && isName(document, keyStart, keyEnd, name)) found[name] = field
    }
    at = field.end
  }
  return found
}

export type Closed = number | Uint8Array | ReadonlyArray<Closed> | ClosedDictionary

export interface ClosedDictionary extends ReadonlyMap<string, Closed> {}

/**
 * The package's answer without its traps: only own fields (a key `__proto__` replaces a prototype there), no integers
 * that it rounded. Types are asked of the engine, because `instanceof` believes a replaced prototype.
 */
const tame = (decoded: Decoded): Closed | undefined => {
  if (typeof decoded === "number") return Number.isSafeInteger(decoded) ? decoded + 0 : undefined
  if (ArrayBuffer.isView(decoded)) return decoded
  if (Array.isArray(decoded)) return decoded.map(tame).filter((item) => item !== undefined)
  const fields = new Map<string, Closed>()
  for (const key of Object.keys(decoded)) {
    const field = tame(decoded[key]!)
    if (field !== undefined) fields.set(key, field)
  }
  return fields
}

/**
 * Decodes a message whose dictionaries have ASCII keys known beforehand: tracker replies, extension handshakes, DHT
 * messages. Integers beyond ±(2^53 - 1) are left out; of a repeated key the last counts; bytes after the dictionary are
 * ignored. Keys that are not UTF-8 arrive as hex digits, so tables with binary keys (`files` of a scrape) need
 * {@link read}.
 */
export const decodeClosed = (
  bytes: Uint8Array,
  limits: Limits = CLOSED
): Result.Result<ClosedDictionary, BencodeError> => {
  const end = scan(bytes, limits)
  if (Result.isFailure(end)) return Result.fail(end.failure)
  if (bytes[0] !== DICTIONARY) return fail("Malformed", 0, "not a dictionary")
  return Result.try({
    try: () => tame(npm.decode(bytes.subarray(0, end.success))) as ClosedDictionary,
    // A key `__proto__` can make the package trip over its own assignment.
    catch: () => new BencodeError({ reason: "Malformed", at: 0, detail: "a dictionary that cannot be kept" })
  })
}
