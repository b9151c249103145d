/** What a swarm store does, in Maps and without a thought for speed. */
import * as InfoHash from "../../../src/domain/InfoHash.ts"
import * as PeerAddress from "../../../src/domain/PeerAddress.ts"
import * as PeerId from "../../../src/domain/PeerId.ts"
import type { Announcing, Counts, Role, Summary } from "../../../src/domain/tracker/Announcing.ts"
import * as Reach from "../../../src/domain/tracker/Reach.ts"
import type { Bounds } from "../../../src/domain/tracker/SwarmTable.ts"

interface Peer {
  readonly peerId: string
  readonly compact: Uint8Array
  readonly key: number
  readonly role: Role
  readonly finished: boolean
  readonly until: number
}

interface Swarm {
  readonly peers: Map<string, Peer>
  completed: number
  lastSeedAt: number | undefined
  quietSince: number | undefined
}

export interface Expected {
  readonly seeders: number
  readonly leechers: number
  readonly completed: number
  /** Whom the answer may hold, as `address id`. */
  readonly allowed: ReadonlyArray<string>
}

const textOf = (compact: Uint8Array): string =>
  PeerAddress.format(PeerAddress.fromCompact(compact, compact.length === 6 ? 4 : 6)[0]!)

const least = <A>(items: Iterable<A>, by: (item: A) => number): A | undefined =>
  [...items].sort((a, b) => by(a) - by(b))[0]

export class Reference {
  private readonly bounds: Bounds
  private readonly swarms = new Map<string, Swarm>()

  constructor(bounds: Bounds) {
    this.bounds = bounds
  }

  announce(asking: Announcing, now: number): Expected | "TooManyTorrents" {
    this.expire(now)
    const key = textOf(asking.compact)
    const infoHash = InfoHash.fromBytes(asking.infoHash)
    const peerId = PeerId.fromBytes(asking.peerId)
    const stops = asking.event === "stopped"
    const known = this.swarms.get(infoHash)
    if (known === undefined && stops) return { seeders: 0, leechers: 0, completed: 0, allowed: [] }
    if (known === undefined && !this.makeRoom()) return "TooManyTorrents"
    const swarm = known ?? { peers: new Map(), completed: 0, lastSeedAt: undefined, quietSince: undefined }
    this.swarms.set(infoHash, swarm)
    const old = swarm.peers.get(key)
    const elsewhere = [...swarm.peers].find(([other, peer]) =>
      other !== key && asking.key !== 0 && peer.key === asking.key && peer.peerId === peerId &&
      peer.compact.length === asking.compact.length
    )
    if (stops) {
      const [place, own] = old?.peerId === peerId ? [key, old] : elsewhere ?? []
      if (own?.role === "seed") swarm.lastSeedAt = now
      if (place !== undefined) this.drop(swarm, place, now)
      return { ...this.numbers(swarm), allowed: [] }
    }
    if (asking.role === "seed") swarm.lastSeedAt = now
    const wasFinished = (old?.peerId === peerId && old.finished) || elsewhere?.[1].finished === true
    const finishes = asking.event === "completed" && asking.role === "seed" && !wasFinished
    if (finishes) swarm.completed++
    swarm.quietSince = undefined
    if (elsewhere !== undefined) swarm.peers.delete(elsewhere[0])
    swarm.peers.set(key, {
      peerId,
      key: asking.key,
      compact: asking.compact.slice(),
      role: asking.role,
      finished: wasFinished || finishes,
      until: now + this.bounds.lifeMs
    })
    this.keepBounds(swarm, now)
    return { ...this.numbers(swarm), allowed: this.allowed(swarm, asking, key) }
  }

  scrape(infoHash: string, now: number): Counts {
    this.expire(now)
    const swarm = this.swarms.get(infoHash)
    const peers = [...swarm?.peers.values() ?? []]
    const count = (role: Role) => peers.filter((peer) => peer.role === role).length
    return {
      seeders: count("seed"),
      leechers: count("leech") + count("paused"),
      downloaders: count("leech"),
      completed: swarm?.completed ?? 0,
      lastSeedAt: swarm?.lastSeedAt
    }
  }

  summary(now: number): Summary {
    this.expire(now)
    const swarms = [...this.swarms.values()]
    const peers = swarms.flatMap((swarm) => [...swarm.peers.values()])
    const seeders = peers.filter((peer) => peer.role === "seed").length
    const peers4 = peers.filter((peer) => peer.compact.length === 6).length
    return {
      torrents: swarms.filter((swarm) => swarm.peers.size > 0).length,
      peers: peers.length,
      peers4,
      peers6: peers.length - peers4,
      seeders,
      leechers: peers.length - seeders,
      completed: swarms.reduce((sum, swarm) => sum + swarm.completed, 0)
    }
  }

  private expire(now: number): void {
    for (const swarm of this.swarms.values()) {
      const over = [...swarm.peers].filter(([, { until }]) => until <= now)
      for (const [key, { until }] of over.sort((a, b) => a[1].until - b[1].until)) this.drop(swarm, key, until)
    }
  }

  private makeRoom(): boolean {
    if (this.swarms.size < this.bounds.maxTorrents) return true
    const quiet = [...this.swarms].filter(([, swarm]) => swarm.quietSince !== undefined)
    const first = least(quiet, ([, swarm]) => swarm.quietSince!)
    return first !== undefined && this.swarms.delete(first[0])
  }

  private drop(swarm: Swarm, key: string, at: number): void {
    swarm.peers.delete(key)
    if (swarm.peers.size > 0) return
    swarm.quietSince = at
    if (swarm.completed > 0 || swarm.lastSeedAt !== undefined) return
    for (const [infoHash, other] of this.swarms) if (other === swarm) this.swarms.delete(infoHash)
  }

  private keepBounds(swarm: Swarm, now: number): void {
    const silent = (entries: Iterable<readonly [Swarm, string, Peer]>) => least(entries, ([, , peer]) => peer.until)!
    const of = (swarm: Swarm) => [...swarm.peers].map(([key, peer]) => [swarm, key, peer] as const)
    if (swarm.peers.size > this.bounds.maxPeersPerTorrent) this.drop(swarm, silent(of(swarm))[1], now)
    const all = [...this.swarms.values()].flatMap(of)
    if (all.length > this.bounds.maxPeers) this.drop(silent(all)[0], silent(all)[1], now)
  }

  private allowed(swarm: Swarm, asking: Announcing, key: string): Array<string> {
    const reach = Reach.of(asking.compact)
    const own = PeerId.fromBytes(asking.peerId)
    return [...swarm.peers].filter(([other, { compact, peerId, role }]) =>
      other !== key && peerId !== own && Reach.of(compact) <= reach &&
      (asking.role === "leech" || role === "leech") &&
      (asking.wants === "both" || (asking.wants === "v4") === (compact.length === 6))
    ).map(([other, { peerId }]) => `${other} ${peerId}`)
  }

  private numbers({ completed, peers }: Swarm) {
    const seeders = [...peers.values()].filter((peer) => peer.role === "seed").length
    return { seeders, leechers: peers.size - seeders, completed }
  }
}
