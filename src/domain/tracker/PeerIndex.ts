/**
 * From the hash of a peer to its slot, or of a torrent to its number: open addressing with linear probing. The table is split by the upper bits of the
 * hash into shards that grow one by one, so that no announce ever waits for all of a million entries to move.
 */

const SHARDS = 256
const SMALLEST = 8

interface Shard {
  /** Pairs of hash and slot + 1; 0 is a free place. */
  entries: Int32Array
  used: number
}

export class PeerIndex {
  private readonly shards: ReadonlyArray<Shard> = Array.from(
    { length: SHARDS },
    () => ({ entries: new Int32Array(2 * SMALLEST), used: 0 })
  )

  get bytes(): number {
    return this.shards.reduce((sum, { entries }) => sum + entries.byteLength, 0)
  }

  /** The slot under this hash that `isWanted` says yes to, or -1. */
  find(hash: number, isWanted: (slot: number) => boolean): number {
    const { entries } = this.shards[hash >>> 24]!
    const mask = entries.length - 1
    for (let at = (2 * hash) & mask; entries[at + 1] !== 0; at = (at + 2) & mask) {
      if (entries[at] === hash && isWanted(entries[at + 1]! - 1)) return entries[at + 1]! - 1
    }
    return -1
  }

  add(hash: number, slot: number): void {
    const shard = this.shards[hash >>> 24]!
    // Filled to ¾ at most.
    if (8 * (shard.used + 1) > 3 * shard.entries.length) grow(shard)
    put(shard.entries, hash, slot + 1)
    shard.used++
  }

  /** Takes out an entry that is there; what follows it closes up, so no graves are left. */
  remove(hash: number, slot: number): void {
    const shard = this.shards[hash >>> 24]!
    const { entries } = shard
    const mask = entries.length - 1
    let hole = (2 * hash) & mask
    while (entries[hole + 1] !== slot + 1) hole = (hole + 2) & mask
    for (let at = (hole + 2) & mask; entries[at + 1] !== 0; at = (at + 2) & mask) {
      const home = (2 * entries[at]!) & mask
      // It may move into the hole unless its home lies between the two.
      if (((at - home) & mask) < ((at - hole) & mask)) continue
      entries[hole] = entries[at]!
      entries[hole + 1] = entries[at + 1]!
      hole = at
    }
    entries[hole + 1] = 0
    shard.used--
  }
}

const put = (entries: Int32Array, hash: number, value: number): void => {
  const mask = entries.length - 1
  let at = (2 * hash) & mask
  while (entries[at + 1] !== 0) at = (at + 2) & mask
  entries[at] = hash
  entries[at + 1] = value
}

const grow = (shard: Shard): void => {
  const old = shard.entries
  shard.entries = new Int32Array(2 * old.length)
  for (let at = 0; at < old.length; at += 2) if (old[at + 1] !== 0) put(shard.entries, old[at]!, old[at + 1]!)
}
