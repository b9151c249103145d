/** Who is in which swarm, for every protocol that a tracker speaks. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import type * as InfoHash from "../domain/InfoHash.ts"
import type * as PeerAddress from "../domain/PeerAddress.ts"
import type * as PeerId from "../domain/PeerId.ts"
import type { Event } from "../domain/tracker/Announce.ts"
import * as Swarm from "../domain/tracker/Swarm.ts"

export class SwarmStoreError extends Schema.TaggedError<SwarmStoreError>()("SwarmStoreError", {
  reason: Schema.Literal("Unavailable"),
  detail: Schema.String
}) {
  override get message() {
    return `the swarm store is out of reach: ${this.detail}`
  }
}

/** A peer that announces itself. */
export interface Announcing {
  /** Where the tracker saw it, with the port that it accepts peers on. */
  readonly address: PeerAddress.PeerAddress
  readonly peerId: PeerId.PeerId
  /** Bytes still missing; `undefined` when the peer does not say, which makes it a leech. */
  readonly left: number | undefined
  readonly event: Event | undefined
  /** The most peers to answer with. */
  readonly numWant: number
  /** When the peer is forgotten unless it announces again, counted from now: two announce intervals. */
  readonly lifeMs: number
}

export interface Summary extends Swarm.Counts {
  readonly torrents: number
}

export interface SwarmStoreOptions {
  readonly maxTorrents?: number | undefined
  readonly maxPeersPerTorrent?: number | undefined
}

const MAX_TORRENTS = 100_000
const MAX_PEERS_PER_TORRENT = 20_000

const NOBODY: Swarm.Counts = { seeders: 0, leechers: 0, completed: 0 }

interface Shelf {
  readonly swarm: Swarm.Swarm
  /** When the last of its peers is forgotten. */
  expiresAt: number
}

/** All swarms in memory, the one that has been silent longest first. */
class Memory {
  private readonly shelves = new Map<InfoHash.InfoHash, Shelf>()
  private readonly random: () => number
  private readonly maxTorrents: number
  private readonly maxPeers: number

  constructor(random: () => number, options: SwarmStoreOptions) {
    this.random = random
    this.maxTorrents = options.maxTorrents ?? MAX_TORRENTS
    this.maxPeers = options.maxPeersPerTorrent ?? MAX_PEERS_PER_TORRENT
  }

  announce(infoHash: InfoHash.InfoHash, peer: Announcing, now: number): Swarm.Sample {
    this.sweep(now)
    const shelf = this.open(infoHash, now + peer.lifeMs)
    const { swarm } = shelf
    const seed = peer.left === 0
    Swarm.expire(swarm, now)
    Swarm.visit(swarm, { ...peer, seed, expiresAt: shelf.expiresAt }, this.maxPeers)
    const want = peer.event === "stopped" ? 0 : peer.numWant
    return {
      ...Swarm.counts(swarm),
      peers: Swarm.sample(swarm, { peerId: peer.peerId, seed }, want, this.random)
    }
  }

  scrape(infoHash: InfoHash.InfoHash, now: number): Swarm.Counts {
    const shelf = this.shelves.get(infoHash)
    if (shelf === undefined) return NOBODY
    Swarm.expire(shelf.swarm, now)
    return Swarm.counts(shelf.swarm)
  }

  summary(now: number): Summary {
    const total = { torrents: 0, seeders: 0, leechers: 0, completed: 0 }
    for (const infoHash of this.shelves.keys()) {
      const { completed, leechers, seeders } = this.scrape(infoHash, now)
      if (seeders + leechers > 0) total.torrents++
      total.seeders += seeders
      total.leechers += leechers
      total.completed += completed
    }
    return total
  }

  private open(infoHash: InfoHash.InfoHash, expiresAt: number): Shelf {
    const known = this.shelves.get(infoHash)
    const shelf = known ?? { swarm: Swarm.make(), expiresAt }
    shelf.expiresAt = Math.max(shelf.expiresAt, expiresAt)
    if (known === undefined && this.shelves.size >= this.maxTorrents) this.dropOldest()
    this.shelves.delete(infoHash)
    this.shelves.set(infoHash, shelf)
    return shelf
  }

  private dropOldest(): void {
    for (const infoHash of this.shelves.keys()) {
      this.shelves.delete(infoHash)
      return
    }
  }

  /** Every announce brings at most one torrent, so taking away two keeps the table clean without a timer. */
  private sweep(now: number): void {
    let looked = 0
    for (const [infoHash, shelf] of this.shelves) {
      if (shelf.expiresAt > now || looked++ === 2) return
      this.shelves.delete(infoHash)
    }
  }
}

export class SwarmStore extends Context.Service<SwarmStore, {
  /**
   * Takes the peer in (or out, when it stops) and answers with others of the swarm, by chance: never the asker, and
   * no seeds for a seed. `now` is milliseconds of a clock that never goes back and is the same for all calls.
   */
  readonly announce: (
    infoHash: InfoHash.InfoHash,
    peer: Announcing,
    now: number
  ) => Effect.Effect<Swarm.Sample, SwarmStoreError>
  readonly scrape: (infoHash: InfoHash.InfoHash, now: number) => Effect.Effect<Swarm.Counts, SwarmStoreError>
  /** All swarms together; its cost grows with their number. */
  readonly summary: (now: number) => Effect.Effect<Summary, SwarmStoreError>
}>()("freshet/services/SwarmStore") {
  /** At its bounds the torrent, and in a torrent the peer, that has been silent longest makes room. */
  static readonly layerMemory = (options: SwarmStoreOptions = {}): Layer.Layer<SwarmStore> =>
    Layer.effect(
      SwarmStore,
      Effect.gen(function*() {
        const random = yield* Random.Random
        const memory = new Memory(() => random.nextDoubleUnsafe(), options)
        return SwarmStore.of({
          announce: (infoHash, peer, now) => Effect.sync(() => memory.announce(infoHash, peer, now)),
          scrape: (infoHash, now) => Effect.sync(() => memory.scrape(infoHash, now)),
          summary: (now) => Effect.sync(() => memory.summary(now))
        })
      })
    )
}
