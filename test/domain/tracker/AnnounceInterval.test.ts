import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as AnnounceInterval from "../../../src/domain/tracker/AnnounceInterval.ts"
import { boundsOf } from "../../../src/services/swarmstore/Swarms.ts"

const MINUTE = 60_000

const Interval = Schema.Int.check(Schema.isBetween({ minimum: 1000, maximum: 86_400_000 }))
const Chance = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))

describe("AnnounceInterval", () => {
  it("spreads the interval by a tenth both ways", () => {
    const spread = [0, 0.5, 1].map((random) => AnnounceInterval.jittered(1000, random))
    assert.deepStrictEqual(spread, [900, 1000, 1100])
  })

  it.prop(
    "lets a peer live that lost one announce, whatever intervals it was given",
    { interval: Interval, first: Chance, second: Chance },
    ({ first, interval, second }) => {
      const life = AnnounceInterval.lifeOf(interval)
      const silence = AnnounceInterval.jittered(interval, first) + AnnounceInterval.jittered(interval, second)
      assert.isAtLeast(life, silence + MINUTE)
      assert.isBelow(life, 3 * AnnounceInterval.jittered(interval, 0) + MINUTE)
      assert.isTrue(Number.isSafeInteger(life))
    }
  )

  it("is what stores go by unless told otherwise", () => {
    assert.strictEqual(boundsOf({}).lifeMs, AnnounceInterval.lifeOf(AnnounceInterval.DEFAULT_MS))
  })
})
