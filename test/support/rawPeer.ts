/** A peer of BEP 3 on a bare socket: no more than tests say it does. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as net from "node:net"
import * as Bytes from "../../src/domain/Bytes.ts"
import { type Message, message } from "./messages.ts"
import type { Torrent } from "./payload.ts"

export const Id = {
  unchoke: 1,
  interested: 2,
  have: 4,
  bitfield: 5,
  request: 6,
  piece: 7,
  hashRequest: 21,
  hashReject: 23
} as const

const HANDSHAKE = 68

const HEADER = 9

/** One connection, after the handshake of both ends. */
export class Wire {
  readonly #socket: net.Socket
  readonly #handlers = new Set<(message: Message) => void>()
  /** What the other end has said that it has. */
  readonly advertised = new Set<number>()
  /** Settles when the connection is over, whoever ended it. */
  readonly closed: Promise<void>
  #pending: Buffer = Buffer.alloc(0)
  #shaken = false

  constructor(socket: net.Socket, onShaken: (wire: Wire) => void) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on("error", () => {})
    socket.on("data", (chunk: Buffer) => {
      this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
      if (!this.#shaken && this.#pending.length >= HANDSHAKE) {
        this.#shaken = true
        this.#pending = this.#pending.subarray(HANDSHAKE)
        onShaken(this)
      }
      if (this.#shaken) this.#parse()
    })
    this.closed = new Promise((resolve) => socket.on("close", () => resolve()))
  }

  #parse(): void {
    let at = 0
    while (this.#pending.length - at >= 4) {
      const length = this.#pending.readUInt32BE(at)
      if (this.#pending.length - at - 4 < length) break
      if (length > 0) {
        this.#receive({ id: this.#pending[at + 4]!, payload: this.#pending.subarray(at + 5, at + 4 + length) })
      }
      at += 4 + length
    }
    this.#pending = this.#pending.subarray(at)
  }

  #receive(message: Message): void {
    const { id, payload } = message
    if (id === Id.have) this.advertised.add(Buffer.from(payload).readUInt32BE(0))
    if (id === Id.bitfield) {
      for (let bit = 0; bit < payload.length * 8; bit++) {
        if ((payload[bit >> 3]! >> (7 - (bit & 7)) & 1) === 1) this.advertised.add(bit)
      }
    }
    // A copy: who is resumed may wait for the next one at once.
    for (const handle of Array.from(this.#handlers)) handle(message)
  }

  readonly onMessage = (handle: (message: Message) => void): void => {
    this.#handlers.add(handle)
  }

  readonly send = (bytes: Uint8Array): void => {
    this.#socket.write(bytes)
  }

  readonly close = (): void => {
    this.#socket.destroy()
  }

  /** The next message of this kind that comes from now on. */
  readonly next = (id: number): Effect.Effect<Message, Error> =>
    Effect.callback((resume) => {
      const handle = (message: Message) => {
        if (message.id !== id) return
        this.#handlers.delete(handle)
        resume(Effect.succeed({ id, payload: message.payload.slice() }))
      }
      this.#handlers.add(handle)
      void this.closed.then(() => resume(Effect.fail(new Error(`closed before message ${id}`))))
    })
}

export const interested = message(Id.interested)

let peers = 0

const handshake = (infoHash: string): Uint8Array =>
  Bytes.concat([
    Bytes.fromUtf8("\x13BitTorrent protocol"),
    new Uint8Array(8),
    Buffer.from(infoHash, "hex"),
    Bytes.fromUtf8(`-XX0001-${String(++peers).padStart(12, "0")}`)
  ])

export interface RawPeer {
  readonly port: number
  /** For `--peer`. */
  readonly address: string
  /** All connections so far. */
  readonly wires: ReadonlyArray<Wire>
  /** The first connection. */
  readonly wire: Effect.Effect<Wire>
}

/** Listens on the loopback. `onWire` is called after each handshake, before anything else that has come is looked at. */
export const listen = (
  infoHash: string,
  onWire: (wire: Wire) => void
): Effect.Effect<RawPeer, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ server: net.Server; wires: Array<Wire>; first: Deferred.Deferred<Wire> }>((resume) => {
        const hello = handshake(infoHash)
        const wires: Array<Wire> = []
        const first = Deferred.makeUnsafe<Wire>()
        const server = net.createServer((socket) => {
          const wire = new Wire(socket, () => {
            wires.push(wire)
            onWire(wire)
            Deferred.doneUnsafe(first, Effect.succeed(wire))
          })
          socket.write(hello)
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed({ server, wires, first })))
      }),
      ({ server, wires }) =>
        Effect.sync(() => {
          for (const wire of wires) wire.close()
          server.close()
        })
    ),
    ({ first, server, wires }) => {
      const { port } = server.address() as net.AddressInfo
      return { port, address: `127.0.0.1:${port}`, wires, wire: Deferred.await(first) }
    }
  )

export const bitfieldOf = (pieces: number, has: (piece: number) => boolean): Uint8Array => {
  const bits = new Uint8Array(Math.ceil(pieces / 8))
  for (let piece = 0; piece < pieces; piece++) if (has(piece)) bits[piece >> 3]! |= 0x80 >> (piece & 7)
  return message(Id.bitfield, [], bits)
}

export interface SeedOptions {
  /** What to answer; `undefined` for nothing at all. The right block unless told otherwise. */
  readonly answer?: (piece: number, begin: number, right: Uint8Array) => Uint8Array | undefined
}

/** Makes the other end of a connection think that we have everything, and answers what it asks for. */
export const seed = ({ metainfo, payload }: Torrent, options: SeedOptions = {}) => (wire: Wire): void => {
  const { pieceLength, pieces } = metainfo.layout
  wire.send(bitfieldOf(pieces, () => true))
  wire.send(message(Id.unchoke))
  wire.onMessage(({ id, payload: asked }) => {
    if (id !== Id.request) return
    const view = Buffer.from(asked.buffer, asked.byteOffset, asked.byteLength)
    const [piece, begin, length] = [view.readUInt32BE(0), view.readUInt32BE(4), view.readUInt32BE(8)]
    const at = piece * pieceLength + begin
    const right = payload.subarray(at, at + length)
    const block = options.answer === undefined ? right : options.answer(piece, begin, right)
    if (block !== undefined) wire.send(message(Id.piece, [piece, begin], block))
  })
}

/** Asks for a block and waits for it. The other end must have unchoked us. */
export const fetchBlock = (
  wire: Wire,
  piece: number,
  begin: number,
  length: number
): Effect.Effect<Uint8Array, Error> =>
  Effect.suspend(() => {
    const answer = wire.next(Id.piece)
    wire.send(message(Id.request, [piece, begin, length]))
    return Effect.map(answer, ({ payload }) => payload.subarray(HEADER - 1))
  })
