/**
 * What all torrents of one client share: its peer id and listener, the choker, permits to dial, the memory of pieces
 * under way, rate limits, bans. Several sessions can live in one runtime.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import type * as InfoHash from "../domain/InfoHash.ts"
import type { IpFilter } from "../domain/IpFilter.ts"
import type * as PeerAddress from "../domain/PeerAddress.ts"
import * as PeerId from "../domain/PeerId.ts"
import { Bans } from "../domain/swarm/Bans.ts"
import * as Choker from "../domain/swarm/Choker.ts"
import type { Introduction } from "../domain/swarm/Extensions.ts"
import type { Peer } from "../domain/swarm/Peer.ts"
import { PieceBuffers } from "../domain/swarm/PieceBuffers.ts"
import type { Swarm } from "../domain/swarm/Swarm.ts"
import type { Handshake } from "../domain/wire/Handshake.ts"
import type { Policy } from "../domain/wire/mse/Policy.ts"
import * as Monotonic from "./Monotonic.ts"
import type { Admission, PeerConnection } from "./PeerConnection.ts"
import * as Pulse from "./Pulse.ts"
import { AddressFilter, BLOCKED } from "./session/AddressFilter.ts"
import * as Callers from "./session/Callers.ts"
import * as Dialling from "./session/Dialling.ts"
import * as Identities from "./session/Identities.ts"
import * as Introducing from "./session/Introducing.ts"
import * as Limiting from "./session/Limiting.ts"
import * as Listening from "./session/Listening.ts"
import { SessionError } from "./session/SessionError.ts"
import type { SessionOptions } from "./session/SessionOptions.ts"
import * as Unchoking from "./session/Unchoking.ts"
import { type Link, Transport, type TransportError } from "./Transport.ts"
import * as Obfuscation from "./transport/Obfuscation.ts"
import type { UploadServer } from "./UploadServer.ts"

/** A torrent as the session sees it. */
export interface Member {
  /** The hashes that peers may call it by: both of a hybrid. */
  readonly swarms: ReadonlyArray<InfoHash.InfoHash>
  /** Absent while there is no more than a magnet link: then nobody is unchoked. */
  readonly swarm?: Swarm | undefined
  /** Decides about a peer that has called us; a text is the reason to refuse. */
  readonly admit: (handshake: Handshake, link: Link) => Admission | string
}

export { SessionError } from "./session/SessionError.ts"
export type { SessionOptions } from "./session/SessionOptions.ts"

export class Session extends Context.Service<Session, {
  readonly peerId: PeerId.PeerId
  /** The port that we listen on; 0 when nobody can call us. */
  readonly port: number
  /** Why nothing goes through the proxy, as far as the last dial tells. */
  readonly proxyTrouble: () => string | undefined
  /** What we say of ourselves to a peer that speaks extension messages, whatever the torrent. */
  readonly introduce: (peer: Peer) => Introduction
  readonly buffers: PieceBuffers
  /** Those of the torrents come under these. */
  readonly limits: Limiting.Limits
  /** Changes what is named, for all torrents together, from now on. */
  readonly setLimits: (rates: Limiting.Rates) => Effect.Effect<void>
  /** Limits for a torrent, under those of the session. */
  readonly limitsUnder: (rates: Limiting.Rates) => Limiting.Adjustable
  readonly bans: Bans
  readonly addressFilter: AddressFilter
  /** Another filter from now on, or none: peers that it blocks are closed. */
  readonly setFilter: (filter: IpFilter | undefined) => void
  /** Makes the torrent known to callers, until the scope closes. */
  readonly enroll: (member: Member) => Effect.Effect<void, SessionError, Scope.Scope>
  readonly encryption: Policy
  /**
   * Opens a connection when there is a permit.
   *
   * @param infoHash the torrent to ask for on an encrypted connection; a plain one when absent
   */
  readonly dial: (
    address: PeerAddress.PeerAddress,
    infoHash?: InfoHash.InfoHash
  ) => Effect.Effect<Link, TransportError, Scope.Scope>
  /** The same number for every connection with this peer id. */
  readonly identityOf: (peerId: PeerId.PeerId) => number
  /** A number for a connection. */
  readonly nextKey: () => number
  /** A peer wants to be unchoked: it is, when a slot is free. */
  readonly interested: (swarm: Swarm, peer: Peer, now: number) => void
  readonly released: (peer: Peer) => void
}>()("freshet/services/Session") {
  static readonly layer = (
    options: SessionOptions
  ): Layer.Layer<Session, SessionError, Transport | PeerConnection | UploadServer> =>
    Layer.effect(Session, make(options))
}

