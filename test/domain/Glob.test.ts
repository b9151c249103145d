import { assert, describe, it } from "@effect/vitest"
import * as Glob from "../../src/domain/Glob.ts"
import { textOf } from "./generators.ts"

const fits = (pattern: string, ...paths: ReadonlyArray<string>): ReadonlyArray<string> => {
  const matches = Glob.compile(pattern)
  if (matches === undefined) return assert.fail(`${pattern} is no pattern`)
  return paths.filter(matches)
}

describe("a pattern", () => {
  const table: ReadonlyArray<
    readonly [pattern: string, fitting: ReadonlyArray<string>, others: ReadonlyArray<string>]
  > = [
    ["*.part", ["a.part", ".part", "x/y/a.part"], ["a.part/x", "a.parts"]],
    ["cache", ["cache", "x/cache"], ["cache/x", "caches"]],
    ["cache/", ["cache", "x/cache"], ["cache/x"]],
    ["/cache", ["cache"], ["x/cache"]],
    ["cache/*", ["cache/a"], ["cache", "cache/a/b", "x/cache/a"]],
    ["cache/**", ["cache/a", "cache/a/b"], ["cache", "x/cache/a"]],
    ["**/tmp", ["tmp", "a/tmp", "a/b/tmp"], ["atmp"]],
    ["a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["az", "b/a/z"]],
    ["a?c", ["abc", "x/a🎈c"], ["ac", "abbc", "a/c"]],
    ["[a-c]x[!0-9]", ["axa", "bx!"], ["dxa", "ax1", "ax/"]],
    ["[]]", ["]"], ["["]],
    ["[.]^$|()+{}", [".^$|()+{}"], ["a^$|()+{}"]],
    ["\\*", ["*"], ["a"]],
    ["[", ["["], ["a"]]
  ]
  for (const [pattern, fitting, others] of table) {
    it(pattern, () => assert.deepStrictEqual(fits(pattern, ...fitting, ...others), fitting))
  }

  it("has something in it, and an end", () => {
    for (const none of ["", "/", "a".repeat(Glob.MAX_LENGTH + 1), "[z-a]"]) assert.isUndefined(Glob.compile(none), none)
  })

  it.prop(
    "of a path's own characters fits it, and stays in its part",
    [textOf(["a", ".", "(", "+", "\\"], 1, 12)],
    ([name]) => {
      const literal = name.replaceAll("\\", "\\\\")
      assert.deepStrictEqual(fits(literal, name, `folder/${name}`, `${name}/x`), [name, `folder/${name}`])
    }
  )
})
