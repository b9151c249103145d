import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as TrackerData from "../../../src/programs/cli/TrackerData.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "freshet-data-"))),
  (dir) => Effect.sync(() => fs.rmSync(dir, { recursive: true, force: true }))
)

describe("TrackerData", () => {
  it("has a folder for each port, unless told otherwise, and none for a port that nobody knows yet", () => {
    const of = (given: string | undefined, port: number) =>
      TrackerData.folderOf({ "data-dir": given, port }, { XDG_STATE_HOME: "/state" })
    assert.deepStrictEqual(
      [of(undefined, 6969), of(undefined, 0), of("/data", 0), of("none", 6969)],
      ["/state/freshet/tracker-6969", undefined, "/data", undefined]
    )
  })

  it.live("is for one tracker at a time", () =>
    Effect.gen(function*() {
      const dir = path.join(yield* folder, "new", "data")
      yield* Effect.scoped(Effect.gen(function*() {
        yield* TrackerData.open(dir)
        fs.writeFileSync(path.join(dir, "swarms"), "kept")
        const refused = yield* Effect.flip(Effect.scoped(TrackerData.open(dir)))
        assert.strictEqual(refused.code, 12)
        assert.strictEqual(refused.text, `another tracker (process ${process.pid}) uses ${dir}; see --data-dir`)
      }))
      assert.deepStrictEqual(fs.readdirSync(dir), ["swarms"])
      yield* Effect.scoped(TrackerData.open(dir))
    }))

  it.live("is taken over from a tracker that was killed", () =>
    Effect.gen(function*() {
      const dir = yield* folder
      fs.writeFileSync(path.join(dir, `lock-${process.pid}-1`), "")
      yield* TrackerData.open(dir)
      assert.strictEqual(fs.readdirSync(dir).length, 1)
    }))
})
