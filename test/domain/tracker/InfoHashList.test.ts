import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as InfoHashList from "../../../src/domain/tracker/InfoHashList.ts"

const A = "25ff002b".repeat(5)
const B = "0123456789abcdef0123456789abcdef01234567"

describe("InfoHashList", () => {
  it("reads one hash a line, in any case, with comments and any ends of lines", () => {
    const text = `# mine\n${A}\r\n\n  ${B.toUpperCase()}  # theirs\n#${A}\n`
    assert.deepStrictEqual([...Result.getOrThrow(InfoHashList.parse(text))], [A, B])
    assert.strictEqual(Result.getOrThrow(InfoHashList.parse("")).size, 0)
  })

  it("says in which line something else stands", () => {
    for (const wrong of [A.slice(1), `${A}0`, `${A} ${B}`, "x".repeat(40)]) {
      const parsed = InfoHashList.parse(`${A}\n# fine\n${wrong}\n${B}`)
      assert.deepStrictEqual(parsed, Result.fail("line 3 is not an info hash of 40 hex digits"))
    }
  })
})
