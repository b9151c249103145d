/**
 * Who is in which swarm. An announce costs the same in a table of a hundred peers and in one of a million: there is no
 * object per peer, and nothing is ever searched. Plain mutable data: the store that made it owns it. Times are
 * milliseconds of a wall clock that never goes back.
 *
 * A peer is known by its swarm, address and port: a client that starts anew takes its own old place, and so does another
 * behind the same address that says the same port. The place of a peer at another address of the same family takes only who
 * says its id and its key (BEP 7): ids are told to other peers, keys to the tracker alone.
 */
import * as Bytes from "../Bytes.ts"
import * as InfoHash from "../InfoHash.ts"
import { type Announcing, type Answer, type Counts, NOBODY, type Sample, type Summary } from "./Announcing.ts"
import { Lots } from "./Lots.ts"
import * as PeerClass from "./PeerClass.ts"
import { PeerIndex } from "./PeerIndex.ts"
import { NONE, PeerSlab } from "./PeerSlab.ts"
import { Pools } from "./Pools.ts"
import { type Packed, Sampler } from "./Sampler.ts"
import { type Torrent, Torrents } from "./Torrents.ts"

export interface Bounds {
  readonly maxTorrents: number
  readonly maxPeersPerTorrent: number
  /** Of all torrents together. */
  readonly maxPeers: number
  /** When a peer is forgotten after its last announce. */
  readonly lifeMs: number
}

/** A peer as a snapshot knows it; `role` as in PeerClass.ts. */
export interface Readmitted {
  readonly peerId: Uint8Array
  readonly compact: Uint8Array
  readonly key: number
  readonly role: number
  readonly finished: boolean
}

/** Peers looked at for the one that has been silent longest, when a torrent is full. */
const CANDIDATES = 8

const nobody = ({ withIds }: Announcing): Packed => ({
  peers4: Bytes.empty,
  peers6: Bytes.empty,
  ids4: withIds ? Bytes.empty : undefined,
  ids6: withIds ? Bytes.empty : undefined
})

export class SwarmTable {
  readonly bounds: Bounds
  readonly peers = new PeerSlab()
  readonly torrents: Torrents
  readonly pools = new Pools(this.peers)
  private readonly index = new PeerIndex()
  /** Of those that have a key, by that and their id. */
  private readonly keys = new PeerIndex()
  private readonly lots: Lots
  private readonly sampler: Sampler
  private readonly key: Int32Array
  /** The number of the torrent that {@link isSought} is about. */
  private sought = NONE
  /** Of the peer in hand, there. */
  private hash = 0
  private readonly isSought = (slot: number): boolean => this.peers.isHeld(slot, this.sought)
  private readonly isSoughtByKey = (slot: number): boolean => this.peers.isHeldByKey(slot, this.sought)

  /**
   * @param random numbers in [0, 1), for the draws
   * @param key two words that nobody outside can guess
   */
  constructor(bounds: Bounds, random: () => number, key: Int32Array) {
    this.bounds = bounds
    this.key = key
    this.torrents = new Torrents(bounds.maxTorrents, key)
    this.lots = new Lots(random)
    this.sampler = new Sampler(this.peers, this.pools, this.lots)
  }

  /** Of the columns; the torrents' own objects not counted. */
  get bytes(): number {
    return this.peers.bytes + this.index.bytes + this.keys.bytes + this.pools.bytes
  }

  /** Takes a peer in, or out when it stops, and answers with others. */
  announce(announcing: Announcing, now: number): Answer {
    const { event, infoHash, role } = announcing
    const stops = event === "stopped"
    const torrent = this.torrents.find(infoHash) ?? (stops ? undefined : this.open(infoHash))
    if (torrent === undefined) {
      return stops
        ? { seeders: 0, leechers: 0, completed: 0, ...nobody(announcing) }
        : "TooManyTorrents"
    }
    this.peers.hold(announcing.peerId, announcing.compact, announcing.key)
    const slot = this.find(torrent)
    if (stops) {
      const own = slot !== NONE && this.peers.hasHeldId(slot) ? slot : this.findByKey()
      if (own !== NONE) this.stop(torrent, own, now)
      return this.answer(torrent, nobody(announcing))
    }
    if (role === "seed") torrent.lastSeedAt = now
    const kind = PeerClass.of(announcing.compact, PeerClass.roleNumber(role))
    const expiry = this.expiryAt(now)
    const moved = this.movedTo(slot)
    if (moved !== NONE && slot !== NONE) this.merge(slot, moved)
    const own = slot === NONE ? moved : slot
    const known = own === NONE ? this.arrive(torrent, kind, expiry) : this.renew(torrent, own, kind, expiry)
    if (event === "completed" && role === "seed" && !this.peers.isFinished(known)) {
      this.peers.setFinished(known, true)
      this.torrents.finish(torrent, 1)
    }
    return this.answer(torrent, this.sampler.sample(torrent, announcing, kind, this.peers.place(known)))
  }

