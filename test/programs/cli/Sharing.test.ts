import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import * as Sharing from "../../../src/programs/cli/Sharing.ts"
import * as Payload from "../../support/payload.ts"
import * as Swarm from "../../support/swarm.ts"

const wish = (minutes: number | undefined, ratio: number | undefined) => ({
  seedTime: Option.fromUndefinedOr(minutes),
  seedRatio: Option.fromUndefinedOr(ratio)
})

describe("how long to share", () => {
  it("is what the user says, and 0 is for ever", () => {
    const of = (minutes: number | undefined, ratio: number | undefined, stay: boolean) => {
      const { ms, ratio: most } = Sharing.policyOf(wish(minutes, ratio), stay)
      return [ms, most]
    }
    assert.deepStrictEqual(of(undefined, undefined, false), [0, Infinity])
    assert.deepStrictEqual(of(undefined, undefined, true), [Infinity, Infinity])
    assert.deepStrictEqual(of(2, undefined, true), [120_000, Infinity])
    assert.deepStrictEqual(of(undefined, 1.5, false), [Infinity, 1.5])
    assert.deepStrictEqual(of(2, 1.5, false), [120_000, 1.5])
    assert.deepStrictEqual(of(0, undefined, false), [Infinity, Infinity])
    assert.deepStrictEqual(of(2, 0, false), [120_000, Infinity])
  })

  it.effect("ends at the time or the ratio, whichever comes first", () =>
    Effect.gen(function*() {
      const torrent = Payload.torrent([{ length: 500_000 }], 16_384)
      const swarm = yield* Swarm.make({ torrent, seed: 1 })
      const seed = yield* swarm.start({ number: 1, has: "All" })
      const sharing = (ms: number, ratio: number) => Effect.forkChild(Sharing.share(seed.torrent, { ms, ratio }))
      const byTime = yield* sharing(5000, 1)
      const byRatio = yield* sharing(Infinity, 1)
      const forEver = yield* sharing(Infinity, Infinity)
      yield* TestClock.adjust(4999)
      assert.isUndefined(byTime.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.isDefined(byTime.pollUnsafe())
      assert.isUndefined(byRatio.pollUnsafe())
      const leech = yield* swarm.start({ number: 2, peers: [1] })
      yield* Swarm.within(20_000, Swarm.allDone([leech]), [leech])
      yield* TestClock.adjust("1 second")
      assert.isDefined(byRatio.pollUnsafe())
      assert.isUndefined(forEver.pollUnsafe())
      yield* Fiber.interrupt(forEver)
    }))
})
