import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { ExitCode, failure } from "../../../src/programs/cli/ExitCode.ts"
import { type Run, runWith, untilStopped } from "../../../src/programs/cli/Main.ts"

const silent = Layer.merge(
  NodeServices.layer,
  CliOutput.layerPresenter({ present: () => Effect.void })
)

const start = <E>(
  work: Effect.Effect<void, E, Run>,
  stopAsked: Effect.Effect<void>,
  ...args: ReadonlyArray<string>
) => runWith(Command.make("work", {}, () => work), args, stopAsked).pipe(Effect.provide(silent))

describe("the exit code", () => {
  it.effect("is what the command says", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* start(Effect.void, Effect.never), ExitCode.ok)
      const work = untilStopped(Effect.succeed(ExitCode.timedOut), () => ExitCode.unfinished)
      assert.strictEqual(yield* start(work, Effect.never), ExitCode.timedOut)
    }))

  it.effect("is that of its failure", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(start(failure(ExitCode.diskFull, "full"), Effect.never))
      assert.deepInclude(error, { _tag: "Failure", code: ExitCode.diskFull, message: "full" })
    }))

  it.effect("of a wrong command line is a usage error", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(start(Effect.void, Effect.never, "--nonsense"))
      assert.strictEqual(error._tag, "ShowHelp")
    }))
})

describe("a signal", () => {
  /** Runs until the work has begun, then asks it to stop; what happened, in order, and the exit code. */
  const stopped = (known: boolean) =>
    Effect.gen(function*() {
      const begun = yield* Deferred.make<void>()
      const stop = yield* Deferred.make<void>()
      const seen: Array<string> = []
      const work = Effect.scoped(Effect.gen(function*() {
        yield* Effect.addFinalizer(() => Effect.andThen(Effect.yieldNow, Effect.sync(() => seen.push("closed"))))
        yield* Deferred.succeed(begun, undefined)
        return yield* Effect.never
      }))
      const running = yield* Effect.forkChild(
        start(known ? untilStopped(work, () => ExitCode.ok) : work, Deferred.await(stop))
      )
      yield* Deferred.await(begun)
      yield* Deferred.succeed(stop, undefined)
      const code = yield* Fiber.join(running)
      seen.push("ended")
      return [...seen, code]
    })

  it.effect("closes what is open before the end, and the command says with what code", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* stopped(true), ["closed", "ended", ExitCode.ok])
    }))

  it.effect("before anything has begun leaves it unfinished", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* stopped(false), ["closed", "ended", ExitCode.unfinished])
    }))
})