  scrape(infoHash: InfoHash.InfoHash): Counts {
    const torrent = this.torrents.find(InfoHash.toBytes(infoHash))
    if (torrent === undefined) return NOBODY
    const { completed, lastSeedAt } = torrent
    return { ...this.pools.counts(torrent), completed, lastSeedAt }
  }

  summary(): Summary {
    const total = { peers4: 0, peers6: 0, seeders: 0, leechers: 0 }
    this.pools.totals.forEach((count, kind) => {
      total[PeerClass.isIpv4(kind) ? "peers4" : "peers6"] += count
      total[PeerClass.roleOf(kind) === PeerClass.SEED ? "seeders" : "leechers"] += count
    })
    return {
      torrents: this.torrents.active,
      peers: this.peers.size,
      ...total,
      completed: this.torrents.completed
    }
  }

  /** Forgets up to `most` peers whose time is over; says whether there may be more. */
  sweep(now: number, most: number): boolean {
    for (let left = most; left > 0; left--) {
      const { oldest } = this.peers
      if (oldest === NONE || this.peers.expiry(oldest) * 1000 > now) return false
      this.forget(oldest)
    }
    return true
  }

  /** A torrent of a snapshot, known or new; `undefined` when there is no room. {@link settleTorrent} has to follow. */
  recall(infoHash: Uint8Array, completed: number, lastSeedAt: number | undefined): Torrent | undefined {
    const known = this.torrents.find(infoHash)
    if (known !== undefined) return known
    const torrent = this.open(infoHash)
    if (torrent === undefined) return undefined
    this.torrents.finish(torrent, completed)
    torrent.lastSeedAt = lastSeedAt
    return torrent
  }

  /** A peer of a snapshot, unless its time is over or it is known. {@link settle} has to follow the last. */
  readmit(torrent: Torrent, peer: Readmitted, expiry: number, now: number): void {
    this.peers.hold(peer.peerId, peer.compact, peer.key)
    if (expiry * 1000 <= now || this.find(torrent) !== NONE || this.findByKey() !== NONE) return
    const slot = this.arrive(torrent, PeerClass.of(peer.compact, peer.role), Math.min(expiry, this.expiryAt(now)))
    this.peers.setFinished(slot, peer.finished)
  }

  settleTorrent(torrent: Torrent): void {
    if (torrent.size === 0) this.torrents.rest(torrent)
  }

  /** Puts the peers in order of their silence, after some have been readmitted. */
  settle(): void {
    this.peers.sort()
  }

  private expiryAt(now: number): number {
    return Math.ceil((now + this.bounds.lifeMs) / 1000)
  }

  private open(infoHash: Uint8Array): Torrent | undefined {
    const torrent = this.torrents.add(infoHash)
    if (torrent !== undefined) this.pools.open(torrent.number)
    return torrent
  }

  /** The slot of the peer in hand. */
  private find(torrent: Torrent): number {
    this.sought = torrent.number
    this.hash = this.peers.heldHash(this.key, torrent.number)
    return this.index.find(this.hash, this.isSought)
  }

  /** The slot of the peer with the id and key in hand, in the torrent that {@link find} was about. */
  private findByKey(): number {
    const { heldKey } = this.peers
    return heldKey === 0 ? NONE : this.keys.find(this.peers.heldKeyHash(this.key, this.sought), this.isSoughtByKey)
  }

