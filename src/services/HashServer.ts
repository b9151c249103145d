/**
 * Answers requests for hashes (BEP 52). What is in the metainfo costs little; leaves are those of pieces that have to be
 * read and hashed, which happens in short steps, one at a time, within a rate of its own: whoever asks for all leaves of a
 * torrent gets them, but no upload waits for it.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Bytes from "../domain/Bytes.ts"
import type { HashTrees, Plan } from "../domain/HashTrees.ts"
import * as Merkle from "../domain/Merkle.ts"
import * as PieceLayout from "../domain/PieceLayout.ts"
import type { PieceTree } from "../domain/PieceTrees.ts"
import type { Peer } from "../domain/swarm/Peer.ts"
import type { RateLimit } from "../domain/swarm/RateLimit.ts"
import { TokenBucket } from "../domain/swarm/TokenBucket.ts"
import type { HashRange } from "../domain/wire/HashMessage.ts"
import * as Message from "../domain/wire/Message.ts"
import * as Allowance from "./Allowance.ts"
import { LeafCache } from "./LeafCache.ts"
import * as Monotonic from "./Monotonic.ts"
import type { Link } from "./Transport.ts"

/** What hashes are served of: a torrent of version 2. */
export interface HashShelf {
  /** Unique among all torrents of the server. */
  readonly key: string
  readonly layout: PieceLayout.PieceLayout
  /** That of the torrent's uploads: hashes count like blocks. */
  readonly limit: RateLimit
  readonly trees: HashTrees
  readonly treeOf: (piece: number) => PieceTree
  /** Whether the piece is verified and there. */
  readonly has: (piece: number) => boolean
  readonly read: (offset: number, into: Uint8Array) => Effect.Effect<void, { readonly message: string }>
  /** The piece cannot be read, or is not what was verified. */
  readonly onFault: (error: { readonly message: string }, pieces: ReadonlySet<number>) => void
}

export interface HashServer {
  /** The peer may have asked for hashes: serve it until its queue is empty. Safe to call at any time. */
  readonly serve: (peer: Peer, link: Link, shelf: HashShelf | undefined) => void
  /** The torrent is no longer served, and cannot be read: forgets its leaves. */
  readonly drop: (shelf: HashShelf) => void
}

/** Bytes read and hashed in one step. SHA-256 over its blocks takes 0.3 ms. */
const STEP = 262_144

/** Bytes/s read for hashes and sent as hashes, in all and for one peer; and what a peer may have at once. */
const RATE = 16 << 20
const PEER_RATE = 4 << 20
const PEER_BURST = 32 << 20

/** What a node that is hashed for an answer counts for (bytes): its two children. 500 of them take 0.7 ms. */
const NODE = 2 * Merkle.HASH

/** Requests worked on at once that need pieces from the disk. */
const AT_ONCE = 4

