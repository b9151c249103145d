/**
 * The tracker's side of BEP 15; options (BEP 41) are skipped. Requests are read where they lie; replies are written into a buffer of the
 * caller's, at an offset, and their length is returned. What a peer asks with is written in UdpTracker.
 *
 * Nothing is sent to an address that has not shown that it hears us: an announce or a scrape counts only when
 * ConnectionIds accepts the eight bytes it starts with, and what is sent before that (the reply to a connect) is no
 * larger than what it answers.
 */
import * as Bytes from "../Bytes.ts"
import * as HostBytes from "../HostBytes.ts"
import * as InfoHash from "../InfoHash.ts"
import * as PeerId from "../PeerId.ts"
import type { Event } from "./Announce.ts"
import type { Announcement } from "./Announcement.ts"
import type { Counts, Sample } from "./Announcing.ts"
import * as UdpTracker from "./UdpTracker.ts"

/** Bytes of one reply at most: what an Ethernet carries in one piece over IPv4, and over IPv6. */
const MAX_REPLY4 = 1472
const MAX_REPLY6 = 1452

/** Bytes that every reply fits into. */
export const MAX_REPLY = MAX_REPLY4

/** Peers that fit into one reply, by family. */
export const MAX_PEERS4 = Math.floor((MAX_REPLY4 - 20) / 6)
export const MAX_PEERS6 = Math.floor((MAX_REPLY6 - 20) / 18)

/** What a packet may be; anything else is not answered. */
export type Action = typeof UdpTracker.CONNECT | typeof UdpTracker.ANNOUNCE | typeof UdpTracker.SCRAPE

/** What the packet asks for, if it is whole and asks for anything; `undefined` deserves no answer. */
export const actionOf = (packet: Uint8Array): Action | undefined => {
  if (packet.length < UdpTracker.HEADER_BYTES) return undefined
  const action = Bytes.readUint32(packet, 8)
  switch (action) {
    case UdpTracker.ANNOUNCE:
      return packet.length >= UdpTracker.ANNOUNCE_BYTES ? action : undefined
    case UdpTracker.SCRAPE:
      return packet.length >= UdpTracker.HEADER_BYTES + InfoHash.BYTES ? action : undefined
    case UdpTracker.CONNECT:
      return Bytes.readUint32(packet, 0) === UdpTracker.PROTOCOL_HIGH &&
          Bytes.readUint32(packet, 4) === UdpTracker.PROTOCOL_LOW
        ? action
        : undefined
    default:
      return undefined
  }
}

/** Of a packet that {@link actionOf} has passed. */
export const transactionOf = (packet: Uint8Array): number => Bytes.readUint32(packet, 12)

const EVENTS: ReadonlyArray<Event | undefined> = [undefined, "completed", "started", "stopped"]

export interface Bounds {
  /** Peers for those that leave the number to us. */
  readonly numWant: number
  readonly maxNumWant: number
}

/** Where a packet may say another address of IPv4. */
const CLAIMED = 84

/** Over IPv4 from the tracker's own machine, which others could not reach at 127.0.0.1, and with another address. */
const claimsAnother = (packet: Uint8Array, host: Uint8Array, length: 4 | 16): boolean =>
  length === 4 && HostBytes.isLoopback(host, 0, 4) && HostBytes.isUnicast(packet, CLAIMED, 4)

/**
 * Reads an announce that {@link actionOf} has passed into `out`; false when it names port 0. Its peer is where it came from,
 * unless {@link claimsAnother}; the family of that decides the family of the answer.
 *
 * @param host the address that the packet came from, `length` bytes; an IPv4-mapped one is 4
 */