  /** Where the peer in hand was before it came to the address in hand, at which is `slot`. */
  private movedTo(slot: number): number {
    const { peers } = this
    const isHere = slot !== NONE && peers.peerKey(slot) === peers.heldKey && peers.hasHeldId(slot)
    return isHere ? NONE : this.findByKey()
  }

  /** The peer in hand has come from one slot to the place of another. */
  private merge(slot: number, from: number): void {
    const { peers } = this
    const isFinished = peers.isFinished(from) || (peers.isFinished(slot) && peers.hasHeldId(slot))
    this.forget(from)
    this.replace(this.torrents.at(this.sought)!, slot)
    peers.setFinished(slot, isFinished)
  }

  /** What is in hand takes the place of what a slot has said of itself. */
  private replace(torrent: Torrent, slot: number): void {
    const { index, key, peers } = this
    this.dropKey(slot)
    index.remove(peers.hash(key, slot), slot)
    peers.take(slot)
    index.add(this.hash, slot)
    if (peers.heldKey !== 0) this.keys.add(peers.heldKeyHash(key, torrent.number), slot)
    this.pools.renew(torrent, slot)
  }

  private dropKey(slot: number): void {
    if (this.peers.peerKey(slot) !== 0) this.keys.remove(this.peers.keyHash(this.key, slot), slot)
  }

  /** Takes in the peer in hand, for which {@link find} found nobody; where that is one too many, another goes. */
  private arrive(torrent: Torrent, kind: number, expiry: number): number {
    const { maxPeers, maxPeersPerTorrent } = this.bounds
    const slot = this.peers.add(torrent.number, kind, expiry)
    this.index.add(this.hash, slot)
    if (this.peers.heldKey !== 0) this.keys.add(this.peers.heldKeyHash(this.key, torrent.number), slot)
    this.torrents.wake(torrent)
    this.pools.enter(torrent, slot, kind)
    if (torrent.size > maxPeersPerTorrent) this.forget(this.silentOne(torrent, slot))
    if (this.peers.size > maxPeers) this.forget(this.peers.oldest)
    return slot
  }

  private renew(torrent: Torrent, slot: number, kind: number, expiry: number): number {
    const { peers } = this
    if (!peers.hasHeldId(slot)) peers.setFinished(slot, false)
    if (!peers.isHeld(slot, torrent.number) || !peers.hasHeldId(slot) || peers.peerKey(slot) !== peers.heldKey) {
      this.replace(torrent, slot)
    }
    peers.touch(slot, expiry)
    const old = peers.kind(slot)
    if (old !== kind) {
      this.pools.leave(torrent, slot, old)
      this.pools.enter(torrent, slot, kind)
      peers.setKind(slot, kind)
    }
    return slot
  }

  private stop(torrent: Torrent, slot: number, now: number): void {
    if (PeerClass.roleOf(this.peers.kind(slot)) === PeerClass.SEED) torrent.lastSeedAt = now
    this.forget(slot)
  }

  private forget(slot: number): void {
    const { peers } = this
    const torrent = this.torrents.at(peers.swarm(slot))!
    this.index.remove(peers.hash(this.key, slot), slot)
    this.dropKey(slot)
    this.pools.leave(torrent, slot, peers.kind(slot))
    peers.remove(slot)
    if (torrent.size === 0) this.torrents.rest(torrent)
  }

  /** Who of a few, drawn by chance, has been silent longest; never `newcomer`. */
  private silentOne(torrent: Torrent, newcomer: number): number {
    const { lots, peers, pools } = this
    const { size } = torrent
    let silent = NONE
    for (let i = 0; i < Math.min(CANDIDATES, size); i++) {
      const slot = pools.slotAt(torrent, size <= CANDIDATES ? i : lots.below(size))
      if (slot === newcomer) continue
      if (silent === NONE || peers.expiry(slot) < peers.expiry(silent)) silent = slot
    }
    if (silent !== NONE) return silent
    const first = pools.slotAt(torrent, 0)
    return first === newcomer ? pools.slotAt(torrent, 1) : first
  }

  private answer(torrent: Torrent, packed: Packed): Sample {
    const { leechers, seeders } = this.pools.counts(torrent)
    const { ids4, ids6, peers4, peers6 } = packed
    return { seeders, leechers, completed: torrent.completed, peers4, peers6, ids4, ids6 }
  }
}
