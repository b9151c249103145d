import { assert, describe, it } from "@effect/vitest"
import * as Proxy from "../../src/domain/Proxy.ts"
import { hostileText } from "./hostile.ts"

describe("Proxy", () => {
  it("reads what people write", () => {
    const login = { user: "me", password: "a b:@" }
    const texts: ReadonlyArray<readonly [string, Proxy.Proxy]> = [
      ["socks5://127.0.0.1:9050", { kind: "socks5", host: "127.0.0.1", port: 9050, login: undefined }],
      ["socks5h://proxy.example", { kind: "socks5", host: "proxy.example", port: 1080, login: undefined }],
      ["SOCKS5://me:a%20b%3A%40@[2001:db8::1]:1/", { kind: "socks5", host: "2001:db8::1", port: 1, login }],
      ["http://me:a%20b%3A%40@PROXY:3128", { kind: "http", host: "proxy", port: 3128, login }],
      ["http://proxy:80", { kind: "http", host: "proxy", port: 80, login: undefined }],
      ["http://proxy", { kind: "http", host: "proxy", port: 80, login: undefined }],
      ["socks5://proxy:80", { kind: "socks5", host: "proxy", port: 80, login: undefined }]
    ]
    for (const [text, proxy] of texts) assert.deepStrictEqual(Proxy.parse(text), proxy, text)
  })

  it("refuses what it would have to guess at", () => {
    const texts = ["", "proxy:1080", "socks4://h:1", "socks5:h:1", "https://h:1", "ftp://h", "http://", "socks5://h:0"]
    const logins = ["http://me@h", "http://:x@h", "http://a%3Ab:x@h", "http://%:x@h", `http://${"u".repeat(256)}:x@h`]
    const others = [
      "http://h:1/path",
      "http://h:1?x",
      "socks5://h:1 ",
      "socks5://h\n:1",
      "http://h:65536",
      "http://%00"
    ]
    for (const text of [...texts, ...logins, ...others, "http://a:%0d%0ax@h"]) {
      assert.isUndefined(Proxy.parse(text), text)
    }
  })

  it("shows neither user nor password", () => {
    assert.strictEqual(Proxy.format(Proxy.parse("socks5h://me:secret@[::1]:9")!), "socks5://[::1]:9")
    for (
      const text of ["ftp://me:secret@h:1", "me:secret@h", "socks5://me:secret", "socks5://me:se\ncret@h", "x://me@@"]
    ) {
      assert.notMatch(Proxy.conceal(text), /me|cret/, text)
    }
    assert.strictEqual(Proxy.conceal("ftp://h:1"), "ftp://***")
  })

  it.prop("never throws", { text: hostileText }, ({ text }) => {
    for (const scheme of ["", "socks5://", "http://", "socks5://a:b@"]) {
      Proxy.parse(scheme + text)
      Proxy.conceal(scheme + text)
    }
  })
})
