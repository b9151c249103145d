import { assert, describe, it } from "@effect/vitest"
import { SAFE_MS, Tenure } from "../../../src/domain/swarm/Tenure.ts"
import { below, randomOf, seed } from "./seeded.ts"

describe("Tenure", () => {
  it.prop("counts the time in which a peer might have asked and did not, against a simple model", [seed], ([seed]) => {
    const random = randomOf(seed)
    const tenure = new Tenure(0)
    let unchoked = false
    let silence = 0
    let exchangedAt = -Infinity
    let now = 0
    for (let step = 0; step < 200; step++) {
      const passed = below(random, 30_000)
      now += passed
      if (unchoked) silence += passed
      const dice = below(random, 8)
      if (dice < 3) {
        if (unchoked) tenure.choked(now)
        else tenure.unchoked(now)
        unchoked = !unchoked
      } else if (dice === 3) {
        tenure.asked(now)
        silence = 0
      } else if (dice === 4) {
        tenure.exchanged(now)
        silence = 0
        exchangedAt = now
      }
      assert.strictEqual(tenure.isSilent(now), silence >= SAFE_MS)
      assert.strictEqual(tenure.isExchanging(now), now - exchangedAt < SAFE_MS)
      assert.strictEqual(tenure.isSettled(now), now >= SAFE_MS)
    }
  })
})
