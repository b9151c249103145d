/** Peers that mean no good: each is one act on an open connection. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as net from "node:net"
import { noise } from "../../support/payload.ts"

export interface Target {
  readonly infoHash: string
  readonly pieces: number
  readonly pieceLength: number
}

export interface Hostile {
  readonly name: string
  readonly act: (socket: net.Socket, target: Target) => void
  /** Whether the program has to close the connection on it, at once. */
  readonly dropped: boolean
}

const UNCHOKE = 1
const INTERESTED = 2
const HAVE = 4
const BITFIELD = 5
const REQUEST = 6
const PIECE = 7
const HAVE_ALL = 14
const HAVE_NONE = 15
const REJECT = 16
const EXTENDED = 20
const BLOCK = 16_384

const frame = (id: number, ...payload: ReadonlyArray<number | Uint8Array>): Buffer => {
  const body = Buffer.concat(payload.map((part) => typeof part === "number" ? uint32(part) : part))
  return Buffer.concat([uint32(1 + body.length), Buffer.of(id), body])
}

const uint32 = (value: number): Buffer => {
  const out = Buffer.alloc(4)
  out.writeUInt32BE(value)
  return out
}

let identities = 0
const handshake = (infoHash: string): Buffer =>
  Buffer.concat([
    Buffer.from("\u0013BitTorrent protocol\0\0\0\0\0\0\0\0", "latin1"),
    Buffer.from(infoHash, "hex"),
    Buffer.from(`-XX0000-${String(++identities).padStart(12, "0")}`)
  ])

/** Shakes hands as it should, then sends this. */
const sends = (name: string, dropped: boolean, bytes: (target: Target) => Buffer): Hostile => ({
  name,
  dropped,
  act: (socket, target) => {
    socket.write(handshake(target.infoHash))
    socket.write(bytes(target))
  }
})

const everything = ({ pieces }: Target): Buffer => {
  const bits = Buffer.alloc(Math.ceil(pieces / 8), 0xff)
  if (pieces % 8 > 0) bits[bits.length - 1] = 0xff << (8 - pieces % 8)
  return Buffer.concat([frame(BITFIELD, bits), frame(UNCHOKE)])
}

/** Acts that are hostile to seed and leech alike. */
export const toAll: ReadonlyArray<Hostile> = [
  { name: "garbage", dropped: true, act: (socket) => socket.write(noise(65_536, 99)) },
  { name: "another torrent", dropped: true, act: (socket) => socket.write(handshake("00".repeat(20))) },
  sends("an oversize frame", true, () => Buffer.concat([uint32(0x7fff_ffff), noise(65_536, 3)])),
  sends("a bitfield too short", true, () => frame(BITFIELD, Buffer.of(0xff))),
  sends("a bitfield too long", true, ({ pieces }) => frame(BITFIELD, Buffer.alloc(Math.ceil(pieces / 8) + 1))),
  sends("a piece that does not exist", true, ({ pieces }) => frame(HAVE, pieces)),
  sends("a block that does not exist", true, ({ pieces }) => frame(PIECE, pieces, 0, Buffer.alloc(BLOCK))),
  sends(
    "a request outside the torrent",
    true,
    ({ pieces }) => Buffer.concat([frame(INTERESTED), frame(REQUEST, pieces, 0, BLOCK)])
  ),
  sends(
    "a request beyond the piece",
    true,
    ({ pieceLength }) => Buffer.concat([frame(INTERESTED), frame(REQUEST, 0, pieceLength - 1, BLOCK)])
  ),
  sends("a request of a gigabyte", true, () => Buffer.concat([frame(INTERESTED), frame(REQUEST, 0, 0, 2 ** 30)])),
  sends("a short message", true, () => frame(REQUEST, 0)),
  sends("have all, without the bit of the fast extension", true, () => frame(HAVE_ALL)),
  sends("a reject, without the bit of the fast extension", true, () => frame(REJECT, 0, 0, BLOCK)),
  {
    name: "extension handshakes that are none",
    dropped: true,
    act: (socket, { infoHash }) => {
      const able = handshake(infoHash)
      able[25] = 0x10
      socket.write(Buffer.concat([able, frame(EXTENDED, Buffer.from("\0d1:m", "latin1"))]))
    }
  },
  {
    name: "ten thousand rejects that nobody waits for",
    dropped: true,
    act: (socket, { infoHash }) => {
      const able = handshake(infoHash)
      able[27] = 0x04
      const rejects = Array.from({ length: 10_000 }, () => frame(REJECT, 0, 0, BLOCK))
      socket.write(Buffer.concat([able, frame(HAVE_NONE), ...rejects]))
    }
  },
  {
    name: "a hundred thousand requests, and reads nothing",
    dropped: false,
    act: (socket, { infoHash, pieces }) => {
      socket.pause()
      socket.write(handshake(infoHash))
      const requests = Array.from({ length: 100_000 }, (_, n) => frame(REQUEST, n % pieces, 0, BLOCK))
      socket.write(Buffer.concat([frame(INTERESTED), ...requests]))
    }
  },
  { name: "nothing at all", dropped: false, act: () => {} },
  {
    name: "one byte a second",
    dropped: false,
    act: (socket, { infoHash }) => {
      const bytes = handshake(infoHash)
      let at = 0
      const timer = setInterval(() => socket.write(bytes.subarray(at, ++at)), 1000)
      socket.once("close", () => clearInterval(timer))
    }
  }
]

