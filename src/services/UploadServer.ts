/**
 * Answers what peers ask for. One fiber per peer that waits for blocks: it takes requests from the front in batches,
 * reads ahead through the {@link ReadCache}, and writes headers and blocks in one go, no faster than the peer reads.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import * as PieceLayout from "../domain/PieceLayout.ts"
import type { Sent } from "../domain/swarm/Misconduct.ts"
import type { Peer } from "../domain/swarm/Peer.ts"
import type { RateLimit } from "../domain/swarm/RateLimit.ts"
import * as Message from "../domain/wire/Message.ts"
import * as Allowance from "./Allowance.ts"
import * as HashServer from "./HashServer.ts"
import * as Monotonic from "./Monotonic.ts"
import * as ReadCache from "./ReadCache.ts"
import type { Link } from "./Transport.ts"

/** A torrent that blocks are served of. */
export interface Shelf<E = { readonly message: string }> extends ReadCache.Source<E> {
  readonly layout: PieceLayout.PieceLayout
  /** Told after every batch: so many bytes, these blocks. */
  readonly onSent: (peer: Peer, bytes: number, now: number, blocks: ReadonlyArray<Sent>) => void
  /** What may be sent, under the limit that all torrents of a session share. */
  readonly limit: RateLimit
  /** Reading for these pieces failed; the peer that asked is refused them, or let go where that cannot be said. */
  readonly onFault: (error: E, pieces: ReadonlySet<number>) => void
  /** What hashes are served of; absent in version 1. */
  readonly hashes?: HashServer.HashShelf | undefined
}

export class UploadServer extends Context.Service<UploadServer, {
  /** The peer may have asked for blocks: serve it until its queue is empty. Safe to call for every batch. */
  readonly serve: (peer: Peer, link: Link, shelf: Shelf) => void
  /** The peer may have asked for hashes, whether it is choked or not: answer all of that. Safe to call for every one. */
  readonly serveHashes: (peer: Peer, link: Link, shelf: Shelf) => void
  /** Forgets what was read of a torrent. */
  readonly drop: (shelf: Shelf) => void
}>()("freshet/services/UploadServer") {
  static readonly layer: Layer.Layer<UploadServer> = Layer.effect(UploadServer, Effect.suspend(() => make()))
}

/** Payload of one write (bytes): enough to make its cost per block small, little enough to share the loop. */
const BATCH = 524_288

/**
 * ms of a peer's rate that one write may take, and its least (bytes): what is written can neither be taken back by a choke
 * nor overtaken by a `have`.
 */
const WRITE_AHEAD = 500
const LEAST_BATCH = PieceLayout.BLOCK

/** ms of the limited rate that one write may take: little, so that the peers that share it all move on. */
const LIMITED_BATCH = 50

/** Lines that are read before their turn. */
const AHEAD = 4

/** Lines that one batch may hold in memory: blocks here and there would each take a whole one. */
const LINES = 4

interface Block {
  readonly piece: number
  readonly begin: number
  readonly length: number
  readonly offset: number
}

type Cache = ReadCache.ReadCache<{ readonly message: string }>
type Line = ReadCache.Line<{ readonly message: string }>

const lineOf = (offset: number): number => Math.floor(offset / ReadCache.LINE)

/** The requests at the front of the queue, up to a batch of bytes or {@link LINES}; they leave the queue. */
const takeBatch = (peer: Peer, layout: PieceLayout.PieceLayout, most: number): Array<Block> => {
  const batch: Array<Block> = []
  let bytes = 0
  let lines = 0
  let line = -1
  const { asked } = peer
  while (batch.length < asked.length) {
    const i = batch.length
    const length = asked.size(i)
    const piece = asked.piece(i)
    const begin = asked.begin(i)
    const offset = PieceLayout.pieceOffset(layout, piece) + begin
    const last = lineOf(offset + length - 1)
    lines += lineOf(offset) === line ? last - line : last - lineOf(offset) + 1
    if (i > 0 && (bytes + length > most || lines > LINES)) break
    batch.push({ piece, begin, length, offset })
    bytes += length
    line = last
  }
  asked.shift(batch.length)
  return batch
}

