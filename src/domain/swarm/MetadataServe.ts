/**
 * Gives the metadata of a torrent to whoever asks (BEP 9). It is sent whether they are choked or not, hence within rates:
 * one for each peer, and one for all of them together.
 */
import * as MetadataMessage from "../wire/MetadataMessage.ts"
import type { Extension } from "./Extension.ts"
import type { Peer } from "./Peer.ts"
import { TokenBucket } from "./TokenBucket.ts"

/** Parts that may wait for one peer, and for all: what comes beyond is rejected. */
const MOST_WAITING = 256
const MOST_WAITING_IN_ALL = 8192

/** Bytes/s, of one torrent to all its peers and to one; and what may leave at once. */
const RATE = 4 << 20
const BURST = 8 << 20
const PEER_RATE = 1 << 20
const PEER_BURST = 4 << 20

export interface MetadataServeOptions {
  /** The `info` dictionary. */
  readonly info: Uint8Array
  /** See `Extensions.send`. */
  readonly send: (peer: Peer, name: string, payload: Uint8Array) => boolean
  /** Monotonic ms. */
  readonly now: number
}

interface Line {
  /** Parts that it asks for, first come first served. */
  readonly waiting: Array<number>
  readonly bucket: TokenBucket
}

/** Of a torrent that turned out to be private, and gives its metadata to nobody any more. */
export const withdrawn = (send: MetadataServeOptions["send"]): Extension => ({
  name: MetadataMessage.NAME,
  isWithdrawn: true,
  message: (peer, payload) => {
    const message = MetadataMessage.decode(payload)
    if (message?._tag === "Request") send(peer, MetadataMessage.NAME, MetadataMessage.reject(message.piece))
    return undefined
  }
})

export const make = ({ info, now, send }: MetadataServeOptions): Extension => {
  const parts = MetadataMessage.partsOf(info.length)
  const all = new TokenBucket(RATE, now, BURST)
  const lines = new Map<Peer, Line>()
  let inAll = 0

  const sayNo = (peer: Peer, piece: number): void => {
    send(peer, MetadataMessage.NAME, MetadataMessage.reject(piece))
  }

  const give = (peer: Peer, line: Line, at: number): void => {
    const mayGive = () => [all, line.bucket].every((bucket) => bucket.waitFor(MetadataMessage.PART, at) === 0)
    while (line.waiting.length > 0 && mayGive()) {
      const piece = line.waiting.shift()!
      inAll--
      const from = piece * MetadataMessage.PART
      const length = MetadataMessage.lengthOf(info.length, piece)
      all.charge(length, at)
      line.bucket.charge(length, at)
      const part = info.subarray(from, from + length)
      send(peer, MetadataMessage.NAME, MetadataMessage.data(piece, info.length, part))
    }
    peer.wire.flush()
  }

  const asked = (peer: Peer, piece: number, at: number): void => {
    const line = lines.get(peer) ?? { waiting: [], bucket: new TokenBucket(PEER_RATE, at, PEER_BURST) }
    lines.set(peer, line)
    const isFull = line.waiting.length >= MOST_WAITING || inAll >= MOST_WAITING_IN_ALL
    if (piece >= parts || isFull) return sayNo(peer, piece)
    line.waiting.push(piece)
    inAll++
    give(peer, line, at)
  }

  return {
    name: MetadataMessage.NAME,
    message: (peer, payload, at) => {
      const message = MetadataMessage.decode(payload)
      if (message === undefined) return "sent a metadata message that cannot be read"
      // Data and rejects may come late, from before the metadata was whole.
      if (message._tag === "Request") asked(peer, message.piece, at)
      return undefined
    },
    left: (peer) => {
      inAll -= lines.get(peer)?.waiting.length ?? 0
      lines.delete(peer)
    },
    tick: (at) => {
      for (const [peer, line] of lines) if (line.waiting.length > 0) give(peer, line, at)
    }
  }
}
