/**
 * The first 68 bytes of a connection, each way (BEP 3, "peer protocol"), with the bits of what goes beyond BEP 3: extension
 * messages (BEP 10), the fast extension (BEP 6) and version 2 (BEP 52, "upgrade path").
 */
import * as Bytes from "../Bytes.ts"
import * as InfoHash from "../InfoHash.ts"
import * as PeerId from "../PeerId.ts"

export interface Handshake {
  readonly infoHash: InfoHash.InfoHash
  readonly peerId: PeerId.PeerId
  /** Eight bytes of extension bits. */
  readonly reserved: Uint8Array
  /** Speaks version 2: the answer to a hybrid's version 1 hash may be its truncated version 2 hash. */
  readonly v2: boolean
  readonly fast: boolean
  readonly extended: boolean
}

/** What the sender of a handshake speaks. */
export interface Spoken {
  /** Version 2, and it has a hash of it for this torrent. */
  readonly v2?: boolean | undefined
  readonly fast?: boolean | undefined
  readonly extended?: boolean | undefined
}

export const LENGTH = 68

const PROTOCOL = Bytes.fromLatin1("\u0013BitTorrent protocol")
const RESERVED = PROTOCOL.length
const INFO_HASH = RESERVED + 8
const PEER_ID = INFO_HASH + InfoHash.BYTES

/** "The 4th most significant bit in the last byte of the reserved bitfield" (BEP 52). */
const V2_AT = INFO_HASH - 1
const V2_BIT = 0x10

const FAST_AT = RESERVED + 7
const FAST_BIT = 0x04

const EXTENDED_AT = RESERVED + 5
const EXTENDED_BIT = 0x10

export const encode = (infoHash: InfoHash.InfoHash, peerId: PeerId.PeerId, spoken: Spoken = {}): Uint8Array => {
  const out = new Uint8Array(LENGTH)
  out.set(PROTOCOL)
  if (spoken.v2 === true) out[V2_AT]! |= V2_BIT
  if (spoken.fast === true) out[FAST_AT]! |= FAST_BIT
  if (spoken.extended === true) out[EXTENDED_AT]! |= EXTENDED_BIT
  out.set(InfoHash.toBytes(infoHash), INFO_HASH)
  out.set(PeerId.toBytes(peerId), PEER_ID)
  return out
}

/** Reads a handshake that starts at `at`, of which all bytes are there; `undefined` when it is another protocol. */
export const decode = (bytes: Uint8Array, at = 0): Handshake | undefined => {
  for (let i = 0; i < PROTOCOL.length; i++) if (bytes[at + i] !== PROTOCOL[i]) return undefined
  return {
    // Not `slice`, which does not copy where the bytes are a `Buffer`.
    reserved: Uint8Array.from(bytes.subarray(at + RESERVED, at + INFO_HASH)),
    v2: (bytes[at + V2_AT]! & V2_BIT) !== 0,
    fast: (bytes[at + FAST_AT]! & FAST_BIT) !== 0,
    extended: (bytes[at + EXTENDED_AT]! & EXTENDED_BIT) !== 0,
    infoHash: InfoHash.fromBytes(bytes.subarray(at + INFO_HASH, at + PEER_ID)),
    peerId: PeerId.fromBytes(bytes.subarray(at + PEER_ID, at + LENGTH))
  }
}
