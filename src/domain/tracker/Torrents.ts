/** The torrents that a tracker remembers, with what each has apart from its peers. Those without peers make room for others. */
import * as AddressHash from "./AddressHash.ts"
import { NOBODY } from "./Announcing.ts"
import { PeerIndex } from "./PeerIndex.ts"

export interface Torrent {
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

/** Of an info hash. */
const WORDS = 5

const newTorrent = (number: number): Torrent => {
  const torrent: Partial<Mutable<Torrent>> = {
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
  private readonly key: Int32Array
  private readonly index = new PeerIndex()
  /** The info hashes, by number, in one place: texts as keys take a tenth of an announce to make and to look up. */
  private hashes = new Int32Array(16 * WORDS)
  /** The info hash that {@link isHeld} is about. */
  private readonly hand = new Int32Array(WORDS)
  private readonly handBytes = new Uint8Array(this.hand.buffer)
  private readonly isHeld = (number: number): boolean => {
    for (let i = 0; i < WORDS; i++) if (this.hashes[WORDS * number + i] !== this.hand[i]) return false
    return true
  }
  private readonly byNumber: Array<Torrent | undefined> = []
  private readonly freeNumbers: Array<number> = []
  /** Head of the ring of those without peers. */
  private readonly quiet = newTorrent(-1)
  private count = 0
  private finished = 0
  private resting = 0

  /** @param key two words that nobody outside can guess */
  constructor(most: number, key: Int32Array) {
    this.most = most
    this.key = key
  }

  get size(): number {
    return this.count
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

  /** @param infoHash 20 bytes */
  find(infoHash: Uint8Array): Torrent | undefined {
    return this.byNumber[this.index.find(this.hold(infoHash), this.isHeld)]
  }

  at(number: number): Torrent | undefined {
    return this.byNumber[number]
  }

  /** A torrent that is not known yet; `undefined` at the bound when all others have peers. */
  add(infoHash: Uint8Array): Torrent | undefined {
    if (this.size >= this.most && !this.dropQuietest()) return undefined
    const torrent = newTorrent(this.freeNumbers.pop() ?? this.byNumber.length)
    const at = WORDS * torrent.number
    if (at === this.hashes.length) {
      const hashes = new Int32Array(2 * at)
      hashes.set(this.hashes)
      this.hashes = hashes
    }
    this.index.add(this.hold(infoHash), torrent.number)
    this.hashes.set(this.hand, at)
    this.byNumber[torrent.number] = torrent
    this.count++
    return torrent
  }

  /** Copies the 20 bytes of its info hash. */
  copyHash({ number }: Torrent, out: Uint8Array, to: number): void {
    out.set(new Uint8Array(this.hashes.buffer, 4 * WORDS * number, 4 * WORDS), to)
  }

  finish(torrent: Torrent, completed: number): void {
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
    this.index.remove(AddressHash.of(this.key, this.hashes, WORDS * torrent.number, WORDS, 0, 0), torrent.number)
    this.byNumber[torrent.number] = undefined
    this.freeNumbers.push(torrent.number)
    this.count--
  }

  /** Takes an info hash in hand, and gives its hash. */
  private hold(infoHash: Uint8Array): number {
    const { hand, handBytes } = this
    for (let i = 0; i < handBytes.length; i++) handBytes[i] = infoHash[i]!
    return AddressHash.of(this.key, hand, 0, WORDS, 0, 0)
  }
}
