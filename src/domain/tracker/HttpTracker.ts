/**
 * Announces over HTTP, both sides: the peer's question is the query of a URL, the tracker's answer a bencoded
 * dictionary (BEP 3), its peers packed (BEP 23, BEP 7) or as dictionaries. Info hashes and peer ids are raw bytes in the
 * query, so nothing here goes through the UTF-8 of ordinary URL tools.
 */
import * as Result from "effect/Result"
import * as Bencode from "../Bencode.ts"
import * as Bytes from "../Bytes.ts"
import * as InfoHash from "../InfoHash.ts"
import * as PeerAddress from "../PeerAddress.ts"
import * as PeerId from "../PeerId.ts"
import type { AnnounceReply, AnnounceRequest, Event, Refusal } from "./Announce.ts"
import type { Counts, Sample } from "./Announcing.ts"
import * as Percent from "./Percent.ts"

/** Peers kept of one reply; the largest trackers send 200. */
export const MAX_PEERS = 1000

/** Bytes of one reply, after decompression. */
export const MAX_REPLY = 1024 * 1024

/** Info hashes answered in one scrape. */
export const MAX_SCRAPE = 64

const LIMITS: Bencode.Limits = { maxBytes: MAX_REPLY, maxDepth: 16, maxTokens: 64 * 1024 }

const MAX_TEXT = 200

type Field = Bencode.Closed | undefined

/**
 * The URL to get. The tracker's own query (a pass key, often) stays in front; a fragment goes. `url` is not checked:
 * that it is http(s) and free of spaces and control characters is for the caller to see to.
 */
