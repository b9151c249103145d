import { assert, describe, it } from "@effect/vitest"
import * as HashMessage from "../../../src/domain/wire/HashMessage.ts"
import * as Message from "../../../src/domain/wire/Message.ts"
import { parse } from "../../support/messages.ts"
import { noise } from "../../support/payload.ts"
import { bytes, int } from "../generators.ts"
import { below, randomOf, seed } from "../swarm/seeded.ts"

const root = noise(32)

const uint32 = int(0, 0xffff_ffff)

const range = (fields: Partial<HashMessage.HashRange> = {}): HashMessage.HashRange => ({
  root,
  base: 0,
  index: 0,
  length: 2,
  proofLayers: 0,
  ...fields
})

describe("HashMessage", () => {
  it.prop("reads back any range, anywhere in a buffer, and keeps nothing of it", [
    bytes(32, 32),
    uint32,
    uint32,
    uint32,
    uint32
  ], ([root, base, index, length, proofLayers]) => {
    const written = { root, base, index, length, proofLayers }
    const buffer = new Uint8Array(HashMessage.RANGE + 9).fill(0xee)
    HashMessage.writeRange(buffer, 5, written)
    assert.deepStrictEqual([...buffer.subarray(0, 5), ...buffer.subarray(-4)], Array.from({ length: 9 }, () => 0xee))
    for (const bytes of [buffer.slice(), Buffer.from(buffer)]) {
      const read = HashMessage.readRange(bytes, 5)
      bytes.fill(0)
      assert.deepStrictEqual(read, written)
      assert.isTrue(HashMessage.same(read, written))
    }
  })

  it("writes the messages of BEP 52", () => {
    const asked = range({ base: 4, index: 512, length: 512, proofLayers: 10 })
    const fields = [...root, 0, 0, 0, 4, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 0, 10]
    const outbox = new Message.Outbox()
    outbox.hashRequest(asked)
    assert.deepStrictEqual([...outbox.take()], [0, 0, 0, 49, 21, ...fields])
    outbox.hashReject(asked)
    assert.deepStrictEqual([...outbox.take()], [0, 0, 0, 49, 23, ...fields])
    const hashes = noise(514 * 32)
    const [message] = parse(Message.hashes(asked, hashes))
    assert.strictEqual(message!.id, 22)
    assert.deepStrictEqual(message!.payload, new Uint8Array([...fields, ...hashes]))
    assert.isTrue(HashMessage.isWhole(asked, message!.payload.length))
  })

  it.prop("tells ranges apart by every byte", [seed], ([seed]) => {
    const random = randomOf(seed)
    const one = range({ base: below(random, 9), index: below(random, 2 ** 32), proofLayers: below(random, 30) })
    const buffer = new Uint8Array(HashMessage.RANGE)
    HashMessage.writeRange(buffer, 0, one)
    buffer[below(random, buffer.length)]! ^= 1 << below(random, 8)
    assert.isFalse(HashMessage.same(one, HashMessage.readRange(buffer, 0)))
  })

  it("counts the uncles without those that the run gives itself", () => {
    const counts = [[2, 0, 2], [2, 1, 3], [8, 2, 8], [8, 3, 9], [512, 8, 512], [512, 12, 516]] as const
    for (const [length, proofLayers, count] of counts) {
      assert.strictEqual(HashMessage.count(range({ length, proofLayers })), count)
      assert.isTrue(HashMessage.isWhole(range({ length, proofLayers }), 48 + 32 * count))
      assert.isFalse(HashMessage.isWhole(range({ length, proofLayers }), 48 + 32 * count + 32))
    }
    assert.isFalse(HashMessage.isWhole(range({ length: 0 }), 48))
    assert.isFalse(HashMessage.isWhole(range({ length: 3 }), 48 + 96))
  })

  it.prop("lets through what lies in the tree, and nothing else", [seed], ([seed]) => {
    const random = randomOf(seed)
    const some = () => below(random, 3) === 0 ? below(random, 2 ** 32) : below(random, 20)
    const layers = below(random, 12)
    const most = 2 ** (1 + below(random, 12))
    const asked = range({
      base: some(),
      index: some(),
      length: below(random, 4) === 0 ? some() : 2 ** below(random, 32),
      proofLayers: some()
    })
    // Node by node, as the tree is drawn: every node of the run, and the parent of every proof layer, is in it.
    const { base, index, length, proofLayers } = asked
    const powers = Array.from({ length: 32 }, (_, i) => 2 ** i)
    const width = base > layers ? 0 : 2 ** (layers - base)
    const expected = powers.includes(length) && length >= 2 && length <= most && index % length === 0 &&
      index < width && index + length - 1 < width && base + proofLayers < layers
    assert.strictEqual(HashMessage.isInside(asked, 2 ** layers, most), expected)
  })
})
