import { assert, describe, it } from "@effect/vitest"
import * as Message from "../../../src/domain/wire/Message.ts"
import { numbers, parse } from "../../support/messages.ts"
import { below, randomOf, seed } from "../swarm/seeded.ts"

const written = (write: (outbox: Message.Outbox) => void): Uint8Array => {
  const outbox = new Message.Outbox()
  write(outbox)
  return outbox.take()
}

describe("Message", () => {
  const goldens: Array<readonly [string, (outbox: Message.Outbox) => void, ReadonlyArray<number>]> = [
    ["keep-alive", (out) => out.keepAlive(), [0, 0, 0, 0]],
    ["choke", (out) => out.choke(), [0, 0, 0, 1, 0]],
    ["unchoke", (out) => out.unchoke(), [0, 0, 0, 1, 1]],
    ["interested", (out) => out.interested(), [0, 0, 0, 1, 2]],
    ["not interested", (out) => out.notInterested(), [0, 0, 0, 1, 3]],
    ["have", (out) => out.have(0x01020304), [0, 0, 0, 5, 4, 1, 2, 3, 4]],
    ["bitfield", (out) => out.bitfield(Uint8Array.of(0xff, 0x80)), [0, 0, 0, 3, 5, 0xff, 0x80]],
    [
      "request",
      (out) => out.request(1, 0x8000, 0x4000),
      [0, 0, 0, 13, 6, 0, 0, 0, 1, 0, 0, 0x80, 0, 0, 0, 0x40, 0]
    ],
    [
      "cancel",
      (out) => out.cancel(0xfffffffe, 0x4000, 0x1234),
      [0, 0, 0, 13, 8, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0x40, 0, 0, 0, 0x12, 0x34]
    ],
    ["suggest", (out) => out.suggest(0x01020304), [0, 0, 0, 5, 13, 1, 2, 3, 4]],
    ["have all", (out) => out.haveAll(), [0, 0, 0, 1, 14]],
    ["have none", (out) => out.haveNone(), [0, 0, 0, 1, 15]],
    [
      "reject",
      (out) => out.reject(1, 0x8000, 0x4000),
      [0, 0, 0, 13, 16, 0, 0, 0, 1, 0, 0, 0x80, 0, 0, 0, 0x40, 0]
    ],
    ["allowed fast", (out) => out.allowedFast(7), [0, 0, 0, 5, 17, 0, 0, 0, 7]],
    ["an extension's message", (out) => out.extended(200, Uint8Array.of(1, 2)), [0, 0, 0, 4, 20, 200, 1, 2]],
    ["an empty extension handshake", (out) => out.extended(0, new Uint8Array(0)), [0, 0, 0, 2, 20, 0]]
  ]
  for (const [name, write, golden] of goldens) {
    it(`writes ${name} as its BEP has it`, () => assert.deepStrictEqual([...written(write)], golden))
  }

  it("writes the header of a piece message in place", () => {
    const out = new Uint8Array(20).fill(0xee)
    Message.writePieceHeader(out, 3, 2, 0x4000, 0x4000)
    assert.deepStrictEqual([...out.subarray(0, 3)], [0xee, 0xee, 0xee])
    assert.deepStrictEqual([...out.subarray(3, 16)], [0, 0, 0x40, 9, 7, 0, 0, 0, 2, 0, 0, 0x40, 0])
    assert.deepStrictEqual([...out.subarray(16)], [0xee, 0xee, 0xee, 0xee])
  })

  it.prop("keeps the order and content of all that waits, through growth and takes", [seed], ([seed]) => {
    const random = randomOf(seed)
    const outbox = new Message.Outbox()
    const takes: Array<readonly [Uint8Array, Uint8Array]> = []
    const expected: Array<ReadonlyArray<number>> = []
    const seen: Array<ReadonlyArray<number>> = []
    for (let step = 0; step < 300; step++) {
      const args = [below(random, 2 ** 32), below(random, 2 ** 32), below(random, 2 ** 32)] as const
      const dice = below(random, 5)
      if (dice === 0) outbox.have(args[0])
      else if (dice === 1) outbox.request(...args)
      else if (dice === 2) outbox.cancel(...args)
      else if (dice === 3) outbox.bitfield(new Uint8Array(4 * below(random, 300)).fill(1))
      else outbox.interested()
      if (dice === 0) expected.push([Message.HAVE, args[0]])
      if (dice === 1) expected.push([Message.REQUEST, ...args])
      if (dice === 2) expected.push([Message.CANCEL, ...args])
      if (random() < 0.1) {
        const length = outbox.length
        const bytes = outbox.take()
        assert.strictEqual(bytes.length, length)
        assert.strictEqual(outbox.length, 0)
        takes.push([bytes, bytes.slice()])
      }
    }
    takes.push([outbox.take(), new Uint8Array(0)])
    for (const [bytes, copy] of takes.slice(0, -1)) assert.deepStrictEqual(bytes, copy)
    for (const [bytes] of takes) {
      for (const message of parse(bytes)) {
        const isPlain = message.id === Message.BITFIELD || message.id === Message.INTERESTED
        if (!isPlain) seen.push([message.id, ...numbers(message)])
      }
    }
    assert.deepStrictEqual(seen, expected)
  }, { arbitrary: { runs: 30 } })
})
