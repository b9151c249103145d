import { assert, describe, it } from "@effect/vitest"
import { PeerIndex } from "../../../src/domain/tracker/PeerIndex.ts"
import { below, randomOf, seed } from "../swarm/seeded.ts"

describe("PeerIndex", () => {
  it.prop("is a map from hash and peer to slot, however hashes collide", { seed }, ({ seed }) => {
    const random = randomOf(seed)
    const index = new PeerIndex()
    const model = new Map<number, number>()
    // Few hashes in few shards, next to the end of a table too, so that probing runs on and around.
    const hashOf = (slot: number) => ((slot % 3) << 24) | (slot % 5 === 0 ? 0x7 : slot % 11)
    for (let step = 0; step < 600; step++) {
      const slot = below(random, 150)
      const hash = hashOf(slot)
      if (model.has(slot)) {
        model.delete(slot)
        index.remove(hash, slot)
      } else {
        model.set(slot, hash)
        index.add(hash, slot)
      }
      const other = below(random, 150)
      assert.strictEqual(index.find(hashOf(other), (slot) => slot === other), model.has(other) ? other : -1)
    }
    for (const [slot, hash] of model) assert.strictEqual(index.find(hash, (other) => other === slot), slot)
  })
})
