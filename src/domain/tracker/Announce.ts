/** What a peer tells a tracker and what it hears back (BEP 3), whatever the protocol between them. */
import * as Bytes from "../Bytes.ts"
import type * as InfoHash from "../InfoHash.ts"
import type * as PeerAddress from "../PeerAddress.ts"
import type * as PeerId from "../PeerId.ts"

/** `paused` is said by a partial seed with every announce (BEP 21). */
export type Event = "started" | "completed" | "stopped" | "paused"

/** Peers kept of one reply; the largest trackers send 200. */
export const MAX_PEERS = 1000

/** Characters of one of a tracker's texts. */
export const MAX_TEXT = 200

export interface AnnounceRequest {
  readonly infoHash: InfoHash.InfoHash
  readonly peerId: PeerId.PeerId
  /** Where we accept peers, 1 to 65535. */
  readonly port: number
  /** Bytes sent to peers since `started`. */
  readonly uploaded: number
  readonly downloaded: number
  /** Bytes that are still missing; 0 makes us a seed. */
  readonly left: number
  /** `undefined` for the regular announce. */
  readonly event: Event | undefined
  /** How many peers we would like; 0 for none. */
  readonly numWant: number
  /** An unsigned 32-bit secret by which the tracker knows us again when our address has changed. */
  readonly key: number
  /** What this tracker's last reply gave as its id, to be sent back: opaque bytes as latin1 text. */
  readonly trackerId: string | undefined
  /** Whether we can encrypt, or speak with nobody who cannot: over HTTP, to trackers that sort peers by it. */
  readonly crypto?: "supported" | "required" | undefined
}

export interface AnnounceReply {
  readonly peers: ReadonlyArray<PeerAddress.PeerAddress>
  /** As the tracker says, above zero but otherwise unchecked; `undefined` when it says nothing usable. */
  readonly intervalMs: number | undefined
  /** The tracker wants no announce before this time; `undefined` when it does not say. */
  readonly minIntervalMs: number | undefined
  readonly seeders: number | undefined
  readonly leechers: number | undefined
  readonly trackerId: string | undefined
  /** Something the user should read, printable and short. */
  readonly warning: string | undefined
  /** Our address as the tracker sees it (BEP 24). */
  readonly externalIp: string | undefined
}

/** A tracker's "no". */
export interface Refusal {
  readonly _tag: "Refused"
  /** Printable and short. */
  readonly detail: string
  /** When to ask again (BEP 31); `Infinity` for never, `undefined` when the tracker does not say. */
  readonly retryInMs: number | undefined
}

/** What a scrape tells of one torrent (BEP 48). */
export interface Scraped {
  readonly seeders: number
  /** Peers with pieces missing, partial seeds among them. */
  readonly leechers: number
  /** How many peers have finished there. */
  readonly completed: number
  /** Leeches that are no partial seeds (BEP 21); `undefined` when the tracker does not tell them apart. */
  readonly downloaders: number | undefined
}

/** A tracker's text as it may be shown on a terminal: no control or direction characters, one short line. */
export const toText = (bytes: Uint8Array): string =>
  Bytes.toUtf8(bytes.subarray(0, 4 * MAX_TEXT))
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ")
    .trim()
    .slice(0, MAX_TEXT)
