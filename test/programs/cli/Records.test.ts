import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import * as Records from "../../../src/programs/cli/Records.ts"
import { hostileText } from "../../domain/hostile.ts"

const infoHash = "0123456789abcdef0123456789abcdef01234567"

describe("Records", () => {
  it("writes one line of JSON that tells its type first", () => {
    const record = Records.Record.cases.piece.make({ time: 1_700_000_000_000, infoHash, index: 7, state: "landed" })
    assert.strictEqual(
      Records.encode(record),
      `{"type":"piece","time":1700000000000,"infoHash":"${infoHash}","index":7,"state":"landed"}`
    )
  })

  it.prop("round-trips", [Arbitrary.schema(Records.Record)], ([record]) => {
    const line = Records.encode(record)
    assert.notMatch(line, /[\p{Cc}\u2028\u2029]/u)
    assert.isTrue(Schema.is(Records.Record)(Records.decode(line)))
    assert.strictEqual(Records.encode(Records.decode(line)), line)
    assert.deepEqual(JSON.parse(line), JSON.parse(JSON.stringify(record)))
  }, { arbitrary: { runs: 300 } })

  it.prop("carries foreign words without letting them act", [hostileText], ([message]) => {
    const record: Records.Record = { type: "warning", time: 0, infoHash: null, message }
    const line = Records.encode(record)
    assert.notMatch(line, /[\p{Cc}\u2028-\u202e\u2066-\u2069]/u)
    assert.deepStrictEqual(Records.decode(line), record)
  }, { arbitrary: { runs: 200 } })

  it("refuses numbers that mean nothing", () => {
    const record: Records.Record = { type: "checking", time: 0, infoHash, checked: -1, total: 5 }
    assert.throws(() => Records.encode(record), /checked/)
  })

  it("documents every field", () => {
    for (const [type, { fields }] of Object.entries(Records.Record.cases)) {
      for (const [name, field] of Object.entries(fields)) {
        if (name === "type") continue
        assert.isString(field.ast.context?.annotations?.["description"], `${type}.${name}`)
      }
    }
  })
})
