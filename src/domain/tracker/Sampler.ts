/** Chooses whom an asker hears of, and packs their addresses. */
import type { Announcing } from "./Announcing.ts"
import { ByteArena } from "./ByteArena.ts"
import type { Lots } from "./Lots.ts"
import * as PeerClass from "./PeerClass.ts"
import type { PeerSlab } from "./PeerSlab.ts"
import { ADDRESS, ID_END, MEMBER, type Pools, SLOT } from "./Pools.ts"
import type { Torrent } from "./Torrents.ts"

const BYTES4 = 6
const BYTES6 = 18
const ID_BYTES = 20

/** Draws that may be lost on the asker's other addresses. */
const SPARE = 8

/** One per family and reach, and one more where the asker parts its own. */
const MAX_STRETCHES = 7

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
  private picks = new Int32Array(0)
  /** The parts of a torrent's members that the asker may hear of, without itself: where each starts, how long it is. */
  private readonly starts = new Int32Array(MAX_STRETCHES)
  private readonly lengths = new Int32Array(MAX_STRETCHES)
  private stretches = 0
  private total = 0
  private total4 = 0
  /** Where the members of IPv4 end. */
  private end4 = 0
  /** The answer in the making: where its parts begin in the arena, and how many entries they have. */
  private start4 = 0
  private start6 = 0
  private startIds4 = 0
  private startIds6 = 0
  private count4 = 0
  private count6 = 0

  constructor(peers: PeerSlab, pools: Pools, lots: Lots) {
    this.peers = peers
    this.pools = pools
    this.lots = lots
  }

  /** For the asker whose id the slab has in hand, of class `kind`, at `own` among the torrent's members. */
  sample(torrent: Torrent, asking: Announcing, kind: number, own: number): Packed {
    const { numWant, wants, withIds } = asking
    this.survey(torrent, wants, kind % PeerClass.PER_FAMILY, own)
    this.begin(numWant, withIds)
    this.choose(torrent.members, numWant, withIds)
    const { arena, count4, count6 } = this
    return {
      peers4: arena.view(this.start4, BYTES4 * count4),
      peers6: arena.view(this.start6, BYTES6 * count6),
      ids4: withIds ? arena.view(this.startIds4, ID_BYTES * count4) : undefined,
      ids6: withIds ? arena.view(this.startIds6, ID_BYTES * count6) : undefined
    }
  }

  private survey(torrent: Torrent, wants: Announcing["wants"], kind: number, own: number): void {
    this.stretches = 0
    this.total = 0
    this.end4 = this.pools.start(torrent, PeerClass.PER_FAMILY)
    if (wants !== "v6") this.surveyFamily(torrent, kind, 0, own)
    this.total4 = this.total
    if (wants !== "v4") this.surveyFamily(torrent, kind, PeerClass.PER_FAMILY, own)
  }

  /** What an asker, of class `kind` in its own family, may hear of the family whose classes begin at `family`. */
  private surveyFamily(torrent: Torrent, kind: number, family: number, own: number): void {
    const { pools } = this
    if (PeerClass.roleOf(kind) === PeerClass.LEECH) {
      const end = family + kind + PeerClass.PER_REACH
      return this.stretch(pools.start(torrent, family), pools.start(torrent, end), own)
    }
    for (let leeches = family; leeches <= family + kind; leeches += PeerClass.PER_REACH) {
      this.stretch(pools.start(torrent, leeches), pools.start(torrent, leeches + 1), own)
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

  /** Reserves room for the answer. */
  private begin(want: number, withIds: boolean): void {
    const most4 = Math.min(want, this.total4)
    const most6 = Math.min(want, this.total - this.total4)
    const ids = withIds ? ID_BYTES : 0
    this.start4 = this.arena.reserve((BYTES4 + ids) * most4 + (BYTES6 + ids) * most6)
    this.start6 = this.start4 + BYTES4 * most4
    this.startIds4 = this.start6 + BYTES6 * most6
    this.startIds6 = this.startIds4 + ids * most4
    this.count4 = 0
    this.count6 = 0
  }

  /** Draws, and draws again for what was lost on the asker's other addresses. */
  private choose(members: Int32Array, want: number, withIds: boolean): void {
    const { lots, total } = this
    const count = Math.min(want, total)
    if (this.picks.length < count) this.picks = new Int32Array(2 * count)
    const { picks } = this
    if (count < total) lots.draw(total, count, SPARE, picks)
    else for (let i = 0; i < count; i++) picks[i] = i
    let missing = this.pack(members, count, withIds)
    for (let spare = Math.min(SPARE, total - count); missing > 0 && spare > 0; spare--) {
      picks[0] = lots.more(total)
      missing -= 1 - this.pack(members, 1, withIds)
    }
  }

  /** Adds the members that were picked, but for those with the asker's id, and says how many these were. */
  private pack(members: Int32Array, count: number, withIds: boolean): number {
    const { end4, lengths, peers, picks, starts } = this
    const { halves } = this.arena
    const idEnd = peers.heldIdEnd
    let missing = 0
    for (let i = 0; i < count; i++) {
      let lot = picks[i]!
      let stretch = 0
      while (lot >= lengths[stretch]!) lot -= lengths[stretch++]!
      const place = starts[stretch]! + lot
      const at = MEMBER * place
      if (members[at + ID_END] === idEnd && peers.hasHeldId(members[at + SLOT]!)) {
        missing++
      } else if (place < end4) {
        const to = (this.start4 >>> 1) + 3 * this.count4++
        const first = members[at + ADDRESS]!
        halves[to] = first
        halves[to + 1] = first >>> 16
        halves[to + 2] = members[at + ADDRESS + 1]!
        if (withIds) this.packId(members[at + SLOT]!, this.startIds4, this.count4)
      } else {
        peers.copyAddress(members[at + SLOT]!, BYTES6, this.arena.bytes, this.start6 + BYTES6 * this.count6++)
        if (withIds) this.packId(members[at + SLOT]!, this.startIds6, this.count6)
      }
    }
    return missing
  }

  private packId(slot: number, start: number, count: number): void {
    this.peers.copyId(slot, this.arena.bytes, start + ID_BYTES * (count - 1))
  }
}
