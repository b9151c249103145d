/** Peers without a connection, and what was written to them. */
import * as Bitfield from "../../../src/domain/Bitfield.ts"
import * as Bytes from "../../../src/domain/Bytes.ts"
import * as PeerAddress from "../../../src/domain/PeerAddress.ts"
import * as PeerId from "../../../src/domain/PeerId.ts"
import { Peer } from "../../../src/domain/swarm/Peer.ts"
import * as Message from "../../../src/domain/wire/Message.ts"
import { numbers, parse } from "../../support/messages.ts"
import type * as Support from "../../support/messages.ts"

/** The far end of a peer: what it was sent and has to answer. */
export interface Far {
  readonly peer: Peer
  /** All that was flushed, in order. */
  readonly inbox: Array<Support.Message>
  /** Requests that stand, in order, as `[piece, begin, length]`. */
  readonly requests: Array<readonly [number, number, number]>
  /** Requests that we took back, to which a peer that speaks the fast extension owes an answer. */
  readonly takenBack: Array<readonly [number, number, number]>
  readonly closed: Array<string>
  /** Reads what was flushed since the last call into `requests` and returns it. */
  readonly read: () => Array<Support.Message>
}

export interface FarOptions {
  readonly key: number
  readonly pieces: number
  readonly identity?: number
  readonly now?: number
  readonly v2?: boolean
  readonly fast?: boolean
  readonly extended?: boolean
  /** Where it is; an address of its own by its key when absent. */
  readonly address?: string
  readonly inbound?: boolean
  /** By which alone it is known. */
  readonly name?: string
  readonly webSeed?: string
  readonly encrypted?: boolean
}

export const bitsOf = (pieces: number, set: Iterable<number>): Bitfield.Bitfield => {
  const bits = Bitfield.make(pieces)
  for (const piece of set) Bitfield.set(bits, piece)
  return bits
}

/** Bits that count how often a byte of them is looked at. */
export const watched = (bits: Bitfield.Bitfield) => {
  const looked = { bytes: 0 }
  const proxy = new Proxy(bits, {
    get: (target, key) => {
      if (typeof key === "string" && /^\d+$/.test(key)) looked.bytes++
      return Reflect.get(target, key, target)
    }
  })
  return { proxy, looked }
}

export const listOf = (bits: Bitfield.Bitfield): Array<number> => {
  const out: Array<number> = []
  Bitfield.forEach(bits, (piece) => out.push(piece))
  return out
}

export const peerIdOf = (key: number): PeerId.PeerId => {
  const bytes = Bytes.fromLatin1("-XX0000-000000000000")
  Bytes.writeUint32(bytes, 16, key)
  return PeerId.fromBytes(bytes)
}

/** A peer whose wire only notes what it is told to do. */
export const far = (options: FarOptions): Far => {
  const {
    address,
    encrypted,
    extended,
    fast,
    identity,
    inbound = false,
    key,
    name,
    now = 0,
    pieces,
    v2 = false,
    webSeed
  } = options
  const closed: Array<string> = []
  const inbox: Array<Support.Message> = []
  const requests: Array<readonly [number, number, number]> = []
  const takenBack: Array<readonly [number, number, number]> = []
  let readTo = 0
  const outbox = new Message.Outbox()
  const peer = new Peer({
    key,
    identity: identity ?? key,
    id: peerIdOf(key),
    address: name === undefined
      ? PeerAddress.parse(address ?? `10.0.${key >> 8 & 255}.${key & 255}:6881`)!
      : PeerAddress.named(name, 6881, key),
    inbound,
    v2,
    fast,
    extended,
    encrypted,
    webSeed,
    bits: Bitfield.make(pieces),
    outbox,
    wire: {
      flush: () => {
        if (outbox.length > 0) inbox.push(...parse(outbox.take()))
      },
      close: (reason) => {
        closed.push(reason)
      }
    },
    now
  })
  const read = () => {
    const fresh = inbox.slice(readTo)
    readTo = inbox.length
    for (const message of fresh) {
      const [piece = 0, begin = 0, length = 0] = numbers(message)
      if (message.id === Message.REQUEST) requests.push([piece, begin, length])
      if (message.id !== Message.CANCEL) continue
      const at = requests.findIndex((request) => request[0] === piece && request[1] === begin)
      if (at >= 0) takenBack.push(...requests.splice(at, 1))
    }
    return fresh
  }
  return { peer, inbox, requests, takenBack, closed, read }
}
