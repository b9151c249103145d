/**
 * The peers of one torrent: whom to dial, whom to let in, one connection for each, and who is thrown out. Every dialled
 * connection is a fiber of the torrent's scope.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Bytes from "../domain/Bytes.ts"
import type { InfoHashV2 } from "../domain/InfoHashV2.ts"
import type { Metainfo } from "../domain/Metainfo.ts"
import * as PeerAddress from "../domain/PeerAddress.ts"
import type * as PeerId from "../domain/PeerId.ts"
import * as BanCause from "../domain/swarm/BanCause.ts"
import type { Facts } from "../domain/swarm/Diagnosis.ts"
import type { Remembered } from "../domain/swarm/DialEntry.ts"
import { DialQueue } from "../domain/swarm/DialQueue.ts"
import { ExternalAddress } from "../domain/swarm/ExternalAddress.ts"
import type { Peer } from "../domain/swarm/Peer.ts"
import * as Pex from "../domain/swarm/Pex.ts"
import { Ranking } from "../domain/swarm/Ranking.ts"
import type { Source } from "../domain/swarm/Source.ts"
import type { Swarm } from "../domain/swarm/Swarm.ts"
import type { ExtensionHandshake } from "../domain/wire/ExtensionHandshake.ts"
import type { Handshake } from "../domain/wire/Handshake.ts"
import * as PexMessage from "../domain/wire/PexMessage.ts"
import type { Port } from "./connection/Port.ts"
import * as Monotonic from "./Monotonic.ts"
import { type Admission, type Move, PeerConnection } from "./PeerConnection.ts"
import { Banning } from "./pool/Banning.ts"
import { Dialler, isUseful } from "./pool/Dialler.ts"
import { Doorkeeper } from "./pool/Doorkeeper.ts"
import { Listeners } from "./pool/Listeners.ts"
import { type Gone, Roster } from "./pool/Roster.ts"
import { Subject } from "./pool/Subject.ts"
import { Session } from "./Session.ts"
import { BLOCKED } from "./session/AddressFilter.ts"
import type { TorrentEvent } from "./TorrentEvent.ts"
import type { Link } from "./Transport.ts"
import { type Shelf, UploadServer } from "./UploadServer.ts"

export interface PeerPoolOptions {
  readonly metainfo: Pick<Metainfo, "infoHashV2" | "private" | "swarms"> & {
    readonly layout: Pick<Metainfo["layout"], "pieces">
  }
  /** See {@link Admission}. */
  readonly mostPieces?: number | undefined
  readonly swarm: Port & Pick<Swarm, "isDone" | "isSoleSource">
  /** What peers are served from; absent while there is nothing to give. */
  readonly shelf?: Shelf | undefined
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
  /** A peer tells of others (BEP 11). */
  readonly told: (peer: Peer, message: PexMessage.PexMessage, now: number) => void
  /** A tracker says at which address it sees us (BEP 24). */
  readonly seenAs: (host: string, url: string) => void
  /** Peers of an earlier run, to be dialled before any tracker answers. */
  readonly recall: (peers: ReadonlyArray<Remembered>) => void
  /** The peers worth a call in a later run, the best first; nobody that is banned. */
  readonly memory: (most: number) => ReadonlyArray<Remembered>
  /** Dials as many as there is room for. */
  readonly dialMore: () => void
  /** Decides about a peer that called us; a text is the reason to refuse. */
  readonly admit: (handshake: Handshake, link: Link) => Admission | string
  /**
   * The magnet link has become this torrent: all connections go on for it.
   *
   * @param meet how the torrent meets a peer that it has in the place of `before`; a text is the reason to drop it
   */
  readonly become: (next: PeerPoolOptions, meet: Meeting) => void
  /** The peer has said more of itself, perhaps again. */
  readonly introduced: (peer: Peer, theirs: ExtensionHandshake) => void
  /**
   * The torrent proves to be a hybrid (BEP 52): from now on it is called on both versions, and those that we have called and
   * that speak version 2 are called again at once.
   */
  readonly upgrade: (infoHashV2: InfoHashV2) => void
  /** Serves what the peer has asked for. */
  readonly serve: (peer: Peer) => void
  /** Answers the peer's questions for hashes. */
  readonly serveHashes: (peer: Peer) => void
  /** Throws peers out, for as long as the cause says. */
  readonly ban: (identities: ReadonlyArray<number>, cause: BanCause.BanCause) => void
  /** What is known of the peers that are not connected. */
  readonly facts: () => Pick<Facts, "known" | "blocked" | "dialling" | "failed" | "refusal" | "banned">
  /** Bytes sent to a peer that the system has not taken. */
  readonly unread: (peer: Peer) => number
  /** Where a peer is, or was when it left; `undefined` for one that left long ago. */
  readonly addressOf: (identity: number) => PeerAddress.PeerAddress | undefined
  /** Closes all, and forgets every address that the user has not named. */
  readonly forgetAll: (reason: string) => void
  /** Closes all, and neither dials nor lets in anybody any more. */
  readonly shut: (reason: string) => void
}

