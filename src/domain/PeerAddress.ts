/** Where a peer listens: an IP address in canonical text and a port. Texts and the compact forms of BEP 23 and BEP 7. */
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import * as Bytes from "./Bytes.ts"

export interface PeerAddress {
  /** Canonical text without brackets or zone: `192.0.2.1`, `2001:db8::1`. IPv4-mapped addresses are IPv4. */
  readonly host: string
  /** 1 to 65535. */
  readonly port: number
  readonly family: 4 | 6
  /** Where only a name is known, for a proxy to resolve: then `host` is a stand-in that leads nowhere. See {@link named}. */
  readonly name?: string
}

/** The one text of an address, also its key in tables: `192.0.2.1:6881`, `[2001:db8::1]:6881`. */
export const format = ({ family, host, name = host, port }: PeerAddress): string =>
  family === 6 ? `[${name}]:${port}` : `${name}:${port}`

/**
 * A peer that is known by name alone.
 *
 * @param nth a number of its own, below 2^16: its stand-in is one of 0.1.0.0/16, where no host can be
 */
export const named = (name: string, port: number, nth: number): PeerAddress => ({
  host: `0.1.${nth >>> 8 & 0xff}.${nth & 0xff}`,
  port,
  family: 4,
  name
})

const COMPACT4 = 6
const COMPACT6 = 18

const text4 = (bytes: Uint8Array, at: number): string =>
  `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`

const isMapped = (bytes: Uint8Array, at: number): boolean => {
  for (let i = 0; i < 10; i++) if (bytes[at + i] !== 0) return false
  return bytes[at + 10] === 0xff && bytes[at + 11] === 0xff
}

const text6 = (bytes: Uint8Array, at: number): string =>
  NetAddress.formatIp(NetAddress.ipv6FromBytesUnsafe(bytes.slice(at, at + 16)))

const octets = (ip: NetAddress.IpAddress): Uint8Array =>
  Uint8Array.from(NetAddress.isIpv4Address(ip) ? NetAddress.ipv4ToOctets(ip) : NetAddress.ipv6ToOctets(ip))

const fromBytes = (bytes: Uint8Array, at: number, family: 4 | 6, port: number): PeerAddress | undefined => {
  if (port === 0) return undefined
  if (family === 4) return { host: text4(bytes, at), port, family }
  if (isMapped(bytes, at)) return { host: text4(bytes, at + 12), port, family: 4 }
  return { host: text6(bytes, at), port, family }
}

/** An address from a host text (an IP address, brackets and zone allowed) and a port; names are refused. */
export const make = (host: string, port: number): PeerAddress | undefined => {
  if (!Number.isInteger(port) || port < 1 || port > 0xffff) return undefined
  const bare = host.replace(/^\[(.*)\]$/, "$1").replace(/%.*$/, "")
  const parsed = NetAddress.ipFromString(bare)
  if (Result.isFailure(parsed)) return undefined
  const bytes = octets(parsed.success)
  return fromBytes(bytes, 0, bytes.length === 4 ? 4 : 6, port)
}

/** Reads `192.0.2.1:6881` or `[2001:db8::1]:6881`. */
export const parse = (text: string): PeerAddress | undefined => {
  const match = /^(\[[^\]]+\]|[^:]+):(\d{1,5})$/.exec(text)
  return match === null ? undefined : make(match[1]!, Number(match[2]))
}

/** The address's bytes in network order, 4 or 16. */
export const hostBytes = (address: PeerAddress): Uint8Array => octets(NetAddress.ipFromStringUnsafe(address.host))

/** The canonical text of a host's 4 or 16 bytes in network order. */
export const hostOf = (bytes: Uint8Array): string | undefined =>
  fromBytes(bytes, 0, bytes.length === 4 ? 4 : 6, 1)?.host

/** 6 bytes (BEP 23) or 18 bytes (BEP 7). */
export const toCompact = (address: PeerAddress): Uint8Array => {
  const host = hostBytes(address)
  const out = new Uint8Array(host.length + 2)
  out.set(host)
  Bytes.writeUint16(out, host.length, address.port)
  return out
}

/** All whole entries of a compact list; entries with port 0 and a trailing fragment are left out. */
export const fromCompact = (bytes: Uint8Array, family: 4 | 6): Array<PeerAddress> => {
  const size = family === 4 ? COMPACT4 : COMPACT6
  const out: Array<PeerAddress> = []
  for (let at = 0; at + size <= bytes.length; at += size) {
    const address = fromBytes(bytes, at, family, Bytes.readUint16(bytes, at + size - 2))
    if (address !== undefined) out.push(address)
  }
  return out
}
