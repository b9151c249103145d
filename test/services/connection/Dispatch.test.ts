import { assert, describe, it } from "@effect/vitest"
import * as Dispatch from "../../../src/services/connection/Dispatch.ts"
import { flag } from "../../../src/services/connection/Handler.ts"

const handler = flag(() => undefined)

describe("Dispatch", () => {
  it("combines records into one table by message id", () => {
    const other = flag(() => "no")
    const table = Dispatch.combine({ 3: handler }, { 200: other, 0: handler })
    assert.strictEqual(table[3], handler)
    assert.strictEqual(table[200], other)
    assert.strictEqual(table[0], handler)
    assert.strictEqual(table.filter((entry) => entry !== undefined).length, 3)
    assert.lengthOf(table, 256)
  })

  it("has one handler for a message, or none", () => {
    assert.throws(() => Dispatch.combine({ 3: handler }, { 3: handler }), /two handlers for message 3/)
    const ids = Array.from(Dispatch.HANDLERS.keys()).filter((id) => Dispatch.HANDLERS[id] !== undefined)
    assert.deepStrictEqual(ids, [0, 1, 2, 3, 4, 5, 6, 7, 8, 13, 14, 15, 16, 17, 20, 21, 22, 23])
  })
})
