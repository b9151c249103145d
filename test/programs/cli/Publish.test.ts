import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import * as Publish from "../../../src/programs/cli/Publish.ts"
import { CatalogueClient, CatalogueClientError } from "../../../src/services/CatalogueClient.ts"

type Answer = "added" | CatalogueClientError["reason"]

/** What is told when the tracker gives these answers, one after another, with an hour for all of them. */
const told = (answers: ReadonlyArray<Answer>) => {
  const left = [...answers]
  const heard: Array<string> = []
  const client = Layer.mock(CatalogueClient, {
    publish: () =>
      Effect.suspend(() => {
        const answer = left.shift() ?? "added"
        return answer === "added"
          ? Effect.succeed({ isNew: true, name: "photos" })
          : Effect.fail(new CatalogueClientError({ reason: answer, detail: answer }))
      })
  })
  return Effect.gen(function*() {
    yield* Effect.forkChild(
      Publish.publish(["http://host:1"], new Uint8Array(1), { publishToken: Option.none() }, {
        published: (_, outcome) => heard.push(outcome.state === "failed" ? outcome.message : outcome.state)
      }),
      { startImmediately: true }
    )
    const atOnce = heard.length
    yield* TestClock.adjust("1 hour")
    return { atOnce, heard, left }
  }).pipe(Effect.provide(client))
}

describe("publish", () => {
  it.effect("tries again where nobody answered, and says so once", () =>
    Effect.gen(function*() {
      const outcome = yield* told(["Unreachable", "TimedOut", "Unreachable", "added"])
      assert.deepStrictEqual(outcome, { atOnce: 1, heard: ["Unreachable; it is tried again", "added"], left: [] })
    }))

  it.effect("takes a refusal for an answer", () =>
    Effect.gen(function*() {
      const outcome = yield* told(["Unreachable", "Refused", "added"])
      assert.deepStrictEqual(outcome.heard, ["Unreachable; it is tried again", "Refused"])
      assert.deepStrictEqual((yield* told(["Unauthorized", "added"])).heard, [
        "Unauthorized; give it with --publish-token"
      ])
    }))
})