/** Serves on fibers of the scope. */
export const make = Effect.fnUntraced(function*(): Effect.fn.Return<HashServer, never, Scope.Scope> {
  const clock = yield* Clock.Clock
  const run = yield* FiberSet.makeRuntime<never>()
  const now = () => Monotonic.millis(clock)
  const all = new TokenBucket(RATE, now())
  const busy = new Set<Peer>()
  const dropped = new WeakSet<HashShelf>()
  const buckets = new WeakMap<Peer, TokenBucket>()
  const slots = Semaphore.makeUnsafe(AT_ONCE)
  const turn = Semaphore.makeUnsafe(1)
  const buffer = new Uint8Array(STEP)
  const cache = new LeafCache()
  /** Pieces being hashed, by their key in the cache. */
  const hashing = new Map<string, Deferred.Deferred<Uint8Array | undefined>>()

  const bucketOf = (peer: Peer): TokenBucket => {
    const bucket = buckets.get(peer) ?? new TokenBucket(PEER_RATE, now(), PEER_BURST)
    buckets.set(peer, bucket)
    return bucket
  }

  const waitFor = (bucket: TokenBucket) =>
    Effect.suspend(() => {
      const ms = bucket.waitFor(1, now())
      return ms === 0 ? Effect.void : Effect.sleep(ms)
    })

  /** One step at a time, whoever waits for it: they take turns, and one buffer is enough for all. */
  const hashStep = (shelf: HashShelf, offset: number, length: number, into: Uint8Array) =>
    turn.withPermit(Effect.gen(function*() {
      yield* waitFor(all)
      const bytes = buffer.subarray(0, length)
      yield* shelf.read(offset, bytes)
      into.set(Merkle.leaves(bytes))
      all.charge(length, now())
    }))

  const fault = (shelf: HashShelf, piece: number, error: { readonly message: string }) => {
    if (!dropped.has(shelf)) shelf.onFault(error, new Set([piece]))
  }

  /** The leaves of a piece as they are on the disk, or `undefined` when these are not those of the torrent. */
  const hashPiece = Effect.fnUntraced(function*(shelf: HashShelf, piece: number, bucket: TokenBucket) {
    const { leaves: count, length, root, width } = shelf.treeOf(piece)
    const leaves = new Uint8Array(count * Merkle.HASH)
    const start = PieceLayout.pieceOffset(shelf.layout, piece)
    bucket.charge(length, now())
    for (let at = 0; at < length; at += STEP) {
      if (dropped.has(shelf)) return undefined
      const into = leaves.subarray(at / PieceLayout.BLOCK * Merkle.HASH)
      yield* hashStep(shelf, start + at, Math.min(STEP, length - at), into)
    }
    if (Bytes.equals(Merkle.root(leaves, width), root)) return leaves
    fault(shelf, piece, { message: `piece ${piece} is no longer what was verified` })
    return undefined
  }, (effect, shelf, piece) =>
    effect.pipe(
      Effect.tapError((error) => Effect.sync(() => fault(shelf, piece, error))),
      Effect.orElseSucceed(() => undefined)
    ))

  /** Those of the cache, or from the disk; a piece is hashed once however many ask. */
  const leavesOf = Effect.fnUntraced(function*(shelf: HashShelf, piece: number, bucket: TokenBucket) {
    const known = cache.get(shelf.key, piece)
    if (known !== undefined) return known
    const key = `${shelf.key}/${piece}`
    const others = hashing.get(key)
    if (others !== undefined) return yield* Deferred.await(others)
    const found = Deferred.makeUnsafe<Uint8Array | undefined>()
    hashing.set(key, found)
    return yield* hashPiece(shelf, piece, bucket).pipe(
      Effect.tap((leaves) => Effect.sync(() => leaves && cache.set(shelf.key, piece, leaves))),
      Effect.onExit((exit) => {
        hashing.delete(key)
        return Deferred.done(found, exit)
      })
    )
  })

  const hashesOf = Effect.fnUntraced(function*(shelf: HashShelf, plan: Plan, bucket: TokenBucket) {
    if (plan.needsBuild) { while (!shelf.trees.build(plan)) yield* Effect.yieldNow }
    const leaves = new Map<number, Uint8Array>()
    for (const piece of plan.pieces) {
      const found = shelf.has(piece) ? yield* leavesOf(shelf, piece, bucket) : undefined
      if (found === undefined) return undefined
      leaves.set(piece, found)
    }
    return shelf.trees.compose(plan, (piece) => leaves.get(piece)!)
  })

  /** The hashes for a plan, within all limits; what they cost is counted when it is known. */
  const limited = Effect.fnUntraced(function*(peer: Peer, shelf: HashShelf, plan: Plan) {
    const bucket = bucketOf(peer)
    yield* waitFor(bucket)
    yield* Allowance.wait(clock, (now) => peer.isGone ? 0 : shelf.limit.waitFor(1, now))
    if (plan.pieces.length === 0) yield* turn.withPermit(waitFor(all))
    // Nothing is read for those who ask and go: however many do, they hold up nobody.
    const work = Effect.suspend(() => peer.isGone ? Effect.undefined : hashesOf(shelf, plan, bucket))
    const hashes = yield* (plan.pieces.length === 0 ? work : slots.withPermit(work))
    if (hashes === undefined) return undefined
    const cost = plan.work * NODE + hashes.length
    bucket.charge(cost, now())
    all.charge(cost, now())
    shelf.limit.spend(hashes.length, now())
    return hashes
  })

  const answer = Effect.fnUntraced(function*(peer: Peer, link: Link, shelf: HashShelf | undefined, range: HashRange) {
    if (shelf !== undefined) { while (!shelf.trees.index()) yield* Effect.yieldNow }
    const plan = shelf === undefined || shelf.limit.rate === 0 ? undefined : shelf.trees.plan(range)
    const hashes = plan && (yield* limited(peer, shelf!, plan))
    if (hashes !== undefined) link.send([Message.hashes(range, hashes)])
    else {
      peer.outbox.hashReject(range)
      peer.wire.flush()
    }
    yield* link.drained
  })

  const serveAll = Effect.fnUntraced(
    function*(peer: Peer, link: Link, shelf: HashShelf | undefined) {
      while (peer.askedHashes.length > 0) yield* answer(peer, link, shelf, peer.askedHashes.shift()!)
    },
    (effect, peer, link, shelf) =>
      Effect.ensuring(
        effect,
        Effect.sync(() => {
          busy.delete(peer)
          serve(peer, link, shelf)
        })
      )
  )

  const serve = (peer: Peer, link: Link, shelf: HashShelf | undefined): void => {
    if (busy.has(peer) || peer.askedHashes.length === 0) return
    busy.add(peer)
    run(serveAll(peer, link, shelf))
  }

  return {
    serve,
    drop: (shelf) => {
      dropped.add(shelf)
      cache.drop(shelf.key)
    }
  }
})
