/**
 * From a magnet link to the metadata of its torrent (BEP 9), and for version 2 its piece layers (BEP 52). Peers are found,
 * dialled and let in as for any torrent, and the torrent goes on with the same connections.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Digest from "../domain/Digest.ts"
import type { InfoHash } from "../domain/InfoHash.ts"
import * as InfoHashV2 from "../domain/InfoHashV2.ts"
import * as MagnetMatch from "../domain/MagnetMatch.ts"
import { MAX_PIECES } from "../domain/Metainfo.ts"
import * as LayeredFiles from "../domain/metainfo/LayeredFiles.ts"
import type { PeerAddress } from "../domain/PeerAddress.ts"
import * as Diagnosis from "../domain/swarm/Diagnosis.ts"
import { Extensions } from "../domain/swarm/Extensions.ts"
import { LayerFetch } from "../domain/swarm/LayerFetch.ts"
import { MetadataFetch } from "../domain/swarm/MetadataFetch.ts"
import * as MetadataWish from "../domain/swarm/MetadataWish.ts"
import type { Peer } from "../domain/swarm/Peer.ts"
import type { Swarm } from "../domain/swarm/Swarm.ts"
import * as MetadataMessage from "../domain/wire/MetadataMessage.ts"
import * as Policy from "../domain/wire/mse/Policy.ts"
import * as Announcer from "./Announcer.ts"
import { MetadataError } from "./metadata/MetadataError.ts"
import { MetadataPort } from "./metadata/MetadataPort.ts"
import * as Monotonic from "./Monotonic.ts"
import * as PeerPool from "./PeerPool.ts"
import * as Pulse from "./Pulse.ts"
import { Session } from "./Session.ts"
import * as Announces from "./torrent/Announces.ts"
import * as Standing from "./torrent/Standing.ts"
import * as TrackerFacts from "./torrent/TrackerFacts.ts"
import type { TorrentEvent } from "./TorrentEvent.ts"

export { MetadataError } from "./metadata/MetadataError.ts"

export interface MetadataOptions {
  readonly magnet: MagnetMatch.Hashes
  /** Tiers of trackers. */
  readonly trackers: ReadonlyArray<ReadonlyArray<string>>
  /** Peers to dial besides those that trackers name. */
  readonly peers: ReadonlyArray<PeerAddress>
  /** Peers that the link names. */
  readonly linkPeers?: ReadonlyArray<PeerAddress> | undefined
  /** See `TorrentOptions`; fewer as long as the metadata is not there. */
  readonly maxPeers: number
  /** Of the metadata and the piece layers together, in bytes. */
  readonly maxSize: number
  /** A hybrid whose piece layers nobody gives is waited for; else it goes on as a torrent of version 1. */
  readonly needsLayers: boolean
  readonly onEvent?: ((event: TorrentEvent) => void) | undefined
}

/** How far it is, for screens: bytes of what seems to come first, and of how many, while somebody is asked. */
export type Progress = Diagnosis.MetadataFacts

/** What a magnet link has begun for its torrent. */
export interface Begun {
  readonly pool: PeerPool.PeerPool
  /** All connections go on for the torrent; trackers are left to it. */
  readonly takeOver: (next: PeerPool.PeerPoolOptions, swarm: Swarm, isPrivate: boolean) => Effect.Effect<void>
}

export interface Found {
  /** The `info` dictionary; every hash of the link is right. */
  readonly info: Uint8Array
  /** By the pieces root of their file, as `Bytes.toLatin1` has it; `undefined` for a hybrid that must do without. */
  readonly layers: ReadonlyMap<string, Uint8Array> | undefined
  readonly begun: Begun
}

export interface Fetching {
  /** Where peers can call us. */
  readonly port: number
  readonly progress: () => Progress
  readonly report: () => Standing.Report
  /** See `Torrent`. */
  readonly proxyTrouble: () => string | undefined
  /** Waits until all is there. */
  readonly found: Effect.Effect<Found, MetadataError>
}

/** Connections while the metadata is not there: of each we may have to keep what it says of half a million pieces. */
const MAX_PEERS = 50

/** Peers that a tracker is asked for. */
const NUM_WANT = 80

/** A peer that is here for so long (ms) and is of no use makes room for others, when there is none. */
const USELESS_MS = 15_000

