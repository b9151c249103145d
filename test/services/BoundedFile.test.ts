import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as BoundedFile from "../../src/services/BoundedFile.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "freshet-bounded-"))),
  (dir) => Effect.sync(() => fs.rmSync(dir, { recursive: true }))
)

describe("BoundedFile", () => {
  it.effect("reads files up to the bound, and no more of what never ends", () =>
    Effect.gen(function*() {
      const file = path.join(yield* folder, "file")
      const bytes = Uint8Array.from({ length: 200_000 }, (_, at) => at % 251)
      fs.writeFileSync(file, bytes)
      assert.deepStrictEqual(new Uint8Array(yield* BoundedFile.read(file, bytes.length)), bytes)
      const tooLarge = { _tag: "TooLarge" } as const
      assert.deepStrictEqual(yield* Effect.flip(BoundedFile.read(file, bytes.length - 1)), tooLarge)
      assert.deepStrictEqual(yield* Effect.flip(BoundedFile.read("/dev/zero", 1000)), tooLarge)
      assert.strictEqual((yield* BoundedFile.read("/dev/null", 0)).length, 0)
      assert.strictEqual((yield* Effect.flip(BoundedFile.read(`${file}.not`, 1)))._tag, "Unreadable")
    }))
})
