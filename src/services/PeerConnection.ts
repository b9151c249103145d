/**
 * One connection to one peer: handshake, frames, keep-alives and time-outs. It runs as one fiber; every read is handled
 * synchronously, message by message, by the torrent behind the {@link Port}.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Bitfield from "../domain/Bitfield.ts"
import type * as InfoHash from "../domain/InfoHash.ts"
import type * as PeerId from "../domain/PeerId.ts"
import { Peer, type PeerOptions } from "../domain/swarm/Peer.ts"
import { MAX_REQUEST } from "../domain/swarm/Swarm.ts"
import { FrameReader } from "../domain/wire/FrameReader.ts"
import * as Handshake from "../domain/wire/Handshake.ts"
import * as Message from "../domain/wire/Message.ts"
import * as Dispatch from "./connection/Dispatch.ts"
import type { Port } from "./connection/Port.ts"
import * as Monotonic from "./Monotonic.ts"
import type { Link } from "./Transport.ts"

export type { Port } from "./connection/Port.ts"

/** A torrent that lets a peer in. */
export interface Admission {
  readonly port: Port
  readonly pieces: number
  /** Pieces that the torrent may prove to have, where that is not known yet. */
  readonly mostPieces?: number | undefined
  /** How the port meets a peer, if not by `opened`. */
  readonly meet?: ((peer: Peer) => void) | undefined
  /** See {@link Hello}. */
  readonly v2?: InfoHash.InfoHash | undefined
  /** See {@link Peer}. */
  readonly key: number
  readonly identity: number
  /** The connection is up; `link` serves what the peer asks for. */
  readonly onOpen: (peer: Peer, link: Link, move: Move) => void
  readonly onClosed: (peer: Peer, reason: string) => void
}

/**
 * Takes a connection that is up to another port, as when a magnet link becomes a torrent. The peer is a new one there, of
 * whom nothing is known but what the handshake said.
 */
export type Move = (admission: Admission) => Peer

export interface Hello {
  readonly ourId: PeerId.PeerId
  /** The torrent to ask for; absent when the other side opened the connection and says it. */
  readonly infoHash?: InfoHash.InfoHash
  /**
   * The truncated version 2 hash of the torrent, if it has one: what a hybrid may be called by as well, and is answered
   * by where both ends can (BEP 52, "upgrade path").
   */
  readonly v2?: InfoHash.InfoHash | undefined
  /** Decides about a peer that has said who it is; a text is the reason to refuse. */
  readonly admit: (handshake: Handshake.Handshake, link: Link) => Admission | string
  /** The other side has ended the connection, or spoken otherwise, where its handshake was due. */
  readonly onRefused?: (() => void) | undefined
}

export class PeerConnection extends Context.Service<PeerConnection, {
  /** Runs a connection to its end, which it tells in words. Never fails: a lost peer is no failure. */
  readonly run: (link: Link, hello: Hello) => Effect.Effect<string>
}>()("freshet/services/PeerConnection") {
  static readonly layer: Layer.Layer<PeerConnection> = Layer.effect(
    PeerConnection,
    Effect.map(Clock.Clock, (clock) => PeerConnection.of({ run: (link, hello) => run(clock, link, hello) }))
  )
}

/** Time for both handshakes (ms). */
const HANDSHAKE_MS = 10_000

/** A peer that sends no whole message for so long (ms) is gone; BEP 3 keep-alives come every two minutes. */
const SILENCE_MS = 150_000

/** We say something at least this often (ms). */
const KEEP_ALIVE_MS = 100_000

/** Small messages that a peer may leave unread (bytes). */
const UNREAD_LIMIT = 4 << 20

/** The longest frame body of a torrent with few pieces: a block as large as a peer may send. */
const MAX_FRAME = Message.PIECE_HEADER - 4 + MAX_REQUEST

/** What every connection of ours offers. */
const SPOKEN: Handshake.Spoken = { fast: true, extended: true }

class Connection {
  readonly #link: Link
  readonly #hello: Hello
  readonly #clock: Clock.Clock
  readonly #outbox = new Message.Outbox()
  readonly #reader: FrameReader
  #admission: Admission | undefined
  #peer: Peer | undefined
  #now: number
  #heardAt: number
  #saidAt: number
  #ended: string | undefined
  #isGreeted = false

  constructor(clock: Clock.Clock, link: Link, hello: Hello) {
    this.#clock = clock
    this.#link = link
    this.#hello = hello
    this.#now = this.#heardAt = this.#saidAt = Monotonic.millis(clock)
    this.#reader = new FrameReader(this, MAX_FRAME)
    if (hello.infoHash !== undefined) this.#greet(hello.infoHash, hello.v2)
  }

  get isOpen(): boolean {
    return this.#peer !== undefined
  }

  get ended(): string | undefined {
    return this.#ended
  }

