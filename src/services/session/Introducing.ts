/** What a session says of itself in extension handshakes (BEP 10), the same for all its torrents. */
import * as HostBytes from "../../domain/HostBytes.ts"
import * as PeerAddress from "../../domain/PeerAddress.ts"
import { CAPACITY } from "../../domain/swarm/AskedBlocks.ts"
import type { Introduction } from "../../domain/swarm/Extensions.ts"
import type { Peer } from "../../domain/swarm/Peer.ts"
import type { SessionOptions } from "./SessionOptions.ts"

const CLIENT = "freshet"

/** The bytes of an address that names one host; `undefined` for any other text. */
const hostOf = (text: string | undefined, length: 4 | 16): Uint8Array | undefined => {
  if (text === undefined) return undefined
  const bytes = new Uint8Array(16)
  const written = HostBytes.write(text, bytes, 0)
  return written === length && HostBytes.isUnicast(bytes, 0, written) ? bytes.subarray(0, written) : undefined
}

/** @param port where peers can call us; 0 for nowhere */
export const make = (options: SessionOptions, port: number): (peer: Peer) => Introduction => {
  // What lies behind a proxy is nobody's business.
  const bind = options.proxy === undefined ? options.bind : undefined
  const ipv4 = hostOf(bind?.v4, 4)
  const ipv6 = hostOf(bind?.v6, 16)
  return (peer) => ({
    version: options.client ?? CLIENT,
    port: port === 0 ? undefined : port,
    requestQueue: CAPACITY,
    yourIp: peer.address.name === undefined ? PeerAddress.hostBytes(peer.address) : undefined,
    ipv4,
    ipv6
  })
}
