/**
 * What a peer says of itself in the handshake of extension messages (BEP 10): one bencoded dictionary, in which every field
 * may be absent.
 */
import * as Result from "effect/Result"
import * as Bencode from "../Bencode.ts"
import * as Bytes from "../Bytes.ts"
import { printable } from "../Printable.ts"

export interface ExtensionHandshake {
  /** `m`: the sender's numbers for the extensions that it speaks, 1 to 255 by name; 0 takes one back. */
  readonly messages: ReadonlyMap<string, number>
  /** `metadata_size`: bytes of the info dictionary (BEP 9); at least 1, and as large as the sender likes to say. */
  readonly metadataSize?: number | undefined
  /** `p`: the TCP port on which the sender listens. */
  readonly port?: number | undefined
  /** `v`: the client and its version, as it can be shown. */
  readonly version?: string | undefined
  /** `reqq`: requests that the sender holds without dropping any; at least 1. */
  readonly requestQueue?: number | undefined
  /** `yourip`: where the sender sees the receiver, 4 or 16 bytes. */
  readonly yourIp?: Uint8Array | undefined
  /** Other addresses of the sender, of 4 and 16 bytes. */
  readonly ipv4?: Uint8Array | undefined
  readonly ipv6?: Uint8Array | undefined
  /** `upload_only`: the sender wants nothing more (BEP 21). */
  readonly uploadOnly?: boolean | undefined
}

/** Far more than any client says; what is longer is not looked at. */
const LIMITS: Bencode.Limits = { maxBytes: 16_384, maxDepth: 8, maxTokens: 1024 }

/** Extensions of one peer that are kept, and the length of a name (bytes). */
export const MOST_MESSAGES = 64
const LONGEST_NAME = 64

/** Characters of a version that are kept. */
const LONGEST_VERSION = 64

const FIELDS = [
  "m",
  "metadata_size",
  "p",
  "v",
  "reqq",
  "yourip",
  "ipv4",
  "ipv6",
  "upload_only"
] as const

export const encode = (handshake: ExtensionHandshake): Uint8Array =>
  Bencode.encode({
    m: handshake.messages,
    metadata_size: handshake.metadataSize,
    p: handshake.port,
    v: handshake.version,
    reqq: handshake.requestQueue,
    yourip: handshake.yourIp,
    ipv4: handshake.ipv4,
    ipv6: handshake.ipv6,
    upload_only: handshake.uploadOnly === undefined ? undefined : Number(handshake.uploadOnly)
  })

/** Reads the dictionary at the start of `bytes`, and keeps nothing of them; `undefined` when there is none. */
export const decode = (bytes: Uint8Array): ExtensionHandshake | undefined => {
  const read = Bencode.read(bytes, LIMITS)
  if (Result.isFailure(read) || read.success.kind !== "Dictionary") return undefined
  const fields = Bencode.pick(read.success, FIELDS)
  const uploadOnly = Bencode.integer(fields.upload_only)
  return {
    messages: messagesOf(fields.m),
    metadataSize: within(Bencode.integer(fields.metadata_size), Number.MAX_SAFE_INTEGER),
    port: within(Bencode.integer(fields.p), 0xffff),
    version: versionOf(Bencode.bytes(fields.v)),
    requestQueue: within(Bencode.integer(fields.reqq), Number.MAX_SAFE_INTEGER),
    yourIp: hostOf(fields.yourip, 4, 16),
    ipv4: hostOf(fields.ipv4, 4),
    ipv6: hostOf(fields.ipv6, 16),
    uploadOnly: uploadOnly === undefined ? undefined : uploadOnly !== 0
  }
}

/** What is known of a peer after another handshake: what that says, and of the rest what was said before. */
export const merge = (before: ExtensionHandshake | undefined, after: ExtensionHandshake): ExtensionHandshake => {
  const messages = new Map(before?.messages)
  for (const [name, id] of after.messages) {
    if (id === 0) messages.delete(name)
    else if (messages.size < MOST_MESSAGES || messages.has(name)) messages.set(name, id)
  }
  return {
    messages,
    metadataSize: after.metadataSize ?? before?.metadataSize,
    port: after.port ?? before?.port,
    version: after.version ?? before?.version,
    requestQueue: after.requestQueue ?? before?.requestQueue,
    yourIp: after.yourIp ?? before?.yourIp,
    ipv4: after.ipv4 ?? before?.ipv4,
    ipv6: after.ipv6 ?? before?.ipv6,
    uploadOnly: after.uploadOnly ?? before?.uploadOnly
  }
}

const messagesOf = (field: Bencode.Value | undefined): ReadonlyMap<string, number> => {
  const messages = new Map<string, number>()
  for (const [key, value] of Bencode.entries(field)) {
    const id = Bencode.integer(value)
    if (id === undefined || id < 0 || id > 255 || key.length > LONGEST_NAME) continue
    if (messages.size === MOST_MESSAGES) break
    const name = Bytes.toLatin1(key)
    // Of a repeated key the first counts.
    if (!messages.has(name)) messages.set(name, id)
  }
  return messages
}

const within = (value: number | undefined, most: number): number | undefined =>
  value !== undefined && value >= 1 && value <= most ? value : undefined

/** The longest UTF-8 character has four bytes. */
const versionOf = (bytes: Uint8Array | undefined): string | undefined => {
  if (bytes === undefined || bytes.length === 0) return undefined
  const text = Bytes.toUtf8(bytes.subarray(0, 4 * LONGEST_VERSION))
  return printable(Array.from(text).slice(0, LONGEST_VERSION).join(""))
}

const hostOf = (field: Bencode.Value | undefined, ...lengths: ReadonlyArray<number>): Uint8Array | undefined => {
  const bytes = Bencode.bytes(field)
  return bytes !== undefined && lengths.includes(bytes.length) ? Uint8Array.from(bytes) : undefined
}
