/**
 * What all torrents of one client share: its peer id and listener, the choker, permits to dial, the memory of pieces
 * under way, rate limits, bans. Several sessions can live in one runtime.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type * as InfoHash from "../domain/InfoHash.ts"
import type { IpFilter } from "../domain/IpFilter.ts"
import * as PeerAddress from "../domain/PeerAddress.ts"
import * as PeerId from "../domain/PeerId.ts"
import type { Proxy } from "../domain/Proxy.ts"
import { Bans } from "../domain/swarm/Bans.ts"
import * as Choker from "../domain/swarm/Choker.ts"
import type { Introduction } from "../domain/swarm/Extensions.ts"
import type { Peer } from "../domain/swarm/Peer.ts"
import { PieceBuffers } from "../domain/swarm/PieceBuffers.ts"
import type { Swarm } from "../domain/swarm/Swarm.ts"
import type { Handshake } from "../domain/wire/Handshake.ts"
import type { Policy } from "../domain/wire/mse/Policy.ts"
import * as Monotonic from "./Monotonic.ts"
import { type Admission, PeerConnection } from "./PeerConnection.ts"
import { AddressFilter, BLOCKED } from "./session/AddressFilter.ts"
import * as Introducing from "./session/Introducing.ts"
import * as Limiting from "./session/Limiting.ts"
import * as Unchoking from "./session/Unchoking.ts"
import { type Link, type Listener, Transport, TransportError } from "./Transport.ts"
import * as Obfuscation from "./transport/Obfuscation.ts"
import type { UploadServer } from "./UploadServer.ts"

export class SessionError extends Schema.TaggedError<SessionError>()("SessionError", {
  reason: Schema.Literals(["PortTaken", "CannotListen", "SameTorrent"]),
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
  /** aria2's "network problem" and "same info hash already downloading". */
  override get [Runtime.errorExitCode]() {
    return this.reason === "SameTorrent" ? 12 : 6
  }
}

export interface SessionOptions {
  /** Local addresses of everything, one per family; all when empty. A family without one is not used then. */
  readonly bind?: { readonly v4?: string | undefined; readonly v6?: string | undefined }
  /** The port to listen on; 0 for any, the first free of 6881 to 6889 when absent. */
  readonly listenPort?: number | undefined
  readonly maxUploads?: number | undefined
  /** Payload in bytes/s, of all torrents together; unlimited when absent. */
  readonly maxDownloadRate?: number | undefined
  readonly maxUploadRate?: number | undefined
  /** `allow` when absent. */
  readonly encryption?: Policy | undefined
  /** What the transport goes through; nobody can call us then, and we do not listen. */
  readonly proxy?: Proxy | undefined
  /** Whom nobody here talks to. */
  readonly filter?: IpFilter | undefined
  /** Memory for pieces under way, in bytes. */
  readonly memory?: number | undefined
  /** What we call ourselves to peers, with our version. */
  readonly client?: string | undefined
}

/** A torrent as the session sees it. */
export interface Member {
  /** The hashes that peers may call it by: both of a hybrid. */
  readonly swarms: ReadonlyArray<InfoHash.InfoHash>
  /** Absent while there is no more than a magnet link: then nobody is unchoked. */
  readonly swarm?: Swarm | undefined
  /** Decides about a peer that has called us; a text is the reason to refuse. */
  readonly admit: (handshake: Handshake, link: Link) => Admission | string
}

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

/** The ports that clients have always tried first. */
const FIRST_PORT = 6881
const LAST_PORT = 6889

/** Connections being opened at once. */
const HALF_OPEN = 32

/** Callers that may be silent at once; further ones are hung up on until somebody has spoken or was given up. */
const STRANGERS = 256

const DIAL_TIMEOUT = "10 seconds"

/** A proxy may have a far host, or a chain of others, to reach first. */
const PROXIED_DIAL_TIMEOUT = "30 seconds"

/** Bytes of pieces under way: a few ms at full speed, and small enough to stay in the caches mostly. */
const MEMORY = 32 << 20

/** Peer ids whose numbers are remembered. */
const IDENTITIES = 10_000

const listenAt = Effect.fnUntraced(function*(
  transport: Context.Service.Shape<typeof Transport>,
  bind: NonNullable<SessionOptions["bind"]>,
  port: number
): Effect.fn.Return<ReadonlyArray<Listener>, TransportError, Scope.Scope> {
  const hosts = [bind.v4, bind.v6].filter((host) => host !== undefined)
  const first = yield* transport.listen({ host: hosts[0], port })
  if (hosts.length < 2) return [first]
  return [first, yield* transport.listen({ host: hosts[1], port: first.port })]
})

const listen = Effect.fnUntraced(function*(
  transport: Context.Service.Shape<typeof Transport>,
  options: SessionOptions
): Effect.fn.Return<ReadonlyArray<Listener>, SessionError, Scope.Scope> {
  const asked = options.listenPort
  const ports = asked === undefined
    ? Array.from({ length: LAST_PORT - FIRST_PORT + 1 }, (_, i) => FIRST_PORT + i)
    : [asked]
  const scope = yield* Effect.scope
  let last: TransportError | undefined
  for (const port of ports) {
    const attempt = yield* Scope.fork(scope)
    const listening = listenAt(transport, options.bind ?? {}, port).pipe(
      Effect.onError(() => Scope.close(attempt, Exit.void)),
      Scope.provide(attempt)
    )
    const listeners = yield* Effect.match(listening, {
      onFailure: (error) => error,
      onSuccess: (listeners) => listeners
    })
    if (!(listeners instanceof TransportError)) return listeners
    last = listeners
    if (last.code !== "EADDRINUSE") break
  }
  const taken = last?.code === "EADDRINUSE"
  return yield* new SessionError({
    reason: taken ? "PortTaken" : "CannotListen",
    detail: taken
      ? asked === undefined
        ? `ports ${FIRST_PORT} to ${LAST_PORT} are all taken; choose another with --listen-port`
        : `port ${asked} is taken; choose another with --listen-port, or 0 for any free one`
      : `${last?.message}; check --bind and --listen-port`
  })
})

