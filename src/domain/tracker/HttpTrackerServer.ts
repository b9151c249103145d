/**
 * The tracker's side of announces and scrapes over HTTP (BEP 3, 7, 21, 23, 24, 31, 48): queries read in one pass over
 * their raw text, replies written in one piece. What a peer asks with is written and read back in HttpTracker.
 */
import * as Result from "effect/Result"
import * as Bencode from "../Bencode.ts"
import * as Bytes from "../Bytes.ts"
import * as HostBytes from "../HostBytes.ts"
import * as InfoHash from "../InfoHash.ts"
import * as PeerAddress from "../PeerAddress.ts"
import * as PeerId from "../PeerId.ts"
import type { AnnounceRequest, Event, Scraped } from "./Announce.ts"
import type { Announcing, Role, Sample } from "./Announcing.ts"
import * as Percent from "./Percent.ts"

/** Info hashes answered in one scrape. */
export const MAX_SCRAPE = 64

/** What a peer asks, as far as a tracker cares. */
export interface AnnounceQuery extends Omit<AnnounceRequest, "key" | "left" | "numWant"> {
  /** `undefined` when the peer does not say. */
  readonly left: number | undefined
  readonly numWant: number | undefined
  /** Peers packed, BEP 23's advice unless the peer says `compact=0`. */
  readonly compact: boolean
  /** Dictionary peers may come without their ids. */
  readonly noPeerId: boolean
  /** The address that the peer claims; for whoever has a reason to believe it. */
  readonly ip: string | undefined
}

const PERCENT = 0x25
const UNSEEN = -1

/** Of each field the first counts, sense or nonsense: UNSEEN, then NaN for a number that is none. */
interface Draft {
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
  trackerId: string | undefined
  ip: string | undefined
}

const hexDigit = (code: number): number =>
  code >= 0x30 && code <= 0x39 ? code - 0x30 : (code | 32) >= 0x61 && (code | 32) <= 0x66 ? (code | 32) - 0x57 : -1

