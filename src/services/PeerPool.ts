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
import * as InfoHash from "../domain/InfoHash.ts"
import type { InfoHashV2 } from "../domain/InfoHashV2.ts"
import type { Metainfo } from "../domain/Metainfo.ts"
import * as PeerAddress from "../domain/PeerAddress.ts"
import type * as PeerId from "../domain/PeerId.ts"
import * as BanCause from "../domain/swarm/BanCause.ts"
import type { Facts } from "../domain/swarm/Diagnosis.ts"
import { DialLog } from "../domain/swarm/DialLog.ts"
import { DialQueue, type Remembered, type Source } from "../domain/swarm/DialQueue.ts"
import { ExternalAddress } from "../domain/swarm/ExternalAddress.ts"
import type { Peer } from "../domain/swarm/Peer.ts"
import * as Pex from "../domain/swarm/Pex.ts"
import * as Places from "../domain/swarm/Places.ts"
import { Ranking } from "../domain/swarm/Ranking.ts"
import type { Swarm } from "../domain/swarm/Swarm.ts"
import type { ExtensionHandshake } from "../domain/wire/ExtensionHandshake.ts"
import type { Handshake } from "../domain/wire/Handshake.ts"
import * as Policy from "../domain/wire/mse/Policy.ts"
import * as PexMessage from "../domain/wire/PexMessage.ts"
import type { Port } from "./connection/Port.ts"
import * as Monotonic from "./Monotonic.ts"
import { type Admission, type Move, PeerConnection } from "./PeerConnection.ts"
import { Session } from "./Session.ts"
import { BLOCKED } from "./session/AddressFilter.ts"
import * as SystemCode from "./SystemCode.ts"
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
  readonly facts: () => Pick<Facts, "known" | "dialling" | "failed" | "refusal" | "banned">
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

/**
 * The share of all connections that callers may take while we leech. Those we choose to call have the rest, so that nobody
 * can cut us off from the seeds by calling often enough.
 */
const CALLERS = 0.8

/** Dials under way at once; the session has its own limit over all torrents. */
const DIALLING = 32

const isUseful = (peer: Peer): boolean => peer.received > 0 || peer.up.total > 0

/** The canonical text of 4 or 16 bytes. */
const hostOf = (bytes: Uint8Array): string | undefined =>
  PeerAddress.fromCompact(Bytes.concat([bytes, Uint8Array.of(0, 1)]), bytes.length === 4 ? 4 : 6)[0]?.host

/** Who answers for what a peer tells: its host, and in IPv6 its network, since a host has as many addresses there as it likes. */
const tellerOf = (address: PeerAddress.PeerAddress): string =>
  address.family === 4 ? address.host : Bytes.toHex(PeerAddress.hostBytes(address), 0, 8)

/** Peers remembered after they left, since a block of theirs may prove to be wrong only then. */
const GONE = 1000

type Gone = Pick<Peer, "id" | "address" | "identity" | "inbound">

