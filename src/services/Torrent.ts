/**
 * One torrent of a session: finds out what is there, fetches what is missing and serves what is there, until its scope
 * closes. Then the trackers are told and what is unfinished is saved.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as Bitfield from "../domain/Bitfield.ts"
import * as Fetched from "../domain/Fetched.ts"
import type { Metainfo } from "../domain/Metainfo.ts"
import * as PieceCheck from "../domain/PieceCheck.ts"
import * as PieceLayout from "../domain/PieceLayout.ts"
import * as PieceTrees from "../domain/PieceTrees.ts"
import * as BanCause from "../domain/swarm/BanCause.ts"
import type { TorrentState } from "../domain/swarm/Diagnosis.ts"
import type { OpenPiece } from "../domain/swarm/OpenPiece.ts"
import type { End } from "../domain/swarm/SuperSeed.ts"
import { Swarm } from "../domain/swarm/Swarm.ts"
import * as Wanted from "../domain/Wanted.ts"
import { Download, writeBlocks } from "./Download.ts"
import type { FileStoreError, Storage } from "./FileStore.ts"
import * as Monotonic from "./Monotonic.ts"
import * as PeerPool from "./PeerPool.ts"
import * as Pulse from "./Pulse.ts"
import { explain } from "./ResumeStore.ts"
import * as ResumeWriter from "./ResumeWriter.ts"
import { Session } from "./Session.ts"
import type { Rates } from "./session/Limiting.ts"
import * as Announces from "./torrent/Announces.ts"
import * as Extending from "./torrent/Extending.ts"
import * as Inventory from "./torrent/Inventory.ts"
import * as PeerKeeping from "./torrent/PeerKeeping.ts"
import * as Standing from "./torrent/Standing.ts"
import { MAX_PEERS, type TorrentOptions } from "./torrent/TorrentOptions.ts"
import * as TorrentShelf from "./torrent/TorrentShelf.ts"
import * as WebSeeding from "./torrent/WebSeeding.ts"
import type { TorrentError } from "./TorrentError.ts"

export type { Report } from "./torrent/Standing.ts"
export type { TorrentOptions } from "./torrent/TorrentOptions.ts"

/** How a torrent stands, for screens. Rates in bytes/s. */
export interface Snapshot {
  /** Bytes of the chosen files that are verified and written, and of all chosen files. */
  readonly done: number
  readonly total: number
  readonly downRate: number
  readonly upRate: number
  /** Payload of this run. */
  readonly downloaded: number
  readonly uploaded: number
  readonly peers: number
  readonly seeds: number
  /** Hosts that the filter kept away, over all torrents of the session. */
  readonly blocked: number
  /** Web seeds that data is fetched from; they are not among the peers. */
  readonly webSeeds: number
  readonly isDone: boolean
  readonly state: TorrentState
}

export interface Torrent {
  readonly metainfo: Metainfo
  readonly swarm: Swarm
  readonly storage: Storage
  /** Where peers can call us; 0 when they cannot. */
  readonly port: number
  /** Peers known from an earlier run. */
  readonly recalled: number
  /** See {@link Session}. */
  readonly proxyTrouble: () => string | undefined
  readonly snapshot: () => Snapshot
  /** Why is it slow: the state of the torrent and of every peer, with the cause. */
  readonly diagnosis: () => Standing.Report
  /** Changes what is named from now on; what was asked of peers before still comes. */
  readonly setLimits: (rates: Rates) => Effect.Effect<void>
  /**
   * Waits until all chosen files are there, synced and recorded; fails when the files cannot be written, or the torrent
   * contradicts itself.
   */
  readonly completed: Effect.Effect<void, FileStoreError | TorrentError>
}

const TICK = "1 second"

/** Writes what has arrived of unfinished pieces, so that a later run need not fetch it again. */
const saveUnfinished = (swarm: Swarm, storage: Storage) =>
  Effect.forEach(Array.from(swarm.board.open.values()), (piece) => {
    const offset = PieceLayout.pieceOffset(swarm.layout, piece.index)
    return Effect.andThen(writeBlocks(storage, offset, piece), Effect.sync(() => swarm.board.spill(piece)))
  }, { discard: true })

