/**
 * The peers that a torrent has met, as bytes beside its resume record: what a later run dials before any tracker has answered.
 *
 * ```
 * 0   "freshprs"            8 bytes
 * 8   format                uint32: 1; all integers big-endian
 * 12  info hash             20 bytes
 * 32  origin                8 bytes
 * 40  peers                 uint32
 * 44  each peer             32 bytes
 *     host                  16 bytes, IPv4 as ::ffff:0:0/96
 *     port                  uint16
 *     source, swarm, flags  uint8 each
 *     useful                uint8: 1 if it was of use once
 *     failures              uint16, in a row
 *     met at                float64: when a connection with it ended last, ms since 1970
 *     SHA-1 of all before   20 bytes
 * ```
 *
 * The origin is zero, but in a private torrent, whose peers must come from its own tracker (BEP 27): there it names the tracker.
 */
import * as Bytes from "./Bytes.ts"
import * as Digest from "./Digest.ts"
import * as HostBytes from "./HostBytes.ts"
import * as InfoHash from "./InfoHash.ts"
import * as PeerAddress from "./PeerAddress.ts"
import type { Remembered } from "./swarm/DialEntry.ts"
import { SOURCES } from "./swarm/Source.ts"

/** Peers kept. */
export const MOST = 200

/** How long a peer is worth a call after it was met last (ms): home connections change their address within days. */
export const KEPT_MS = 14 * 24 * 3_600_000

const MAGIC = Bytes.fromUtf8("freshprs")
const FORMAT = 1
const HEAD = 44
const ENTRY = 32
const CHECKSUM = 20

/** No record is longer, in bytes. */
export const MAX_LENGTH = HEAD + MOST * ENTRY + CHECKSUM

export interface Owner {
  readonly infoHash: InfoHash.InfoHash
  /** The tracker by which alone peers may be known; absent unless the torrent is private. */
  readonly tracker?: string | undefined
}

const originOf = ({ tracker }: Owner): Uint8Array =>
  tracker === undefined ? new Uint8Array(8) : Digest.sha1(Bytes.fromUtf8(tracker)).subarray(0, 8)

/** The head but for the number of peers. */
const headOf = (owner: Owner): Uint8Array => {
  const head = new Uint8Array(HEAD - 4)
  head.set(MAGIC)
  Bytes.writeUint32(head, 8, FORMAT)
  head.set(InfoHash.toBytes(owner.infoHash), 12)
  head.set(originOf(owner), 32)
  return head
}

/** @param now ms since 1970 */
export const encode = (owner: Owner, peers: ReadonlyArray<Remembered>, now: number): Uint8Array<ArrayBuffer> => {
  const count = Math.min(MOST, peers.length)
  const out = new Uint8Array(HEAD + count * ENTRY + CHECKSUM)
  const view = new DataView(out.buffer)
  out.set(headOf(owner))
  view.setUint32(HEAD - 4, count)
  for (let i = 0; i < count; i++) {
    const { address, age, failures, flags, source, swarm, useful } = peers[i]!
    const at = HEAD + i * ENTRY
    const host = PeerAddress.hostBytes(address)
    out.set(host, at + 16 - host.length)
    if (host.length === 4) view.setUint16(at + 10, 0xffff)
    view.setUint16(at + 16, address.port)
    out.set([SOURCES.indexOf(source), swarm, flags, useful ? 1 : 0], at + 18)
    view.setUint16(at + 22, Math.min(0xffff, failures))
    view.setFloat64(at + 24, now - age)
  }
  out.set(Digest.sha1(out.subarray(0, -CHECKSUM)), out.length - CHECKSUM)
  return out
}

/**
 * The peers of this torrent that are still worth a call; none when the bytes are not its record. Those without a time that makes
 * sense are left out, and those at an address that no host has.
 *
 * @param now ms since 1970
 */
export const decode = (owner: Owner, bytes: Uint8Array, now: number): ReadonlyArray<Remembered> => {
  const end = bytes.length - CHECKSUM
  const count = (end - HEAD) / ENTRY
  if (!Number.isInteger(count) || count < 0 || count > MOST) return []
  const head = headOf(owner)
  if (!Bytes.equals(bytes.subarray(0, head.length), head) || Bytes.readUint32(bytes, HEAD - 4) !== count) return []
  if (!Bytes.equals(Digest.sha1(bytes.subarray(0, end)), bytes.subarray(end))) return []
  const peers: Array<Remembered> = []
  for (let i = 0; i < count; i++) {
    const peer = entryOf(bytes.subarray(HEAD + i * ENTRY, HEAD + (i + 1) * ENTRY), now)
    if (peer !== undefined) peers.push(peer)
  }
  return peers
}

const isHosts = (address: PeerAddress.PeerAddress): boolean => {
  const host = PeerAddress.hostBytes(address)
  return HostBytes.isUnicast(host, 0, host.length)
}

const entryOf = (entry: Uint8Array, now: number): Remembered | undefined => {
  const [address] = PeerAddress.fromCompact(entry.subarray(0, 18), 6)
  const source = SOURCES[entry[18]!]
  const metAt = new DataView(entry.buffer, entry.byteOffset, ENTRY).getFloat64(24)
  if (address === undefined || !isHosts(address) || source === undefined || !(metAt >= now - KEPT_MS)) return undefined
  return {
    address,
    source,
    swarm: entry[19]!,
    flags: entry[20]!,
    useful: entry[21] === 1,
    failures: Bytes.readUint16(entry, 22),
    // A clock that was set back makes nothing of it younger than now.
    age: Math.max(0, now - metAt)
  }
}
