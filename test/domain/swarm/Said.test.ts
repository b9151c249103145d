import { assert, describe, it } from "@effect/vitest"
import { type Listener, Said } from "../../../src/domain/swarm/Said.ts"
import * as ExtensionHandshake from "../../../src/domain/wire/ExtensionHandshake.ts"
import { far } from "./fakes.ts"

const { peer } = far({ key: 1, pieces: 8 })

/** What a listener hears, in order. */
const hear = (said: Said, theirs?: ExtensionHandshake.ExtensionHandshake, verdictOf?: string) => {
  const heard: Array<unknown> = []
  const note = (...what: ReadonlyArray<unknown>) => {
    heard.push(what)
    return what[0] === verdictOf ? "no" : undefined
  }
  const listener: Listener = {
    bitfield: (_, bits) => note("bitfield", ...bits),
    haveAll: () => note("haveAll"),
    haveMessage: (_, piece) => note("have", piece),
    unchoke: () => void note("unchoke"),
    interested: () => void note("interested"),
    allowedFast: (_, piece) => note("allowed", piece),
    extended: (_, bytes) => note("extended", bytes[0], ExtensionHandshake.decode(bytes.subarray(1))?.port)
  }
  const verdict = said.tell(peer, theirs, listener, 5)
  return { heard, verdict }
}

describe("Said", () => {
  it("tells what was said, who it was first, in an order that a torrent understands", () => {
    const said = new Said()
    const bits = Uint8Array.of(0xa0)
    said.bitfield(bits)
    bits.fill(0)
    for (const piece of [5, 7, 5]) assert.isUndefined(said.have(piece))
    said.allowed(3)
    said.unchoked = said.interested = true
    assert.deepStrictEqual(hear(said, { messages: new Map(), port: 99 }), {
      verdict: undefined,
      heard: [
        ["extended", 0, 99],
        ["bitfield", 0xa0],
        ["have", 5],
        ["have", 7],
        ["allowed", 3],
        ["unchoke"],
        ["interested"]
      ]
    })
  })

  it("tells the last of what takes the place of the other, and nothing that was not said", () => {
    const said = new Said()
    assert.deepStrictEqual(hear(said).heard, [])
    said.have(1)
    said.haveAll()
    said.have(2)
    said.unchoked = true
    said.unchoked = false
    assert.deepStrictEqual(hear(said).heard, [["haveAll"]])
  })

  it("ends with the verdict of the torrent", () => {
    const said = new Said()
    said.bitfield(Uint8Array.of(1))
    said.unchoked = true
    assert.deepStrictEqual(hear(said, undefined, "bitfield"), { verdict: "no", heard: [["bitfield", 1]] })
  })

  it("keeps no more than its bound", () => {
    const said = new Said()
    let pieces = 0
    while (said.have(pieces) === undefined) pieces++
    assert.isAtMost(pieces, 16_384)
    for (let piece = 0; piece < 1000; piece++) said.allowed(piece)
    assert.isAtMost(hear(said).heard.length, pieces + 1 + 64)
  })
})
