/**
 * The peers of one torrent: whom to dial, whom to let in, one connection for each, and who is thrown out. Every dialled
 * connection is a fiber of the torrent's scope.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as InfoHash from "../domain/InfoHash.ts"
import type { Metainfo } from "../domain/Metainfo.ts"
import * as PeerAddress from "../domain/PeerAddress.ts"
import type * as PeerId from "../domain/PeerId.ts"
import { DialQueue, type Source } from "../domain/swarm/DialQueue.ts"
import type { Peer } from "../domain/swarm/Peer.ts"
import type { Swarm } from "../domain/swarm/Swarm.ts"
import type { Handshake } from "../domain/wire/Handshake.ts"
import * as Monotonic from "./Monotonic.ts"
import { type Admission, PeerConnection } from "./PeerConnection.ts"
import { Session } from "./Session.ts"
import { BLOCKED } from "./session/AddressFilter.ts"
import type { TorrentEvent } from "./TorrentEvent.ts"
import type { Link } from "./Transport.ts"
import { type Shelf, UploadServer } from "./UploadServer.ts"

export interface PeerPoolOptions {
  readonly metainfo: Metainfo
  readonly swarm: Swarm
  /** What peers are served from. */
  readonly shelf: Shelf
  readonly maxPeers: number
  readonly onEvent: (event: TorrentEvent) => void
}

export interface PeerPool {
  /**
   * Somebody told us of peers.
   *
   * @param swarm which of the torrent's swarms they are in; the first when absent
   */
  readonly add: (addresses: ReadonlyArray<PeerAddress.PeerAddress>, source: Source, swarm?: number) => void
  /** Dials as many as there is room for. */
  readonly dialMore: () => void
  /** Decides about a peer that called us; a text is the reason to refuse. */
  readonly admit: (handshake: Handshake, link: Link) => Admission | string
  /** Serves what the peer has asked for. */
  readonly serve: (peer: Peer) => void
  /** Answers the peer's questions for hashes. */
  readonly serveHashes: (peer: Peer) => void
  /** Throws out proven liars for good. */
  readonly ban: (identities: ReadonlyArray<number>, reason: string) => void
  /** Where a peer is, or was when it left; `undefined` for one that left long ago. */
  readonly addressOf: (identity: number) => PeerAddress.PeerAddress | undefined
  /** Closes all, and forgets every address that the user has not named. */
  readonly forgetAll: (reason: string) => void
  /** Closes all, and neither dials nor lets in anybody any more. */
  readonly shut: (reason: string) => void
}

/**
 * The share of all connections that callers may take while we leech. Those we choose to call have the rest, so that nobody
 * can cut us off from the seeds by calling often enough.
 */
const CALLERS = 0.8

/** A caller may take the place of a peer that is here for so long (ms) and wants nothing, nor has what we want. */
const IDLE_MS = 60_000

/** Dials under way at once; the session has its own limit over all torrents. */
const DIALLING = 32

/** Peers remembered after they left, since a block of theirs may prove to be wrong only then. */
const GONE = 1000

type Gone = Pick<Peer, "id" | "address" | "identity" | "inbound">