/** Numbers for peer ids; the oldest are forgotten. */
const makeIdentities = (): (peerId: PeerId.PeerId) => number => {
  const known = new Map<PeerId.PeerId, number>()
  let last = 0
  return (peerId) => {
    const identity = known.get(peerId) ?? ++last
    known.delete(peerId)
    known.set(peerId, identity)
    if (known.size > IDENTITIES) known.delete(known.keys().next().value!)
    return identity
  }
}

const make = Effect.fnUntraced(function*(options: SessionOptions) {
  const transport = yield* Transport
  const connection = yield* PeerConnection
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
  const listeners = options.proxy === undefined ? yield* listen(transport, options) : []
  const callers = yield* FiberSet.make<void>()
  const halfOpen = yield* Semaphore.make(HALF_OPEN)
  let lastKey = 0

  /** Callers that have not said yet what they want. */
  const strangers = new Set<Link>()

  const receive = (link: Link) =>
    connection.run(link, {
      ourId: peerId,
      admit: (handshake, link) => {
        strangers.delete(link)
        if (handshake.peerId === peerId) return "is ourselves"
        if (bans.isBanned(handshake.peerId, link.remote, Monotonic.millis(clock))) return "is banned"
        return byHash.get(handshake.infoHash)?.admit(handshake, link) ?? "asks for a torrent that is not here"
      }
    }).pipe(
      Effect.tapDefect((defect) => Effect.logError(`defect in the connection from ${link.remote.host}`, defect)),
      Effect.flatMap((reason) => Effect.logDebug(`caller ${link.remote.host}: ${reason}`)),
      Effect.ensuring(Effect.sync(() => strangers.delete(link)))
    )

  const addressFilter = new AddressFilter(options.filter)
  const setFilter = (filter: IpFilter | undefined) => {
    addressFilter.set(filter)
    for (const { swarm } of members) {
      for (const peer of Array.from(swarm?.peers ?? [])) {
        if (addressFilter.isBlocked(peer.address)) peer.wire.close(BLOCKED)
      }
    }
    for (const link of strangers) if (addressFilter.isBlocked(link.remote)) link.close()
  }

  for (const listener of listeners) {
    yield* listener.accept.pipe(
      Effect.flatMap((raw) => {
        if (addressFilter.refuses(raw.remote)) {
          return Effect.andThen(Effect.sync(raw.close), Effect.logDebug(`caller ${raw.remote.host}: ${BLOCKED}`))
        }
        if (strangers.size >= STRANGERS) return Effect.sync(raw.close)
        const link = obfuscation.accepted(raw)
        strangers.add(link)
        return FiberSet.run(callers, receive(link))
      }),
      Effect.forever({ disableYield: true }),
      Effect.forkScoped
    )
  }
  yield* Effect.sleep(Choker.ROUND).pipe(
    Effect.andThen(Effect.sync(() => unchoking.round(Monotonic.millis(clock)))),
    Effect.forever({ disableYield: true }),
    Effect.forkScoped
  )

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

  const { proxy } = options
  let proxyTrouble: string | undefined
  const noteProxy = (error?: TransportError) =>
    Effect.sync(() => {
      if (error?.code === "EPROXY") proxyTrouble = error.detail
      else if (error?.code !== "ETIMEDOUT") proxyTrouble = undefined
    })
  const { v4, v6 } = options.bind ?? {}
  const isBound = v4 !== undefined || v6 !== undefined
  const dial = (address: PeerAddress.PeerAddress, infoHash?: InfoHash.InfoHash) => {
    const from = address.family === 4 ? v4 : v6
    // Whoever binds to one family, to a VPN's address perhaps, must not be seen at another.
    if (proxy === undefined && isBound && from === undefined) {
      const name = PeerAddress.format(address)
      return Effect.fail(new TransportError({ operation: "dial", code: "EAFNOSUPPORT", address: name }))
    }
    return transport.dial(address, { from }).pipe(
      Effect.timeoutOrElse({
        duration: proxy === undefined ? DIAL_TIMEOUT : PROXIED_DIAL_TIMEOUT,
        orElse: () =>
          Effect.fail(
            new TransportError({ operation: "dial", code: "ETIMEDOUT", address: PeerAddress.format(address) })
          )
      }),
      Effect.tap(() => noteProxy()),
      Effect.tapError(noteProxy),
      halfOpen.withPermit,
      Effect.map((link) => infoHash === undefined ? link : obfuscation.dialled(link, infoHash))
    )
  }

  const port = listeners[0]?.port ?? 0
  return Session.of({
    peerId,
    port,
    proxyTrouble: () => proxyTrouble,
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
    dial,
    identityOf: makeIdentities(),
    nextKey: () => ++lastKey,
    interested: unchoking.interested,
    released: unchoking.released
  })
})
