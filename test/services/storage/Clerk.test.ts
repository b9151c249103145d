import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as fs from "node:fs"
import * as path from "node:path"
import { Clerk } from "../../../src/services/storage/Clerk.ts"
import type * as SmallFiles from "../../../src/services/storage/SmallFiles.ts"
import * as Support from "../../support/payload.ts"

const perform = (clerk: Clerk, task: SmallFiles.Task) =>
  Effect.callback<SmallFiles.Outcome>((resume) => clerk.perform(task, (outcome) => resume(Effect.succeed(outcome))))

const names = ["a", path.join("f", "b"), path.join("f", "g", "c")]

const writing = (root: string): SmallFiles.Task => ({
  what: "write",
  root,
  files: names,
  positions: [0, 2, 0],
  lengths: [3, 3, 0],
  bytes: Uint8Array.of(1, 2, 3, 4, 5, 6)
})

describe("Clerk", () => {
  it.live("stores and gives runs of bytes of many files, and tells which folders have new entries", () =>
    Effect.gen(function*() {
      const root = yield* Support.temporary
      const clerk = new Clerk()
      yield* Effect.addFinalizer(() => Effect.promise(clerk.close))
      const written = yield* perform(clerk, writing(root))
      assert.deepStrictEqual(written.troubles, [])
      assert.strictEqual(written.written, 3)
      assert.deepStrictEqual(
        written.created.toSorted(),
        [root, path.join(root, "f"), path.join(root, "f", "g")].toSorted()
      )
      assert.deepStrictEqual((yield* perform(clerk, writing(root))).created, [])
      const files = names.slice(0, 2)
      const read = yield* perform(clerk, { what: "read", root, files, positions: [1, 1], lengths: [2, 4] })
      assert.deepStrictEqual(Array.from(read.bytes), [2, 3, 0, 4, 5, 6])
      const looked = yield* perform(clerk, { what: "look", root, files: [...names, "d", path.join("h", "e")] })
      assert.deepStrictEqual(Array.from(looked.lengths), [3, 5, 0, -1, -1])
      const { mtimeNs } = fs.lstatSync(path.join(root, "a"), { bigint: true })
      assert.strictEqual(looked.mtimes[0], mtimeNs)
    }).pipe(Effect.scoped))

  it.live("looks on after a trouble; ends what it does at the first", () =>
    Effect.gen(function*() {
      const root = yield* Support.temporary
      const clerk = new Clerk()
      yield* Effect.addFinalizer(() => Effect.promise(clerk.close))
      fs.symlinkSync("/etc", path.join(root, "f"))
      fs.writeFileSync(path.join(root, "z"), "12")
      const looked = yield* perform(clerk, { what: "look", root, files: [...names, "z"] })
      assert.deepStrictEqual(looked.troubles.map(({ index, reason }) => [index, reason]), [[1, "Link"], [2, "Link"]])
      assert.deepStrictEqual(Array.from(looked.lengths), [-1, -1, -1, 2])
      const written = yield* perform(clerk, writing(root))
      assert.strictEqual(written.written, 1)
      assert.deepStrictEqual(written.troubles.map(({ index, path: place, reason }) => [index, place, reason]), [
        [1, path.join(root, "f"), "Link"]
      ])
    }).pipe(Effect.scoped))

  it.live("what its thread has not done when it ends is done all the same", () =>
    Effect.gen(function*() {
      const root = yield* Support.temporary
      const clerk = new Clerk()
      const tasks = yield* Effect.forkChild(
        Effect.forEach(["1", "2", "3"], (folder) => {
          fs.mkdirSync(path.join(root, folder))
          return perform(clerk, writing(path.join(root, folder)))
        }, { concurrency: 3 }),
        { startImmediately: true }
      )
      yield* Effect.promise(clerk.close)
      const outcomes = yield* Fiber.join(tasks)
      assert.deepStrictEqual(outcomes.map(({ written }) => written), [3, 3, 3])
      const after = yield* perform(clerk, { what: "sync", root, files: [path.join("1", "a"), "none"] })
      assert.deepStrictEqual(after.troubles.map(({ index, reason }) => [index, reason]), [[1, "Missing"]])
    }).pipe(Effect.scoped))
})
