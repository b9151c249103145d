/** The torrents that a tracker remembers, with what each has apart from its peers. Those without peers make room for others. */
import type * as InfoHash from "../InfoHash.ts"
import { NOBODY } from "./Announcing.ts"

export interface Torrent {
  readonly infoHash: InfoHash.InfoHash
  /** Small and dense, so that it can index columns; used again when the torrent is forgotten. */
  readonly number: number
  /** Its peers, sorted by class, and how many they are: for Pools.ts alone to change. */
  members: Int32Array
  size: number
  completed: number
  /** Milliseconds. */
  lastSeedAt: number | undefined
  /** Neighbours among the torrents without peers, which stand in order of when they lost the last; itself when it has some. */
  before: Torrent
  after: Torrent
}

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

const NO_MEMBERS = new Int32Array(0)

const newTorrent = (infoHash: InfoHash.InfoHash, number: number): Torrent => {
  const torrent: Partial<Mutable<Torrent>> = {
    infoHash,
    number,
    members: NO_MEMBERS,
    size: 0,
    completed: 0,
    lastSeedAt: NOBODY.lastSeedAt
  }
  torrent.before = torrent.after = torrent as Torrent
  return torrent as Torrent
}

const unlink = (torrent: Torrent): void => {
  torrent.before.after = torrent.after
  torrent.after.before = torrent.before
  torrent.before = torrent.after = torrent
}

export class Torrents {
  private readonly most: number
  private readonly byHash = new Map<InfoHash.InfoHash, Torrent>()
  private readonly byNumber: Array<Torrent | undefined> = []
  private readonly freeNumbers: Array<number> = []
  /** Head of the ring of those without peers. */
  private readonly quiet = newTorrent("" as InfoHash.InfoHash, -1)
  private finished = 0
  private resting = 0

  constructor(most: number) {
    this.most = most
  }

  get size(): number {
    return this.byHash.size
  }

  /** Those that have peers. */
  get active(): number {
    return this.size - this.resting
  }

  /** One more than the highest number. */
  get numbers(): number {
    return this.byNumber.length
  }

  /** All that were completed, of all torrents. */
  get completed(): number {
    return this.finished
  }

  find(infoHash: InfoHash.InfoHash): Torrent | undefined {
    return this.byHash.get(infoHash)
  }

  at(number: number): Torrent | undefined {
    return this.byNumber[number]
  }

  /** A torrent that is not known yet; `undefined` at the bound when all others have peers. */
  add(infoHash: InfoHash.InfoHash): Torrent | undefined {
    if (this.size >= this.most && !this.dropQuietest()) return undefined
    const torrent = newTorrent(infoHash, this.freeNumbers.pop() ?? this.byNumber.length)
    this.byHash.set(infoHash, torrent)
    this.byNumber[torrent.number] = torrent
    return torrent
  }

  count(torrent: Torrent, completed: number): void {
    torrent.completed += completed
    this.finished += completed
  }

  /** It has lost its last peer: what is worth remembering stays as long as there is room. */
  rest(torrent: Torrent): void {
    if (torrent.before !== torrent) return
    if (torrent.completed === 0 && torrent.lastSeedAt === undefined) return this.drop(torrent)
    torrent.before = this.quiet.before
    torrent.after = this.quiet
    torrent.before.after = torrent
    this.quiet.before = torrent
    this.resting++
  }

  /** It gets a peer. */
  wake(torrent: Torrent): void {
    if (torrent.before === torrent) return
    unlink(torrent)
    this.resting--
  }

  private dropQuietest(): boolean {
    const quietest = this.quiet.after
    if (quietest === this.quiet) return false
    this.drop(quietest)
    return true
  }

  private drop(torrent: Torrent): void {
    this.wake(torrent)
    this.finished -= torrent.completed
    this.byHash.delete(torrent.infoHash)
    this.byNumber[torrent.number] = undefined
    this.freeNumbers.push(torrent.number)
  }
}
