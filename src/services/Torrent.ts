/**
 * One torrent of a session: finds out what is there, fetches what is missing and serves what is there, until its scope
 * closes. Then the trackers are told and what is unfinished is saved.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as Bitfield from "../domain/Bitfield.ts"
import type { Metainfo } from "../domain/Metainfo.ts"
import type { PeerAddress } from "../domain/PeerAddress.ts"
import * as PieceLayout from "../domain/PieceLayout.ts"
import type { OpenPiece } from "../domain/swarm/OpenPiece.ts"
import type { Order } from "../domain/swarm/PiecePicker.ts"
import { Swarm } from "../domain/swarm/Swarm.ts"
import * as Wanted from "../domain/Wanted.ts"
import * as Announcer from "./Announcer.ts"
import * as Checker from "./Checker.ts"
import { Download, writeBlocks } from "./Download.ts"
import { FileStore, type FileStoreError, type Storage } from "./FileStore.ts"
import * as FileWatch from "./FileWatch.ts"
import * as Monotonic from "./Monotonic.ts"
import * as PeerPool from "./PeerPool.ts"
import { PieceVerifier } from "./PieceVerifier.ts"
import { explain, ResumeStore } from "./ResumeStore.ts"
import * as ResumeWriter from "./ResumeWriter.ts"
import { Session } from "./Session.ts"
import { TorrentError } from "./TorrentError.ts"
import type { TorrentEvent } from "./TorrentEvent.ts"
import type { Shelf } from "./UploadServer.ts"

export interface TorrentOptions {
  readonly metainfo: Metainfo
  /** The download folder. */
  readonly dir: string
  /** Files to fetch, by index; all when absent. */
  readonly selected?: ReadonlySet<number> | undefined
  readonly order?: Order | undefined
  /** Tiers of trackers, as they are to be asked. */
  readonly trackers: ReadonlyArray<ReadonlyArray<string>>
  /** Peers to dial besides those that trackers name. */
  readonly peers?: ReadonlyArray<PeerAddress> | undefined
  readonly maxPeers?: number | undefined
  /** Hash everything, whatever the record says. */
  readonly checkIntegrity?: boolean | undefined
  /** Files that do not look like this torrent's may be written over. */
  readonly allowOverwrite?: boolean | undefined
  /** All data was hashed a moment ago: that its files are there is enough. */
  readonly isKnown?: boolean | undefined
  /** Nothing is fetched or written: for sharing what is there, which must be all. */
  readonly readOnly?: boolean | undefined
  /** Bytes hashed and to be hashed, while existing files are checked. */
  readonly onCheck?: ((checked: number, total: number) => void) | undefined
  readonly onEvent?: ((event: TorrentEvent) => void) | undefined
}

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
  readonly isDone: boolean
}

export interface Torrent {
  readonly metainfo: Metainfo
  readonly swarm: Swarm
  readonly storage: Storage
  /** Where peers can call us. */
  readonly port: number
  readonly snapshot: () => Snapshot
  /** Waits until all chosen files are there, synced and recorded; fails when the files cannot be written. */
  readonly completed: Effect.Effect<void, FileStoreError>
}

const MAX_PEERS = 200

const TICK = "1 second"

/** How often peers that wait for the download limit are looked at: often enough that its burst is not lost. */
const LIMITED_TICK = "200 millis"

/** Peers that a tracker is asked for while we have few. */
const NUM_WANT = 80

/** What is served of a torrent, as long as it is what was verified. */
const makeShelf = Effect.fnUntraced(function*(
  metainfo: Metainfo,
  swarm: Swarm,
  storage: Storage,
  writer: ResumeWriter.ResumeWriter,
  onEvent: (event: TorrentEvent) => void
): Effect.fn.Return<Shelf> {
  const { layout } = metainfo
  const lose = (piece: number) => {
    if (swarm.lose(piece)) writer.noteLost(piece)
  }
  const watch = yield* FileWatch.make({
    metainfo,
    storage,
    closed: writer.closed,
    onChanged: (file) => {
      const range = PieceLayout.piecesOf(layout, metainfo.files[file]!)
      for (let piece = range?.first ?? 1; piece <= (range?.last ?? 0); piece++) lose(piece)
    }
  })
  const { pieceLength } = layout
  /** Many peers meet the same trouble, again and again. */
  const told = new Set<string>()
  return {
    key: metainfo.infoHash,
    length: layout.totalLength,
    layout,
    read: (offset, into) => {
      const confirmed = watch.confirm(offset, into.length)
      return confirmed === Effect.void
        ? storage.read(offset, into)
        : Effect.andThen(confirmed, storage.read(offset, into))
    },
    extent: (at, from, to) => {
      const { have, isSeed } = swarm
      if (isSeed) return [from, to]
      let first = Math.floor(at / pieceLength)
      let after = first + 1
      while (first * pieceLength > from && Bitfield.has(have, first - 1)) first--
      while (after * pieceLength < to && Bitfield.has(have, after)) after++
      return [Math.max(from, first * pieceLength), Math.min(to, after * pieceLength)]
    },
    onSent: (peer, bytes, now) => swarm.sent(peer, bytes, now),
    onFault: ({ message }, pieces) => {
      pieces.forEach(lose)
      if (told.has(message)) return
      told.add(message)
      onEvent({ _tag: "Warning", message })
    }
  }
})

