/**
 * The tracker's UDP side (BEP 15) on plain `node:dgram`. Whatever comes without a connection id of ours gets nothing, or,
 * when it asks for one, as many bytes as it sent.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createSocket, type RemoteInfo, type Socket } from "node:dgram"
import * as net from "node:net"
import * as HostBytes from "../../domain/HostBytes.ts"
import type { Announcing, Answer } from "../../domain/tracker/Announcing.ts"
import type { ConnectionIds } from "../../domain/tracker/ConnectionIds.ts"
import type { Trouble } from "../../domain/tracker/Counters.ts"
import * as UdpTracker from "../../domain/tracker/UdpTracker.ts"
import * as UdpTrackerServer from "../../domain/tracker/UdpTrackerServer.ts"
import * as SystemCode from "../SystemCode.ts"
import { AnnounceBatch } from "./AnnounceBatch.ts"
import { type Desk, type Refusal, REFUSED, tooOften, waitOf } from "./Desk.ts"
import * as ListenError from "./ListenError.ts"

export interface UdpListenerOptions {
  /** An IP address. */
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
  /** `::` leaves IPv4 to another socket, whose addresses are cheaper to read. */
  readonly ipv6Only: boolean
  /** No error where the system lacks the family of this address. */
  readonly isOptional: boolean
  readonly ids: ConnectionIds
}

export interface UdpListener {
  readonly host: string
  readonly port: number
  readonly pending: () => number
}

/** Where nothing else is asked for. */
export const ALL: ReadonlyArray<string> = ["0.0.0.0", "::"]

/** What the kernel keeps for us; it may grant less. */
const SOCKET_BUFFER = 4 * 1024 * 1024

/** Bytes of answers between two looks at whether the network has taken them. */
const OUT_BYTES = 128 * 1024

/** Bytes of answers that may wait for the network; what comes beyond is lost, as datagrams are. */
const MAX_UNSENT = 16 * 1024 * 1024

const PATIENCE = "2 seconds"

const BAD_PORT: Refusal = { text: "port must be 1 to 65535", retryInMs: undefined }

/** Whom to answer. */
interface Asker {
  readonly transaction: number
  readonly source: RemoteInfo
}

class Handler {
  readonly #desk: Desk
  readonly #ids: ConnectionIds
  readonly #socket: Socket
  readonly #batch: AnnounceBatch<Asker>
  #scrapes = 0
  /** Where replies are written, one behind the other. */
  #out = Buffer.allocUnsafeSlow(OUT_BYTES)
  #at = 0
  #now = 0
  /** For the address of the packet at hand. */
  readonly #room = new Uint8Array(HostBytes.MAX_BYTES)
  #onQuiet: (() => void) | undefined
  #isBehind = false