export const make = Effect.fnUntraced(function*(
  options: PeerPoolOptions
): Effect.fn.Return<PeerPool, never, Session | PeerConnection | UploadServer | Scope.Scope> {
  const { metainfo, onEvent, shelf, swarm } = options
  const session = yield* Session
  const connection = yield* PeerConnection
  const uploads = yield* UploadServer
  yield* Effect.addFinalizer(() => Effect.sync(() => uploads.drop(shelf)))
  const clock = yield* Clock.Clock
  const random = yield* Random.Random
  const run = yield* FiberSet.makeRuntime<never>()
  const queue = new DialQueue(() => random.nextDoubleUnsafe())
  const links = new Map<Peer, Link>()
  const byId = new Map<PeerId.PeerId, Peer>()
  /** By identity, in the order in which they left. */
  const gone = new Map<number, Gone>()
  /** Identities whose ban was told. */
  const banned = new Set<number>()
  const v2 = metainfo.infoHashV2 === undefined ? undefined : InfoHash.truncate(metainfo.infoHashV2)
  let dialling = 0
  /** Grows when everybody is forgotten: a dial from before comes to nothing. */
  let era = 0
  let shutReason: string | undefined

  const onOpen = (peer: Peer, link: Link) => {
    links.set(peer, link)
    byId.set(peer.id, peer)
    gone.delete(peer.identity)
    onEvent({ _tag: "PeerConnected", address: peer.address, peerId: peer.id })
  }

  const remember = ({ address, id, identity, inbound }: Peer) => {
    gone.delete(identity)
    gone.set(identity, { address, id, identity, inbound })
    if (gone.size > GONE) gone.delete(gone.keys().next().value!)
  }

  const ban = ({ address, id, identity, inbound }: Gone, reason: string) => {
    session.bans.ban(id, address, !inbound)
    // Several pieces may prove the same.
    if (banned.has(identity)) return
    banned.add(identity)
    if (banned.size > GONE) banned.delete(banned.values().next().value!)
    onEvent({ _tag: "PeerBanned", address, reason })
  }

  const onClosed = (peer: Peer, reason: string) => {
    links.delete(peer)
    if (byId.get(peer.id) === peer) byId.delete(peer.id)
    if (peer.received > 0) remember(peer)
    onEvent({ _tag: "PeerDisconnected", address: peer.address, reason })
  }

  /**
   * Two connections with one peer: both ends keep the one that the greater peer id has dialled, so that they never each
   * close the other's.
   */
  const isBetter = (existing: Peer, inbound: boolean): boolean =>
    existing.inbound !== inbound && inbound === existing.id > session.peerId

  /** A leech keeps places for peers of its own choice. */
  const hasRoom = (inbound: boolean): boolean => {
    if (links.size >= options.maxPeers) return false
    if (!inbound || swarm.isDone) return true
    let callers = 0
    for (const peer of links.keys()) if (peer.inbound) callers++
    return callers < Math.ceil(CALLERS * options.maxPeers)
  }

  /** Closes the peer that has idled longest, so that nobody can fill a torrent with connections that do nothing. */
  const makeRoom = (): boolean => {
    const now = Monotonic.millis(clock)
    for (const peer of links.keys()) {
      if (now - peer.connectedAt < IDLE_MS) return false
      if (!peer.inbound || peer.amInterested || peer.peerInterested) continue
      // Gone at once, lest the next caller be given the same place.
      links.delete(peer)
      peer.wire.close("idles while others wait")
      return true
    }
    return false
  }

  const letIn = (handshake: Handshake, link: Link, inbound: boolean): Admission | string => {
    if (shutReason !== undefined) return shutReason
    if (session.bans.isBanned(handshake.peerId, link.remote)) return "is banned"
    const existing = byId.get(handshake.peerId)
    if (existing === undefined && !hasRoom(inbound) && !(inbound && makeRoom())) return "finds no room"
    if (existing !== undefined) {
      if (!isBetter(existing, inbound)) return "is connected already"
      existing.wire.close("is connected twice")
    }
    return {
      port: swarm,
      pieces: metainfo.layout.pieces,
      v2,
      key: session.nextKey(),
      identity: session.identityOf(handshake.peerId),
      onOpen,
      onClosed
    }
  }

  const dial = (address: PeerAddress.PeerAddress) => {
    let opened: Peer | undefined
    const begun = era
    const infoHash = metainfo.swarms[queue.swarmOf(address)]!
    const admit = (handshake: Handshake, link: Link) => {
      if (handshake.peerId === session.peerId) {
        queue.exclude(address)
        return "is ourselves"
      }
      if (begun !== era) return "was forgotten meanwhile"
      const admission = letIn(handshake, link, false)
      if (typeof admission === "string") return admission
      return {
        ...admission,
        onOpen: (peer: Peer, link: Link) => {
          opened = peer
          dialling--
          queue.connected(address)
          onOpen(peer, link)
        }
      }
    }
    return Effect.scoped(
      Effect.flatMap(
        session.dial(address),
        (link) => connection.run(link, { ourId: session.peerId, infoHash, v2, admit })
      )
    ).pipe(
      Effect.catch((error) => Effect.succeed(error.message)),
      Effect.tapDefect((defect) => Effect.logError(`defect in the connection to ${address.host}`, defect)),
      Effect.tap((reason) => Effect.logDebug(`${PeerAddress.format(address)}: ${reason}`)),
      Effect.ensuring(Effect.sync(() => {
        const now = Monotonic.millis(clock)
        const alone = links.size === 0
        if (opened !== undefined) {
          return queue.disconnected(address, now, opened.received > 0 || opened.up.total > 0, alone)
        }
        dialling--
        queue.failed(address, now, alone)
      }))
    )
  }

  const closeAll = (reason: string) => {
    for (const peer of Array.from(links.keys())) peer.wire.close(reason)
  }

  const dialMore = () => {
    if (shutReason !== undefined) return
    const now = Monotonic.millis(clock)
    while (dialling < DIALLING && links.size + dialling < options.maxPeers) {
      const address = queue.next(now)
      if (address === undefined) return
      if (session.bans.isBanned(undefined, address)) {
        queue.exclude(address)
        continue
      }
      if (session.addressFilter.refuses(address)) {
        // Not for good: the filter may change.
        queue.failed(address, now)
        run(Effect.logDebug(`${PeerAddress.format(address)}: ${BLOCKED}`))
        continue
      }
      dialling++
      run(dial(address))
    }
  }

  return {
    dialMore,
    add: (addresses, source, swarm) => {
      const now = Monotonic.millis(clock)
      for (const address of addresses) {
        const isRefused = session.addressFilter.refuses(address)
        if (isRefused && source !== "user") continue
        queue.add(address, source, now, swarm)
        if (!isRefused) continue
        const message = `peer ${PeerAddress.format(address)} ${BLOCKED}, and is not called`
        onEvent({ _tag: "Warning", message })
      }
      dialMore()
    },
    admit: (handshake, link) => letIn(handshake, link, true),
    serve: (peer) => {
      const link = links.get(peer)
      if (link !== undefined) uploads.serve(peer, link, shelf)
    },
    serveHashes: (peer) => {
      const link = links.get(peer)
      if (link !== undefined) uploads.serveHashes(peer, link, shelf)
    },
    ban: (identities, reason) => {
      for (const identity of identities) {
        const left = gone.get(identity)
        if (left !== undefined) ban(left, reason)
      }
      for (const peer of Array.from(links.keys())) {
        if (!identities.includes(peer.identity)) continue
        ban(peer, reason)
        peer.wire.close(reason)
      }
    },
    addressOf: (identity) => {
      for (const peer of links.keys()) if (peer.identity === identity) return peer.address
      return gone.get(identity)?.address
    },
    forgetAll: (reason) => {
      era++
      queue.forget()
      closeAll(reason)
    },
    shut: (reason) => {
      shutReason = reason
      closeAll(reason)
    }
  }
})
