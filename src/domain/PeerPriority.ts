/**
 * Canonical peer priority (BEP 40): a number that both ends of a connection reach on their own and nobody can choose. Whoever
 * has no place for all keeps the peers of highest priority, so that a swarm's connections spread evenly.
 */
import * as Bytes from "./Bytes.ts"
import * as PeerAddress from "./PeerAddress.ts"

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte
  for (let bit = 0; bit < 8; bit++) rest = (rest & 1) === 1 ? (rest >>> 1) ^ 0x82f6_3b78 : rest >>> 1
  return rest
})

/** CRC-32C (Castagnoli), an unsigned 32-bit number. */
export const crc32c = (bytes: Uint8Array): number => {
  let rest = 0xffff_ffff
  for (let i = 0; i < bytes.length; i++) rest = (rest >>> 8) ^ TABLE[(rest ^ bytes[i]!) & 0xff]!
  return ~rest >>> 0
}

/** Bytes that count in full between strangers: the network. */
const NETWORK = { 4: 2, 6: 6 } as const

/** Of every byte behind, these bits count. */
const REST = 0x55

const masked = (host: Uint8Array, full: number): Uint8Array => host.map((byte, i) => i < full ? byte : byte & REST)

const port = (value: number): Uint8Array => Uint8Array.of(value >>> 8, value)

/**
 * The priority of a connection between two addresses of one family: an unsigned 32-bit number, the same from both ends. The
 * ports count only when the hosts are equal.
 */
export const between = (a: PeerAddress.PeerAddress, b: PeerAddress.PeerAddress): number => {
  const hostA = PeerAddress.hostBytes(a)
  const hostB = PeerAddress.hostBytes(b)
  let same = 0
  while (same < hostA.length && hostA[same] === hostB[same]) same++
  const full = Math.max(NETWORK[a.family], same + 1)
  const ends = same === hostA.length ? [port(a.port), port(b.port)] : [masked(hostA, full), masked(hostB, full)]
  return crc32c(Bytes.concat(ends.sort(Bytes.compare)))
}
