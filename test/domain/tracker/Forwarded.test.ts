import { assert, describe, it } from "@effect/vitest"
import * as Forwarded from "../../../src/domain/tracker/Forwarded.ts"

describe("Forwarded", () => {
  it("takes the last hop, without its port", () => {
    for (
      const [header, host] of [
        ["192.0.2.1", "192.0.2.1"],
        ["10.0.0.1, 192.0.2.1", "192.0.2.1"],
        ["10.0.0.1,192.0.2.1:4711 ", "192.0.2.1"],
        ["2001:db8::1", "2001:db8::1"],
        ["x, [2001:db8::1]:4711", "2001:db8::1"],
        ["[2001:db8::1]", "2001:db8::1"],
        ["unknown", "unknown"],
        ["", ""]
      ] as const
    ) assert.strictEqual(Forwarded.lastHop(header), host)
  })
})
