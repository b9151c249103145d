/** What a torrent tells its trackers, and what it does with their answers. A hybrid is announced in both its swarms (BEP 52). */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as PieceLayout from "../../domain/PieceLayout.ts"
import type { Swarm } from "../../domain/swarm/Swarm.ts"
import * as Policy from "../../domain/wire/mse/Policy.ts"
import * as Announcer from "../Announcer.ts"
import type { FileStoreError } from "../FileStore.ts"
import type * as PeerPool from "../PeerPool.ts"
import { Session } from "../Session.ts"
import type { TorrentError } from "../TorrentError.ts"
import type { TorrentEvent } from "../TorrentEvent.ts"
import { MAX_PEERS, type TorrentOptions } from "./TorrentOptions.ts"

/** Peers that a tracker is asked for while we have few. */
const NUM_WANT = 80

/** Ends once pieces are missing and nobody is connected who could give them. */
const lonely = Effect.fnUntraced(function*(swarm: Swarm) {
  while (swarm.isDone || swarm.peerCount > 0) yield* Effect.sleep("1 second")
})

const most = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? a ?? b : Math.max(a, b)

/**
 * What is told of the trackers. Many know one of a hybrid's hashes only: that they refuse the other is no news. Whoever is in
 * both swarms is counted once.
 */
export const makeTeller = (onEvent: (event: TorrentEvent) => void) => {
  /** Per tracker what it last answered for each swarm, if that was no error. */
  const answers = new Map<string, Array<Announcer.AnnounceStatus | undefined>>()
  return (swarm: number, status: Announcer.AnnounceStatus): void => {
    const { message, result, url } = status
    const of = answers.get(url) ?? []
    answers.set(url, of)
    of[swarm] = result === "error" ? undefined : status
    if (result === "error") {
      if (swarm === 0 && of[1] === undefined) onEvent({ _tag: "TrackerFailed", url, message })
      return
    }
    const seeds = most(of[0]?.seeders, of[1]?.seeders)
    const leeches = most(of[0]?.leechers, of[1]?.leechers)
    onEvent({ _tag: "TrackerAnswered", url, seeds, leeches })
    if (result === "warning" && of[0]?.message !== of[1]?.message) {
      onEvent({ _tag: "Warning", message: `the tracker says: ${message}` })
    }
  }
}

/** Announces in the background until the scope closes, and hands the peers over. */
export const start = Effect.fnUntraced(function*(
  options: TorrentOptions,
  swarm: Swarm,
  pool: PeerPool.PeerPool,
  completed: Effect.Effect<void, FileStoreError | TorrentError>,
  onEvent: (event: TorrentEvent) => void,
  onAnnounced: (swarm: number, status: Announcer.AnnounceStatus) => void
) {
  if (options.trackers.length === 0) return
  const session = yield* Session
  const random = yield* Random.Random
  const { metainfo } = options
  const missing = () => swarm.fetched.dataLength - PieceLayout.sizeOf(swarm.fetched, swarm.have)
  const key = Math.floor(random.nextDoubleUnsafe() * 2 ** 32)
  const tell = makeTeller(onEvent)
  /** The tracker that answered the first swarm last. */
  const answering = yield* Queue.sliding<string>(1)

  const announce = (index: number, tiers: TorrentOptions["trackers"]) =>
    Effect.scoped(Announcer.run({
      infoHash: metainfo.swarms[index]!,
      peerId: session.peerId,
      key,
      tiers,
      private: metainfo.private,
      numWant: () => swarm.peerCount < (options.maxPeers ?? MAX_PEERS) ? NUM_WANT : 0,
      port: () => session.port,
      crypto: Policy.announced(session.encryption),
      stats: () => ({ uploaded: swarm.up.total, downloaded: swarm.down.total, left: missing() }),
      isPartialSeed: () => swarm.isDone && !swarm.isSeed,
      onPeers: (peers, url) => {
        if (index === 0) Queue.offerUnsafe(answering, url)
        pool.add(peers, "tracker", index)
      },
      onSeenAs: pool.seenAs,
      wake: lonely(swarm),
      onSwitch: () => pool.forgetAll("came from another tracker"),
      // BEP 3 knows no "I have all I want": only who has the whole torrent has completed it.
      completed: Effect.andThen(
        Effect.ignore(completed),
        Effect.suspend(() => swarm.isSeed ? Effect.void : Effect.never)
      ),
      onStatus: (status) => {
        onAnnounced(index, status)
        tell(index, status)
      }
    }))

  /** Of a private torrent all peers must come from one tracker (BEP 27): where it has several, the second swarm follows. */
  const follow = Effect.gen(function*() {
    let url = yield* Queue.take(answering)
    while (true) {
      const left = url
      const moved = Effect.repeat(Queue.take(answering), { until: (next) => next !== left })
      url = yield* Effect.raceFirst(announce(1, [[url]]), moved)
    }
  })

  const isOne = new Set(options.trackers.flat()).size === 1
  const second = metainfo.private && !isOne ? follow : announce(1, options.trackers)
  const all = [announce(0, options.trackers), second].slice(0, metainfo.swarms.length)
  yield* Effect.forkScoped(Effect.all(all, { concurrency: "unbounded" }))
})