const claims = (
  name: string,
  onRequest: (socket: net.Socket, piece: number, begin: number, length: number) => void
) => ({
  name,
  dropped: false,
  act: (socket: net.Socket, target: Target) => {
    socket.write(Buffer.concat([handshake(target.infoHash), everything(target)]))
    let pending = Buffer.alloc(0)
    let greeted = false
    socket.on("data", (chunk) => {
      pending = Buffer.concat([pending, chunk])
      if (!greeted) {
        if (pending.length < 68) return
        greeted = true
        pending = pending.subarray(68)
      }
      while (pending.length >= 4 && pending.length >= 4 + pending.readUInt32BE(0)) {
        const size = pending.readUInt32BE(0)
        const body = pending.subarray(4, 4 + size)
        pending = pending.subarray(4 + size)
        if (body[0] === REQUEST) onRequest(socket, body.readUInt32BE(1), body.readUInt32BE(5), body.readUInt32BE(9))
      }
    })
  }
})

/** Acts of those who say that they have everything. */
export const toLeeches: ReadonlyArray<Hostile> = [
  claims("a liar", (socket, piece, begin, length) => socket.write(frame(PIECE, piece, begin, Buffer.alloc(length)))),
  claims("one that gives nothing", () => {}),
  claims("one that hangs up when asked", (socket) => socket.destroy()),
  claims(
    "one that sends other blocks",
    (socket, piece, begin, length) => socket.write(frame(PIECE, piece, begin === 0 ? BLOCK : 0, Buffer.alloc(length)))
  )
]

export interface Acted {
  readonly name: string
  /** The connection is there and the act has begun. */
  readonly begun: Effect.Effect<void>
  readonly closed: Effect.Effect<void>
}

const perform = (hostile: Hostile, socket: net.Socket, target: Target, begun: Deferred.Deferred<void>) => {
  // What a program does to such a connection is its own affair: resets are expected.
  socket.on("error", () => {})
  socket.resume()
  hostile.act(socket, target)
  Deferred.doneUnsafe(begun, Effect.void)
}

/** Dials the program and acts. */
export const dial = Effect.fnUntraced(function*(
  hostile: Hostile,
  target: Target,
  to: { readonly host: string; readonly port: number },
  localAddress: string
): Effect.fn.Return<Acted, never, Scope.Scope> {
  const begun = yield* Deferred.make<void>()
  const closed = yield* Deferred.make<void>()
  const socket = yield* Effect.acquireRelease(
    Effect.sync(() => net.connect({ ...to, localAddress })),
    (socket) => Effect.sync(() => socket.destroy())
  )
  socket.once("connect", () => perform(hostile, socket, target, begun))
  socket.once("close", () => Deferred.doneUnsafe(closed, Effect.void))
  return { name: hostile.name, begun: Deferred.await(begun), closed: Deferred.await(closed) }
})

/** Waits to be dialled and acts on every connection. */
export const listen = Effect.fnUntraced(function*(
  hostile: Hostile,
  target: Target,
  host: string
): Effect.fn.Return<Acted & { readonly address: string }, never, Scope.Scope> {
  const begun = yield* Deferred.make<void>()
  const closed = yield* Deferred.make<void>()
  const sockets = new Set<net.Socket>()
  const server = yield* Effect.acquireRelease(
    Effect.callback<net.Server>((resume) => {
      const server = net.createServer((socket) => {
        sockets.add(socket)
        socket.once("close", () => Deferred.doneUnsafe(closed, Effect.void))
        perform(hostile, socket, target, begun)
      })
      server.listen(0, host, () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.sync(() => {
        server.close()
        for (const socket of sockets) socket.destroy()
      })
  )
  const { port } = server.address() as net.AddressInfo
  return {
    name: hostile.name,
    address: `${host}:${port}`,
    begun: Deferred.await(begun),
    closed: Deferred.await(closed)
  }
})

/** A port that nobody listens on. */
export const freePort = (host: string): Effect.Effect<number> =>
  Effect.callback((resume) => {
    const server = net.createServer().listen(0, host, () => {
      const { port } = server.address() as net.AddressInfo
      server.close(() => resume(Effect.succeed(port)))
    })
  })