/** Writes what has arrived of unfinished pieces, so that a later run need not fetch it again. */
const saveUnfinished = (swarm: Swarm, storage: Storage) =>
  Effect.forEach(Array.from(swarm.board.open.values()), (piece) => {
    const offset = PieceLayout.pieceOffset(swarm.layout, piece.index)
    return Effect.andThen(writeBlocks(storage, offset, piece), Effect.sync(() => swarm.board.spill(piece)))
  }, { discard: true })

/** The record, and what a check with its help found on the disk. */
const findOut = Effect.fnUntraced(function*(options: TorrentOptions, onEvent: (event: TorrentEvent) => void) {
  const { dir, metainfo, selected } = options
  const handle = yield* (yield* ResumeStore).open({ infoHash: metainfo.infoHash, dir })
  const storage = yield* (yield* FileStore).open({
    metainfo,
    dir,
    selected: selected === undefined ? undefined : (file) => selected.has(file),
    partFile: handle.partFile,
    readOnly: options.readOnly
  })
  const loaded = yield* handle.load(metainfo)
  for (const warning of [handle.warning, loaded.warning]) {
    if (warning !== undefined) onEvent({ _tag: "Warning", message: explain(warning) })
  }
  const known = options.isKnown ? yield* Checker.allThere(metainfo, storage) : undefined
  const checked = known ?? (yield* Checker.check({
    metainfo,
    storage,
    verifier: yield* PieceVerifier,
    record: loaded.record,
    checkIntegrity: options.checkIntegrity ?? false,
    allowOverwrite: options.allowOverwrite ?? options.readOnly ?? false,
    onProgress: options.onCheck
  }))
  const { pieces } = metainfo.layout
  // Before there is a record, by which a later download would take whatever lies here for its own.
  if (options.readOnly && !Bitfield.isFull(checked.have, pieces)) {
    return yield* new TorrentError({ reason: { _tag: "Incomplete", have: checked.have, pieces } })
  }
  return { handle, storage, checked, record: loaded.record }
})