export const readAnnounce = (
  packet: Uint8Array,
  host: Uint8Array,
  length: 4 | 16,
  bounds: Bounds,
  out: Announcement
): boolean => {
  const port = Bytes.readUint16(packet, 96)
  if (port === 0) return false
  out.setAddress(host, length, port)
  if (claimsAnother(packet, host, length)) Bytes.writeUint32(out.compact, 0, Bytes.readUint32(packet, CLAIMED))
  for (let i = 0; i < InfoHash.BYTES; i++) out.infoHash[i] = packet[16 + i]!
  for (let i = 0; i < PeerId.BYTES; i++) out.peerId[i] = packet[36 + i]!
  const wanted = Bytes.readUint32(packet, 92) | 0
  const left = Bytes.readUint32(packet, 64) | Bytes.readUint32(packet, 68)
  out.role = left === 0 ? "seed" : "leech"
  out.key = Bytes.readUint32(packet, 88)
  out.event = EVENTS[Bytes.readUint32(packet, 80)]
  out.numWant = Math.min(
    wanted < 0 ? bounds.numWant : wanted,
    bounds.maxNumWant,
    length === 4 ? MAX_PEERS4 : MAX_PEERS6
  )
  out.wants = length === 4 ? "v4" : "v6"
  out.withIds = false
  return true
}

/** The info hashes of a scrape that {@link actionOf} has passed, in order; a fragment at the end is left out. */
export const readScrape = (packet: Uint8Array): Array<InfoHash.InfoHash> => {
  const out: Array<InfoHash.InfoHash> = []
  for (
    let at = UdpTracker.HEADER_BYTES;
    at + InfoHash.BYTES <= packet.length && out.length < UdpTracker.MAX_SCRAPE;
    at += InfoHash.BYTES
  ) out.push(InfoHash.read(packet, at))
  return out
}

const writeHeader = (out: Uint8Array, at: number, action: number, transaction: number): void => {
  Bytes.writeUint32(out, at, action)
  Bytes.writeUint32(out, at + 4, transaction)
}

/** Writes the reply to a connect but for its last 8 bytes, the id, which ConnectionIds writes at `at + 8`. */
export const writeConnect = (out: Uint8Array, at: number, transaction: number): 16 => {
  writeHeader(out, at, UdpTracker.CONNECT, transaction)
  return 16
}

/** Writes the reply to an announce, with as many peers as fit. */
export const writeAnnounce = (
  out: Uint8Array,
  at: number,
  transaction: number,
  sample: Sample,
  family: 4 | 6,
  intervalMs: number
): number => {
  const peers = family === 4 ? sample.peers4 : sample.peers6
  const length = Math.min(peers.length, family === 4 ? MAX_PEERS4 * 6 : MAX_PEERS6 * 18)
  writeHeader(out, at, UdpTracker.ANNOUNCE, transaction)
  Bytes.writeUint32(out, at + 8, Math.ceil(intervalMs / 1000))
  Bytes.writeUint32(out, at + 12, sample.leechers)
  Bytes.writeUint32(out, at + 16, sample.seeders)
  out.set(length === peers.length ? peers : peers.subarray(0, length), at + 20)
  return 20 + length
}

/** Writes the reply to a scrape; `counts` in the order of the question. */
export const writeScrape = (
  out: Uint8Array,
  at: number,
  transaction: number,
  counts: ReadonlyArray<Pick<Counts, "seeders" | "completed" | "leechers">>
): number => {
  writeHeader(out, at, UdpTracker.SCRAPE, transaction)
  const shown = Math.min(counts.length, UdpTracker.MAX_SCRAPE)
  for (let i = 0; i < shown; i++) {
    const to = at + 8 + 12 * i
    Bytes.writeUint32(out, to, counts[i]!.seeders)
    Bytes.writeUint32(out, to + 4, counts[i]!.completed)
    Bytes.writeUint32(out, to + 8, counts[i]!.leechers)
  }
  return 8 + 12 * shown
}

/**
 * Writes a refusal, cut so that it is no larger than the request.
 *
 * @param requestBytes length of the packet that is refused
 */
export const writeError = (
  out: Uint8Array,
  at: number,
  transaction: number,
  reason: string,
  requestBytes: number
): number => {
  const message = Bytes.fromUtf8(reason).subarray(0, Math.max(0, Math.min(requestBytes, MAX_REPLY) - 8))
  writeHeader(out, at, UdpTracker.ERROR, transaction)
  out.set(message, at + 8)
  return 8 + message.length
}
