import { assert, describe, it } from "@effect/vitest"
import { AskedBlocks } from "../../../src/domain/swarm/AskedBlocks.ts"
import { below, randomOf, seed } from "./seeded.ts"

const contents = (asked: AskedBlocks) =>
  Array.from({ length: asked.length }, (_, i) => [asked.piece(i), asked.begin(i), asked.size(i)])

describe("AskedBlocks", () => {
  it.prop("is a queue with removal by value", [seed], ([seed]) => {
    const random = randomOf(seed)
    const asked = new AskedBlocks()
    let model: Array<[number, number, number]> = []
    for (let step = 0; step < 400; step++) {
      const dice = random()
      const block: [number, number, number] = [below(random, 3), 16_384 * below(random, 3), 1 + below(random, 2)]
      if (dice < 0.5) {
        assert.isTrue(asked.push(...block))
        model.push(block)
      } else if (dice < 0.75) {
        const count = below(random, model.length + 1)
        asked.shift(count)
        model = model.slice(count)
      } else if (dice < 0.98) {
        asked.cancel(...block)
        const at = model.findIndex((other) => other.every((value, i) => value === block[i]))
        if (at >= 0) model.splice(at, 1)
      } else {
        asked.clear()
        model = []
      }
      assert.deepStrictEqual(contents(asked), model)
    }
  }, { arbitrary: { runs: 50 } })

  it("goes round its ring, holds 2048 requests and refuses one more", () => {
    const asked = new AskedBlocks()
    for (let i = 0; i < 1500; i++) asked.push(i, 0, 1)
    asked.shift(1400)
    for (let i = 1500; i < 1500 + 1948; i++) assert.isTrue(asked.push(i, 2 ** 32 - 1, 1))
    assert.strictEqual(asked.length, 2048)
    assert.isFalse(asked.push(9999, 0, 1))
    assert.deepStrictEqual(contents(asked).map(([piece]) => piece), Array.from({ length: 2048 }, (_, i) => 1400 + i))
    asked.cancel(2000, 2 ** 32 - 1, 1)
    assert.isTrue(asked.push(9999, 0, 1))
    assert.strictEqual(asked.piece(600), 2001)
    assert.strictEqual(asked.piece(2047), 9999)
  })

  it("ignores a cancel of nothing, also before the first request", () => {
    const asked = new AskedBlocks()
    asked.cancel(0, 0, 1)
    asked.clear()
    asked.push(1, 2, 3)
    asked.cancel(1, 2, 4)
    assert.deepStrictEqual(contents(asked), [[1, 2, 3]])
  })
})
