import { assert, describe, it } from "@effect/vitest"
import { AskerRates } from "../../../src/domain/tracker/AskerRates.ts"

const four = (n: number, port = 1) => Uint8Array.of(192, 0, n >>> 8, n, 0, port)

const six = (net: number, host: number) => {
  const bytes = new Uint8Array(18)
  bytes.set([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, net])
  bytes[15] = host
  return bytes
}

/** What stands behind the address is not part of it. */
const take = (rates: AskerRates, place: Uint8Array, now: number): number =>
  rates.take(place, place.length === 6 ? 4 : 16, now)

/** How many questions in a row are granted. */
const burst = (rates: AskerRates, compact: Uint8Array, now: number): number => {
  let granted = 0
  while (granted < 1000 && take(rates, compact, now) === 0) granted++
  return granted
}

describe("AskerRates", () => {
  it("grants a burst, then the rate, and says how long to wait", () => {
    const rates = new AskerRates(2, 16)
    assert.strictEqual(burst(rates, four(1), 0), 20)
    assert.strictEqual(take(rates, four(1), 0), 500)
    assert.strictEqual(take(rates, four(1), 250), 250)
    assert.strictEqual(take(rates, four(1), 500), 0)
    assert.strictEqual(burst(rates, four(1), 3500), 6)
  })

  it("counts an IPv4 address whatever its port, and an IPv6 network of 64 bits", () => {
    const rates = new AskerRates(1, 16)
    burst(rates, four(1), 0)
    assert.isAbove(take(rates, four(1, 2), 0), 0)
    assert.strictEqual(take(rates, four(2), 0), 0)
    burst(rates, six(1, 1), 0)
    assert.isAbove(take(rates, six(1, 2), 0), 0)
    assert.strictEqual(take(rates, six(2, 1), 0), 0)
  })

  it("forgets the address that has been silent longest, and never more", () => {
    const rates = new AskerRates(1, 3)
    burst(rates, four(1), 0)
    burst(rates, four(2), 0)
    take(rates, four(3), 0)
    take(rates, four(1), 0)
    take(rates, four(4), 0)
    assert.strictEqual(rates.size, 3)
    assert.isAbove(take(rates, four(1), 0), 0)
    assert.strictEqual(take(rates, four(2), 0), 0)
    for (let n = 10; n < 1000; n++) take(rates, four(n), 0)
    assert.strictEqual(rates.size, 3)
  })

  it("keeps nothing without a limit", () => {
    const rates = new AskerRates(Infinity)
    assert.strictEqual(burst(rates, four(1), 0), 1000)
    assert.strictEqual(rates.size, 0)
  })
})
