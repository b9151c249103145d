import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "../../../src/domain/Bytes.ts"
import * as MetadataServe from "../../../src/domain/swarm/MetadataServe.ts"
import * as MetadataMessage from "../../../src/domain/wire/MetadataMessage.ts"
import { noise } from "../../support/payload.ts"
import { far } from "./fakes.ts"
import { below, randomOf, seed } from "./seeded.ts"

const { PART } = MetadataMessage

const start = (info: Uint8Array) => {
  const said = new Map<object, Array<MetadataMessage.MetadataMessage>>()
  const extension = MetadataServe.make({
    info,
    now: 0,
    send: (peer, name, payload) => {
      assert.strictEqual(name, "ut_metadata")
      said.set(peer, [...said.get(peer) ?? [], MetadataMessage.decode(payload)!])
      return true
    }
  })
  const peers = Array.from({ length: 3 }, (_, key) => far({ key, pieces: 1 }).peer)
  const ask = (of: number, piece: number, now = 0) => extension.message(peers[of]!, MetadataMessage.request(piece), now)
  const saidTo = (of: number) => said.get(peers[of]!) ?? []
  return { extension, peers, ask, saidTo }
}

describe("MetadataServe", () => {
  it.prop("gives every part as it is, and rejects what does not exist", [seed], ([seed]) => {
    const random = randomOf(seed)
    const info = noise(1 + below(random, 5 * PART), seed)
    const { ask, saidTo } = start(info)
    const parts = MetadataMessage.partsOf(info.length)
    for (let piece = 0; piece <= parts; piece++) assert.isUndefined(ask(0, piece))
    const answers = saidTo(0)
    const bytes = answers.flatMap((answer) => answer._tag === "Data" ? [answer.data] : [])
    assert.deepStrictEqual(Bytes.concat(bytes), info)
    for (const answer of answers) if (answer._tag === "Data") assert.strictEqual(answer.totalSize, info.length)
    assert.deepStrictEqual(answers.at(-1), { _tag: "Reject", piece: parts })
  })

  it("gives no faster than its rate, answers each request once, and nobody waits for a greedy one", () => {
    const info = noise(4 * PART)
    const { ask, extension, saidTo } = start(info)
    for (let i = 0; i < 2000; i++) ask(0, i % 4)
    const sent = (of: number) => saidTo(of).filter(({ _tag }) => _tag === "Data").length
    const refused = saidTo(0).filter(({ _tag }) => _tag === "Reject").length
    const first = sent(0)
    assert.isAtMost(first * PART, 5 << 20)
    ask(1, 2)
    assert.strictEqual(sent(1), 1)
    for (let now = 1000; now <= 60_000; now += 1000) {
      extension.tick!(now)
      assert.isAtMost(sent(0) * PART, (5 << 20) + now * 1100)
    }
    assert.isAbove(refused, 1000)
    assert.strictEqual(sent(0) + refused, 2000)
  })

  it("forgets who has left, and drops who cannot be understood", () => {
    const { ask, extension, peers, saidTo } = start(noise(PART))
    for (let i = 0; i < 500; i++) ask(0, 0)
    const before = saidTo(0).length
    extension.left!(peers[0]!, 0)
    extension.tick!(100_000)
    assert.strictEqual(saidTo(0).length, before)
    assert.isString(extension.message(peers[0]!, Bytes.fromLatin1("le"), 0))
    assert.isUndefined(extension.message(peers[0]!, MetadataMessage.reject(3), 0))
  })
})
