/** What a torrent tells its trackers, and what it does with their answers. */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as PieceLayout from "../../domain/PieceLayout.ts"
import type { Swarm } from "../../domain/swarm/Swarm.ts"
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
  while (swarm.isDone || swarm.peers.size > 0) yield* Effect.sleep("1 second")
})

/** Announces in the background until the scope closes, and hands the peers over. */
export const start = Effect.fnUntraced(function*(
  options: TorrentOptions,
  swarm: Swarm,
  pool: PeerPool.PeerPool,
  completed: Effect.Effect<void, FileStoreError | TorrentError>,
  onEvent: (event: TorrentEvent) => void
) {
  if (options.trackers.length === 0) return
  const session = yield* Session
  const random = yield* Random.Random
  const { metainfo } = options
  const missing = () => swarm.fetched.dataLength - PieceLayout.sizeOf(swarm.fetched, swarm.have)
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
