import { assert, describe, it } from "@effect/vitest"
import * as FlagGroups from "../../../src/programs/cli/FlagGroups.ts"

const rowsOf = (names: ReadonlyArray<string>) => names.map((name) => `  --${name} N  what it does`)

const helpOf = (names: ReadonlyArray<string>) =>
  ["USAGE\n  leech [flags] <torrent>", ["FLAGS", ...rowsOf(names)].join("\n"), "EXAMPLES\n  # one\n  leech x"].join(
    "\n\n"
  )

const SOME = ["json", "odd-one", "dir", "peer", "tracker", "bind"]

describe("FlagGroups", () => {
  it("puts what belongs together under one title, each flag once and none left out", () => {
    const names = [...SOME, ...Array.from({ length: 20 }, (_, i) => `other-${i}`)]
    const sections = FlagGroups.apart(helpOf(names)).split("\n\n")
    const [usage, ...rest] = helpOf([]).split("\n\n")
    assert.deepStrictEqual([sections.at(0), sections.at(-1)], [usage, rest.at(-1)])
    assert.deepStrictEqual(sections.slice(1, -1), [
      ["FLAGS", ...rowsOf(["dir", ...names.filter((name) => name.startsWith("o"))])].join("\n"),
      ["PEERS", ...rowsOf(["tracker", "peer"])].join("\n"),
      ["NETWORK", ...rowsOf(["bind"])].join("\n"),
      ["OUTPUT", ...rowsOf(["json"])].join("\n")
    ])
  })

  it("leaves a few flags as they are", () => {
    assert.strictEqual(FlagGroups.apart(helpOf(SOME)), helpOf(SOME))
  })
})
