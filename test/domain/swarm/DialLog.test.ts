import { assert, describe, it } from "@effect/vitest"
import { DialLog } from "../../../src/domain/swarm/DialLog.ts"
import { below, randomOf, seed } from "./seeded.ts"

describe("DialLog", () => {
  it.prop("counts each address once, and knows the commonest reason", [seed], ([seed]) => {
    const random = randomOf(seed)
    const log = new DialLog()
    const model = new Map<string, string>()
    for (let step = 0; step < 60; step++) {
      const address = `10.0.0.${below(random, 9)}`
      if (random() < 0.3) {
        log.remove(address)
        model.delete(address)
      } else {
        const reason = `reason ${below(random, 3)}`
        log.add(address, reason)
        model.set(address, reason)
      }
      assert.strictEqual(log.failed, model.size)
      const count = (reason: string | undefined) => Array.from(model.values()).filter((one) => one === reason).length
      const most = Math.max(0, ...[0, 1, 2].map((n) => count(`reason ${n}`)))
      assert.strictEqual(count(log.commonest()), most)
    }
    log.clear()
    assert.strictEqual(log.failed, 0)
    assert.isUndefined(log.commonest())
  })

  it("forgets the oldest when full", () => {
    const log = new DialLog()
    log.add("first", "a")
    for (let n = 0; n < 1000; n++) log.add(`later ${n}`, "b")
    assert.strictEqual(log.failed, 1000)
    assert.strictEqual(log.commonest(), "b")
  })
})
