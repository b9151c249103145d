/**
 * Which peers of a torrent are of which class. A torrent keeps its members in one array, sorted by class, and here is where
 * each class ends in it: so the peers that someone may hear of are a few stretches of one array, a torrent of one peer costs
 * no more than that, and a peer enters or leaves with at most one move per class.
 *
 * A member is the peer's slot with the end of its id and the start of its address, which is all of one of IPv4: an answer is
 * made from one place in memory, where asking every peer's record took twice as long in a table of a million.
 */
import type { Counts } from "./Announcing.ts"
import * as PeerClass from "./PeerClass.ts"
import type { PeerSlab } from "./PeerSlab.ts"
import type { Torrent } from "./Torrents.ts"

const { CLASSES } = PeerClass

/** Words of a member. */
export const MEMBER = 4
export const SLOT = 0
export const ID_END = 1
export const ADDRESS = 2

const SMALLEST = 2

const move = (members: Int32Array, from: number, to: number): void => {
  for (let word = 0; word < MEMBER; word++) members[MEMBER * to + word] = members[MEMBER * from + word]!
}

/** With room for `count` of them. */
const resize = (torrent: Torrent, count: number): void => {
  const members = new Int32Array(MEMBER * count)
  members.set(torrent.members.subarray(0, MEMBER * torrent.size))
  torrent.members = members
}

export class Pools {
  private readonly peers: PeerSlab
  private ends = new Int32Array(16 * CLASSES)
  private memberBytes = 0
  /** Peers of each class, of all torrents. */
  readonly totals = new Int32Array(CLASSES)

  constructor(peers: PeerSlab) {
    this.peers = peers
  }

  get bytes(): number {
    return this.ends.byteLength + this.memberBytes
  }

  /** Makes room for a torrent of this number. */
  open(number: number): void {
    const at = number * CLASSES
    if (at >= this.ends.length) {
      const ends = new Int32Array(2 * this.ends.length)
      ends.set(this.ends)
      this.ends = ends
    }
    this.ends.fill(0, at, at + CLASSES)
  }

  /** Where a class begins among the members; `kind` may be {@link PeerClass.CLASSES}, for the end of all. */
  start({ number }: Torrent, kind: number): number {
    return kind === 0 ? 0 : this.ends[number * CLASSES + kind - 1]!
  }

  slotAt({ members }: Torrent, place: number): number {
    return members[MEMBER * place + SLOT]!
  }

  enter(torrent: Torrent, slot: number, kind: number): void {
    const { ends } = this
    const base = torrent.number * CLASSES
    this.fit(torrent, torrent.size + 1)
    const { members } = torrent
    let hole = torrent.size++
    this.totals[kind]!++
    for (let at = base + CLASSES - 1; at > base + kind; at--) {
      const first = ends[at - 1]!
      if (first !== hole) {
        this.shift(members, first, hole)
        hole = first
      }
      ends[at]!++
    }
    ends[base + kind]!++
    members[MEMBER * hole + SLOT] = slot
    this.peers.describe(slot, members, MEMBER * hole + ID_END)
    this.peers.setPlace(slot, hole)
  }

  leave(torrent: Torrent, slot: number, kind: number): void {
    const { ends, peers } = this
    const base = torrent.number * CLASSES
    let hole = peers.place(slot)
    this.totals[kind]!--
    for (let at = base + kind; at < base + CLASSES; at++) {
      const last = --ends[at]!
      if (last !== hole) {
        this.shift(torrent.members, last, hole)
        hole = last
      }
    }
    torrent.size--
    this.fit(torrent, torrent.size)
  }

  /** After the peer's id has changed. */
  renew({ members }: Torrent, slot: number): void {
    this.peers.describe(slot, members, MEMBER * this.peers.place(slot) + ID_END)
  }

  counts({ number }: Torrent): Pick<Counts, "downloaders" | "leechers" | "seeders"> {
    const downloaders = this.count(number, PeerClass.LEECH)
    const paused = this.count(number, PeerClass.PAUSED)
    return { seeders: this.count(number, PeerClass.SEED), leechers: downloaders + paused, downloaders }
  }

  private count(number: number, role: number): number {
    const { ends } = this
    const base = number * CLASSES
    let count = 0
    for (let at = base + role; at < base + CLASSES; at += PeerClass.PER_REACH) {
      count += ends[at]! - (at === base ? 0 : ends[at - 1]!)
    }
    return count
  }

  private shift(members: Int32Array, from: number, to: number): void {
    move(members, from, to)
    this.peers.setPlace(members[MEMBER * to + SLOT]!, to)
  }

  /** Doubles what is too small, halves what is three quarters empty. */
  private fit(torrent: Torrent, size: number): void {
    const room = torrent.members.length / MEMBER
    if (size <= room && (4 * size > room || room <= SMALLEST)) return
    resize(torrent, size > room ? Math.max(SMALLEST, 2 * room) : room / 2)
    this.memberBytes += torrent.members.byteLength - 4 * MEMBER * room
  }
}
