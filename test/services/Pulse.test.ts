import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/testing/TestClock"
import * as Pulse from "../../src/services/Pulse.ts"

describe("Pulse", () => {
  it.effect("goes on after a defect, which is told of, and ends with its scope", () =>
    Effect.gen(function*() {
      const told: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => void told.push(`${logLevel} ${String(message)}`))
      let turns = 0
      const turn = () => {
        if (++turns === 2) throw new Error("no such piece")
      }
      const pulse = Effect.andThen(
        Pulse.start("a torrent", Effect.sleep("1 second"), turn),
        TestClock.adjust("5 seconds")
      )
      yield* Effect.scoped(pulse).pipe(Effect.provide(Logger.layer([logger])))
      assert.strictEqual(turns, 5)
      assert.deepStrictEqual(told, ["Error defect in a torrent,Error: no such piece"])
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(turns, 5)
    }))
})