  /** The link has ended: by the other side, unless we have a reason of our own. */
  hungUp(reason: string): string {
    if (!this.#isGreeted && this.#ended === undefined) this.#hello.onRefused?.()
    return this.#ended ?? reason
  }

  readonly close = (reason: string): void => {
    this.#ended ??= reason
    this.#link.close()
  }

  readonly flush = (): void => {
    if (this.#outbox.length === 0) return
    this.#link.send([this.#outbox.take()])
    this.#saidAt = this.#now
    if (this.#link.queued() > UNREAD_LIMIT) this.close("does not read what it is sent")
  }

  readonly onBytes = (bytes: Uint8Array, from: number, to: number): void => {
    if (this.#ended !== undefined) return
    this.#now = Monotonic.millis(this.#clock)
    if (this.#reader.push(bytes, from, to) === "Oversize") this.close("announced a frame over the limit")
    if (this.#peer !== undefined && this.#ended === undefined) this.#admission!.port.batchEnded(this.#peer, this.#now)
  }

  onHandshake(bytes: Uint8Array, at: number): boolean {
    const handshake = Handshake.decode(bytes, at)
    if (handshake === undefined) {
      this.#hello.onRefused?.()
      return this.#drop("speaks another protocol")
    }
    this.#isGreeted = true
    const { infoHash: asked, v2 } = this.#hello
    if (asked !== undefined && handshake.infoHash !== asked && handshake.infoHash !== v2) {
      return this.#drop("answered for another torrent")
    }
    const admission = this.#hello.admit(handshake, this.#link)
    if (typeof admission === "string") return this.#drop(admission)
    const agreed = asked === undefined && handshake.v2 ? admission.v2 ?? handshake.infoHash : handshake.infoHash
    if (asked === undefined) this.#greet(agreed, admission.v2)
    this.#open(admission, {
      key: admission.key,
      identity: admission.identity,
      id: handshake.peerId,
      address: this.#link.remote,
      inbound: asked === undefined,
      v2: agreed === (asked === undefined ? admission.v2 : v2),
      fast: handshake.fast,
      extended: handshake.extended,
      encrypted: this.#link.cipher !== "none",
      bits: Bitfield.make(admission.pieces),
      outbox: this.#outbox,
      wire: this,
      now: this.#now
    })
    return true
  }

  onFrame(bytes: Uint8Array, at: number, length: number): boolean {
    this.#heardAt = this.#now
    if (length === 0) return true
    const handler = Dispatch.HANDLERS[bytes[at]!]
    if (handler === undefined) return true
    const peer = this.#peer!
    const verdict = handler.fits(length)
      ? handler.run(this.#admission!.port, peer, bytes, at + 1, length - 1, this.#now)
      : "sent a message of the wrong length"
    return verdict === undefined ? this.#ended === undefined : this.#drop(verdict)
  }

  /** Every few seconds: says something before the peer gives us up, and gives up a silent one. */
  watch(): void {
    this.#now = Monotonic.millis(this.#clock)
    if (this.#now - this.#heardAt > SILENCE_MS) return this.close("fell silent")
    if (this.#now - this.#saidAt < KEEP_ALIVE_MS || this.#link.queued() > 0) return
    this.#outbox.keepAlive()
    this.flush()
  }

  finish(reason: string): void {
    this.close(reason)
    if (this.#peer === undefined) return
    this.#admission!.port.closed(this.#peer, Monotonic.millis(this.#clock))
    this.#admission!.onClosed(this.#peer, this.#ended!)
  }

  /** See {@link Move}. */
  readonly #move: Move = (admission) => {
    const before = this.#peer!
    return this.#open(admission, {
      key: admission.key,
      identity: admission.identity,
      id: before.id,
      address: before.address,
      inbound: before.inbound,
      v2: before.v2,
      fast: before.fast,
      extended: before.extended,
      encrypted: before.encrypted,
      bits: Bitfield.make(admission.pieces),
      outbox: this.#outbox,
      wire: this,
      now: before.connectedAt
    })
  }

  #open(admission: Admission, options: PeerOptions): Peer {
    const peer = new Peer(options)
    this.#admission = admission
    this.#reader.maxFrame = Math.max(MAX_FRAME, 1 + Bitfield.byteLength(admission.mostPieces ?? admission.pieces))
    this.#peer = peer
    if (admission.meet === undefined) admission.port.opened(peer)
    else admission.meet(peer)
    admission.onOpen(peer, this.#link, this.#move)
    return peer
  }

  #greet(infoHash: InfoHash.InfoHash, v2: InfoHash.InfoHash | undefined): void {
    this.#link.send([Handshake.encode(infoHash, this.#hello.ourId, { ...SPOKEN, v2: v2 !== undefined })])
  }

  #drop(reason: string): boolean {
    this.close(reason)
    return false
  }
}

const WATCH = "5 seconds"

const run = Effect.fnUntraced(function*(clock: Clock.Clock, link: Link, hello: Hello): Effect.fn.Return<string> {
  const connection = new Connection(clock, link, hello)
  const receive = link.receive(connection.onBytes).pipe(
    Effect.match({
      onFailure: (error) => connection.hungUp(error.detail ?? error.code),
      onSuccess: () => connection.hungUp("hung up")
    })
  )
  const watch = Effect.gen(function*() {
    yield* Effect.sleep(HANDSHAKE_MS)
    if (!connection.isOpen) return "did not shake hands in time"
    while (connection.ended === undefined) {
      yield* Effect.sleep(WATCH)
      connection.watch()
    }
    return connection.ended
  })
  return yield* Effect.raceFirst(receive, watch).pipe(
    Effect.onExit((exit) => Effect.sync(() => connection.finish(Exit.isSuccess(exit) ? exit.value : "was let go")))
  )
})
