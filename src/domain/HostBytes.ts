/**
 * The bytes of an IP address, straight from the text that the system gives for the source of a packet: a tracker reads
 * more than a hundred thousand of them a second.
 */
import * as Bytes from "./Bytes.ts"

/** Bytes of an address at most. */
export const MAX_BYTES = 16

const DOT = 0x2e
const COLON = 0x3a

/** Four numbers and the dots between them, from `from` to `end`. */
const write4 = (text: string, from: number, end: number, out: Uint8Array, at: number): boolean => {
  let part = 0
  let digits = 0
  let value = 0
  for (let i = from; i < end; i++) {
    const code = text.charCodeAt(i)
    if (code === DOT) {
      if (digits === 0 || part === 3) return false
      out[at + part++] = value
      digits = 0
      value = 0
    } else {
      if (code < 0x30 || code > 0x39 || digits === 3 || (digits > 0 && value === 0)) return false
      value = value * 10 + code - 0x30
      if (value > 255) return false
      digits++
    }
  }
  out[at + part] = value
  return part === 3 && digits > 0
}

/** Moves what came after `::` to the end. */
const stretch = (out: Uint8Array, at: number, gap: number, length: number): void => {
  const moved = length - gap
  out.copyWithin(at + 16 - moved, at + gap, at + length)
  out.fill(0, at + gap, at + 16 - moved)
}

const write6 = (text: string, end: number, out: Uint8Array, at: number): boolean => {
  let length = 0
  let gap = -1
  let i = 0
  if (text.startsWith("::")) {
    gap = 0
    i = 2
  }
  while (i < end) {
    const start = i
    let value = 0
    for (let digit; i < end && i - start < 4 && (digit = Bytes.hexDigit(text.charCodeAt(i))) >= 0; i++) {
      value = value * 16 + digit
    }
    if (i < end && text.charCodeAt(i) === DOT) {
      if (length > 12 || !write4(text, start, end, out, at + length)) return false
      length += 4
      break
    }
    if (i === start || length > 14) return false
    out[at + length] = value >>> 8
    out[at + length + 1] = value
    length += 2
    if (i === end) break
    if (text.charCodeAt(i++) !== COLON || i === end) return false
    if (text.charCodeAt(i) === COLON) {
      if (gap >= 0) return false
      gap = length
      i++
    }
  }
  if (gap < 0) return length === 16
  if (length > 14) return false
  stretch(out, at, gap, length)
  return true
}

const isMapped = (bytes: Uint8Array, at: number): boolean => {
  for (let i = 0; i < 10; i++) if (bytes[at + i] !== 0) return false
  return bytes[at + 10] === 0xff && bytes[at + 11] === 0xff
}

/**
 * Writes the address into 16 bytes at `at` and returns how many count: 4, 16, or 0 for a text that is no address. An
 * IPv4-mapped address is IPv4; a zone is left out.
 */
export const write = (text: string, out: Uint8Array, at: number): 0 | 4 | 16 => {
  if (text.length > 64) return 0
  if (!text.includes(":")) return write4(text, 0, text.length, out, at) ? 4 : 0
  const zone = text.indexOf("%")
  if (!write6(text, zone < 0 ? text.length : zone, out, at)) return 0
  if (!isMapped(out, at)) return 16
  out.copyWithin(at, at + 12, at + 16)
  return 4
}

/** 127.0.0.0/8 or ::1, of 4 or 16 bytes at `at`. */
export const isLoopback = (bytes: Uint8Array, at: number, length: number): boolean => {
  if (length === 4) return bytes[at] === 127
  for (let i = 0; i < 15; i++) if (bytes[at + i] !== 0) return false
  return bytes[at + 15] === 1
}

/** Whether a single host can be there: neither the unspecified address, nor a group of hosts, nor all of them. */
export const isUnicast = (bytes: Uint8Array, at: number, length: number): boolean => {
  if (length === 4) return bytes[at]! > 0 && bytes[at]! < 224
  if (bytes[at] === 0xff) return false
  for (let i = 0; i < 16; i++) if (bytes[at + i] !== 0) return true
  return false
}
