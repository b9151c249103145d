import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import * as Percent from "../../../src/domain/tracker/Percent.ts"

const bytes = Arbitrary.array(Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 })))).pipe(
  Arbitrary.map((codes) => String.fromCharCode(...codes))
)

describe("Percent", () => {
  it.prop("brings every byte back, in a URL's own characters", { bytes }, ({ bytes }) => {
    const encoded = Percent.encode(bytes)
    assert.match(encoded, /^[A-Za-z0-9._~%-]*$/)
    assert.strictEqual(Percent.decode(encoded), bytes)
  })

  it("leaves broken escapes and plus signs alone", () => {
    assert.strictEqual(Percent.decode("%zz%4%%41%c3%a9+%"), "%zz%4%A\u00c3\u00a9+%")
  })
})
