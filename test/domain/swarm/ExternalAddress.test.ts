import { assert, describe, it } from "@effect/vitest"
import { ExternalAddress } from "../../../src/domain/swarm/ExternalAddress.ts"

describe("ExternalAddress", () => {
  it("believes three peers that agree, or one tracker, for each family apart", () => {
    const address = new ExternalAddress()
    address.vote("198.51.100.1", "192.0.2.1")
    address.vote("198.51.100.1", "192.0.2.2")
    assert.isUndefined(address.of(4))
    address.vote("198.51.100.1", "192.0.2.3")
    assert.strictEqual(address.of(4), "198.51.100.1")
    assert.isUndefined(address.of(6))
    address.vote("2001:db8::1", "http://tracker/", true)
    assert.strictEqual(address.of(6), "2001:db8::1")
    assert.strictEqual(address.of(4), "198.51.100.1")
  })

  it("gives a host one voice, however often it speaks", () => {
    const address = new ExternalAddress()
    for (let i = 0; i < 10; i++) address.vote("203.0.113.9", "192.0.2.1")
    assert.isUndefined(address.of(4))
    for (let voter = 2; voter < 5; voter++) address.vote("198.51.100.1", `192.0.2.${voter}`)
    assert.strictEqual(address.of(4), "198.51.100.1")
  })

  it("follows when our address changes", () => {
    const address = new ExternalAddress()
    for (let voter = 0; voter < 200; voter++) address.vote("198.51.100.1", `192.0.2.${voter}`)
    for (let voter = 0; voter < 64; voter++) address.vote("198.51.100.2", `192.0.3.${voter}`)
    assert.strictEqual(address.of(4), "198.51.100.2")
  })
})
