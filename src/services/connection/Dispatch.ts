/** From the messages of a peer (BEP 3, 52) to the torrent behind the {@link Port}. */
import * as Bytes from "../../domain/Bytes.ts"
import type { Peer } from "../../domain/swarm/Peer.ts"
import type { Verdict } from "../../domain/swarm/Swarm.ts"
import * as HashMessage from "../../domain/wire/HashMessage.ts"
import * as Message from "../../domain/wire/Message.ts"
import type { Port } from "./Port.ts"

export interface Handler {
  /** Whether a frame may have so many bytes, its id included. */
  readonly fits: (length: number) => boolean
  /** `bytes[at]` is the first byte of the payload of `length` bytes. */
  readonly run: (
    port: Port,
    peer: Peer,
    bytes: Uint8Array,
    at: number,
    length: number,
    now: number
  ) => Verdict
}

const exactly = (size: number) => (length: number): boolean => length === size

/** What to do with a message, by its id. BEP 3 leaves room for messages that we do not know: those have none. */
export const HANDLERS: ReadonlyArray<Handler | undefined> = (() => {
  const table: Array<Handler | undefined> = []
  const flag = (run: (port: Port, peer: Peer, now: number) => void): Handler => ({
    fits: exactly(1),
    run: (port, peer, _bytes, _at, _length, now) => {
      run(port, peer, now)
      return undefined
    }
  })
  table[Message.CHOKE] = flag((port, peer, now) => port.choke(peer, now))
  table[Message.UNCHOKE] = flag((port, peer) => port.unchoke(peer))
  table[Message.INTERESTED] = flag((port, peer, now) => port.interested(peer, now))
  table[Message.NOT_INTERESTED] = flag((port, peer) => port.notInterested(peer))
  table[Message.HAVE] = {
    fits: exactly(5),
    run: (port, peer, bytes, at) => port.haveMessage(peer, Bytes.readUint32(bytes, at))
  }
  table[Message.BITFIELD] = {
    fits: () => true,
    run: (port, peer, bytes, at, length) => port.bitfield(peer, bytes.subarray(at, at + length))
  }
  table[Message.REQUEST] = {
    fits: exactly(13),
    run: (port, peer, bytes, at) =>
      port.request(
        peer,
        Bytes.readUint32(bytes, at),
        Bytes.readUint32(bytes, at + 4),
        Bytes.readUint32(bytes, at + 8)
      )
  }
  table[Message.PIECE] = {
    fits: (length) => length > Message.PIECE_HEADER - 4,
    run: (port, peer, bytes, at, length, now) =>
      port.block(
        peer,
        Bytes.readUint32(bytes, at),
        Bytes.readUint32(bytes, at + 4),
        bytes,
        at + 8,
        length - 8,
        now
      )
  }
  table[Message.CANCEL] = {
    fits: exactly(13),
    run: (_port, peer, bytes, at) => {
      peer.asked.cancel(
        Bytes.readUint32(bytes, at),
        Bytes.readUint32(bytes, at + 4),
        Bytes.readUint32(bytes, at + 8)
      )
      return undefined
    }
  }
  table[Message.HASH_REQUEST] = {
    fits: exactly(1 + HashMessage.RANGE),
    run: (port, peer, bytes, at) => port.hashRequest(peer, HashMessage.readRange(bytes, at))
  }
  table[Message.HASHES] = {
    fits: (length) => length > 1 + HashMessage.RANGE,
    run: (port, peer, bytes, at, length, now) => {
      const range = HashMessage.readRange(bytes, at)
      return HashMessage.isWhole(range, length)
        ? port.hashes(peer, range, bytes.subarray(at + HashMessage.RANGE, at + length), now)
        : "sent a message of the wrong length"
    }
  }
  table[Message.HASH_REJECT] = {
    fits: exactly(1 + HashMessage.RANGE),
    run: (port, peer, bytes, at, _length, now) => {
      port.hashReject(peer, HashMessage.readRange(bytes, at), now)
      return undefined
    }
  }
  return table
})()
