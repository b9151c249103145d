import { assert, describe, it } from "@effect/vitest"
import * as Host from "../../src/domain/Host.ts"

describe("a host", () => {
  it("may have any name that hosts have, and is refused without a port", () => {
    for (const host of ["localhost", "a", "my_host", "a-b.example.", "1.example", "3com.com"]) {
      assert.deepStrictEqual(Host.parse(`${host}:6881`), { host, port: 6881 })
    }
    const long = "a.".repeat(127)
    for (
      const text of [
        "",
        ":1",
        "localhost",
        "localhost:",
        "localhost:0",
        "localhost:65536",
        "192.0.2.256:1",
        "192.0.2:1",
        "2001:db8::1:6881",
        "[localhost]:1",
        "a b:1",
        "a/b:1",
        "http://a:1",
        "a..b:1",
        "0x7f:1",
        ".a:1",
        `${long}:1`,
        `${"a".repeat(64)}:1`
      ]
    ) assert.isUndefined(Host.parse(text), text)
  })

  it("is read back as it is written", () => {
    for (const text of ["192.0.2.1:1", "[2001:db8::1]:6881", "a.example:65535"]) {
      assert.strictEqual(Host.format(Host.parse(text)!), text)
    }
  })
})
