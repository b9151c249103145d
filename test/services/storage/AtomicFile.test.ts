import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Bytes from "../../../src/domain/Bytes.ts"
import * as AtomicFile from "../../../src/services/storage/AtomicFile.ts"
import { temporary } from "../../support/payload.ts"

describe("AtomicFile", () => {
  it.live("puts chunks end to end in the place of what was there", () =>
    Effect.gen(function*() {
      const file = path.join(yield* temporary, "file")
      for (const words of [["a longer ", "text ", "of old"], ["new"], []]) {
        yield* Effect.promise(() => AtomicFile.replace(file, words.map(Bytes.fromUtf8).values()))
        assert.strictEqual(fs.readFileSync(file, "utf8"), words.join(""))
        assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600)
        assert.deepStrictEqual(fs.readdirSync(path.dirname(file)), ["file"])
      }
    }).pipe(Effect.scoped))

  it.live("leaves the old file when not all chunks can be made", () =>
    Effect.gen(function*() {
      const file = path.join(yield* temporary, "file")
      fs.writeFileSync(file, "old")
      const chunks = function*() {
        yield Bytes.fromUtf8("half of the n")
        throw new Error("no more")
      }
      const cause = yield* Effect.flip(Effect.tryPromise(() => AtomicFile.replace(file, chunks())))
      assert.include(String(cause.cause), "no more")
      assert.strictEqual(fs.readFileSync(file, "utf8"), "old")
    }).pipe(Effect.scoped))

  it.live("publishes with the usual permissions, or those it is told", () =>
    Effect.gen(function*() {
      const file = path.join(yield* temporary, "file")
      const modeAfter = (mode?: number) =>
        Effect.map(
          Effect.promise(() => AtomicFile.publish(file, Bytes.fromUtf8("x"), true, mode)),
          () => fs.statSync(file).mode & 0o777
        )
      assert.strictEqual(yield* modeAfter(), 0o666 & ~process.umask())
      assert.strictEqual(yield* modeAfter(0o646), 0o646)
      assert.strictEqual(yield* modeAfter(0o400), 0o400)
      assert.deepStrictEqual(fs.readdirSync(path.dirname(file)), ["file"])
    }).pipe(Effect.scoped))
})
