import { assert, describe, it } from "@effect/vitest"
import { type Due, DueHeap, OUTSIDE } from "../../../src/domain/swarm/DueHeap.ts"
import { below, randomOf, seed } from "./seeded.ts"

describe("DueHeap", () => {
  it.prop("has the earliest first, through every move and removal", [seed], ([seed]) => {
    const random = randomOf(seed)
    const heap = new DueHeap<Due>()
    const items: ReadonlyArray<Due> = Array.from({ length: 40 }, () => ({ dueAt: 0, at: OUTSIDE }))
    for (let step = 0; step < 400; step++) {
      const item = items[below(random, items.length)]!
      if (random() < 0.6) heap.put(item, random() < 0.1 ? Infinity : below(random, 30))
      else heap.remove(random() < 0.5 ? heap.first ?? item : item)
      const inside = items.filter(({ at }) => at !== OUTSIDE)
      assert.strictEqual(heap.size, inside.length)
      assert.strictEqual(new Set(inside.map(({ at }) => at)).size, inside.length)
      assert.strictEqual(
        heap.first?.dueAt,
        inside.length === 0 ? undefined : Math.min(...inside.map(({ dueAt }) => dueAt))
      )
      const any = heap.any(random())
      assert.strictEqual(any !== undefined && inside.includes(any), inside.length > 0)
    }
  })
})
