/**
 * Which peers of a swarm are of which class. A swarm keeps its peers' slots in one array, sorted by class, and here is
 * where each class ends in it: so the peers that someone may hear of are a few stretches of one array, a swarm of one
 * peer costs no more than that, and a peer enters or leaves with at most one move per class.
 */
import type { Counts } from "./Announcing.ts"
import * as PeerClass from "./PeerClass.ts"
import type { PeerSlab } from "./PeerSlab.ts"

const { CLASSES } = PeerClass

export class Pools {
  private readonly peers: PeerSlab
  private ends = new Int32Array(16 * CLASSES)
  /** Peers of each class, of all swarms. */
  readonly totals = new Int32Array(CLASSES)

  constructor(peers: PeerSlab) {
    this.peers = peers
  }

  get bytes(): number {
    return this.ends.byteLength
  }

  /** Makes room for the swarm with this number. */
  open(swarm: number): void {
    const at = swarm * CLASSES
    if (at >= this.ends.length) {
      const ends = new Int32Array(2 * this.ends.length)
      ends.set(this.ends)
      this.ends = ends
    }
    this.ends.fill(0, at, at + CLASSES)
  }

  /** Where a class begins in the array of slots; `kind` may be {@link PeerClass.CLASSES}, for the end of all. */
  start(swarm: number, kind: number): number {
    return kind === 0 ? 0 : this.ends[swarm * CLASSES + kind - 1]!
  }

  enter(swarm: number, slots: Array<number>, slot: number, kind: number): void {
    const { ends, peers } = this
    const base = swarm * CLASSES
    let hole = slots.length
    this.totals[kind]!++
    slots.push(slot)
    for (let at = base + CLASSES - 1; at > base + kind; at--) {
      const first = ends[at - 1]!
      if (first !== hole) {
        const moved = slots[first]!
        slots[hole] = moved
        peers.setPlace(moved, hole)
        hole = first
      }
      ends[at]!++
    }
    ends[base + kind]!++
    slots[hole] = slot
    peers.setPlace(slot, hole)
  }

  leave(swarm: number, slots: Array<number>, slot: number, kind: number): void {
    const { ends, peers } = this
    const base = swarm * CLASSES
    let hole = peers.place(slot)
    this.totals[kind]!--
    for (let at = base + kind; at < base + CLASSES; at++) {
      const last = --ends[at]!
      if (last !== hole) {
        const moved = slots[last]!
        slots[hole] = moved
        peers.setPlace(moved, hole)
        hole = last
      }
    }
    slots.pop()
  }

  /** How many of a role, 0 to 2 as in {@link PeerClass.roleOf}. */
  count(swarm: number, role: number): number {
    const { ends } = this
    const base = swarm * CLASSES
    let count = 0
    for (let at = base + role; at < base + CLASSES; at += PeerClass.PER_REACH) {
      count += ends[at]! - (at === base ? 0 : ends[at - 1]!)
    }
    return count
  }

  counts(swarm: number): Pick<Counts, "downloaders" | "leechers" | "seeders"> {
    const downloaders = this.count(swarm, PeerClass.LEECH)
    const paused = this.count(swarm, PeerClass.PAUSED)
    return { seeders: this.count(swarm, PeerClass.SEED), leechers: downloaders + paused, downloaders }
  }
}
