import { assert, describe, it } from "@effect/vitest"
import * as ClientName from "../../src/domain/ClientName.ts"
import * as PeerId from "../../src/domain/PeerId.ts"
import { below, randomOf, seed } from "./swarm/seeded.ts"

const id = (text: string) => text.padEnd(20, "x") as PeerId.PeerId

describe("ClientName", () => {
  it("knows clients by their ids", () => {
    const names = [
      ["-qB4520-", "qBittorrent 4.5.2"],
      ["-TR3000-", "Transmission 3.0"],
      ["-LT2080-", "libtorrent 2.0.8"],
      ["-lt0D60-", "libTorrent 0.13.6"],
      ["-DE211s-", "Deluge 2.1.1.28"],
      ["-FR0100-", "freshet 0.1"],
      ["-ZZ1234-", "ZZ 1.2.3.4"],
      ["A2-1-36-0-", "aria2 1.36"],
      ["M4-3-6--", "BitTorrent 4.3.6"],
      ["\u0001\u0002abcdefgh", "..abcdef"]
    ] as const
    for (const [text, name] of names) assert.strictEqual(ClientName.of(id(text)), name)
  })

  it("takes a peer's word, if it names a version", () => {
    assert.strictEqual(ClientName.of(id("-FR0100-"), "other 7.1"), "other 7.1")
    assert.strictEqual(ClientName.of(id("-FR0100-"), "freshet"), "freshet 0.1")
    assert.strictEqual(ClientName.of(id("-FR0100-"), ""), "freshet 0.1")
  })

  it.prop("has a short name for every id", [seed], ([seed]) => {
    const random = randomOf(seed)
    const bytes = Uint8Array.from({ length: 20 }, () => random() < 0.5 ? 45 + below(random, 78) : below(random, 256))
    const name = ClientName.of(PeerId.fromBytes(bytes))
    assert.match(name, /^[\x20-\x7e]{1,40}$/)
  })
})
