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
import type { Announcement } from "./Announcement.ts"
import type { Role, Sample } from "./Announcing.ts"
import * as QueryFields from "./QueryFields.ts"

/** Info hashes answered in one scrape. */
export const MAX_SCRAPE = 64

/** What a peer asks, as far as a tracker cares. */
export interface AnnounceQuery extends Pick<AnnounceRequest, "downloaded" | "event" | "port" | "uploaded"> {
  /** 20 bytes. */
  readonly infoHash: ReadonlyArray<number>
  readonly peerId: ReadonlyArray<number>
  /** `undefined` when the peer does not say. */
  readonly left: number | undefined
  readonly numWant: number | undefined
  /** Peers packed, BEP 23's advice unless the peer says `compact=0`. */
  readonly compact: boolean
  /** Dictionary peers may come without their ids. */
  readonly noPeerId: boolean
  /** The address that the peer claims; for whoever has a reason to believe it. */
  readonly ip: string | undefined
  /** See {@link keyOf}; 0 for none. */
  readonly key: number
}

const known = (value: number): number | undefined => value >= 0 ? value : undefined

const eventOf = (text: string | undefined): Event | undefined =>
  text === "started" || text === "completed" || text === "stopped" || text === "paused" ? text : undefined

/**
 * A key as the 32 bits that the same client sends over UDP, where it writes them in hexadecimal; of any other text a number
 * that is the same for the same text (FNV-1a), never 0.
 */
const keyOf = (text: string | undefined): number => {
  if (text === undefined || text === "") return 0
  if (/^[0-9a-f]{1,8}$/i.test(text)) return Number.parseInt(text, 16)
  let hash = 0x811c_9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193)
  return hash >>> 0 || 1
}

/**
 * Reads the query of an announce, as it stood in the request line (without `?`). The failure is the `failure reason`
 * for the peer.
 */
export const parseAnnounce = (query: string): Result.Result<AnnounceQuery, string> => {
  const fields = QueryFields.read(query)
  if (!fields.infoHash) return Result.fail("info_hash must be 20 bytes, percent-encoded")
  if (!fields.peerId) return Result.fail("peer_id must be 20 bytes, percent-encoded")
  if (!(fields.port >= 1 && fields.port <= 0xffff)) return Result.fail("port must be 1 to 65535")
  return Result.succeed({
    infoHash: fields.infoHash,
    peerId: fields.peerId,
    port: fields.port,
    uploaded: known(fields.uploaded) ?? 0,
    downloaded: known(fields.downloaded) ?? 0,
    left: known(fields.left),
    event: eventOf(fields.event),
    numWant: known(fields.numWant),
    compact: fields.compact !== "0",
    noPeerId: fields.noPeerId === "1",
    ip: fields.ip,
    key: keyOf(fields.key)
  })
}

/**
 * Writes where the peer is and returns the length: 4 or 16, or 0 when `seen` is no address. A peer is where its request was
 * seen to come from. Only a program on the tracker's own machine, which others could not reach at 127.0.0.1, is believed when
 * it gives another address: else anyone could send a swarm to anyone.
 *
 * @param out 16 bytes
 */
export const writeHost = (seen: string, ip: string | undefined, out: Uint8Array): 0 | 4 | 16 => {
  const length = HostBytes.write(seen, out, 0)
  if (length === 0 || ip === undefined || !HostBytes.isLoopback(out, 0, length)) return length
  const claimed = HostBytes.write(ip, out, 0)
  return claimed > 0 && HostBytes.isUnicast(out, 0, claimed) ? claimed : HostBytes.write(seen, out, 0)
}

export interface Bounds {
  /** Peers for those that do not say how many they want. */
  readonly numWant: number
  readonly maxNumWant: number
}

/** A partial seed says `paused` with every announce (BEP 21). */
const roleOf = (query: AnnounceQuery): Role => query.left === 0 ? "seed" : query.event === "paused" ? "paused" : "leech"

/** Fills in what the table of swarms is told. `host` is what {@link writeHost} wrote, of that length. */
export const fillIn = (
  out: Announcement,
  query: AnnounceQuery,
  host: Uint8Array,
  length: 4 | 16,
  bounds: Bounds
): void => {
  for (let i = 0; i < InfoHash.BYTES; i++) out.infoHash[i] = query.infoHash[i]!
  for (let i = 0; i < PeerId.BYTES; i++) out.peerId[i] = query.peerId[i]!
  out.setAddress(host, length, query.port)
  out.key = query.key
  out.role = roleOf(query)
  out.event = query.event
  out.numWant = Math.min(query.numWant ?? bounds.numWant, bounds.maxNumWant)
  out.wants = "both"
  out.withIds = !query.compact && !query.noPeerId
}

/** The info hashes of a scrape (BEP 48); those of a wrong length are passed over. */
export const parseScrape = (query: string): Array<InfoHash.InfoHash> => {
  const out: Array<InfoHash.InfoHash> = []
  for (let start = 0, end = 0; start < query.length && out.length < MAX_SCRAPE; start = end + 1) {
    end = query.indexOf("&", start)
    if (end < 0) end = query.length
    const bytes = query.startsWith("info_hash=", start) ? QueryFields.twenty(query, start + 10, end) : null
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

/** By hand, since the general writer takes ten times as long, and this is nearly every answer of a tracker. */
const encodePacked = (reply: ServerReply, latin1: (bytes: Uint8Array) => string): string => {
  const { completed, externalIp, leechers, minIntervalMs, peers4, peers6, seeders } = reply
  let ip = ""
  if (externalIp !== undefined) {
    ip = `11:external ip${externalIp.length}:`
    // One by one: V8 moves a small array out of its heap for whoever wants its memory.
    for (const byte of externalIp) ip += String.fromCharCode(byte)
  }
  const least = minIntervalMs === undefined ? "" : `12:min intervali${secondsOf(minIntervalMs)}e`
  const six = peers6.length === 0 ? "" : `6:peers6${peers6.length}:${latin1(peers6)}`
  const peers = peers4.length === 0 ? "" : latin1(peers4)
  const interval = secondsOf(reply.intervalMs)
  return `d8:completei${seeders}e10:downloadedi${completed}e${ip}10:incompletei${leechers}e8:intervali${interval}e${least}5:peers${peers4.length}:${peers}${six}e`
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

/**
 * A reply in the form that the query asked for; with its ids where the sample has them. Each character is a byte.
 *
 * @param latin1 a faster way to make such a text than plain JavaScript has
 */
export const encodeReply = (
  reply: ServerReply,
  form: Pick<AnnounceQuery, "compact">,
  latin1: (bytes: Uint8Array) => string = Bytes.toLatin1
): string => {
  if (form.compact) return encodePacked(reply, latin1)
  return latin1(Bencode.encode({
    complete: reply.seeders,
    downloaded: reply.completed,
    "external ip": reply.externalIp,
    incomplete: reply.leechers,
    interval: secondsOf(reply.intervalMs),
    "min interval": reply.minIntervalMs === undefined ? undefined : secondsOf(reply.minIntervalMs),
    peers: [...listed(reply.peers4, reply.ids4, 4), ...listed(reply.peers6, reply.ids6, 6)]
  }))
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