/** Twenty percent-encoded bytes. A broken escape stays as it is. */
const twenty = (query: string, from: number, to: number): Array<number> | null => {
  const out: Array<number> = []
  for (let at = from; at < to; at++) {
    if (out.length === 20) return null
    const code = query.charCodeAt(at)
    if (code === PERCENT && at + 2 < to) {
      const high = hexDigit(query.charCodeAt(at + 1))
      const low = hexDigit(query.charCodeAt(at + 2))
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

const take = (draft: Draft, query: string, start: number, equals: number, end: number): void => {
  const from = equals + 1
  const text = (): string => Percent.decode(query.slice(from, end))
  switch (query.slice(start, equals)) {
    case "info_hash":
      if (draft.infoHash === undefined) draft.infoHash = twenty(query, from, end)
      return
    case "peer_id":
      if (draft.peerId === undefined) draft.peerId = twenty(query, from, end)
      return
    case "port":
      if (draft.port === UNSEEN) draft.port = integer(query, from, end)
      return
    case "uploaded":
      if (draft.uploaded === UNSEEN) draft.uploaded = integer(query, from, end)
      return
    case "downloaded":
      if (draft.downloaded === UNSEEN) draft.downloaded = integer(query, from, end)
      return
    case "left":
      if (draft.left === UNSEEN) draft.left = integer(query, from, end)
      return
    case "numwant":
      if (draft.numWant === UNSEEN) draft.numWant = integer(query, from, end)
      return
    case "event":
      draft.event ??= text()
      return
    case "compact":
      draft.compact ??= text()
      return
    case "no_peer_id":
      draft.noPeerId ??= text()
      return
    case "trackerid":
      draft.trackerId ??= text()
      return
    case "ip":
      draft.ip ??= text()
  }
}

const known = (value: number): number | undefined => value >= 0 ? value : undefined

const eventOf = (text: string | undefined): Event | undefined =>
  text === "started" || text === "completed" || text === "stopped" || text === "paused" ? text : undefined

const fieldsOf = (query: string): Draft => {
  const draft: Draft = {
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
    trackerId: undefined,
    ip: undefined
  }
  let equals = -1
  for (let start = 0, end = 0; start < query.length; start = end + 1) {
    end = query.indexOf("&", start)
    if (end < 0) end = query.length
    // Looked for once, however many parts have none: else a query of `&` alone would be walked again and again.
    if (equals < start) equals = query.indexOf("=", start)
    if (equals < 0) return draft
    if (equals > start && equals < end) take(draft, query, start, equals, end)
  }
  return draft
}

/**
 * Reads the query of an announce, as it stood in the request line (without `?`). The failure is the `failure reason`
 * for the peer.
 */
export const parseAnnounce = (query: string): Result.Result<AnnounceQuery, string> => {
  const draft = fieldsOf(query)
  if (!draft.infoHash) return Result.fail("info_hash must be 20 bytes, percent-encoded")
  if (!draft.peerId) return Result.fail("peer_id must be 20 bytes, percent-encoded")
  if (!(draft.port >= 1 && draft.port <= 0xffff)) return Result.fail("port must be 1 to 65535")
  return Result.succeed({
    infoHash: Bytes.toHex(draft.infoHash) as InfoHash.InfoHash,
    peerId: String.fromCharCode(...draft.peerId) as PeerId.PeerId,
    port: draft.port,
    uploaded: known(draft.uploaded) ?? 0,
    downloaded: known(draft.downloaded) ?? 0,
    left: known(draft.left),
    event: eventOf(draft.event),
    numWant: known(draft.numWant),
    trackerId: draft.trackerId,
    compact: draft.compact !== "0",
    noPeerId: draft.noPeerId === "1",
    ip: draft.ip
  })
}

/** Bytes of {@link writeAddress} at most. */
export const MAX_COMPACT = 18

/**
 * Writes where the peer is, in the form of BEP 23 or BEP 7, and returns the length: 6 or 18, or 0 when `seen` is no
 * address. A peer is where its request was seen to come from. Only a program on the tracker's own machine, which others
 * could not reach at 127.0.0.1, is believed when it gives another address: else anyone could send a swarm to anyone.
 */
export const writeAddress = (
  seen: string,
  query: Pick<AnnounceQuery, "ip" | "port">,
  out: Uint8Array,
  at: number
): 0 | 6 | 18 => {
  let length = HostBytes.write(seen, out, at)
  if (length === 0) return 0
  if (query.ip !== undefined && HostBytes.isLoopback(out, at, length)) {
    length = HostBytes.write(query.ip, out, at) || HostBytes.write(seen, out, at)
  }
  Bytes.writeUint16(out, at + length, query.port)
  return length === 4 ? 6 : 18
}

/** The address of {@link writeAddress} as a value. */
export const addressOf = (
  seen: string,
  query: Pick<AnnounceQuery, "ip" | "port">
): PeerAddress.PeerAddress | undefined => {
  const compact = new Uint8Array(MAX_COMPACT)
  const length = writeAddress(seen, query, compact, 0)
  return PeerAddress.fromCompact(compact.subarray(0, length), length === 6 ? 4 : 6)[0]
}

export interface Bounds {
  /** Peers for those that do not say how many they want. */
  readonly numWant: number
  readonly maxNumWant: number
}

const roleOf = (query: AnnounceQuery): Role => query.left === 0 ? "seed" : query.event === "paused" ? "paused" : "leech"

/** What the table of swarms is told; `compact` is what {@link writeAddress} wrote. */
export const toAnnouncing = (query: AnnounceQuery, compact: Uint8Array, bounds: Bounds): Announcing => ({
  infoHash: query.infoHash,
  peerId: query.peerId,
  compact,
  role: roleOf(query),
  event: query.event,
  numWant: Math.min(query.numWant ?? bounds.numWant, bounds.maxNumWant),
  wants: "both",
  withIds: !query.compact && !query.noPeerId
})

/** The info hashes of a scrape (BEP 48); those of a wrong length are passed over. */
export const parseScrape = (query: string): Array<InfoHash.InfoHash> => {
  const out: Array<InfoHash.InfoHash> = []
  for (let start = 0, end = 0; start < query.length && out.length < MAX_SCRAPE; start = end + 1) {
    end = query.indexOf("&", start)
    if (end < 0) end = query.length
    const bytes = query.startsWith("info_hash=", start) ? twenty(query, start + 10, end) : null
    if (bytes !== null) out.push(Bytes.toHex(bytes) as InfoHash.InfoHash)
  }
  return out
}

export interface ServerReply extends Sample {
  readonly intervalMs: number
  /** Before this no announce is wanted; left out when `undefined`. */
  readonly minIntervalMs?: number | undefined
  /** Where the request came from (BEP 24), 4 or 16 bytes. */
  readonly externalIp: Uint8Array | undefined
}

const secondsOf = (milliseconds: number): number => Math.ceil(milliseconds / 1000)

const writeLatin1 = (text: string, out: Uint8Array, at: number): number => {
  for (let i = 0; i < text.length; i++) out[at + i] = text.charCodeAt(i)
  return at + text.length
}

/** By hand, since the general writer takes ten times as long, and this is nearly every answer of a tracker. */
const encodePacked = (reply: ServerReply): Uint8Array => {
  const { externalIp, minIntervalMs, peers4, peers6 } = reply
  let head = `d8:completei${reply.seeders}e10:downloadedi${reply.completed}e`
  if (externalIp !== undefined) head += `11:external ip${externalIp.length}:${Bytes.toLatin1(externalIp)}`
  head += `10:incompletei${reply.leechers}e8:intervali${secondsOf(reply.intervalMs)}e`
  if (minIntervalMs !== undefined) head += `12:min intervali${secondsOf(minIntervalMs)}e`
  head += `5:peers${peers4.length}:`
  const middle = peers6.length === 0 ? "e" : `6:peers6${peers6.length}:`
  const out = new Uint8Array(
    head.length + peers4.length + middle.length + (peers6.length === 0 ? 0 : peers6.length + 1)
  )
  let at = writeLatin1(head, out, 0)
  out.set(peers4, at)
  at = writeLatin1(middle, out, at + peers4.length)
  if (peers6.length > 0) {
    out.set(peers6, at)
    writeLatin1("e", out, at + peers6.length)
  }
  return out
}

const listed = (
  peers: Uint8Array,
  ids: Uint8Array | undefined,
  family: 4 | 6
): Array<{ readonly [key: string]: Bencode.Encodable | undefined }> => {
  const size = family === 4 ? 6 : 18
  return Array.from({ length: peers.length / size }, (_, i) => {
    const [address] = PeerAddress.fromCompact(peers.subarray(i * size, (i + 1) * size), family)
    return {
      ip: address?.host,
      "peer id": ids?.subarray(i * PeerId.BYTES, (i + 1) * PeerId.BYTES),
      port: address?.port
    }
  })
}

/** A reply in the form that the query asked for; with its ids where the sample has them. */
export const encodeReply = (reply: ServerReply, form: Pick<AnnounceQuery, "compact">): Uint8Array => {
  if (form.compact) return encodePacked(reply)
  return Bencode.encode({
    complete: reply.seeders,
    downloaded: reply.completed,
    "external ip": reply.externalIp,
    incomplete: reply.leechers,
    interval: secondsOf(reply.intervalMs),
    "min interval": reply.minIntervalMs === undefined ? undefined : secondsOf(reply.minIntervalMs),
    peers: [...listed(reply.peers4, reply.ids4, 4), ...listed(reply.peers6, reply.ids6, 6)]
  })
}

export interface FailureOptions {
  /** When to ask again (BEP 31), rounded up to minutes; `Infinity` for never. */
  readonly retryInMs?: number | undefined
}

/** A refusal; the HTTP status stays 200. */
export const encodeFailure = (reason: string, { retryInMs }: FailureOptions = {}): Uint8Array =>
  Bencode.encode({
    "failure reason": reason,
    "retry in": retryInMs === undefined
      ? undefined
      : retryInMs === Number.POSITIVE_INFINITY
      ? "never"
      : Math.max(1, Math.ceil(retryInMs / 60_000))
  })

/** A scrape reply (BEP 48, 21). */
export const encodeScrape = (files: ReadonlyMap<InfoHash.InfoHash, Scraped>): Uint8Array =>
  Bencode.encode({
    files: new Map(
      Array.from(files, ([infoHash, counts]) =>
        [InfoHash.toBytes(infoHash), {
          complete: counts.seeders,
          downloaded: counts.completed,
          downloaders: counts.downloaders,
          incomplete: counts.leechers
        }] as const)
    )
  })