/** How long a hybrid waits for piece layers that do not come (ms). */
const LAYERS_MS = 10_000

const NO_LAYERS: ReadonlyMap<string, Uint8Array> = new Map()

/** Begins in the scope, in which the connections stay. */
export const start = Effect.fnUntraced(function*(options: MetadataOptions) {
  const { magnet } = options
  const onEvent = options.onEvent ?? (() => {})
  const session = yield* Session
  const clock = yield* Clock.Clock
  const now = () => Monotonic.millis(clock)
  const done = yield* Deferred.make<Pick<Found, "info" | "layers">, MetadataError>()
  /** Of all that ends when the torrent takes over. */
  const phase = yield* Scope.fork(yield* Effect.scope)
  const swarms = MagnetMatch.swarmsOf(magnet)
  let isTaken = false
  let found: { readonly info: Uint8Array; readonly at: number; readonly mayDoWithout: boolean } | undefined

  const fail = (reason: MetadataError["reason"]) => Deferred.doneUnsafe(done, Exit.fail(new MetadataError({ reason })))
  const succeed = (info: Uint8Array, layers: Found["layers"]) =>
    Deferred.doneUnsafe(done, Exit.succeed({ info, layers }))

  const onFound = (info: Uint8Array) => {
    const read = LayeredFiles.read(info, options.maxSize - info.length)
    if (Result.isFailure(read)) return void fail({ _tag: "NoTorrent", error: read.failure })
    const { files, pieceLength, version } = read.success
    found = { info, at: now(), mayDoWithout: version === "hybrid" && !options.needsLayers }
    if (files.length === 0) return void succeed(info, NO_LAYERS)
    if (version === "hybrid" && magnet.infoHashV2 === undefined) {
      pool.upgrade(InfoHashV2.fromBytes(Digest.sha256(info)))
    }
    port.layers = new LayerFetch({
      pieceLength,
      files,
      peers: () => port.said.keys(),
      onDone: (layers) => succeed(info, layers),
      onLiar: (identity) => pool.ban([identity], { _tag: "FalseHashes" })
    })
    port.layers.pump(now())
  }

  const fetch: MetadataFetch<Peer> = new MetadataFetch({
    maxSize: options.maxSize,
    isRight: (info) => {
      const match = MagnetMatch.of(magnet, info)
      if (match === "Half") fail({ _tag: "Contradiction" })
      return match === "Whole"
    },
    ask: (peer, piece) => {
      extensions.send(peer, MetadataMessage.NAME, MetadataMessage.request(piece))
      peer.wire.flush()
    },
    onFound,
    onLiar: (identity) => pool.ban([identity], { _tag: "FalseMetadata" })
  })
  const extensions: Extensions = new Extensions(
    [MetadataWish.make(fetch, (peer, name, payload) => extensions.send(peer, name, payload))],
    { own: session.introduce, onMet: (peer, theirs) => pool.introduced(peer, theirs) }
  )
  const port = new MetadataPort(extensions)
  const trackerFacts = TrackerFacts.make(now)
  const maxPeers = Math.min(MAX_PEERS, options.maxPeers)
  const pool = yield* PeerPool.make({
    // It may be private (BEP 27): until that is known, nobody is remembered who was not named by a tracker or the user.
    metainfo: { swarms, infoHashV2: magnet.infoHashV2, private: true, layout: { pieces: 0 } },
    mostPieces: MAX_PIECES,
    swarm: port,
    maxPeers,
    onEvent
  })
  yield* Effect.addFinalizer(() => Effect.sync(() => isTaken ? undefined : pool.shut("is not wanted any more")))

  /** Whoever fills all places with connections that bring nothing must not keep others out. */
  const makeRoom = (at: number) => {
    if (port.said.size < maxPeers || found !== undefined) return
    for (const peer of port.said.keys()) {
      if (at - peer.connectedAt < USELESS_MS || fetch.isOfUse(peer, at)) continue
      return peer.wire.close("has no metadata to give while others wait")
    }
  }
  const tick = () => {
    const at = now()
    extensions.tick(at)
    port.layers?.tick(at)
    if (found?.mayDoWithout === true && at - Math.max(found.at, port.layers?.movedAt ?? -Infinity) > LAYERS_MS) {
      succeed(found.info, undefined)
    }
    makeRoom(at)
    pool.dialMore()
  }
  yield* Effect.gen(function*() {
    yield* session.enroll({ swarms, admit: pool.admit })
    yield* Pulse.start("a magnet link", Effect.sleep("1 second"), tick)
    yield* announce(options, swarms, pool, trackerFacts.onAnnounced, () => isTaken)
  }).pipe(Scope.provide(phase))
  pool.add(options.peers, "user")
  pool.add(options.linkPeers ?? [], "magnet")

  const begun: Begun = {
    pool,
    takeOver: (next, swarm, isPrivate) =>
      Effect.suspend(() => {
        isTaken = true
        return Scope.close(phase, Exit.void)
      }).pipe(Effect.andThen(Effect.sync(() => {
        // BEP 27: all peers of a private torrent come from one tracker.
        const sources = options.trackers.length + (options.linkPeers?.length ? 1 : 0)
        if (isPrivate && options.trackers.length > 0 && sources > 1) {
          pool.forgetAll("came before the torrent was known to be private")
        }
        pool.become(next, {
          meet: (peer) => {
            peer.isIntroduced = true
            swarm.opened(peer)
          },
          tell: (peer, before, at) => {
            peer.owedHashes = port.layers?.owedBy(before) ?? 0
            return port.said.get(before)?.tell(peer, before.theirs, swarm, at)
          }
        })
      })))
  }
  const progress = (): Progress => ({
    peers: port.said.size,
    givers: fetch.givers,
    ...found === undefined
      ? { received: 0, size: undefined, ...fetch.progress }
      : { received: found.info.length, size: found.info.length },
    isLayers: port.layers !== undefined,
    tooLarge: fetch.tooLarge
  })
  const report = (): Standing.Report => {
    const { limit, used } = session.buffers
    const trackers = trackerFacts.list()
    const facts = pool.facts()
    const noLimits = { limit: Infinity, isLimited: false, memoryLimit: limit }
    return {
      state: Diagnosis.ofMetadata(progress(), {
        ...facts,
        ...noLimits,
        trackers,
        trackerCount: new Set(options.trackers.flat()).size
      }),
      trackers,
      peers: Array.from(port.said.keys(), (peer) => {
        const hasIt = found === undefined ? fetch.isGiver(peer) : peer.theirs?.metadataSize === found.info.length
        return Standing.standingOf(peer, { _tag: hasIt ? "HasMetadata" : "NoMetadata" }, now())
      }),
      pieces: 0,
      memory: { used, limit },
      known: facts.known,
      banned: facts.banned
    }
  }
  return {
    port: session.port,
    found: Effect.map(Deferred.await(done), (all) => ({ ...all, begun })),
    progress,
    report,
    proxyTrouble: session.proxyTrouble
  } satisfies Fetching
})