export const make = Effect.fnUntraced(function*(
  options: PeerPoolOptions
): Effect.fn.Return<PeerPool, never, Session | PeerConnection | UploadServer | Scope.Scope> {
  let { maxPeers, metainfo, mostPieces, onEvent, shelf, swarm } = options
  const session = yield* Session
  const connection = yield* PeerConnection
  const uploads = yield* UploadServer
  yield* Effect.addFinalizer(() => Effect.sync(() => shelf && uploads.drop(shelf)))
  const clock = yield* Clock.Clock
  const random = yield* Random.Random
  const run = yield* FiberSet.makeRuntime<never>()
  const external = new ExternalAddress()
  const ranking = new Ranking(external, session.port, () => random.nextDoubleUnsafe())
  const queue = new DialQueue(() => random.nextDoubleUnsafe(), undefined, (address) => ranking.of(address))
  const links = new Map<Peer, Link>()
  const moves = new Map<Peer, Move>()
  /** Those who say that they speak version 2, on whatever version they are connected. */
  const bilingual = new Set<PeerId.PeerId>()
  /** Whom to call again without a wait, by address. */
  const recalled = new Set<string>()
  /** Peers of which was told what they call themselves. */
  const named = new WeakSet<Peer>()
  /** Where callers say that they can be called. */
  const listening = new Map<Peer, PeerAddress.PeerAddress>()
  const byId = new Map<PeerId.PeerId, Peer>()
  /** By identity, in the order in which they left. */
  const gone = new Map<number, Gone>()
  const truncated = () => metainfo.infoHashV2 === undefined ? undefined : InfoHash.truncate(metainfo.infoHashV2)
  let v2 = truncated()
  /** When the ban ends that was told of an identity. */
  const banned = new Map<number, number>()
  const calls = new DialLog()
  let dialling = 0
  /** Grows when everybody is forgotten: a dial from before comes to nothing. */
  let era = 0
  let shutReason: string | undefined

  const onOpen = (peer: Peer, link: Link, move: Move) => {
    links.set(peer, link)
    moves.set(peer, move)
    byId.set(peer.id, peer)
    gone.delete(peer.identity)
    onEvent({ _tag: "PeerConnected", address: peer.address, peerId: peer.id, cipher: link.cipher })
  }

  /**
   * The caller listens here: it is not to be dialled while it is connected, but may be later. Of a private torrent only trackers
   * may name peers (BEP 27).
   */
  const rememberListener = (peer: Peer, address: PeerAddress.PeerAddress) => {
    if (!peer.inbound || metainfo.private || listening.has(peer)) return
    listening.set(peer, address)
    queue.connected(address, Monotonic.millis(clock))
  }

  const forgetListener = (peer: Peer) => {
    const address = listening.get(peer)
    listening.delete(peer)
    // The other of two connections with one peer goes on.
    if (address === undefined || byId.has(peer.id)) return
    queue.disconnected(address, Monotonic.millis(clock), isUseful(peer), links.size === 0)
  }

  const remember = ({ address, id, identity, inbound }: Peer) => {
    gone.delete(identity)
    gone.set(identity, { address, id, identity, inbound })
    if (gone.size > GONE) gone.delete(gone.keys().next().value!)
  }

  /** Between two that want nothing there is nothing to exchange. */
  const isNeedless = (flags: number): boolean => swarm.isDone && (flags & PexMessage.UPLOAD_ONLY) !== 0

  const isBarred = (address: PeerAddress.PeerAddress): boolean =>
    session.bans.isBanned(undefined, address, Monotonic.millis(clock))

  const isOurs = ({ family, host, port }: PeerAddress.PeerAddress): boolean =>
    port === session.port && host === external.of(family)

  const ban = ({ address, id, identity, inbound }: Gone, cause: BanCause.BanCause) => {
    const now = Monotonic.millis(clock)
    const until = now + BanCause.lasts(cause)
    session.bans.ban(id, address, !inbound, until, now)
    // Several pieces may prove the same.
    if ((banned.get(identity) ?? -Infinity) > now) return
    banned.delete(identity)
    banned.set(identity, until)
    if (banned.size > GONE) banned.delete(banned.keys().next().value!)
    onEvent({ _tag: "PeerBanned", address, cause })
  }

  const onClosed = (peer: Peer, reason: string) => {
    links.delete(peer)
    moves.delete(peer)
    if (byId.get(peer.id) === peer) byId.delete(peer.id)
    if (!byId.has(peer.id)) bilingual.delete(peer.id)
    forgetListener(peer)
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
  const areCallersFull = (): boolean => {
    if (swarm.isDone) return false
    let callers = 0
    for (const peer of links.keys()) if (peer.inbound) callers++
    return callers >= Math.ceil(CALLERS * maxPeers)
  }

  const hasRoom = (inbound: boolean): boolean => links.size < maxPeers && !(inbound && areCallersFull())

  /**
   * Closes a peer for a newcomer: a caller for one that does nothing, so that nobody can fill a torrent with connections of no
   * use, else whoever ranks below it (BEP 40).
   */
  const makeRoom = (address: PeerAddress.PeerAddress, inbound: boolean): boolean => {
    const now = Monotonic.millis(clock)
    const newcomer = { rank: ranking.of(address), forCaller: inbound && areCallersFull() }
    const leaver = (inbound ? Places.idler(links.keys(), now) : undefined) ??
      Places.outranked(
        links.keys(),
        newcomer,
        (peer) => ranking.of(peer.address),
        (peer) => swarm.isSoleSource(peer),
        now
      )
    if (leaver === undefined) return false
    // Gone at once, lest the next one be given the same place.
    links.delete(leaver.peer)
    leaver.peer.wire.close(leaver.reason)
    return true
  }

  const letIn = (handshake: Handshake, link: Link, inbound: boolean): Admission | string => {
    if (shutReason !== undefined) return shutReason
    if (session.bans.isBanned(handshake.peerId, link.remote, Monotonic.millis(clock))) return "is banned"
    const existing = byId.get(handshake.peerId)
    if (existing === undefined && !hasRoom(inbound) && !makeRoom(link.remote, inbound)) return "finds no room"
    if (existing !== undefined) {
      if (!isBetter(existing, inbound)) return "is connected already"
      existing.wire.close("is connected twice")
    }
    if (handshake.v2) bilingual.add(handshake.peerId)
    return admissionOf(handshake.peerId)
  }

  const admissionOf = (peerId: PeerId.PeerId): Admission => ({
    port: swarm,
    pieces: metainfo.layout.pieces,
    mostPieces,
    v2,
    key: session.nextKey(),
    identity: session.identityOf(peerId),
    onOpen,
    onClosed
  })

  const dial = (address: PeerAddress.PeerAddress) => {
    let opened: Peer | undefined
    /** It answered, and we would not have it. */
    let isUnwanted = false
    let refusal = "was let go"
    const begun = era
    const infoHash = metainfo.swarms[queue.swarmOf(address)]!
    const admit = (manner: Policy.Manner) => (handshake: Handshake, link: Link) => {
      queue.answered(address, manner)
      isUnwanted = true
      if (handshake.peerId === session.peerId) {
        queue.exclude(address)
        return "is ourselves"
      }
      if (begun !== era) return "was forgotten meanwhile"
      const admission = letIn(handshake, link, false)
      if (typeof admission === "string") {
        const twin = byId.get(handshake.peerId)
        if (twin?.inbound === true) rememberListener(twin, address)
        return admission
      }
      return {
        ...admission,
        onOpen: (peer: Peer, link: Link, move: Move) => {
          opened = peer
          dialling--
          calls.remove(PeerAddress.format(address))
          queue.connected(address, Monotonic.millis(clock))
          onOpen(peer, link, (next) => opened = move(next))
        }
      }
    }
    const call = ([manner, next]: ReadonlyArray<Policy.Manner>): Effect.Effect<void> => {
      let refused = false
      const onRefused = () => {
        refused = true
      }
      return Effect.scoped(
        Effect.flatMap(
          session.dial(address, manner === "encrypted" ? infoHash : undefined),
          (link) => connection.run(link, { ourId: session.peerId, infoHash, v2, admit: admit(manner!), onRefused })
        )
      ).pipe(
        Effect.catch((error) => Effect.succeed(SystemCode.describe(error))),
        Effect.tap((reason) => {
          refusal = reason
          return Effect.logDebug(`${PeerAddress.format(address)}, called ${manner}: ${reason}`)
        }),
        Effect.andThen(Effect.suspend(() => {
          const again = refused && next !== undefined && begun === era && shutReason === undefined
          return again ? call([next]) : Effect.void
        }))
      )
    }
    return call(Policy.manners(session.encryption, queue.mannerOf(address))).pipe(
      Effect.tapDefect((defect) => Effect.logError(`defect in the connection to ${address.host}`, defect)),
      Effect.ensuring(Effect.sync(() => {
        const now = Monotonic.millis(clock)
        const alone = links.size === 0
        if (recalled.delete(PeerAddress.format(address))) {
          queue.again(address, now)
          return dialMore()
        }
        if (opened !== undefined) {
          return queue.disconnected(address, now, isUseful(opened), alone)
        }
        dialling--
        if (!isUnwanted && begun === era) calls.add(PeerAddress.format(address), refusal)
        // A caller that turned out to listen here holds the address.
        if (!isHeld(address)) queue.failed(address, now, alone)
      }))
    )
  }

  const isHeld = (address: PeerAddress.PeerAddress): boolean => {
    const key = PeerAddress.format(address)
    for (const other of listening.values()) if (PeerAddress.format(other) === key) return true
    return false
  }

  const closeAll = (reason: string) => {
    for (const peer of Array.from(links.keys())) peer.wire.close(reason)
  }

  const dialMore = () => {
    if (shutReason !== undefined) return
    const now = Monotonic.millis(clock)
    while (dialling < DIALLING && links.size + dialling < maxPeers) {
      const address = queue.next(now)
      if (address === undefined) return
      const end = session.bans.endOf(undefined, address, now)
      if (end > now) {
        calls.remove(PeerAddress.format(address))
        if (end === Infinity) queue.exclude(address)
        else queue.failed(address, now)
        continue
      }
      if (session.addressFilter.refuses(address)) {
        // Not for good: the filter may change.
        queue.failed(address, now)
        calls.add(PeerAddress.format(address), "the blocklist keeps it away")
        run(Effect.logDebug(`${PeerAddress.format(address)}: ${BLOCKED}`))
        continue
      }
      dialling++
      run(dial(address))
    }
  }

  return {
    dialMore,
    told: (peer, { added, dropped }, now) => {
      const teller = tellerOf(peer.address)
      for (const address of dropped) queue.untold(address, teller)
      const inSwarm = peer.inbound ? 0 : queue.swarmOf(peer.address)
      for (const contact of added) {
        if (isNeedless(contact.flags) || isOurs(contact.address) || isBarred(contact.address)) {
          continue
        }
        queue.told(contact, teller, now, inSwarm)
      }
      dialMore()
    },
    seenAs: (host, url) => external.vote(host, url, true),
    recall: (peers) => {
      const kept = peers.filter(({ address, flags, swarm: number }) =>
        number < metainfo.swarms.length && !isBarred(address) && !isNeedless(flags)
      )
      queue.recall(kept, Monotonic.millis(clock))
      dialMore()
    },
    memory: (most) => {
      for (const peer of links.keys()) {
        const address = peer.inbound ? listening.get(peer) : peer.address
        if (address !== undefined) queue.note(address, Pex.flagsOf(peer), isUseful(peer))
      }
      return queue.memory(Monotonic.millis(clock), most).filter(({ address, source }) =>
        !isBarred(address) && (!metainfo.private || source === "tracker")
      )
    },
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
    become: (next, { meet, tell }) => {
      const { swarms } = metainfo
      ;({ maxPeers, metainfo, mostPieces, onEvent, shelf, swarm } = next)
      v2 = truncated()
      queue.renumber((swarm) => Math.max(0, metainfo.swarms.indexOf(swarms[swarm]!)))
      const now = Monotonic.millis(clock)
      for (const [before, move] of Array.from(moves)) {
        links.delete(before)
        moves.delete(before)
        listening.delete(before)
        const peer = move({ ...admissionOf(before.id), meet })
        const verdict = tell(peer, before, now)
        if (verdict !== undefined) peer.wire.close(verdict)
        else swarm.batchEnded(peer, now)
      }
      dialMore()
    },
    upgrade: (infoHashV2) => {
      metainfo = { ...metainfo, infoHashV2, swarms: [...metainfo.swarms, InfoHash.truncate(infoHashV2)] }
      v2 = truncated()
      for (const peer of Array.from(links.keys())) {
        if (peer.inbound || peer.v2 || !bilingual.has(peer.id)) continue
        recalled.add(PeerAddress.format(peer.address))
        peer.wire.close("is called again on version 2")
      }
    },
    introduced: (peer, { port, version, yourIp }) => {
      if (!links.has(peer)) return
      if (port !== undefined) rememberListener(peer, { ...peer.address, port })
      const host = yourIp && hostOf(yourIp)
      if (host !== undefined) external.vote(host, peer.address.host)
      if (version === undefined || named.has(peer)) return
      named.add(peer)
      onEvent({ _tag: "PeerIntroduced", address: peer.address, client: version })
    },
    serve: (peer) => {
      const link = links.get(peer)
      if (link !== undefined && shelf !== undefined) uploads.serve(peer, link, shelf)
    },
    serveHashes: (peer) => {
      const link = links.get(peer)
      if (link !== undefined && shelf !== undefined) uploads.serveHashes(peer, link, shelf)
    },
    ban: (identities, cause) => {
      for (const identity of identities) {
        const left = gone.get(identity)
        if (left !== undefined) ban(left, cause)
      }
      for (const peer of Array.from(links.keys())) {
        if (!identities.includes(peer.identity)) continue
        const address = listening.get(peer)
        if (address !== undefined && BanCause.lasts(cause) === Infinity) queue.exclude(address)
        ban(peer, cause)
        peer.wire.close(BanCause.text(cause))
      }
    },
    facts: () => {
      const now = Monotonic.millis(clock)
      let inForce = 0
      for (const until of banned.values()) if (until > now) inForce++
      return { known: queue.size, dialling, failed: calls.failed, refusal: calls.commonest(), banned: inForce }
    },
    unread: (peer) => links.get(peer)?.queued() ?? 0,
    addressOf: (identity) => {
      for (const peer of links.keys()) if (peer.identity === identity) return peer.address
      return gone.get(identity)?.address
    },
    forgetAll: (reason) => {
      era++
      queue.forget()
      calls.clear()
      closeAll(reason)
    },
    shut: (reason) => {
      shutReason = reason
      closeAll(reason)
    }
  }
})
