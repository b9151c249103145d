/** What a web server's answer to a request for a range of a file is worth (RFC 9110). */
import * as Trouble from "./Trouble.ts"

/** The range that was asked for, and the file that it is of; bytes. */
export interface Range {
  readonly position: number
  readonly length: number
  readonly fileLength: number
}

export interface Head {
  readonly status: number
  readonly header: (name: string) => string | undefined
}

/** The body is of use: after `skip` bytes of it come `length` of the range. */
export interface Usable {
  readonly _tag: "Usable"
  readonly skip: number
  readonly length: number
  /** Bytes of the body when it is all read. */
  readonly body: number
}

/** A server that sends whole files is of use where so many bytes at the most are read in vain. */
const CHEAP = 1 << 20

/** `bytes=0-99`, what a request has in its `Range`. */
export const rangeHeader = ({ length, position }: Range): string => `bytes=${position}-${position + length - 1}`

const CONTENT_RANGE = /^bytes\s+(\d{1,16})-(\d{1,16})\/(\d{1,16}|\*)$/i

/**
 * @param now Unix time in ms, for a Retry-After that is a date
 */
export const judge = (head: Head, range: Range, now: number): Usable | Trouble.Trouble => {
  const { header, status } = head
  if (status !== 206 && status !== 200) return ofStatus(head, now)
  const coding = header("content-encoding")?.trim().toLowerCase() ?? "identity"
  if (coding !== "identity" && coding !== "") return Trouble.file("sends it compressed, though asked not to")
  return status === 206 ? partial(head, range) : whole(head, range)
}

const lengthOf = ({ header }: Head): number | undefined => {
  const text = header("content-length")
  return text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : undefined
}

const otherLength = (length: number, range: Range): Trouble.Trouble =>
  Trouble.file(`has a file of ${length} bytes there, not ${range.fileLength}`)

const partial = (head: Head, range: Range): Usable | Trouble.Trouble => {
  const match = CONTENT_RANGE.exec(head.header("content-range")?.trim() ?? "")
  if (match === null) return Trouble.file("does not say which bytes it sends")
  const [first, last] = [Number(match[1]), Number(match[2])]
  if (match[3] !== "*" && Number(match[3]) !== range.fileLength) return otherLength(Number(match[3]), range)
  const length = last - first + 1
  // RFC 9110, 15.3.7: less than was asked for is allowed, and the rest is asked for again.
  if (first !== range.position || length < 1 || length > range.length) {
    return Trouble.file("sends other bytes than were asked for")
  }
  const said = lengthOf(head)
  if (said !== undefined && said !== length) return Trouble.file("contradicts itself about how much it sends")
  return { _tag: "Usable", skip: 0, length, body: length }
}

const whole = (head: Head, range: Range): Usable | Trouble.Trouble => {
  const { fileLength, length, position } = range
  const said = lengthOf(head)
  if (said !== undefined && said !== fileLength) return otherLength(said, range)
  if (fileLength - length > CHEAP) return Trouble.drop("sends whole files where a range is asked for")
  return { _tag: "Usable", skip: position, length, body: fileLength }
}

/** Refusals of the moment, though their numbers begin with 4 (RFC 9110, 6585, 8470). */
const PASSING = new Set([408, 421, 425, 429])

const ofStatus = ({ header, status }: Head, now: number): Trouble.Trouble => {
  if (status === 401 || status === 407) return Trouble.drop(`wants another user or password (HTTP ${status})`)
  if (status === 404 || status === 410) return Trouble.file(`has no such file (HTTP ${status})`)
  if (status === 403 || status === 451) return Trouble.file(`does not give it out (HTTP ${status})`)
  if (status === 416) return Trouble.file("has a shorter file there (HTTP 416)")
  if (status >= 500 || PASSING.has(status)) {
    const busy = status === 429 || status === 503 ? "is busy" : "has failed"
    return Trouble.rest(`${busy} (HTTP ${status})`, retryAfter(header("retry-after"), now))
  }
  return Trouble.file(`answers with HTTP ${status}`)
}

/** ms from `now` on; seconds or a date in the header (RFC 9110, 10.2.3). */
export const retryAfter = (text: string | undefined, now: number): number | undefined => {
  const trimmed = text?.trim() ?? ""
  if (/^\d{1,9}$/.test(trimmed)) return Number(trimmed) * 1000
  // An HTTP date has letters; `Date.parse` would take numbers for years.
  const date = /^[A-Za-z]{3,9},? /.test(trimmed) ? Date.parse(trimmed) : NaN
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
