import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as OnComplete from "../../../src/programs/cli/OnComplete.ts"

describe("split", () => {
  const cases: ReadonlyArray<readonly [command: string, words: ReadonlyArray<string> | undefined]> = [
    ["notify done", ["notify", "done"]],
    ["  a \t b\n", ["a", "b"]],
    ["a 'b c' \"d e\"", ["a", "b c", "d e"]],
    ["a b' 'c\" \"d", ["a", "b c d"]],
    ["a \\\"b\\ c", ["a", "\"b c"]],
    ["a \"\\\"b\\\\ \\n\"", ["a", "\"b\\ \\n"]],
    ["a '\\n'", ["a", "\\n"]],
    ["a '' \"\"", ["a", "", ""]],
    ["a $HOME `b` *;c|d>e", ["a", "$HOME", "`b`", "*;c|d>e"]],
    ["a 'b", undefined],
    ["a \"b", undefined],
    ["a \\", undefined],
    ["", undefined],
    [" ", undefined]
  ]
  for (const [command, words] of cases) {
    it(JSON.stringify(command), () => assert.deepStrictEqual(OnComplete.split(command), words))
  }

  const word = Arbitrary.schema(Schema.String)
  it.prop("gives back what was quoted", [Arbitrary.array(word, { minLength: 1, maxLength: 5 })], ([words]) => {
    const command = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ")
    assert.deepStrictEqual(OnComplete.split(command), words)
  })
})

describe("localTime", () => {
  it("is what ctime prints", () => {
    assert.strictEqual(OnComplete.localTime(new Date(2026, 10, 3, 4, 5, 6).getTime()), "Tue Nov  3 04:05:06 2026")
  })
})

describe("run", () => {
  it.live("gives the program its words and its environment", () =>
    Effect.gen(function*() {
      const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "freshet-")), "out")
      const script = `require("fs").writeFileSync(process.argv[1], process.argv[2] + process.env.TR_TORRENT_NAME)`
      const trouble = yield* OnComplete.run([process.execPath, "-e", script, file, "a b "], { TR_TORRENT_NAME: "$x" })
      assert.isUndefined(trouble)
      assert.strictEqual(fs.readFileSync(file, "utf8"), "a b $x")
      fs.rmSync(path.dirname(file), { recursive: true })
    }))

  it.live("tells how it failed", () =>
    Effect.gen(function*() {
      const exit = yield* OnComplete.run([process.execPath, "-e", "process.exit(3)"], {})
      assert.strictEqual(exit, `${process.execPath} ended with code 3`)
      assert.match(
        (yield* OnComplete.run(["/nonexistent/hook"], {})) ?? "",
        /^cannot run \/nonexistent\/hook: .*ENOENT/
      )
      assert.match((yield* OnComplete.run(["true"], { TR_TORRENT_NAME: "a\0b" })) ?? "", /^cannot run true: /)
    }))
})
