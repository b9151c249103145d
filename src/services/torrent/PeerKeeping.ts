/**
 * Keeps the peers that a torrent has met from one run to the next, beside its resume record: they are dialled at the start, so
 * that a torrent goes on though no tracker answers. Of a private torrent only what its one tracker named is kept (BEP 27).
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as PeerMemory from "../../domain/PeerMemory.ts"
import type { PeerPool } from "../PeerPool.ts"
import type { ResumeHandle } from "../ResumeStore.ts"
import type { TorrentOptions } from "./TorrentOptions.ts"

/** The first record of a run is early, since many runs are short. Whoever is killed forgets whom it met since the last. */
const FIRST = "15 seconds"
const LATER = "5 minutes"

/** Whose peers they are; `undefined` for a private torrent that has not just one tracker: it might leave it for another. */
const ownerOf = ({ metainfo, trackers }: TorrentOptions): PeerMemory.Owner | undefined => {
  if (!metainfo.private) return metainfo
  const all = new Set(trackers.flat())
  return all.size === 1 ? { infoHash: metainfo.infoHash, tracker: all.values().next().value! } : undefined
}

/** Recalls the peers of the last run, and saves those of this one until the scope closes. Answers how many were recalled. */
export const start = Effect.fnUntraced(function*(
  options: TorrentOptions,
  handle: ResumeHandle,
  pool: Pick<PeerPool, "recall" | "memory">
): Effect.fn.Return<number, never, Scope.Scope> {
  const owner = ownerOf(options)
  if (owner === undefined) return 0
  const clock = yield* Clock.Clock
  const save = Effect.suspend(() => {
    const peers = pool.memory(PeerMemory.MOST)
    // Whom the last run knew stays known while this one has met nobody.
    return peers.length === 0
      ? Effect.void
      : handle.savePeers(PeerMemory.encode(owner, peers, clock.currentTimeMillisUnsafe()))
  })
  const bytes = yield* handle.loadPeers(PeerMemory.MAX_LENGTH)
  const known = bytes === undefined ? [] : PeerMemory.decode(owner, bytes, clock.currentTimeMillisUnsafe())
  pool.recall(known)
  yield* Effect.addFinalizer(() => save)
  yield* Effect.forkScoped(
    Effect.andThen(
      Effect.andThen(Effect.sleep(FIRST), save),
      Effect.forever(Effect.andThen(Effect.sleep(LATER), save), { disableYield: true })
    )
  )
  return known.length
})
