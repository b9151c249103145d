/** Percent-encoding of raw bytes (RFC 3986), kept as latin1 text; ordinary URL tools take everything for UTF-8. */
import * as Bytes from "../Bytes.ts"

const UNRESERVED = /[A-Za-z0-9._~-]/

const PERCENT = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte)
  return UNRESERVED.test(character) ? character : `%${byte.toString(16).padStart(2, "0").toUpperCase()}`
})

/** Characters past U+00FF lose their high bits. */
export const encode = (latin1: string): string => {
  let out = ""
  for (let i = 0; i < latin1.length; i++) out += PERCENT[latin1.charCodeAt(i) & 0xff]
  return out
}

/** A broken escape stays as it is, and `+` is itself: it means a space in forms alone. */
export const decode = (text: string): string => {
  let out = ""
  let from = 0
  for (let at = text.indexOf("%"); at >= 0; at = text.indexOf("%", at + 1)) {
    const high = Bytes.hexDigit(text.charCodeAt(at + 1))
    const low = Bytes.hexDigit(text.charCodeAt(at + 2))
    if (high < 0 || low < 0) continue
    out += text.slice(from, at) + String.fromCharCode(high * 16 + low)
    from = at + 3
  }
  return out + text.slice(from)
}