/** How connections go over from a magnet link to its torrent. */
export interface Meeting {
  readonly meet: (peer: Peer) => void
  /** Afterwards, with what the peer has said before. */
  readonly tell: (peer: Peer, before: Peer, now: number) => string | undefined
}

/** Who answers for what a peer tells: its host, and in IPv6 its network, since a host has as many addresses there as it likes. */
const tellerOf = (address: PeerAddress.PeerAddress): string =>
  address.family === 4 ? address.host : Bytes.toHex(PeerAddress.hostBytes(address), 0, 8)

export const make = Effect.fnUntraced(function*(
  options: PeerPoolOptions
): Effect.fn.Return<PeerPool, never, Session | PeerConnection | UploadServer | Scope.Scope> {
  const session = yield* Session
  const connection = yield* PeerConnection
  const uploads = yield* UploadServer
  const clock = yield* Clock.Clock
  const random = yield* Random.Random
  const run = yield* FiberSet.makeRuntime<never>()
  const now = () => Monotonic.millis(clock)
  const subject = new Subject(options)
  const onEvent = (event: TorrentEvent) => subject.options.onEvent(event)
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      const { shelf } = subject.options
      if (shelf !== undefined) uploads.drop(shelf)
    })
  )
  const external = new ExternalAddress()
  const ranking = new Ranking(external, session.port, () => random.nextDoubleUnsafe())
  const queue = new DialQueue(() => random.nextDoubleUnsafe(), undefined, (address) => ranking.of(address))
  const roster = new Roster()
  const listeners = new Listeners(queue)
  const banning = new Banning(session.bans)
  const doorkeeper = new Doorkeeper({ session, subject, roster, ranking, now })
  /** Peers of which was told what they call themselves. */
  const named = new WeakSet<Peer>()

  const onOpen = (peer: Peer, link: Link, move: Move) => {
    roster.opened(peer, link, move)
    onEvent({ _tag: "PeerConnected", address: peer.address, peerId: peer.id, cipher: link.cipher })
  }

  const onClosed = (peer: Peer, reason: string) => {
    roster.closed(peer)
    doorkeeper.left(peer)
    const isTwin = roster.withId(peer.id) !== undefined
    listeners.left(peer, now(), { alone: roster.size === 0, isTwin, isUseful: isUseful(peer) })
    onEvent({ _tag: "PeerDisconnected", address: peer.address, reason })
  }

  /** Of a private torrent only trackers may name peers (BEP 27). */
  const rememberListener = (peer: Peer, address: PeerAddress.PeerAddress) => {
    if (!subject.metainfo.private) listeners.add(peer, address, now())
  }

  /** Between two that want nothing there is nothing to exchange. */
  const isNeedless = (flags: number): boolean => subject.options.swarm.isDone && (flags & PexMessage.UPLOAD_ONLY) !== 0

  const isBarred = (address: PeerAddress.PeerAddress): boolean => session.bans.isBanned(undefined, address, now())

  const isOurs = ({ family, host, port }: PeerAddress.PeerAddress): boolean =>
    port === session.port && host === external.of(family)

  const ban = (peer: Gone, cause: BanCause.BanCause) => {
    const event = banning.ban(peer, cause, now())
    if (event !== undefined) onEvent(event)
  }

  const admissionOf = (peerId: PeerId.PeerId): Admission => ({
    port: subject.options.swarm,
    pieces: subject.metainfo.layout.pieces,
    mostPieces: subject.options.mostPieces,
    v2: subject.v2,
    key: session.nextKey(),
    identity: session.identityOf(peerId),
    onOpen,
    onClosed
  })

  const letIn = (handshake: Handshake, link: Link, inbound: boolean): Admission | string =>
    doorkeeper.refusal(handshake, link, inbound) ?? admissionOf(handshake.peerId)

  const dialler = new Dialler({
    session,
    connection,
    subject,
    roster,
    queue,
    listeners,
    run,
    letIn: (handshake, link) => letIn(handshake, link, false),
    onTwin: rememberListener,
    now
  })
  const dialMore = () => dialler.dialMore()

  return {
    dialMore,
    told: (peer, { added, dropped }, at) => {
      const teller = tellerOf(peer.address)
      for (const address of dropped) queue.untold(address, teller)
      const inSwarm = peer.inbound ? 0 : queue.swarmOf(peer.address)
      for (const contact of added) {
        if (isNeedless(contact.flags) || isOurs(contact.address) || isBarred(contact.address)) continue
        queue.told(contact, teller, at, inSwarm)
      }
      dialMore()
    },
    seenAs: (host, url) => external.vote(host, url, true),
    recall: (peers) => {
      const kept = peers.filter(({ address, flags, swarm: number }) =>
        number < subject.metainfo.swarms.length && !isBarred(address) && !isNeedless(flags)
      )
      queue.recall(kept, now())
      dialMore()
    },
    memory: (most) => {
      for (const peer of roster.peers()) {
        const address = peer.inbound ? listeners.addressOf(peer) : peer.address
        if (address !== undefined) queue.note(address, Pex.flagsOf(peer), isUseful(peer))
      }
      return queue.memory(now(), most).filter(({ address, source }) =>
        !isBarred(address) && (!subject.metainfo.private || source === "tracker")
      )
    },
    add: (addresses, source, swarm) => {
      for (const address of addresses) {
        const isRefused = session.addressFilter.refuses(address)
        // Whoever gave us a few addresses by hand wants to hear of it.
        if (isRefused && source !== "user" && source !== "magnet") continue
        queue.add(address, source, now(), swarm)
        if (!isRefused) continue
        const message = `peer ${PeerAddress.format(address)} ${BLOCKED}, and is not called`
        onEvent({ _tag: "Warning", message })
      }
      dialMore()
    },
    admit: (handshake, link) => letIn(handshake, link, true),
    become: (next, { meet, tell }) => {
      queue.renumber(subject.become(next))
      const at = now()
      for (const [before, move] of roster.moveOut()) {
        listeners.forget(before)
        const peer = move({ ...admissionOf(before.id), meet })
        const verdict = tell(peer, before, at)
        if (verdict !== undefined) peer.wire.close(verdict)
        else next.swarm.batchEnded(peer, at)
      }
      dialMore()
    },
    upgrade: (infoHashV2) => {
      subject.upgrade(infoHashV2)
      for (const peer of Array.from(roster.peers())) {
        if (peer.inbound || peer.v2 || !doorkeeper.isBilingual(peer)) continue
        dialler.again(peer, "is called again on version 2")
      }
    },
    introduced: (peer, { port, version, yourIp }) => {
      if (!roster.has(peer)) return
      if (port !== undefined) rememberListener(peer, { ...peer.address, port })
      const host = yourIp && PeerAddress.hostOf(yourIp)
      if (host !== undefined) external.vote(host, peer.address.host)
      if (version === undefined || named.has(peer)) return
      named.add(peer)
      onEvent({ _tag: "PeerIntroduced", address: peer.address, client: version })
    },
    serve: (peer) => {
      const link = roster.linkOf(peer)
      const { shelf } = subject.options
      if (link !== undefined && shelf !== undefined) uploads.serve(peer, link, shelf)
    },
    serveHashes: (peer) => {
      const link = roster.linkOf(peer)
      const { shelf } = subject.options
      if (link !== undefined && shelf !== undefined) uploads.serveHashes(peer, link, shelf)
    },
    ban: (identities, cause) => {
      for (const identity of identities) {
        const left = roster.gone(identity)
        if (left !== undefined) ban(left, cause)
      }
      for (const peer of Array.from(roster.peers())) {
        if (!identities.includes(peer.identity)) continue
        const address = listeners.addressOf(peer)
        if (address !== undefined && BanCause.lasts(cause) === Infinity) queue.exclude(address)
        ban(peer, cause)
        peer.wire.close(BanCause.text(cause))
      }
    },
    facts: () => ({ ...dialler.facts, banned: banning.count(now()) }),
    unread: (peer) => roster.linkOf(peer)?.queued() ?? 0,
    addressOf: (identity) => {
      for (const peer of roster.peers()) if (peer.identity === identity) return peer.address
      return roster.gone(identity)?.address
    },
    forgetAll: (reason) => {
      dialler.forget()
      roster.closeAll(reason)
    },
    shut: (reason) => {
      subject.shutReason = reason
      roster.closeAll(reason)
    }
  }
})
