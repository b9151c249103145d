/** Chooses whom an asker hears of, and packs their addresses. */
import type { Announcing } from "./Announcing.ts"
import { ByteArena } from "./ByteArena.ts"
import type { Lots } from "./Lots.ts"
import * as PeerClass from "./PeerClass.ts"
import type { PeerSlab } from "./PeerSlab.ts"
import type { Pools } from "./Pools.ts"
import type { Torrent } from "./Torrents.ts"

const BYTES4 = 6
const BYTES6 = 18
const ID_BYTES = 20

/** Draws that may be lost on the asker's other addresses. */
const SPARE = 8

/** Per family and reach. */
const MAX_STRETCHES = 6

const NOWHERE = -1

export interface Packed {
  readonly peers4: Uint8Array
  readonly peers6: Uint8Array
  readonly ids4: Uint8Array | undefined
  readonly ids6: Uint8Array | undefined
}

export class Sampler {
  private readonly peers: PeerSlab
  private readonly pools: Pools
  private readonly lots: Lots
  private readonly arena = new ByteArena()
  /** The parts of a torrent's slots that the asker may hear of, without itself: where each starts and how long it is. */
  private readonly starts = new Int32Array(MAX_STRETCHES + 1)
  private readonly lengths = new Int32Array(MAX_STRETCHES + 1)
  private stretches = 0
  private total = 0
  private chosen = new Int32Array(64)

  constructor(peers: PeerSlab, pools: Pools, lots: Lots) {
    this.peers = peers
    this.pools = pools
    this.lots = lots
  }

  /** For the asker whose id the slab has in hand, of class `kind`, at `own` in the torrent's slots. */
  sample(torrent: Torrent, asking: Announcing, kind: number, own: number): Packed {
    this.stretches = 0
    this.total = 0
    if (asking.wants !== "v6") this.survey(torrent.number, kind % PeerClass.PER_FAMILY, 0, own)
    if (asking.wants !== "v4") this.survey(torrent.number, kind % PeerClass.PER_FAMILY, PeerClass.PER_FAMILY, own)
    return this.pack(this.choose(torrent.slots, asking.numWant), asking.withIds)
  }

  /** What the asker, of class `kind` in its own family, may hear of the family whose classes begin at `family`. */
  private survey(number: number, kind: number, family: number, own: number): void {
    const { pools } = this
    if (PeerClass.roleOf(kind) === PeerClass.LEECH) {
      const end = family + kind + PeerClass.PER_REACH
      return this.stretch(pools.start(number, family), pools.start(number, end), own)
    }
    for (let leeches = family; leeches <= family + kind; leeches += PeerClass.PER_REACH) {
      this.stretch(pools.start(number, leeches), pools.start(number, leeches + 1), own)
    }
  }

  private stretch(start: number, end: number, own: number): void {
    if (own >= start && own < end) {
      this.stretch(start, own, NOWHERE)
      return this.stretch(own + 1, end, NOWHERE)
    }
    if (start >= end) return
    this.starts[this.stretches] = start
    this.lengths[this.stretches++] = end - start
    this.total += end - start
  }

  /** Fills `chosen` and says how many it holds. Three passes, so that the memory's answers overlap. */
  private choose(slots: ReadonlyArray<number>, want: number): number {
    const { lots, peers, total } = this
    const count = Math.min(want, total)
    if (this.chosen.length < count) this.chosen = new Int32Array(2 * count)
    const { chosen } = this
    if (count < total) lots.draw(total, count, SPARE, chosen)
    else for (let i = 0; i < count; i++) chosen[i] = i
    for (let i = 0; i < count; i++) chosen[i] = slots[this.placeOf(chosen[i]!)]!
    let kept = 0
    for (let i = 0; i < count; i++) if (!peers.hasHeldId(chosen[i]!)) chosen[kept++] = chosen[i]!
    for (let spare = Math.min(SPARE, total - count); kept < count && spare > 0; spare--) {
      const slot = slots[this.placeOf(lots.more(total))]!
      if (!peers.hasHeldId(slot)) chosen[kept++] = slot
    }
    return kept
  }

  private placeOf(lot: number): number {
    let stretch = 0
    while (lot >= this.lengths[stretch]!) lot -= this.lengths[stretch++]!
    return this.starts[stretch]! + lot
  }

  private pack(count: number, withIds: boolean): Packed {
    const { arena, chosen, peers } = this
    let count4 = 0
    for (let i = 0; i < count; i++) if (PeerClass.isIpv4(peers.kind(chosen[i]!))) count4++
    const peers4 = arena.take(BYTES4 * count4)
    const peers6 = arena.take(BYTES6 * (count - count4))
    const ids4 = withIds ? arena.take(ID_BYTES * count4) : undefined
    const ids6 = withIds ? arena.take(ID_BYTES * (count - count4)) : undefined
    for (let i = 0, at4 = 0, at6 = 0; i < count; i++) {
      const slot = chosen[i]!
      if (PeerClass.isIpv4(peers.kind(slot))) {
        peers.copyAddress(slot, BYTES4, peers4, BYTES4 * at4)
        if (ids4 !== undefined) peers.copyId(slot, ids4, ID_BYTES * at4)
        at4++
      } else {
        peers.copyAddress(slot, BYTES6, peers6, BYTES6 * at6)
        if (ids6 !== undefined) peers.copyId(slot, ids6, ID_BYTES * at6)
        at6++
      }
    }
    return { peers4, peers6, ids4, ids6 }
  }
}