/** What one write to a peer may carry. */
const batchFor = (peer: Peer, now: number): number =>
  Math.min(BATCH, Math.max(LEAST_BATCH, peer.up.perSecond(now) * WRITE_AHEAD / 1000))

const sizeOf = (batch: ReadonlyArray<Block>): number => batch.reduce((sum, block) => sum + block.length, 0)

/** One line after another, each with the bytes of the block in it. */
const eachLine = (block: Block, visit: (from: number, to: number) => void): void => {
  const end = block.offset + block.length
  for (let from = block.offset; from < end;) {
    const to = Math.min(end, from - from % ReadCache.LINE + ReadCache.LINE)
    visit(from, to)
    from = to
  }
}

/** Pins the lines of every block, in order. */
const pinAll = (cache: Cache, shelf: Shelf, batch: ReadonlyArray<Block>): Array<Line> => {
  const lines: Array<Line> = []
  for (const block of batch) {
    eachLine(block, (from, to) => {
      const last = lines[lines.length - 1]
      if (last !== undefined && last.from <= from && to <= last.to) return
      lines.push(cache.pin(shelf, from, to))
    })
  }
  return lines
}

/** Starts reading what is next in the queue. */
const readAhead = (cache: Cache, shelf: Shelf, peer: Peer): void => {
  const { asked } = peer
  let line: Line | undefined
  let started = 0
  for (let i = 0; i < asked.length && started < AHEAD; i++) {
    const from = PieceLayout.pieceOffset(shelf.layout, asked.piece(i)) + asked.begin(i)
    const to = Math.min(from + asked.size(i), from - from % ReadCache.LINE + ReadCache.LINE)
    if (line !== undefined && line.from <= from && to <= line.to) continue
    line = cache.pin(shelf, from, to)
    cache.release(line)
    started++
  }
}

/** Headers and blocks for one write; a block that lies in two lines goes as two parts. */
const frames = (batch: ReadonlyArray<Block>, lines: ReadonlyArray<Line>): Array<Uint8Array> => {
  const headers = new Uint8Array(batch.length * Message.PIECE_HEADER)
  const parts: Array<Uint8Array> = []
  let line = 0
  for (let i = 0; i < batch.length; i++) {
    const block = batch[i]!
    const at = i * Message.PIECE_HEADER
    Message.writePieceHeader(headers, at, block.piece, block.begin, block.length)
    parts.push(headers.subarray(at, at + Message.PIECE_HEADER))
    eachLine(block, (from, to) => {
      while (from < lines[line]!.from || to > lines[line]!.to) line++
      const { buffer, from: start } = lines[line]!
      parts.push(buffer.subarray(from - start, to - start))
    })
  }
  return parts
}

/** Whoever speaks the fast extension (BEP 6) is told that the blocks will not come, and may ask for others. */
const refuse = (peer: Peer, batch: ReadonlyArray<Block>): false => {
  for (const { begin, length, piece } of batch) peer.outbox.reject(piece, begin, length)
  peer.wire.flush()
  return false
}

