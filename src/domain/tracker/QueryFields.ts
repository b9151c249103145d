/**
 * The fields of an announce's query, found in one pass over its raw text (BEP 3): a tracker over HTTP reads tens of
 * thousands a second, and a table of all that a query says takes four times as long.
 */
import * as Bytes from "../Bytes.ts"
import * as Percent from "./Percent.ts"

const PERCENT = 0x25

/** A number that is not there. */
const UNSEEN = -1

/** What an announce says. Of each field the first counts, sense or nonsense: UNSEEN, then NaN for a number that is none. */
export interface Fields {
  /** The bytes, `null` when they are not 20. */
  infoHash: Array<number> | null | undefined
  peerId: Array<number> | null | undefined
  port: number
  uploaded: number
  downloaded: number
  left: number
  numWant: number
  event: string | undefined
  compact: string | undefined
  noPeerId: string | undefined
  ip: string | undefined
  key: string | undefined
}

/** Twenty percent-encoded bytes. A broken escape stays as it is. */
export const twenty = (query: string, from: number, to: number): Array<number> | null => {
  const out: Array<number> = []
  for (let at = from; at < to; at++) {
    if (out.length === 20) return null
    const code = query.charCodeAt(at)
    if (code === PERCENT && at + 2 < to) {
      const high = Bytes.hexDigit(query.charCodeAt(at + 1))
      const low = Bytes.hexDigit(query.charCodeAt(at + 2))
      if (high >= 0 && low >= 0) {
        out.push(high * 16 + low)
        at += 2
        continue
      }
    }
    out.push(code & 0xff)
  }
  return out.length === 20 ? out : null
}

const integer = (query: string, from: number, to: number): number => {
  if (from === to || to - from > 16) return NaN
  let value = 0
  for (let at = from; at < to; at++) {
    const digit = query.charCodeAt(at) - 0x30
    if (!(digit >= 0 && digit <= 9)) return NaN
    value = value * 10 + digit
  }
  return Number.isSafeInteger(value) ? value : NaN
}

/** A part of a text, without making one of it: twelve of these take less than one such text. */
const is = (query: string, start: number, end: number, name: string): boolean =>
  end - start === name.length && query.startsWith(name, start)

const takeNumber = (fields: Fields, query: string, start: number, equals: number, end: number): boolean => {
  const from = equals + 1
  if (is(query, start, equals, "port")) {
    if (fields.port === UNSEEN) fields.port = integer(query, from, end)
  } else if (is(query, start, equals, "left")) {
    if (fields.left === UNSEEN) fields.left = integer(query, from, end)
  } else if (is(query, start, equals, "uploaded")) {
    if (fields.uploaded === UNSEEN) fields.uploaded = integer(query, from, end)
  } else if (is(query, start, equals, "downloaded")) {
    if (fields.downloaded === UNSEEN) fields.downloaded = integer(query, from, end)
  } else if (is(query, start, equals, "numwant")) {
    if (fields.numWant === UNSEEN) fields.numWant = integer(query, from, end)
  } else {
    return false
  }
  return true
}

const takeText = (fields: Fields, query: string, start: number, equals: number, end: number): void => {
  const text = (): string => Percent.decode(query.slice(equals + 1, end))
  if (is(query, start, equals, "event")) fields.event ??= text()
  else if (is(query, start, equals, "compact")) fields.compact ??= text()
  else if (is(query, start, equals, "no_peer_id")) fields.noPeerId ??= text()
  else if (is(query, start, equals, "ip")) fields.ip ??= text()
  else if (is(query, start, equals, "key")) fields.key ??= text()
}

const take = (fields: Fields, query: string, start: number, equals: number, end: number): void => {
  const from = equals + 1
  if (is(query, start, equals, "info_hash")) {
    if (fields.infoHash === undefined) fields.infoHash = twenty(query, from, end)
  } else if (is(query, start, equals, "peer_id")) {
    if (fields.peerId === undefined) fields.peerId = twenty(query, from, end)
  } else if (!takeNumber(fields, query, start, equals, end)) {
    takeText(fields, query, start, equals, end)
  }
}

/** One pass, however odd the text. */
export const read = (query: string): Fields => {
  const fields: Fields = {
    infoHash: undefined,
    peerId: undefined,
    port: UNSEEN,
    uploaded: UNSEEN,
    downloaded: UNSEEN,
    left: UNSEEN,
    numWant: UNSEEN,
    event: undefined,
    compact: undefined,
    noPeerId: undefined,
    ip: undefined,
    key: undefined
  }
  let equals = -1
  for (let start = 0, end = 0; start < query.length; start = end + 1) {
    end = query.indexOf("&", start)
    if (end < 0) end = query.length
    // Looked for once, however many parts have none: else a query of `&` alone would be walked again and again.
    if (equals < start) equals = query.indexOf("=", start)
    if (equals < 0) return fields
    if (equals > start && equals < end) take(fields, query, start, equals, end)
  }
  return fields
}
