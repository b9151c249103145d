/**
 * Gives the metadata of a torrent to whoever asks (BEP 9). Each peer may have it a few times over, and all of them together
 * within a rate: it is sent whether they are choked or not.
 */
import * as MetadataMessage from "../wire/MetadataMessage.ts"
import type { Extension } from "./Extension.ts"
import type { Peer } from "./Peer.ts"
import { TokenBucket } from "./TokenBucket.ts"

/** How often a peer may have all parts: it may have lost some on the way. */
const TIMES = 3

/** Parts that every peer may have, however few there are. */
const LEAST = 16

/** Parts that may wait for one peer, and for all: what comes beyond is rejected. */
const MOST_WAITING = 256
const MOST_WAITING_IN_ALL = 8192

/** Bytes/s, of one torrent to all its peers; and what may leave at once. */
const RATE = 4 << 20
const BURST = 8 << 20

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
  served: number
}

export const make = ({ info, now, send }: MetadataServeOptions): Extension => {
  const parts = MetadataMessage.partsOf(info.length)
  const most = Math.max(LEAST, TIMES * parts)
  const bucket = new TokenBucket(RATE, now, BURST)
  const lines = new Map<Peer, Line>()
  let inAll = 0

  const sayNo = (peer: Peer, piece: number): void => {
    send(peer, MetadataMessage.NAME, MetadataMessage.reject(piece))
  }

  const give = (peer: Peer, line: Line, at: number): void => {
    while (line.waiting.length > 0 && bucket.waitFor(MetadataMessage.PART, at) === 0) {
      const piece = line.waiting.shift()!
      inAll--
      const from = piece * MetadataMessage.PART
      const length = MetadataMessage.lengthOf(info.length, piece)
      bucket.charge(length, at)
      const part = info.subarray(from, from + length)
      send(peer, MetadataMessage.NAME, MetadataMessage.data(piece, info.length, part))
    }
    peer.wire.flush()
  }

  const asked = (peer: Peer, piece: number, at: number): void => {
    const line = lines.get(peer) ?? { waiting: [], served: 0 }
    lines.set(peer, line)
    const isFull = line.waiting.length >= MOST_WAITING || inAll >= MOST_WAITING_IN_ALL || line.served >= most
    if (piece >= parts || isFull) return sayNo(peer, piece)
    line.served++
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