const make = Effect.fnUntraced(function*() {
  const clock = yield* Clock.Clock
  const cache: Cache = yield* ReadCache.make<{ readonly message: string }>()
  const hashes = yield* HashServer.make()
  const run = yield* FiberSet.makeRuntime<never>()
  const busy = new Set<Peer>()
  /** Whose turn it is under the limits: among the torrents, and among the peers of each. */
  const turn = Semaphore.makeUnsafe(1)
  const turns = new WeakMap<Shelf, Semaphore.Semaphore>()

  const loaded = Effect.fnUntraced(function*(lines: ReadonlyArray<Line>) {
    for (const line of lines) if (!line.ready) yield* Deferred.await(line.loaded)
  })

  /** What to send next; `most` bytes, but one block in any case. */
  const nextBatch = (peer: Peer, shelf: Shelf, most: number, now: number) => {
    const batch = takeBatch(peer, shelf.layout, Math.min(most, batchFor(peer, now)))
    if (shelf.limit.isLimited) shelf.limit.spend(sizeOf(batch), now)
    return batch
  }

  const turnOf = (shelf: Shelf) => {
    const known = turns.get(shelf)
    if (known !== undefined) return known
    const made = Semaphore.makeUnsafe(1)
    turns.set(shelf, made)
    return made
  }

  const limitedBatch = (peer: Peer, shelf: Shelf) =>
    Effect.sync(() => {
      const now = Monotonic.millis(clock)
      const { limit } = shelf
      const share = limit.rate * LIMITED_BATCH / 1000
      // A peer that was choked while it waited has nothing left to take.
      return peer.asked.length === 0 ? [] : nextBatch(peer, shelf, Math.min(share, limit.allowance(now)), now)
    })

  /**
   * Waits for the limits, first for that of the torrent, then for that of the session: one peer of a torrent at a time, and one
   * torrent at a time, so that all take turns and no two spend the same allowance.
   */
  const awaitBatch = (peer: Peer, shelf: Shelf) => {
    const { limit } = shelf
    const front = () => peer.asked.length === 0 ? 0 : peer.asked.size(0)
    return turnOf(shelf).withPermit(Effect.andThen(
      Allowance.wait(clock, (now) => front() === 0 ? 0 : limit.waitForOwn(front(), now)),
      turn.withPermit(Effect.andThen(
        Allowance.wait(clock, (now) => front() === 0 ? 0 : limit.waitFor(front(), now)),
        limitedBatch(peer, shelf)
      ))
    ))
  }

  const sendBatch = Effect.fnUntraced(function*(peer: Peer, link: Link, shelf: Shelf) {
    const batch = shelf.limit.isLimited
      ? yield* awaitBatch(peer, shelf)
      : nextBatch(peer, shelf, BATCH, Monotonic.millis(clock))
    if (batch.length === 0) return
    const lines = pinAll(cache, shelf, batch)
    const release = () => {
      for (const line of lines) cache.release(line)
    }
    readAhead(cache, shelf, peer)
    const isLoaded = yield* loaded(lines).pipe(
      Effect.as(true),
      Effect.tapError((error) => Effect.sync(() => shelf.onFault(error, new Set(batch.map(({ piece }) => piece))))),
      Effect.onError(() => Effect.sync(release)),
      Effect.catch((error) => peer.fast ? Effect.sync(() => refuse(peer, batch)) : Effect.fail(error))
    )
    if (!isLoaded) return
    // Without the fast extension (BEP 6) the peer knows that its requests are void, and takes no blocks for them.
    if (peer.amChoking && !peer.fast) return release()
    link.send(frames(batch, lines), release)
    shelf.onSent(peer, sizeOf(batch), Monotonic.millis(clock), batch)
    yield* link.drained
  })

  const serveAll = Effect.fnUntraced(
    function*(peer: Peer, link: Link, shelf: Shelf) {
      while (peer.asked.length > 0) yield* sendBatch(peer, link, shelf)
    },
    (effect, peer, link, shelf) =>
      effect.pipe(
        Effect.catch((error) =>
          Effect.sync(() => {
            peer.asked.clear()
            peer.wire.close(`cannot be served: ${error.message}`)
          })
        ),
        Effect.ensuring(Effect.sync(() => {
          busy.delete(peer)
          if (peer.asked.length > 0) serve(peer, link, shelf)
        }))
      )
  )

  const serve = (peer: Peer, link: Link, shelf: Shelf): void => {
    if (busy.has(peer)) return
    busy.add(peer)
    run(serveAll(peer, link, shelf))
  }

  return UploadServer.of({
    serve,
    serveHashes: (peer, link, shelf) => hashes.serve(peer, link, shelf.hashes),
    drop: (shelf) => {
      cache.drop(shelf)
      if (shelf.hashes !== undefined) hashes.drop(shelf.hashes)
    }
  })
})