/** Starts a torrent in the scope. Succeeds when the files are checked and the swarm may begin. */
export const start = Effect.fnUntraced(function*(options: TorrentOptions) {
  const { metainfo } = options
  const onEvent = options.onEvent ?? (() => {})
  const session = yield* Session
  const download = yield* Download
  const clock = yield* Clock.Clock
  const random = yield* Random.Random
  const now = () => Monotonic.millis(clock)
  const { checked, handle, record, storage } = yield* Inventory.take(options, onEvent)

  const { limits, setLimits } = session.limitsUnder({
    download: options.maxDownloadRate,
    upload: options.maxUploadRate
  })
  const wanted = Wanted.make(metainfo, options.selected)
  const ready = yield* Queue.unbounded<OpenPiece, Cause.Done>()
  const finished = yield* Deferred.make<void, FileStoreError | TorrentError>()
  const onSuperSeedEnd = (end: End) => {
    Extending.finished(swarm)
    onEvent({ _tag: "SuperSeedEnded", end })
  }
  const swarm: Swarm = new Swarm({
    layout: metainfo.layout,
    fetched: Fetched.layoutOf(metainfo),
    have: checked.have,
    wanted: wanted.pieces,
    order: options.order ?? "Rarest",
    buffers: session.buffers,
    infoHash: metainfo.infoHash,
    extensions: Extending.make({
      session,
      metainfo,
      wasMagnet: options.begun !== undefined,
      swarm: () => swarm,
      pool: () => pool,
      pex: options.pex !== false && !metainfo.private,
      random: () => random.nextDoubleUnsafe(),
      now: now()
    }),
    limit: limits.download,
    trees: metainfo.pieceRoots && {
      treeOf: (piece) => PieceTrees.of(metainfo, piece)!,
      rootOf: (file) => metainfo.files[file]!.piecesRoot!
    },
    random: () => random.nextDoubleUnsafe(),
    onSuperSeedEnd: options.superSeed === true ? onSuperSeedEnd : undefined,
    hooks: {
      onFull: (piece) => Queue.offerUnsafe(ready, piece),
      onSpill: (piece) => Queue.offerUnsafe(ready, piece),
      onAsked: (peer) => pool.serve(peer),
      onInterested: (peer, at) => session.interested(swarm, peer, at),
      onNotInterested: session.released,
      onHashesAsked: (peer) => pool.serveHashes(peer),
      onWrongBlocks: (piece, blocks, senders) =>
        blocks.forEach((block, i) =>
          onEvent({ _tag: "BlockCorrupt", piece, block, address: pool.addressOf(senders[i]!) })
        ),
      onBanned: (identities, cause) => {
        pool.ban(identities, cause)
        webSeeds.convict(identities, BanCause.text(cause))
      }
    }
  })
  for (const [piece, blocks] of checked.masks) swarm.board.remember(piece, blocks)
  let done = 0
  Bitfield.forEach(checked.have, (piece) => {
    if (Bitfield.has(wanted.pieces, piece)) done += wanted.bytesIn(piece)
  })

  const writer = yield* ResumeWriter.make({
    metainfo,
    storage,
    handle,
    start: checked,
    snapshot: () => ({
      masks: swarm.board.remembered,
      uploaded: (record?.uploaded ?? 0) + swarm.up.total,
      downloaded: (record?.downloaded ?? 0) + swarm.down.total
    }),
    // A folder that cannot be written was told of at the start.
    onWarning: (warning) =>
      handle.warning === undefined ? onEvent({ _tag: "Warning", message: explain(warning) }) : undefined
  })
  let isBroken = false
  const warn = (error: FileStoreError) =>
    Effect.sync(() => {
      if (!isBroken) onEvent({ _tag: "Warning", message: error.message })
      isBroken = true
    })
  yield* Effect.addFinalizer(() =>
    // Once broken, the user has been told why. What is verified is recorded all the same, if that is possible.
    (isBroken ? Effect.void : saveUnfinished(swarm, storage)).pipe(
      Effect.catch(warn),
      Effect.andThen(writer.flush.pipe(Effect.catch(warn)))
    )
  )

  const serving: PeerPool.PeerPoolOptions = {
    metainfo,
    swarm,
    shelf: yield* TorrentShelf.make({ metainfo, swarm, storage, writer, limit: limits.upload, onEvent }),
    maxPeers: options.maxPeers ?? MAX_PEERS,
    onEvent
  }
  const pool: PeerPool.PeerPool = options.begun?.pool ?? (yield* PeerPool.make(serving))
  yield* Effect.addFinalizer(() => Effect.sync(() => pool.shut("is not served any more")))
  const webSeeds = yield* WebSeeding.make(options, swarm, onEvent)

  const onLanded = (piece: OpenPiece) => {
    done += Bitfield.has(wanted.pieces, piece.index) ? wanted.bytesIn(piece.index) : 0
    writer.noteWritten(piece.index, piece.bytes.length)
    onEvent({ _tag: "PieceLanded", piece: piece.index })
    if (!swarm.isDone) return
    Extending.finished(swarm)
    Queue.endUnsafe(ready)
  }
  if (swarm.isDone) Queue.endUnsafe(ready)
  const pieces = download.pieces({
    swarm,
    storage,
    checkOf: (piece) => PieceCheck.of(metainfo, piece),
    ready,
    onLanded,
    onCorrupt: (piece) => onEvent({ _tag: "PieceCorrupt", piece }),
    onSpilled: (bytes) => writer.noteBlocks(bytes)
  })
  const fetching = Stream.runDrain(pieces).pipe(
    Effect.andThen(writer.flush),
    Effect.tap(() => Effect.sync(() => onEvent({ _tag: "Completed" })))
  )
  yield* Effect.raceFirst(fetching, writer.failure).pipe(
    Effect.onExit((exit) =>
      Effect.andThen(
        Deferred.done(finished, exit),
        Effect.sync(() => {
          if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return
          isBroken = true
          pool.shut("is not served any more")
        })
      )
    ),
    Effect.exit,
    Effect.forkScoped
  )

  if (options.begun !== undefined) yield* options.begun.takeOver(serving, swarm, metainfo.private)
  const standing = Standing.make({
    swarm,
    pool,
    session,
    limit: limits.download,
    trackers: new Set(options.trackers.flat()).size,
    now
  })
  yield* session.enroll({ swarms: metainfo.swarms, swarm, admit: pool.admit })
  let proxyTrouble: string | undefined
  yield* Pulse.start("a torrent", Effect.sleep(TICK), () => {
    swarm.tick(now())
    pool.dialMore()
    const trouble = session.proxyTrouble()
    if (trouble !== undefined && trouble !== proxyTrouble) onEvent({ _tag: "Warning", message: trouble })
    proxyTrouble = trouble
  })
  pool.add(options.peers ?? [], "user")
  if (!metainfo.private || options.trackers.length === 0) pool.add(options.linkPeers ?? [], "magnet")
  const recalled = yield* PeerKeeping.start(options, handle, pool)
  yield* Announces.start(options, swarm, pool, Deferred.await(finished), onEvent, standing.onAnnounced)
  yield* webSeeds.run(Deferred.await(finished))

  return {
    metainfo,
    swarm,
    storage,
    port: session.port,
    recalled,
    proxyTrouble: session.proxyTrouble,
    completed: Deferred.await(finished),
    snapshot: () => ({
      ...snapshot(swarm, done, wanted.bytes, session.addressFilter.refused, now()),
      state: standing.state()
    }),
    diagnosis: standing.report,
    setLimits
  } satisfies Torrent
})

const snapshot = (
  swarm: Swarm,
  done: number,
  total: number,
  blocked: number,
  now: number
): Omit<Snapshot, "state"> => {
  let seeds = 0
  const webSeeds = new Set<number>()
  for (const peer of swarm.peers) {
    if (peer.webSeed !== undefined) webSeeds.add(peer.identity)
    else if (peer.isSeed) seeds++
  }
  return {
    done,
    total,
    seeds,
    blocked,
    peers: swarm.peerCount,
    webSeeds: webSeeds.size,
    downRate: swarm.down.perSecond(now),
    upRate: swarm.up.perSecond(now),
    downloaded: swarm.down.total,
    uploaded: swarm.up.total,
    isDone: swarm.isDone
  }
}
