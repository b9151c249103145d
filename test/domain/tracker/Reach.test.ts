import { assert, describe, it } from "@effect/vitest"
import * as PeerAddress from "../../../src/domain/PeerAddress.ts"
import * as Reach from "../../../src/domain/tracker/Reach.ts"

const reachOf = (host: string) => Reach.of(PeerAddress.toCompact(PeerAddress.make(host, 1)!))

const TABLE: ReadonlyArray<readonly [Reach.Reach, ReadonlyArray<string>]> = [
  [Reach.LOOPBACK, ["127.0.0.1", "127.255.255.255", "::1"]],
  [Reach.PRIVATE, ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "169.254.1.1", "100.64.0.1"]],
  [Reach.PRIVATE, ["100.127.255.255", "fc00::1", "fdff::1", "fe80::1", "febf::1"]],
  [Reach.PUBLIC, ["126.0.0.1", "128.0.0.1", "11.0.0.1", "172.15.0.1", "172.32.0.1", "192.169.0.1", "169.253.0.1"]],
  [Reach.PUBLIC, ["100.63.0.1", "100.128.0.1", "2001:db8::1", "::2", "fec0::1", "fb00::1", "0:0:0:0:1::1"]]
]

describe("Reach", () => {
  it("is told by the prefix", () => {
    for (const [reach, hosts] of TABLE) for (const host of hosts) assert.strictEqual(reachOf(host), reach, host)
  })
})
