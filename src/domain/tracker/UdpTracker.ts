/**
 * Asking a tracker over UDP (BEP 15), with the path of its URL (BEP 41): packets written, replies read. A reply is
 * `undefined` when it does not answer the question: whoever waits goes on waiting. The tracker's side is
 * UdpTrackerServer.
 */
import * as Bytes from "../Bytes.ts"
import * as InfoHash from "../InfoHash.ts"
import * as PeerAddress from "../PeerAddress.ts"
import * as PeerId from "../PeerId.ts"
import {
  type AnnounceReply,
  type AnnounceRequest,
  type Event,
  MAX_PEERS,
  type Refusal,
  type Scraped,
  toText
} from "./Announce.ts"

export const CONNECT = 0
export const ANNOUNCE = 1
export const SCRAPE = 2
export const ERROR = 3

/** The magic number of a connect request, in two halves. */
export const PROTOCOL_HIGH = 0x417
export const PROTOCOL_LOW = 0x27101980

/** Bytes of an announce without options. */
export const ANNOUNCE_BYTES = 98

/** Bytes of the header of a request: connection id, action and transaction id. */
export const HEADER_BYTES = 16

/** Info hashes in one scrape, "up to about 74". */
export const MAX_SCRAPE = 74

/** The option of BEP 41 that we send. */
const URL_DATA = 2

/** The numbers of the events; `paused` has none. */
const EVENTS: { readonly [E in Event]: number } = { completed: 1, started: 2, stopped: 3, paused: 0 }

const MAX_OPTION = 255

const writeUint64 = (out: Uint8Array, at: number, value: number): void => {
  Bytes.writeUint32(out, at, Math.floor(value / 2 ** 32))
  Bytes.writeUint32(out, at + 4, value >>> 0)
}

const writeHeader = (out: Uint8Array, connectionId: Uint8Array, action: number, transaction: number): void => {
  out.set(connectionId)
  Bytes.writeUint32(out, 8, action)
  Bytes.writeUint32(out, 12, transaction)
}

/** Transaction ids are unsigned 32-bit numbers, drawn by chance for each question. */
export const encodeConnect = (transaction: number): Uint8Array => {
  const out = new Uint8Array(HEADER_BYTES)
  Bytes.writeUint32(out, 0, PROTOCOL_HIGH)
  Bytes.writeUint32(out, 4, PROTOCOL_LOW)
  Bytes.writeUint32(out, 8, CONNECT)
  Bytes.writeUint32(out, 12, transaction)
  return out
}

/** Path and query as options; none for none. */
const encodeUrlData = (urlData: string): Uint8Array => {
  const bytes = Bytes.fromUtf8(urlData)
  const parts: Array<Uint8Array> = []
  for (let at = 0; at < bytes.length; at += MAX_OPTION) {
    const part = bytes.subarray(at, at + MAX_OPTION)
    parts.push(Uint8Array.of(URL_DATA, part.length), part)
  }
  return Bytes.concat(parts)
}

/** @param urlData path and query of the announce URL, percent-encoded as there (BEP 41) */
export const encodeAnnounce = (
  connectionId: Uint8Array,
  transaction: number,
  request: AnnounceRequest,
  urlData: string
): Uint8Array => {
  const options = encodeUrlData(urlData)
  const out = new Uint8Array(ANNOUNCE_BYTES + options.length)
  writeHeader(out, connectionId, ANNOUNCE, transaction)
  out.set(InfoHash.toBytes(request.infoHash), 16)
  out.set(PeerId.toBytes(request.peerId), 36)
  writeUint64(out, 56, request.downloaded)
  writeUint64(out, 64, request.left)
  writeUint64(out, 72, request.uploaded)
  Bytes.writeUint32(out, 80, request.event === undefined ? 0 : EVENTS[request.event])
  Bytes.writeUint32(out, 88, request.key)
  Bytes.writeUint32(out, 92, request.numWant)
  Bytes.writeUint16(out, 96, request.port)
  out.set(options, ANNOUNCE_BYTES)
  return out
}

/** Asks about up to {@link MAX_SCRAPE} torrents. */
export const encodeScrape = (
  connectionId: Uint8Array,
  transaction: number,
  hashes: ReadonlyArray<InfoHash.InfoHash>
): Uint8Array => {
  const out = new Uint8Array(HEADER_BYTES + hashes.length * InfoHash.BYTES)
  writeHeader(out, connectionId, SCRAPE, transaction)
  hashes.forEach((infoHash, i) => out.set(InfoHash.toBytes(infoHash), HEADER_BYTES + i * InfoHash.BYTES))
  return out
}

const NO_REASON = "no reason given"

/** What opentracker sends about torrents that are not on its list. */
const EMPTY = "an empty reply; it may not serve this torrent"

const refused = (detail: string): Refusal => ({ _tag: "Refused", detail, retryInMs: undefined })

/**
 * Whether the packet answers this transaction with that action and at least so many bytes; a refusal when it answers
 * with an error or with less.
 */
const check = (bytes: Uint8Array, transaction: number, action: number, least: number): true | Refusal | undefined => {
  if (bytes.length < 8 || Bytes.readUint32(bytes, 4) !== transaction) return undefined
  const found = Bytes.readUint32(bytes, 0)
  if (found === ERROR) return refused(toText(bytes.subarray(8)) || NO_REASON)
  if (found !== action) return undefined
  return bytes.length >= least || refused(EMPTY)
}

/** The connection id, 8 bytes. */
export const decodeConnect = (bytes: Uint8Array, transaction: number): Uint8Array | Refusal | undefined => {
  const checked = check(bytes, transaction, CONNECT, 16)
  return checked === true ? Uint8Array.from(bytes.subarray(8, 16)) : checked
}

/** @param family of the socket, which decides the form of the peers */
export const decodeAnnounce = (
  bytes: Uint8Array,
  transaction: number,
  family: 4 | 6
): AnnounceReply | Refusal | undefined => {
  const checked = check(bytes, transaction, ANNOUNCE, 20)
  if (checked !== true) return checked
  const seconds = Bytes.readUint32(bytes, 8)
  return {
    peers: PeerAddress.fromCompact(bytes.subarray(20, 20 + MAX_PEERS * (family === 4 ? 6 : 18)), family),
    intervalMs: seconds > 0 ? seconds * 1000 : undefined,
    minIntervalMs: undefined,
    seeders: Bytes.readUint32(bytes, 16),
    leechers: Bytes.readUint32(bytes, 12),
    trackerId: undefined,
    warning: undefined,
    externalIp: undefined
  }
}

/** The counts in the order of the question; as many as fit when the reply is short. */
export const decodeScrape = (
  bytes: Uint8Array,
  transaction: number
): ReadonlyArray<Scraped> | Refusal | undefined => {
  const checked = check(bytes, transaction, SCRAPE, 8)
  if (checked !== true) return checked
  const out: Array<Scraped> = []
  for (let at = 8; at + 12 <= bytes.length && out.length < MAX_SCRAPE; at += 12) {
    out.push({
      seeders: Bytes.readUint32(bytes, at),
      completed: Bytes.readUint32(bytes, at + 4),
      leechers: Bytes.readUint32(bytes, at + 8),
      downloaders: undefined
    })
  }
  return out
}