/** Asks the trackers of the link for peers, in every swarm, until the scope closes. */
const announce = Effect.fnUntraced(function*(
  options: MetadataOptions,
  swarms: ReadonlyArray<InfoHash>,
  pool: PeerPool.PeerPool,
  onAnnounced: TrackerFacts.TrackerFacts["onAnnounced"],
  goesOn: () => boolean
) {
  if (options.trackers.length === 0) return
  const session = yield* Session
  const random = yield* Random.Random
  const key = Math.floor(random.nextDoubleUnsafe() * 2 ** 32)
  const tell = Announces.makeTeller(options.onEvent ?? (() => {}))
  yield* Effect.forEach(swarms, (infoHash, index) =>
    Effect.forkScoped(Effect.scoped(Announcer.run({
      infoHash,
      peerId: session.peerId,
      key,
      tiers: options.trackers,
      private: false,
      numWant: () => NUM_WANT,
      port: () => session.port,
      crypto: Policy.announced(session.encryption),
      // Nobody knows how much is missing, but that it is not nothing.
      stats: () => ({ uploaded: 0, downloaded: 0, left: MetadataMessage.PART }),
      onPeers: (peers) => pool.add(peers, "tracker", index),
      onStatus: (status) => {
        onAnnounced(index, status)
        tell(index, status)
      },
      completed: Effect.never,
      goesOn
    }))))
})