/** Bytes of pieces under way: a few ms at full speed, and small enough to stay in the caches mostly. */
const MEMORY = 32 << 20

const make = Effect.fnUntraced(function*(options: SessionOptions) {
  const transport = yield* Transport
  const clock = yield* Clock.Clock
  const source = yield* Random.Random
  const random = () => source.nextDoubleUnsafe()
  const peerId = PeerId.make(random)
  const members = new Set<Member>()
  const byHash = new Map<InfoHash.InfoHash, Member>()
  const limiting = yield* Limiting.make(clock, members, {
    download: options.maxDownloadRate,
    upload: options.maxUploadRate
  })
  const unchoking = Unchoking.make(random, members, {
    maxUploads: options.maxUploads,
    uploadRate: () => limiting.limits.upload.rate
  })
  const bans = new Bans()
  const obfuscation = yield* Obfuscation.make(options.encryption ?? "allow")
  const dialling = Dialling.make(transport, obfuscation, options)
  const listeners = options.proxy === undefined ? yield* Listening.listen(transport, options) : []
  let lastKey = 0

  const addressFilter = new AddressFilter(options.filter)
  const callers = yield* Callers.make({
    peerId,
    addressFilter,
    bans,
    accepted: obfuscation.accepted,
    memberOf: (hash) => byHash.get(hash)
  })
  const setFilter = (filter: IpFilter | undefined) => {
    addressFilter.set(filter)
    for (const { swarm } of members) {
      for (const peer of Array.from(swarm?.peers ?? [])) {
        if (addressFilter.isBlocked(peer.address)) peer.wire.close(BLOCKED)
      }
    }
    callers.filtered()
  }

  for (const listener of listeners) yield* callers.receive(listener)
  yield* Pulse.start("the choker", Effect.sleep(Choker.ROUND), () => unchoking.round(Monotonic.millis(clock)))

  const enroll = (member: Member) =>
    Effect.acquireRelease(
      Effect.suspend(() => {
        if (member.swarms.some((hash) => byHash.has(hash))) {
          return Effect.fail(new SessionError({ reason: "SameTorrent", detail: "this torrent is running already" }))
        }
        members.add(member)
        limiting.changed()
        for (const hash of member.swarms) byHash.set(hash, member)
        obfuscation.add(member.swarms)
        return Effect.void
      }),
      () =>
        Effect.sync(() => {
          members.delete(member)
          obfuscation.remove(member.swarms)
          limiting.changed()
          for (const hash of member.swarms) byHash.delete(hash)
        })
    )

  const port = listeners[0]?.port ?? 0
  return Session.of({
    peerId,
    port,
    proxyTrouble: dialling.proxyTrouble,
    introduce: Introducing.make(options, port),
    buffers: new PieceBuffers(options.memory ?? MEMORY),
    limits: limiting.limits,
    setLimits: limiting.setLimits,
    limitsUnder: limiting.under,
    bans,
    encryption: obfuscation.policy,
    addressFilter,
    setFilter,
    enroll,
    dial: dialling.dial,
    identityOf: Identities.make(),
    nextKey: () => ++lastKey,
    interested: unchoking.interested,
    released: unchoking.released
  })
})
