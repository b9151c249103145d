import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "../../../src/domain/Bytes.ts"
import * as MetadataMessage from "../../../src/domain/wire/MetadataMessage.ts"
import { bytes, int } from "../generators.ts"
import { below, randomOf, seed } from "../swarm/seeded.ts"

const piece = int(0, 2 ** 20)

describe("MetadataMessage", () => {
  it("writes the messages of BEP 9", () => {
    assert.strictEqual(Bytes.toLatin1(MetadataMessage.request(0)), "d8:msg_typei0e5:piecei0ee")
    assert.strictEqual(Bytes.toLatin1(MetadataMessage.reject(7)), "d8:msg_typei2e5:piecei7ee")
    const part = Bytes.fromLatin1("xxxxxxxx")
    assert.strictEqual(
      Bytes.toLatin1(MetadataMessage.data(0, 3425, part)),
      "d8:msg_typei1e5:piecei0e10:total_sizei3425eexxxxxxxx"
    )
  })

  it.prop("reads back what it writes", [piece, int(1, 2 ** 26), bytes(0, 300)], ([piece, totalSize, data]) => {
    assert.deepStrictEqual(MetadataMessage.decode(MetadataMessage.request(piece)), { _tag: "Request", piece })
    assert.deepStrictEqual(MetadataMessage.decode(MetadataMessage.reject(piece)), { _tag: "Reject", piece })
    assert.deepStrictEqual(MetadataMessage.decode(MetadataMessage.data(piece, totalSize, data)), {
      _tag: "Data",
      piece,
      totalSize,
      data
    })
  })

  it("takes what others leave out or add, and passes over kinds that it does not know", () => {
    const read = (text: string) => MetadataMessage.decode(Bytes.fromLatin1(text))
    assert.deepStrictEqual(read("d8:msg_typei1e5:piecei3ee!"), {
      _tag: "Data",
      piece: 3,
      totalSize: undefined,
      data: Bytes.fromLatin1("!")
    })
    assert.deepStrictEqual(read("d1:a1:b8:msg_typei0e5:piecei3e5:usersle1:vi1ee"), { _tag: "Request", piece: 3 })
    assert.deepStrictEqual(read("d8:msg_typei3ee"), { _tag: "Unknown" })
    assert.deepStrictEqual(read("d8:msg_typei-1e5:piecei0ee"), { _tag: "Unknown" })
    for (const text of ["", "le", "i0e", "d8:msg_typei0ee", "d5:piecei0ee", "d8:msg_typei0e5:piecei-1ee", "d"]) {
      assert.isUndefined(read(text), text)
    }
    const largest = MetadataMessage.data(0, 2 ** 26, new Uint8Array(MetadataMessage.PART))
    assert.strictEqual(MetadataMessage.decode(largest)?._tag, "Data")
    assert.isUndefined(MetadataMessage.decode(new Uint8Array([...largest, ...new Uint8Array(1024)])))
  })

  it.prop("takes any bytes, and gives no more than it was given", [seed, bytes(0, 200)], ([seed, data]) => {
    const random = randomOf(seed)
    const message = MetadataMessage.data(below(random, 2 ** 20), below(random, 2 ** 20), data)
    for (let i = below(random, 4); i >= 0; i--) message[below(random, message.length)] = below(random, 256)
    for (const bytes of [message, message.subarray(0, below(random, message.length + 1)), data]) {
      const read = MetadataMessage.decode(bytes)
      if (read?._tag === "Data") assert.strictEqual(read.data.buffer, bytes.buffer)
      if (read !== undefined && read._tag !== "Unknown") assert.isAtLeast(read.piece, 0)
    }
  })

  it.prop("counts parts as they are sent", [int(1, 2 ** 20)], ([size]) => {
    const parts = MetadataMessage.partsOf(size)
    let sum = 0
    for (let piece = 0; piece < parts; piece++) {
      const length = MetadataMessage.lengthOf(size, piece)
      assert.isTrue(piece === parts - 1 ? length > 0 && length <= 16_384 : length === 16_384)
      sum += length
    }
    assert.strictEqual(sum, size)
  })
})
