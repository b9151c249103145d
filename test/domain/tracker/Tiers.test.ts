import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as Tiers from "../../../src/domain/tracker/Tiers.ts"

/** A random function that repeats. */
const seeded = (seed: number) => {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state / 2_147_483_648
  }
}

const Seed = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))
const Url = Schema.Literals(["a", "b", "c", "d", "e", "f", "g", "h"])
const Lists = Schema.Array(Schema.Array(Url))

describe("Tiers", () => {
  it.prop("keeps every tracker once, in the tier that names it first", [Lists, Seed], ([lists, seed]) => {
    const tiers = Tiers.make(lists, seeded(seed))
    const first = new Map<string, number>()
    lists.forEach((tier, index) => tier.forEach((url) => first.has(url) || first.set(url, index)))
    assert.deepStrictEqual(tiers.flat().sort(), [...first.keys()].sort())
    const order = tiers.map((tier) => new Set(tier.map((url) => first.get(url))))
    assert.isTrue(order.every((indexes) => indexes.size === 1))
    const used = [...new Set(first.values())].sort((a, b) => a - b)
    assert.deepStrictEqual(order, used.map((index) => new Set([index])))
  })

  it("gives every order of a tier the same chance", () => {
    const random = seeded(7)
    const seen = new Map<string, number>()
    for (let i = 0; i < 6000; i++) {
      const order = Tiers.make([["a", "b", "c"]], random)[0]!.join("")
      seen.set(order, (seen.get(order) ?? 0) + 1)
    }
    assert.strictEqual(seen.size, 6)
    for (const times of seen.values()) assert.isTrue(times > 850 && times < 1150, `${times} of 6000`)
  })

  it("keeps a bounded number of trackers", () => {
    const many = Array.from({ length: 1000 }, (_, i) => [`u${i}`])
    assert.strictEqual(Tiers.make(many, seeded(1)).flat().length, Tiers.MAX_TRACKERS)
  })

  it("moves the one that answered to the front of its own tier", () => {
    assert.deepStrictEqual(Tiers.promote([["a", "b", "c"], ["d", "e"]], "c"), [["c", "a", "b"], ["d", "e"]])
    assert.deepStrictEqual(Tiers.promote([["a"], ["d", "e"]], "e"), [["a"], ["e", "d"]])
  })

  it("asks a public torrent's tiers side by side and a private one's in one line", () => {
    const tiers = [["a", "b"], ["c"]]
    assert.deepStrictEqual(Tiers.lines(tiers, false), tiers)
    assert.deepStrictEqual(Tiers.lines(tiers, true), [["a", "b", "c"]])
    assert.deepStrictEqual(Tiers.lines([], true), [])
  })

  it("asks the first that is ready, else the one that is ready soonest", () => {
    const ready: Record<string, number> = { a: 50, b: 0, c: 0, never: Infinity }
    const readyAt = (url: string) => ready[url]!
    assert.deepStrictEqual(Tiers.next(["a", "b", "c"], readyAt, 10), { url: "b", at: 10 })
    assert.deepStrictEqual(Tiers.next(["a", "b"], readyAt, 60), { url: "a", at: 60 })
    assert.deepStrictEqual(Tiers.next(["never", "a"], readyAt, 10), { url: "a", at: 50 })
    assert.isUndefined(Tiers.next(["never"], readyAt, 10))
    assert.isUndefined(Tiers.next([], readyAt, 10))
  })
})