export const announceUrl = (url: string, request: AnnounceRequest): string => {
  const base = url.replace(/#.*$/s, "")
  const joint = !base.includes("?") ? "?" : /[?&]$/.test(base) ? "" : "&"
  let query = `info_hash=${Percent.encode(Bytes.toLatin1(InfoHash.toBytes(request.infoHash)))}`
  query += `&peer_id=${Percent.encode(request.peerId)}&port=${request.port}`
  query += `&uploaded=${request.uploaded}&downloaded=${request.downloaded}&left=${request.left}`
  query += `&compact=1&numwant=${request.numWant}&key=${request.key.toString(16).padStart(8, "0")}`
  if (request.event !== undefined) query += `&event=${request.event}`
  if (request.trackerId !== undefined) query += `&trackerid=${Percent.encode(request.trackerId)}`
  return base + joint + query
}

const bytesOf = (field: Field): Uint8Array | undefined => ArrayBuffer.isView(field) ? field : undefined

const latin1Of = (field: Field): string | undefined => {
  const bytes = bytesOf(field)
  return bytes && Bytes.toLatin1(bytes)
}

/** Some trackers write their numbers as strings. */
const integerOf = (field: Field): number | undefined => {
  if (typeof field === "number") return field
  const text = latin1Of(field)
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

const countOf = (field: Field): number | undefined => {
  const count = integerOf(field)
  return count !== undefined && count >= 0 ? count : undefined
}

const secondsOf = (field: Field): number | undefined => {
  const seconds = integerOf(field)
  return seconds !== undefined && seconds > 0 ? seconds * 1000 : undefined
}

/** Text that ends up on a terminal: no control or direction characters, one short line. */
const textOf = (field: Field): string | undefined => {
  const bytes = bytesOf(field)
  if (bytes === undefined) return undefined
  const text = Bytes.toUtf8(bytes.subarray(0, 4 * MAX_TEXT)).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ").trim()
  return text.slice(0, MAX_TEXT)
}

/** An address as text, or as the 4 or 16 bytes of BEP 24. */
const hostOf = (field: Field): string | undefined => {
  const bytes = bytesOf(field)
  if (bytes === undefined || bytes.length > 64) return undefined
  if (bytes.length !== 4 && bytes.length !== 16) return PeerAddress.make(Bytes.toLatin1(bytes), 1)?.host
  return PeerAddress.fromCompact(Bytes.concat([bytes, Uint8Array.of(0, 1)]), bytes.length === 4 ? 4 : 6)[0]?.host
}

const isDictionary = (field: Field): field is Bencode.ClosedDictionary => field instanceof Map

/** Names are left out: looking up whatever a tracker says would be a favour to whoever wants a host asked. */
const fromDictionaries = (list: ReadonlyArray<Bencode.Closed>): Array<PeerAddress.PeerAddress> => {
  const out: Array<PeerAddress.PeerAddress> = []
  for (const item of list) {
    if (out.length === MAX_PEERS) break
    if (!isDictionary(item)) continue
    const host = latin1Of(item.get("ip"))
    const port = integerOf(item.get("port"))
    const address = host === undefined || host.length > 64 || port === undefined
      ? undefined
      : PeerAddress.make(host, port)
    if (address !== undefined) out.push(address)
  }
  return out
}

const peersOf = (field: Field, family: 4 | 6): Array<PeerAddress.PeerAddress> => {
  const bytes = bytesOf(field)
  if (bytes !== undefined) {
    return PeerAddress.fromCompact(bytes.subarray(0, MAX_PEERS * (family === 4 ? 6 : 18)), family)
  }
  return Array.isArray(field) ? fromDictionaries(field) : []
}

/** BEP 31: minutes, or the word `never`. */
const retryInMs = (field: Field): number | undefined => {
  if (latin1Of(field) === "never") return Number.POSITIVE_INFINITY
  const minutes = countOf(field)
  return minutes === undefined ? undefined : minutes * 60_000
}

const refusal = (fields: Bencode.ClosedDictionary): Refusal => ({
  _tag: "Refused",
  detail: textOf(fields.get("failure reason")) || "no reason given",
  retryInMs: retryInMs(fields.get("retry in"))
})

const accepted = (fields: Bencode.ClosedDictionary): AnnounceReply => ({
  peers: [...peersOf(fields.get("peers"), 4), ...peersOf(fields.get("peers6"), 6)].slice(0, MAX_PEERS),
  intervalMs: secondsOf(fields.get("interval")),
  minIntervalMs: secondsOf(fields.get("min interval")),
  seeders: countOf(fields.get("complete")),
  leechers: countOf(fields.get("incomplete")),
  trackerId: latin1Of(fields.get("tracker id"))?.slice(0, MAX_TEXT),
  warning: textOf(fields.get("warning message")) || undefined,
  externalIp: hostOf(fields.get("external ip"))
})

/**
 * Reads a reply. Fields that make no sense are left out one by one, since odd trackers are many; only something that
 * is no reply at all is an error, a line that says why.
 */
export const decodeReply = (bytes: Uint8Array): Result.Result<AnnounceReply | Refusal, string> => {
  let start = 0
  while (bytes[start]! <= 0x20) start++
  const fields = Bencode.decodeClosed(bytes.subarray(start), LIMITS)
  if (Result.isFailure(fields)) return Result.fail(fields.failure.message)
  const reply = fields.success
  if (reply.has("failure reason")) return Result.succeed(refusal(reply))
  return reply.has("interval") || reply.has("peers") || reply.has("peers6")
    ? Result.succeed(accepted(reply))
    : Result.fail("a dictionary with neither peers nor an interval")
}

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

const valuesOf = (query: string, name: string): Array<string> => {
  const prefix = `${name}=`
  const out: Array<string> = []
  for (const part of query.split("&")) if (part.startsWith(prefix)) out.push(Percent.decode(part.slice(prefix.length)))
  return out
}

/** The first value of each name. */
const fieldsOf = (query: string): Map<string, string> => {
  const fields = new Map<string, string>()
  for (const part of query.split("&")) {
    const equals = part.indexOf("=")
    if (equals < 1) continue
    const name = part.slice(0, equals)
    if (!fields.has(name)) fields.set(name, Percent.decode(part.slice(equals + 1)))
  }
  return fields
}

const numberOf = (text: string | undefined): number | undefined => {
  const value = text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : undefined
  return value !== undefined && Number.isSafeInteger(value) ? value : undefined
}

const isEvent = (text: string | undefined): text is Event =>
  text === "started" || text === "completed" || text === "stopped"

/**
 * Reads the query of an announce, as it stood in the request line (without `?`). The failure is the `failure reason`
 * for the peer.
 */
export const parseAnnounce = (query: string): Result.Result<AnnounceQuery, string> => {
  const fields = fieldsOf(query)
  const infoHash = fields.get("info_hash")
  const peerId = fields.get("peer_id")
  const port = numberOf(fields.get("port"))
  if (infoHash?.length !== InfoHash.BYTES) return Result.fail("info_hash must be 20 bytes, percent-encoded")
  if (peerId?.length !== PeerId.BYTES) return Result.fail("peer_id must be 20 bytes, percent-encoded")
  if (port === undefined || port < 1 || port > 0xffff) return Result.fail("port must be 1 to 65535")
  const event = fields.get("event")
  return Result.succeed({
    infoHash: InfoHash.fromBytes(Bytes.fromLatin1(infoHash)),
    peerId: PeerId.fromBytes(Bytes.fromLatin1(peerId)),
    port,
    uploaded: numberOf(fields.get("uploaded")) ?? 0,
    downloaded: numberOf(fields.get("downloaded")) ?? 0,
    left: numberOf(fields.get("left")),
    event: isEvent(event) ? event : undefined,
    numWant: numberOf(fields.get("numwant")),
    trackerId: fields.get("trackerid"),
    compact: fields.get("compact") !== "0",
    noPeerId: fields.get("no_peer_id") === "1",
    ip: fields.get("ip")
  })
}

const isLoopback = (host: string): boolean => host === "::1" || host.startsWith("127.")

/**
 * A peer is where its request was seen to come from. Only a program on the tracker's own machine, which others could
 * not reach at 127.0.0.1, is believed when it gives another address: else anyone could send a swarm to anyone.
 */
export const addressOf = (
  seen: string,
  query: Pick<AnnounceQuery, "ip" | "port">
): PeerAddress.PeerAddress | undefined => {
  const source = PeerAddress.make(seen, query.port)
  const isLocal = source !== undefined && isLoopback(source.host)
  return (isLocal && query.ip !== undefined ? PeerAddress.make(query.ip, query.port) : undefined) ?? source
}

/** The info hashes of a scrape (BEP 48); those of a wrong length are passed over. */
export const parseScrape = (query: string): Array<InfoHash.InfoHash> =>
  valuesOf(query, "info_hash")
    .filter((text) => text.length === InfoHash.BYTES)
    .slice(0, MAX_SCRAPE)
    .map((text) => InfoHash.fromBytes(Bytes.fromLatin1(text)))

export interface ServerReply extends Sample {
  readonly intervalMs: number
  /** Where the request came from (BEP 24), 4 or 16 bytes. */
  readonly externalIp: Uint8Array | undefined
}

const listed = (
  { host, port }: PeerAddress.PeerAddress,
  id: Uint8Array | undefined
): { readonly [key: string]: Bencode.Encodable | undefined } => ({ ip: host, "peer id": id, port })

const listedFrom = (peers: Uint8Array, ids: Uint8Array | undefined, family: 4 | 6) =>
  PeerAddress.fromCompact(peers, family).map((address, index) =>
    listed(address, ids?.subarray(PeerId.BYTES * index, PeerId.BYTES * (index + 1)))
  )

/** A reply in the form that the query asked for. */
export const encodeReply = (
  reply: ServerReply,
  form: Pick<AnnounceQuery, "compact">
): Uint8Array => {
  const { ids4, ids6, peers4, peers6 } = reply
  return Bencode.encode({
    complete: reply.seeders,
    downloaded: reply.completed,
    "external ip": reply.externalIp,
    incomplete: reply.leechers,
    interval: Math.ceil(reply.intervalMs / 1000),
    peers: form.compact ? peers4 : [...listedFrom(peers4, ids4, 4), ...listedFrom(peers6, ids6, 6)],
    peers6: !form.compact || peers6.length === 0 ? undefined : peers6
  })
}

/** A refusal; the HTTP status stays 200. */
export const encodeFailure = (reason: string): Uint8Array => Bencode.encode({ "failure reason": reason })

/** A scrape reply (BEP 48). */
export const encodeScrape = (
  files: ReadonlyMap<
    InfoHash.InfoHash,
    Pick<Counts, "completed" | "leechers" | "seeders">
  >
): Uint8Array =>
  Bencode.encode({
    files: new Map(
      Array.from(files, ([infoHash, counts]) =>
        [InfoHash.toBytes(infoHash), {
          complete: counts.seeders,
          downloaded: counts.completed,
          incomplete: counts.leechers
        }] as const)
    )
  })
