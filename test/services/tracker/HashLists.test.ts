import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as InfoHash from "../../../src/domain/InfoHash.ts"
import * as HashLists from "../../../src/services/tracker/HashLists.ts"

const [A, B, C] = ["a", "b", "c"].map((digit) => InfoHash.parse(digit.repeat(40))!) as [
  InfoHash.InfoHash,
  InfoHash.InfoHash,
  InfoHash.InfoHash
]

const folder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "freshet-lists-"))),
  (dir) => Effect.sync(() => fs.rmSync(dir, { recursive: true }))
)

const admitted = (lists: HashLists.HashLists) => [A, B, C].map(lists.admits)

describe("HashLists", () => {
  it.effect("admits all without lists, what is allowed, and never what is denied", () =>
    Effect.gen(function*() {
      const dir = yield* folder
      const [allow, deny] = [path.join(dir, "allow"), path.join(dir, "deny")]
      fs.writeFileSync(allow, `${A}\n${B}\n`)
      fs.writeFileSync(deny, `${B} # not any more\n`)
      assert.deepStrictEqual(admitted(yield* HashLists.make({})), [true, true, true])
      assert.deepStrictEqual(admitted(yield* HashLists.make({ allow })), [true, true, false])
      assert.deepStrictEqual(admitted(yield* HashLists.make({ deny })), [true, false, true])
      assert.deepStrictEqual(admitted(yield* HashLists.make({ allow, deny })), [true, false, false])
    }))

  it.effect("reads again, and keeps what it has when a file is broken", () =>
    Effect.gen(function*() {
      const deny = path.join(yield* folder, "deny")
      fs.writeFileSync(deny, A)
      const lists = yield* HashLists.make({ deny })
      fs.writeFileSync(deny, `${B}\n`)
      yield* lists.reload
      assert.deepStrictEqual(admitted(lists), [true, false, true])
      fs.writeFileSync(deny, `${C}\nrubbish\n`)
      assert.strictEqual(
        (yield* Effect.flip(lists.reload)).message,
        `${deny}: line 2 is not an info hash of 40 hex digits`
      )
      fs.rmSync(deny)
      assert.strictEqual((yield* Effect.flip(lists.reload)).message, `${deny}: there is no such file (ENOENT)`)
      assert.deepStrictEqual(admitted(lists), [true, false, true])
    }))
})