/** Starts a torrent in the scope. Succeeds when the files are checked and the swarm may begin. */
export const start = Effect.fnUntraced(function*(options: TorrentOptions) {
  const { metainfo } = options
  const onEvent = options.onEvent ?? (() => {})
  const session = yield* Session
  const download = yield* Download
  const clock = yield* Clock.Clock
  const random = yield* Random.Random
  const now = () => Monotonic.millis(clock)
  const { checked, handle, record, storage } = yield* findOut(options, onEvent)

  const wanted = Wanted.make(metainfo, options.selected)
  const ready = yield* Queue.unbounded<OpenPiece, Cause.Done>()
  const finished = yield* Deferred.make<void, FileStoreError>()
  const swarm: Swarm = new Swarm({
    layout: metainfo.layout,
    have: checked.have,
    wanted: wanted.pieces,
    order: options.order ?? "Rarest",
    buffers: session.buffers,
    limit: session.downloadLimit,
    random: () => random.nextDoubleUnsafe(),
    hooks: {
      onFull: (piece) => Queue.offerUnsafe(ready, piece),
      onSpill: (piece) => Queue.offerUnsafe(ready, piece),
      onAsked: (peer) => pool.serve(peer),
      onInterested: (peer, at) => session.interested(swarm, peer, at),
      onNotInterested: session.released
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

  const pool: PeerPool.PeerPool = yield* PeerPool.make({
    metainfo,
    swarm,
    shelf: yield* makeShelf(metainfo, swarm, storage, writer, onEvent),
    maxPeers: options.maxPeers ?? MAX_PEERS,
    onEvent
  })
  yield* Effect.addFinalizer(() => Effect.sync(() => pool.shut("is not served any more")))

  const onLanded = (piece: OpenPiece) => {
    done += Bitfield.has(wanted.pieces, piece.index) ? wanted.bytesIn(piece.index) : 0
    writer.noteWritten(piece.index, piece.bytes.length)
    onEvent({ _tag: "PieceLanded", piece: piece.index })
    if (swarm.isDone) Queue.endUnsafe(ready)
  }
  if (swarm.isDone) Queue.endUnsafe(ready)
  const pieces = download.pieces({
    swarm,
    storage,
    pieceHashes: metainfo.pieceHashes,
    ready,
    onLanded,
    onCorrupt: (piece, liars) => {
      onEvent({ _tag: "PieceCorrupt", piece })
      pool.ban(liars)
    },
    onLiars: pool.ban,
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

  yield* session.enroll({ infoHash: metainfo.infoHash, swarm, admit: pool.admit })
  yield* tick(TICK, () => {
    swarm.tick(now())
    pool.dialMore()
  })
  if (session.downloadLimit.rate !== Infinity) yield* tick(LIMITED_TICK, () => swarm.feed(now()))
  pool.add(options.peers ?? [], "user")
  yield* announce(options, swarm, pool, Deferred.await(finished), onEvent)

  return {
    metainfo,
    swarm,
    storage,
    port: session.port,
    completed: Deferred.await(finished),
    snapshot: () => snapshot(swarm, done, wanted.bytes, now())
  } satisfies Torrent
})

const tick = (every: Duration.Input, run: () => void) =>
  Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(every), Effect.sync(run)), { disableYield: true }))

/** Ends once pieces are missing and nobody is connected who could give them. */
const lonely = Effect.fnUntraced(function*(swarm: Swarm) {
  while (swarm.isDone || swarm.peers.size > 0) yield* Effect.sleep(TICK)
})

const announce = Effect.fnUntraced(function*(
  options: TorrentOptions,
  swarm: Swarm,
  pool: PeerPool.PeerPool,
  completed: Effect.Effect<void, FileStoreError>,
  onEvent: (event: TorrentEvent) => void
) {
  if (options.trackers.length === 0) return
  const session = yield* Session
  const random = yield* Random.Random
  const { metainfo } = options
  const missing = () => metainfo.layout.totalLength - haveBytes(swarm)
  yield* Effect.forkScoped(Announcer.run({
    infoHash: metainfo.infoHash,
    peerId: session.peerId,
    key: Math.floor(random.nextDoubleUnsafe() * 2 ** 32),
    tiers: options.trackers,
    private: metainfo.private,
    numWant: () => swarm.peers.size < (options.maxPeers ?? MAX_PEERS) ? NUM_WANT : 0,
    port: () => session.port,
    stats: () => ({ uploaded: swarm.up.total, downloaded: swarm.down.total, left: missing() }),
    onPeers: (peers) => pool.add(peers, "tracker"),
    wake: lonely(swarm),
    onSwitch: () => pool.forgetAll("came from another tracker"),
    // BEP 3 knows no "I have all I want": only who has the whole torrent has completed it.
    completed: Effect.andThen(
      Effect.ignore(completed),
      Effect.suspend(() => swarm.isSeed ? Effect.void : Effect.never)
    ),
    onStatus: ({ leechers, message, result, seeders, url }) => {
      if (result === "error") return onEvent({ _tag: "TrackerFailed", url, message })
      onEvent({ _tag: "TrackerAnswered", url, seeds: seeders, leeches: leechers })
      if (result === "warning") onEvent({ _tag: "Warning", message: `the tracker says: ${message}` })
    }
  }))
})

/** Bytes of the pieces that are there. */
const haveBytes = ({ have, haveCount, layout }: Swarm): number => {
  const last = layout.pieces - 1
  const short = Bitfield.has(have, last) ? layout.pieceLength - PieceLayout.pieceSize(layout, last) : 0
  return haveCount * layout.pieceLength - short
}

const snapshot = (swarm: Swarm, done: number, total: number, now: number): Snapshot => {
  let seeds = 0
  for (const peer of swarm.peers) if (peer.isSeed) seeds++
  return {
    done,
    total,
    seeds,
    peers: swarm.peers.size,
    downRate: swarm.down.perSecond(now),
    upRate: swarm.up.perSecond(now),
    downloaded: swarm.down.total,
    uploaded: swarm.up.total,
    isDone: swarm.isDone
  }
}