  constructor(desk: Desk, ids: ConnectionIds, socket: Socket) {
    this.#desk = desk
    this.#ids = ids
    this.#socket = socket
    this.#batch = new AnnounceBatch<Asker>({
      submit: desk.submit,
      answer: this.#answer,
      answered: (count, ms) => {
        desk.counters.took(ms, count)
        this.#settle()
      },
      elapsed: desk.elapsed
    })
  }

  /** Questions that are not answered yet. */
  get pending(): number {
    return this.#batch.pending + this.#scrapes
  }

  /** Takes no more questions, and calls when those that wait are answered. */
  finish(call: () => void): void {
    this.#onQuiet = call
    this.#settle()
  }

  #settle(): void {
    if (this.pending === 0) this.#onQuiet?.()
  }

  readonly handle = (packet: Uint8Array, source: RemoteInfo): void => {
    if (this.#onQuiet !== undefined || this.#isLost()) return
    const action = UdpTrackerServer.actionOf(packet)
    const length = HostBytes.write(source.address, this.#room, 0)
    // Nobody can be answered at port 0, and Node would rather throw than try.
    if (action === undefined || source.port === 0 || length === 0) {
      this.#desk.counters.troubles.malformed++
      return
    }
    if (action === UdpTracker.CONNECT) return this.#connect(packet, length, source)
    // All that one turn gathers comes at one time.
    if (this.#batch.isEmpty) this.#now = this.#desk.now()
    if (!this.#ids.accepts(this.#room, length, this.#now, packet, 0)) {
      this.#desk.counters.troubles["wrong-id"]++
      return
    }
    if (action === UdpTracker.ANNOUNCE) this.#announce(packet, length, source)
    else this.#scrape(packet, length, source)
  }

  /** Sends what was written at `#at`. */
  #send(length: number, { address, port }: RemoteInfo): void {
    try {
      this.#socket.send(this.#out, this.#at, length, port, address)
    } catch {
      // The socket was closed while the store took its time.
      this.#desk.counters.troubles.send++
      return
    }
    this.#at += length
    if (this.#at > OUT_BYTES - UdpTrackerServer.MAX_REPLY) this.#rewind()
  }

  /** What the network has not taken yet is still read from where it was written. */
  #rewind(): void {
    this.#at = 0
    if (this.#socket.getSendQueueCount() === 0) return
    this.#out = Buffer.allocUnsafeSlow(OUT_BYTES)
    this.#isBehind = this.#socket.getSendQueueSize() > MAX_UNSENT
  }

  /** Questions come faster than answers can be sent. */
  #isLost(): boolean {
    if (!this.#isBehind) return false
    this.#isBehind = this.#socket.getSendQueueSize() > MAX_UNSENT
    if (this.#isBehind) this.#desk.counters.troubles.send++
    return this.#isBehind
  }

  #connect(packet: Uint8Array, hostLength: 4 | 16, source: RemoteInfo): void {
    this.#desk.counters.connects++
    const length = UdpTrackerServer.writeConnect(this.#out, this.#at, UdpTrackerServer.transactionOf(packet))
    this.#ids.write(this.#room, hostLength, this.#desk.now(), this.#out, this.#at + length - 8)
    this.#send(length, source)
  }

  /** Every question with a right id is longer than its header, so that there is room for some words. */
  #refuse(transaction: number, source: RemoteInfo, trouble: Trouble, { text }: Refusal): void {
    this.#desk.counters.troubles[trouble]++
    this.#send(UdpTrackerServer.writeError(this.#out, this.#at, transaction, text, source.size), source)
  }

  #announce(packet: Uint8Array, hostLength: 4 | 16, source: RemoteInfo): void {
    const desk = this.#desk
    const transaction = UdpTrackerServer.transactionOf(packet)
    const waitMs = waitOf(desk, this.#room, hostLength)
    if (waitMs > 0) return this.#refuse(transaction, source, "rate-limited", tooOften(waitMs))
    const asked = this.#batch.next
    if (!UdpTrackerServer.readAnnounce(packet, this.#room, hostLength, desk, asked)) {
      return this.#refuse(transaction, source, "malformed", BAD_PORT)
    }
    if (!desk.admits(asked.infoHash)) return this.#refuse(transaction, source, "not-tracked", REFUSED.notTracked)
    if (this.#batch.isFull) return this.#refuse(transaction, source, "busy", REFUSED.busy)
    desk.counters.announces[hostLength === 4 ? "udp4" : "udp6"]++
    this.#batch.add({ transaction, source })
  }

  readonly #answer = ({ source, transaction }: Asker, asked: Announcing, answer: Answer | undefined): void => {
    const desk = this.#desk
    desk.log?.("udp", asked, answer)
    if (answer === undefined) return this.#refuse(transaction, source, "store-lost", REFUSED.storeLost)
    if (answer === "TooManyTorrents") return this.#refuse(transaction, source, "table-full", REFUSED.tableFull)
    const family = asked.compact.length === 6 ? 4 : 6
    const length = UdpTrackerServer.writeAnnounce(this.#out, this.#at, transaction, answer, family, desk.intervalMs())
    this.#send(length, source)
  }

  #scrape(packet: Uint8Array, hostLength: 4 | 16, source: RemoteInfo): void {
    const desk = this.#desk
    const transaction = UdpTrackerServer.transactionOf(packet)
    const waitMs = waitOf(desk, this.#room, hostLength)
    if (waitMs > 0) return this.#refuse(transaction, source, "rate-limited", tooOften(waitMs))
    desk.counters.scrapes[hostLength === 4 ? "udp4" : "udp6"]++
    this.#scrapes++
    desk.scrape(UdpTrackerServer.readScrape(packet), (counts) => {
      this.#scrapes--
      if (counts === undefined) this.#refuse(transaction, source, "store-lost", REFUSED.storeLost)
      else this.#send(UdpTrackerServer.writeScrape(this.#out, this.#at, transaction, counts), source)
      this.#settle()
    })
  }
}

const newSocket = (host: string, ipv6Only: boolean): Socket => {
  const family = net.isIPv6(host) ? 6 : 4
  return createSocket({
    type: `udp${family}`,
    ipv6Only: ipv6Only && family === 6,
    recvBufferSize: SOCKET_BUFFER,
    sendBufferSize: SOCKET_BUFFER,
    // All addresses are numbers here; Node would ask its resolver for each of them.
    lookup: (address, _, callback) => callback(null, address, family)
  })
}

/** What the system says of a family that it lacks. */
const NO_FAMILY = new Set(["EAFNOSUPPORT", "EADDRNOTAVAIL"])

const bind = (
  socket: Socket,
  { host, isOptional, port }: UdpListenerOptions
): Effect.Effect<boolean, ListenError.TrackerServerError> =>
  Effect.callback((resume) => {
    const fail = (cause: Error) => {
      const isMissing = isOptional && NO_FAMILY.has(SystemCode.of(cause) ?? "")
      resume(isMissing ? Effect.succeed(false) : Effect.fail(ListenError.of("UDP", host, port, cause)))
    }
    socket.once("error", fail)
    socket.bind(port, host, () => {
      socket.off("error", fail)
      resume(Effect.succeed(true))
    })
  })

const closed = (socket: Socket): Effect.Effect<void> =>
  Effect.callback((resume) => {
    socket.close(() => resume(Effect.void))
  })

/** Listens until the scope closes; `undefined` where the system lacks the family of an optional address. */
export const listen = Effect.fnUntraced(function*(
  desk: Desk,
  options: UdpListenerOptions
): Effect.fn.Return<UdpListener | undefined, ListenError.TrackerServerError, Scope.Scope> {
  const socket = yield* Effect.acquireRelease(
    Effect.sync(() => newSocket(options.host, options.ipv6Only)),
    closed
  )
  if (!(yield* bind(socket, options))) return undefined
  const handler = new Handler(desk, options.ids, socket)
  yield* Effect.addFinalizer(() =>
    Effect.timeoutOption(
      Effect.callback<void>((resume) => handler.finish(() => resume(Effect.void))),
      PATIENCE
    )
  )
  socket.on("error", () => desk.counters.troubles.send++)
  socket.on("message", handler.handle)
  const { address, port } = socket.address()
  return { host: address, port, pending: () => handler.pending }
})
