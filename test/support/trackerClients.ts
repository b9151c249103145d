/** Clients of a tracker as a test wants them: packets and bytes as they are given, however wrong. */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as dgram from "node:dgram"
import * as net from "node:net"
import * as Bytes from "../../src/domain/Bytes.ts"
import * as InfoHash from "../../src/domain/InfoHash.ts"
import type { PeerId } from "../../src/domain/PeerId.ts"
import type { AnnounceRequest } from "../../src/domain/tracker/Announce.ts"

/** What a peer asks that has just come. */
export const REQUEST: AnnounceRequest = {
  infoHash: InfoHash.parse("ff00".repeat(10))!,
  peerId: "-FR0100-000000000000" as PeerId,
  port: 6881,
  uploaded: 0,
  downloaded: 0,
  left: 1,
  event: "started",
  numWant: 50,
  key: 1,
  trackerId: undefined
}

export interface UdpClient {
  readonly port: number
  readonly send: (packet: Uint8Array) => Effect.Effect<void>
  /** The next datagram that comes. */
  readonly next: Effect.Effect<Uint8Array>
  readonly ask: (packet: Uint8Array) => Effect.Effect<Uint8Array>
}

/** A socket on the loopback that speaks to this port. */
export const udp = (port: number, host = "127.0.0.1"): Effect.Effect<UdpClient, never, Scope.Scope> =>
  Effect.gen(function*() {
    const came = yield* Queue.unbounded<Uint8Array>()
    const socket = yield* Effect.acquireRelease(
      Effect.callback<dgram.Socket>((resume) => {
        const socket = dgram.createSocket(net.isIPv6(host) ? "udp6" : "udp4")
        socket.on("message", (packet) => Queue.offerUnsafe(came, Uint8Array.from(packet)))
        socket.bind(0, host, () => resume(Effect.succeed(socket)))
      }),
      (socket) => Effect.callback<void>((resume) => void socket.close(() => resume(Effect.void)))
    )
    const send = (packet: Uint8Array) =>
      Effect.callback<void>((resume) => socket.send(packet, port, host, () => resume(Effect.void)))
    const next = Queue.take(came)
    return { port: socket.address().port, send, next, ask: (packet) => Effect.andThen(send(packet), next) }
  })

const header = (id: Uint8Array, action: number, transaction: number, length: number): Uint8Array => {
  const packet = new Uint8Array(length)
  packet.set(id)
  Bytes.writeUint32(packet, 8, action)
  Bytes.writeUint32(packet, 12, transaction)
  return packet
}

export const MAGIC = Uint8Array.of(0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80)

export const connectPacket = (transaction = 1): Uint8Array => header(MAGIC, 0, transaction, 16)

/** The id that the tracker gives this client. */
export const connectionOf = (client: UdpClient): Effect.Effect<Uint8Array> =>
  Effect.map(client.ask(connectPacket()), (reply) => reply.slice(8, 16))

export interface UdpAnnounce {
  readonly infoHash: InfoHash.InfoHash
  readonly port: number
  readonly left?: number
  readonly event?: number
  readonly ip?: number
  readonly numWant?: number
  readonly transaction?: number
}

/** The peer id is made of the port. */
export const announcePacket = (id: Uint8Array, announce: UdpAnnounce): Uint8Array => {
  const packet = header(id, 1, announce.transaction ?? 2, 98)
  packet.set(InfoHash.toBytes(announce.infoHash), 16)
  packet.set(Bytes.fromLatin1(`-FR0100-${`${announce.port}`.padStart(12, "0")}`), 36)
  Bytes.writeUint32(packet, 68, announce.left ?? 0)
  Bytes.writeUint32(packet, 80, announce.event ?? 0)
  Bytes.writeUint32(packet, 84, announce.ip ?? 0)
  Bytes.writeUint32(packet, 92, announce.numWant ?? 0xffff_ffff)
  Bytes.writeUint16(packet, 96, announce.port)
  return packet
}

export const scrapePacket = (id: Uint8Array, infoHashes: ReadonlyArray<InfoHash.InfoHash>, transaction = 3) =>
  Bytes.concat([header(id, 2, transaction, 16), ...infoHashes.map(InfoHash.toBytes)])

/** The words of an error, `undefined` when the packet is another. */
export const errorOf = (packet: Uint8Array): string | undefined =>
  Bytes.readUint32(packet, 0) === 3 ? Bytes.toUtf8(packet.subarray(8)) : undefined

export interface TcpClient {
  readonly write: (text: string) => Effect.Effect<void>
  /** Says that nothing more will come. */
  readonly end: Effect.Effect<void>
  /** All that came until now, once it matches. */
  readonly until: (pattern: RegExp) => Effect.Effect<string>
  /** All that has come when the other side has closed. */
  readonly closed: Effect.Effect<string>
}

/** A connection to a port of the loopback, whose end is ours to see. */
export const tcp = (port: number, host = "127.0.0.1"): Effect.Effect<TcpClient, never, Scope.Scope> =>
  Effect.gen(function*() {
    let text = ""
    let isClosed = false
    const waiters = new Set<() => void>()
    const look = () => {
      for (const waiter of waiters) waiter()
    }
    const socket = yield* Effect.acquireRelease(
      Effect.callback<net.Socket>((resume) => {
        const socket = net.connect(port, host, () => resume(Effect.succeed(socket)))
        socket.setEncoding("latin1")
        socket.on("data", (chunk: string) => {
          text += chunk
          look()
        })
        socket.on("error", () => {})
        socket.on("close", () => {
          isClosed = true
          look()
        })
      }),
      (socket) => Effect.sync(() => socket.destroy())
    )
    const when = (isSo: () => boolean) =>
      Effect.callback<string>((resume) => {
        const waiter = () => {
          if (!isSo()) return
          waiters.delete(waiter)
          resume(Effect.succeed(text))
        }
        waiters.add(waiter)
        waiter()
      })
    return {
      end: Effect.sync(() => void socket.end()),
      write: (text) => Effect.callback<void>((resume) => void socket.write(text, "latin1", () => resume(Effect.void))),
      until: (pattern) => when(() => pattern.test(text)),
      closed: when(() => isClosed)
    }
  })
