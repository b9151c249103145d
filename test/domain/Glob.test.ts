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
    ["[", ["["], ["a"]],
    ["x[+-9]y", ["x1y", "x.y"], ["x/y"]],
    ["[a-]", ["a", "-"], ["b"]],
    ["[🎈-🎊]", ["🎉"], ["🎌"]],
    ["\\🎈", ["🎈"], ["a"]]
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

  // As they are defined, whatever time that takes.
  const fitsBySearch = (pattern: string, path: string): boolean => {
    if (pattern === "") return path === ""
    const rest = (length: number) => pattern.slice(length)
    const someEnd = (is: (taken: string) => boolean, length: number) =>
      Array.from({ length: path.length + 1 }, (_, at) => at)
        .some((at) => is(path.slice(0, at)) && fitsBySearch(rest(length), path.slice(at)))
    if (pattern.startsWith("**/")) return someEnd((taken) => /^([^/]+\/)*$/.test(taken), 3)
    if (pattern.startsWith("**")) return someEnd(() => true, 2)
    if (pattern[0] === "*") return someEnd((taken) => !taken.includes("/"), 1)
    const fits = path !== "" && (pattern[0] === "?" ? path[0] !== "/" : path[0] === pattern[0])
    return fits && fitsBySearch(rest(1), path.slice(1))
  }

  it.prop(
    "fits what it says",
    [textOf(["a", "b", "/", "*", "**/", "?"], 1, 6), textOf(["a", "b", "/"], 0, 7)],
    ([pattern, path]) => {
      const fits = Glob.compile(`x/${pattern}y`)!
      assert.strictEqual(fits(`x/${path}y`), fitsBySearch(`x/${pattern}y`, `x/${path}y`), `${pattern} ${path}`)
    },
    { arbitrary: { runs: 2000 } }
  )

  it("takes no longer for being contrived", () => {
    for (const piece of ["*a", "**", "**/", "?*"]) {
      const pattern = piece.repeat(Math.floor(Glob.MAX_LENGTH / piece.length) - 1)
      assert.deepStrictEqual(fits(`${pattern}b`, "a".repeat(250), `${"a/".repeat(100)}a`), [], piece)
    }
  })
})
