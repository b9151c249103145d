/**
 * Asking a tracker over HTTP: the peer's question is the query of a URL, the tracker's answer a bencoded dictionary
 * (BEP 3), its peers packed (BEP 23, BEP 7) or as dictionaries. Info hashes and peer ids are raw bytes in the query, so
 * nothing here goes through the UTF-8 of ordinary URL tools. The tracker's side is HttpTrackerServer.
 */
import * as Result from "effect/Result"
import * as Bencode from "../Bencode.ts"
import * as Bytes from "../Bytes.ts"
import * as InfoHash from "../InfoHash.ts"
import * as PeerAddress from "../PeerAddress.ts"
import {
  type AnnounceReply,
  type AnnounceRequest,
  MAX_PEERS,
  MAX_TEXT,
  type Refusal,
  type Scraped,
  toText
} from "./Announce.ts"
import * as Percent from "./Percent.ts"

/** Bytes of one reply, after decompression. */
export const MAX_REPLY = 1024 * 1024

/** Info hashes asked about in one scrape: what makes a URL of less than 4 KiB. */
export const MAX_SCRAPE = 50

const LIMITS: Bencode.Limits = { maxBytes: MAX_REPLY, maxDepth: 16, maxTokens: 64 * 1024 }

type Field = Bencode.Closed | undefined

const withoutFragment = (url: string): string => url.replace(/#.*$/s, "")

/** The tracker's own query (a pass key, often) stays in front. */
const withQuery = (url: string, query: string): string =>
  url + (!url.includes("?") ? "?" : /[?&]$/.test(url) ? "" : "&") + query

const hashField = (infoHash: InfoHash.InfoHash): string =>
  `info_hash=${Percent.encode(Bytes.toLatin1(InfoHash.toBytes(infoHash)))}`

/**
 * The URL to get. A fragment goes. `url` is not checked: that it is http(s) and free of spaces and control characters
 * is for the caller to see to.
 */
export const announceUrl = (url: string, request: AnnounceRequest): string => {
  let query = hashField(request.infoHash)
  query += `&peer_id=${Percent.encode(request.peerId)}&port=${request.port}`
  query += `&uploaded=${request.uploaded}&downloaded=${request.downloaded}&left=${request.left}`
  query += `&compact=1&numwant=${request.numWant}&key=${request.key.toString(16).padStart(8, "0")}`
  if (request.event !== undefined) query += `&event=${request.event}`
  if (request.trackerId !== undefined) query += `&trackerid=${Percent.encode(request.trackerId)}`
  if (request.crypto !== undefined) query += request.crypto === "required" ? "&requirecrypto=1" : "&supportcrypto=1"
  return withQuery(withoutFragment(url), query)
}

/**
 * The URL of a scrape (BEP 48), `scrape` in the place of the `announce` that begins the last part of the announce URL's
 * path; `undefined` where there is none.
 */
export const scrapeUrl = (url: string, hashes: ReadonlyArray<InfoHash.InfoHash>): string | undefined => {
  const [, front, back] = /^([^?]*\/)announce([^/?]*(?:\?.*)?)$/s.exec(withoutFragment(url)) ?? []
  return front === undefined ? undefined : withQuery(`${front}scrape${back}`, hashes.map(hashField).join("&"))
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

const textOf = (field: Field): string | undefined => {
  const bytes = bytesOf(field)
  return bytes && toText(bytes)
}

/** An address as text, or as the 4 or 16 bytes of BEP 24. */
const hostOf = (field: Field): string | undefined => {
  const bytes = bytesOf(field)
  if (bytes === undefined || bytes.length > 64) return undefined
  if (bytes.length !== 4 && bytes.length !== 16) return PeerAddress.make(Bytes.toLatin1(bytes), 1)?.host
  return PeerAddress.hostOf(bytes)
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

const afterBlanks = (bytes: Uint8Array): Uint8Array => {
  let start = 0
  while (bytes[start]! <= 0x20) start++
  return bytes.subarray(start)
}

/**
 * Reads a reply. Fields that make no sense are left out one by one, since odd trackers are many; only something that
 * is no reply at all is an error, a line that says why.
 */
export const decodeReply = (bytes: Uint8Array): Result.Result<AnnounceReply | Refusal, string> => {
  const fields = Bencode.decodeClosed(afterBlanks(bytes), LIMITS)
  if (Result.isFailure(fields)) return Result.fail(fields.failure.message)
  const reply = fields.success
  if (reply.has("failure reason")) return Result.succeed(refusal(reply))
  return reply.has("interval") || reply.has("peers") || reply.has("peers6")
    ? Result.succeed(accepted(reply))
    : Result.fail("a dictionary with neither peers nor an interval")
}

const countIn = (value: Bencode.Value | undefined): number => Math.max(0, Bencode.integer(value) ?? 0)

const scrapedOf = (value: Bencode.Value): Scraped => {
  const fields = Bencode.pick(value, ["complete", "downloaded", "downloaders", "incomplete"])
  return {
    seeders: countIn(fields.complete),
    leechers: countIn(fields.incomplete),
    completed: countIn(fields.downloaded),
    downloaders: fields.downloaders && countIn(fields.downloaders)
  }
}

/** Reads the reply to a scrape (BEP 48), as far as it is about torrents that were asked about. */
export const decodeScrape = (
  bytes: Uint8Array,
  hashes: ReadonlyArray<InfoHash.InfoHash>
): Result.Result<ReadonlyMap<InfoHash.InfoHash, Scraped> | Refusal, string> => {
  const body = afterBlanks(bytes)
  const document = Bencode.read(body, LIMITS)
  if (Result.isFailure(document)) return Result.fail(document.failure.message)
  const fields = Bencode.pick(document.success, ["failure reason", "files"])
  if (fields["failure reason"] !== undefined) {
    return Result.mapBoth(Bencode.decodeClosed(body, LIMITS), {
      onSuccess: refusal,
      onFailure: (error) => error.message
    })
  }
  if (fields.files?.kind !== "Dictionary") return Result.fail("a dictionary without files")
  const asked = new Set(hashes)
  const found = new Map<InfoHash.InfoHash, Scraped>()
  for (const [key, value] of Bencode.entries(fields.files)) {
    if (key.length !== InfoHash.BYTES) continue
    const infoHash = InfoHash.fromBytes(key)
    if (asked.has(infoHash) && !found.has(infoHash)) found.set(infoHash, scrapedOf(value))
  }
  return Result.succeed(found)
}
