/** Layers under a session that a test plays: a network without sockets, and connections without a protocol. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Bitfield from "../../src/domain/Bitfield.ts"
import * as PeerAddress from "../../src/domain/PeerAddress.ts"
import type * as PeerId from "../../src/domain/PeerId.ts"
import { Peer } from "../../src/domain/swarm/Peer.ts"
import * as Message from "../../src/domain/wire/Message.ts"
import type { Manner } from "../../src/domain/wire/mse/Policy.ts"
import * as Monotonic from "../../src/services/Monotonic.ts"
import { type Hello, PeerConnection } from "../../src/services/PeerConnection.ts"
import { type Link, Transport, TransportError } from "../../src/services/Transport.ts"
import { ObfuscatedLink } from "../../src/services/transport/ObfuscatedLink.ts"
import { UploadServer } from "../../src/services/UploadServer.ts"
import { FakeLink } from "../support/links.ts"
import { parse } from "../support/messages.ts"
import type * as Support from "../support/messages.ts"

export interface Connected {
  readonly peer: Peer
  readonly inbox: Array<Support.Message>
  /** The far end hangs up. */
  readonly hangUp: () => void
}

/** What stands behind the addresses of this network, and what came of it. */
export class Network {
  /** Peer ids by address; others refuse the connection. */
  readonly listeners = new Map<string, PeerId.PeerId>()
  /** How long a dial takes (ms). */
  latency = 0
  readonly takenPorts = new Set<number>()
  /** Ports taken at one address, as `host:port`. */
  readonly takenPlaces = new Set<string>()
  /** Where somebody listens now. */
  readonly listening = new Set<string>()
  refusal = "EADDRINUSE"
  /** Why nobody is reached who does not listen. */
  code = "ECONNREFUSED"
  readonly asked: Array<number> = []
  readonly dialled: Array<string> = []
  /** By address: the torrent that we asked for, and the other hash by which we would have it answered. */
  readonly hellos = new Map<string, Pick<Hello, "infoHash" | "v2">>()
  /** How each connection was opened by us, in order; callers are not in it. */
  readonly manners: Array<Manner> = []
  /** By address: what a listener takes, when it does not take both. */
  readonly takes = new Map<string, Manner | "neither">()
  readonly connected: Array<Connected> = []
  /** Why connections ended or never began, in order. */
  readonly ends: Array<string> = []
  readonly served: Array<Peer> = []
  /** Keys of shelves whose lines were forgotten. */
  readonly dropped: Array<string> = []
  /** By the address that they call from: the session may have wrapped their links. */
  readonly callers = new Map<PeerAddress.PeerAddress, { readonly peerId: PeerId.PeerId; readonly infoHash: string }>()
  /** Connections that the listener gives out. */
  readonly incoming: Queue.Queue<Link>
  infoHash = ""
  #keys = 0

  constructor(incoming: Queue.Queue<Link>) {
    this.incoming = incoming
  }

  /** Somebody connects to us. */
  call(address: PeerAddress.PeerAddress, peerId: PeerId.PeerId, infoHash = this.infoHash): void {
    const link = this.link(address)
    this.callers.set(link.remote, { peerId, infoHash })
    Queue.offerUnsafe(this.incoming, link)
  }

  link(address: PeerAddress.PeerAddress): Link {
    return Object.assign(new FakeLink(++this.#keys), { remote: address })
  }
}

export const network = Effect.map(Queue.unbounded<Link>(), (incoming) => new Network(incoming))

const run = (network: Network, link: Link, hello: Hello): Effect.Effect<string> =>
  Effect.clockWith((clock) => {
    const caller = network.callers.get(link.remote)
    if (caller === undefined) {
      const manner = link instanceof ObfuscatedLink ? "encrypted" : "plain"
      network.manners.push(manner)
      if ((network.takes.get(PeerAddress.format(link.remote)) ?? manner) !== manner) {
        hello.onRefused?.()
        return Effect.succeed("hung up")
      }
    }
    if (caller === undefined) network.hellos.set(link.remote.host, { infoHash: hello.infoHash!, v2: hello.v2 })
    const peerId = caller?.peerId ?? network.listeners.get(PeerAddress.format(link.remote))!
    const infoHash = (caller?.infoHash ?? hello.infoHash!) as NonNullable<Hello["infoHash"]>
    const admission = hello.admit({
      peerId,
      infoHash,
      v2: false,
      fast: false,
      extended: false,
      reserved: new Uint8Array(8)
    }, link)
    if (typeof admission === "string") return Effect.succeed(admission)
    const end = Deferred.makeUnsafe<string>()
    const inbox: Array<Support.Message> = []
    const outbox = new Message.Outbox()
    const close = (reason: string) => void Deferred.doneUnsafe(end, Exit.succeed(reason))
    const peer = new Peer({
      key: admission.key,
      identity: admission.identity,
      id: peerId,
      address: link.remote,
      inbound: hello.infoHash === undefined,
      v2: false,
      bits: Bitfield.make(admission.pieces),
      outbox,
      wire: { close, flush: () => void inbox.push(...parse(outbox.take())) },
      now: Monotonic.millis(clock)
    })
    admission.port.opened(peer)
    admission.onOpen(peer, link, () => peer)
    network.connected.push({ peer, inbox, hangUp: () => close("hung up") })
    return Deferred.await(end).pipe(
      Effect.tap((reason) =>
        Effect.sync(() => {
          network.connected.splice(network.connected.findIndex((other) => other.peer === peer), 1)
          admission.port.closed(peer, 0)
          admission.onClosed(peer, reason)
        })
      )
    )
  }).pipe(Effect.tap((reason) => Effect.sync(() => network.ends.push(reason))))

export const layerOf = (network: Network): Layer.Layer<Transport | PeerConnection | UploadServer> =>
  Layer.mergeAll(
    Layer.succeed(
      Transport,
      {
        dial: (address) =>
          Effect.suspend(() => {
            const name = PeerAddress.format(address)
            network.dialled.push(name)
            if (network.listeners.has(name)) {
              return Effect.delay(Effect.sync(() => network.link(address)), network.latency)
            }
            const { code } = network
            return Effect.fail(
              new TransportError({ operation: "dial", code, address: name, detail: "the network refuses" })
            )
          }),
        listen: ({ host, port }) =>
          Effect.suspend(() => {
            network.asked.push(port)
            const name = `${host ?? "*"}:${port}`
            if (!network.takenPorts.has(port) && !network.takenPlaces.has(name)) {
              const listener = { port: port === 0 ? 50_000 : port, accept: Queue.take(network.incoming) }
              return Effect.acquireRelease(
                Effect.sync(() => {
                  network.listening.add(name)
                  return listener
                }),
                () => Effect.sync(() => network.listening.delete(name))
              )
            }
            return Effect.fail(new TransportError({ operation: "listen", code: network.refusal, address: "*" }))
          })
      }
    ),
    Layer.succeed(PeerConnection, { run: (link, hello) => run(network, link, hello) }),
    Layer.succeed(UploadServer, {
      serve: (peer) => void network.served.push(peer),
      serveHashes: () => {},
      drop: ({ key }) => void network.dropped.push(key)
    })
  )
