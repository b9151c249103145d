import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Runs from "../../src/domain/Runs.ts"
import { int } from "./generators.ts"

const numbers = Arbitrary.array(int(0, 20), { maxLength: 15 })

const runs = Arbitrary.array(
  Arbitrary.all([int(0, 20), int(0, 4)]).pipe(Arbitrary.map(([first, more]) => ({ first, last: first + more }))),
  { maxLength: 6 }
)

const members = (runs: Runs.Runs): Array<number> =>
  runs.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, i) => first + i))

const sorted = (numbers: Iterable<number>): Array<number> => [...new Set(numbers)].sort((a, b) => a - b)

const assertApart = (runs: Runs.Runs): void =>
  runs.forEach(({ first }, i) => i > 0 && assert.isAbove(first, runs[i - 1]!.last + 1))

describe("Runs", () => {
  it.prop("hold those that are so", [numbers, int(0, 10), int(0, 20)], ([numbers, first, last]) => {
    const found = Runs.where(first, last, (number) => numbers.includes(number))
    assert.deepStrictEqual(members(found), sorted(numbers.filter((number) => number >= first && number <= last)))
    assert.strictEqual(Runs.count(found), members(found).length)
    assertApart(found)
  })

  it.prop("are merged without loss", [runs], ([runs]) => {
    assert.deepStrictEqual(members(Runs.merged(runs)), sorted(members(runs)))
    assertApart(Runs.merged(runs))
  })

  it("are written as people write them", () => {
    const some = [{ first: 3, last: 5 }, { first: 9, last: 9 }, { first: 11, last: 12 }]
    assert.strictEqual(Runs.format(some), "3-5, 9, 11-12")
    assert.strictEqual(Runs.format(some, 1), "3-5 and 2 more runs")
    assert.strictEqual(Runs.format([]), "")
  })
})
