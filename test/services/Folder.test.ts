import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Folder from "../../src/services/Folder.ts"
import * as SystemCode from "../../src/services/SystemCode.ts"

const scratch = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "freshet-folder-"))),
  (dir) => Effect.sync(() => fs.rmSync(dir, { recursive: true }))
)

const make = (dir: string, mode?: number) => Effect.promise(() => Folder.make(dir, mode))

/** The code of what is wrong. */
const codeOf = (dir: string) => Effect.promise(() => Folder.make(dir).then(() => undefined, SystemCode.of))

describe("Folder", () => {
  it.effect("makes what is missing, with its mode, and leaves what is there", () =>
    Effect.gen(function*() {
      const dir = yield* scratch
      const inner = path.join(dir, "a", "b", "c")
      yield* make(inner, 0o700)
      for (const made of [inner, path.dirname(inner)]) assert.strictEqual(fs.statSync(made).mode & 0o777, 0o700)
      fs.writeFileSync(path.join(inner, "kept"), "")
      yield* make(inner, 0o755)
      assert.deepStrictEqual(fs.readdirSync(inner), ["kept"])
      assert.strictEqual(fs.statSync(inner).mode & 0o777, 0o700)
    }))

  it.effect("may be asked for by several at once", () =>
    Effect.gen(function*() {
      const inner = path.join(yield* scratch, "a", "b")
      yield* Effect.all(Array.from({ length: 20 }, () => make(inner)), { concurrency: "unbounded" })
      assert.isTrue(fs.statSync(inner).isDirectory())
    }))

  it.effect("fails below a file, in place of one, and where none can be made", () =>
    Effect.gen(function*() {
      const file = path.join(yield* scratch, "file")
      fs.writeFileSync(file, "")
      assert.strictEqual(yield* codeOf(file), "EEXIST")
      assert.strictEqual(yield* codeOf(path.join(file, "a", "b")), "ENOTDIR")
      if (process.platform === "linux") assert.strictEqual(yield* codeOf("/proc/nowhere/at/all"), "ENOENT")
    }))
})
