import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Bencode from "../../../src/domain/Bencode.ts"
import * as Bytes from "../../../src/domain/Bytes.ts"
import * as ExtensionHandshake from "../../../src/domain/wire/ExtensionHandshake.ts"
import { bytes, int, textOf } from "../generators.ts"
import { hostileText } from "../hostile.ts"

const { decode, encode, merge } = ExtensionHandshake

const optional = <A>(some: Arbitrary.Arbitrary<A>): Arbitrary.Arbitrary<A | undefined> =>
  Arbitrary.map(Arbitrary.all([int(0, 2), some]), ([die, value]) => die === 0 ? undefined : value)

const name = textOf(["ut_", "lt_", "pex", "metadata", "x", "__proto__"], 1, 5)

const handshake: Arbitrary.Arbitrary<ExtensionHandshake.ExtensionHandshake> = Arbitrary.map(
  Arbitrary.all([
    Arbitrary.array(Arbitrary.all([name, int(0, 255)]), { maxLength: 20 }),
    optional(int(1, 2 ** 40)),
    optional(int(1, 0xffff)),
    optional(textOf(["freshet ", "1.2", "é", "映", "🎬"], 1, 12)),
    optional(int(1, 5000)),
    optional(int(0, 1).pipe(Arbitrary.map((kind) => new Uint8Array(kind === 0 ? 4 : 16).fill(7)))),
    optional(bytes(4, 4)),
    optional(bytes(16, 16)),
    optional(Arbitrary.map(int(0, 1), (value) => value === 1))
  ]),
  ([messages, metadataSize, port, version, requestQueue, yourIp, ipv4, ipv6, uploadOnly]) => ({
    messages: new Map(messages),
    metadataSize,
    port,
    version,
    requestQueue,
    yourIp,
    ipv4,
    ipv6,
    uploadOnly
  })
)

const NOTHING = {
  messages: new Map(),
  metadataSize: undefined,
  port: undefined,
  version: undefined,
  requestQueue: undefined,
  yourIp: undefined,
  ipv4: undefined,
  ipv6: undefined,
  uploadOnly: undefined
}

const text = (bencode: string): Uint8Array => Bytes.fromUtf8(bencode)

describe("ExtensionHandshake", () => {
  it.prop("reads back what it wrote", [handshake], ([said]) => {
    assert.deepStrictEqual(decode(encode(said)), said)
  })

  it("reads the example of BEP 10, and writes its keys in order", () => {
    const said = decode(text("d1:md11:LT_metadatai1e6:ut_PEXi2ee1:pi6881e1:v13:\u00b5Torrent 1.2e"))!
    assert.deepStrictEqual(said, {
      ...NOTHING,
      messages: new Map([["LT_metadata", 1], ["ut_PEX", 2]]),
      port: 6881,
      version: "\u00b5Torrent 1.2"
    })
    const written = encode({ messages: new Map(), port: 1, version: "v", uploadOnly: true, ipv4: new Uint8Array(4) })
    assert.deepStrictEqual(written, text("d4:ipv44:\0\0\0\x001:mde1:pi1e11:upload_onlyi1e1:v1:ve"))
  })

  it("leaves out what makes no sense, field by field", () => {
    for (
      const field of [
        "1:mi3e",
        "1:mle",
        "1:md1:ai256ee",
        "1:md1:ai-1ee",
        "1:md1:a1:xe",
        `1:md65:${"n".repeat(65)}i1ee`,
        "13:metadata_sizei0e",
        "13:metadata_size4:1000",
        "1:pi0e",
        "1:pi65536e",
        "1:v0:",
        "1:vi5e",
        "4:reqqi0e",
        "4:reqqi-250e",
        "4:reqqi99999999999999999999e",
        "6:yourip5:12345",
        "4:ipv416:0123456789abcdef",
        "4:ipv64:abcd",
        "11:upload_onlyle",
        "9:something4:else"
      ]
    ) {
      assert.deepStrictEqual(decode(text(`d${field}e`)), NOTHING, field)
    }
    for (const other of ["", "i1e", "le", "4:text", "d", "d1:m", "x", "d1:md1:ai1ee"]) {
      assert.isUndefined(decode(text(other)))
    }
  })

  it("keeps a bounded number of names and a bounded version that is safe to show", () => {
    const names = Array.from({ length: 300 }, (_, i) => `1${String(i).padStart(3, "0")}`)
    const many = decode(
      Bencode.encode({ m: new Map(names.map((name) => [name, 5])), v: "\u001b[2J" + "x".repeat(500) })
    )!
    assert.strictEqual(many.messages.size, ExtensionHandshake.MOST_MESSAGES)
    assert.strictEqual(many.version, `\\x1b[2J${"x".repeat(60)}`)
    assert.isUndefined(decode(Bencode.encode({ v: "x".repeat(20_000) })))
    assert.isUndefined(decode(text(`d1:x${"l".repeat(5000)}${"e".repeat(5000)}e`)))
    let all = merge(undefined, many)
    for (let round = 0; round < 5; round++) {
      all = merge(all, { messages: new Map(names.map((name) => [`${round}${name}`, 6])) })
    }
    assert.strictEqual(all.messages.size, ExtensionHandshake.MOST_MESSAGES)
  })

  it.prop("shows no control character, whatever the peer calls itself", [hostileText], ([version]) => {
    const read = decode(Bencode.encode({ v: version }))!.version ?? ""
    assert.notMatch(read, /[\p{Cc}\p{Zl}\u202e\u2066]/u)
    assert.isAtMost(read.length, 1000)
  })

  it.prop("survives any change of a handshake, and any bytes", [
    handshake,
    Arbitrary.array(Arbitrary.all([int(0, 400), int(0, 255)]), {
      minLength: 1,
      maxLength: 6
    }),
    bytes(0, 300)
  ], ([said, changes, noise]) => {
    const mutated = encode(said)
    for (const [at, value] of changes) mutated[at % mutated.length] = value
    for (const input of [mutated, mutated.subarray(0, changes[0]![0]), noise]) {
      const read = decode(input)
      if (read === undefined) continue
      for (const [key, id] of read.messages) {
        assert.isAtMost(key.length, 64)
        assert.isTrue(id >= 0 && id <= 255)
      }
      assert.isTrue(read.port === undefined || (read.port >= 1 && read.port <= 0xffff))
    }
  })

  it("keeps nothing of the bytes it has read", () => {
    const said = { messages: new Map([["ut_pex", 1]]), yourIp: Uint8Array.of(1, 2, 3, 4), version: "v" }
    const wire = encode(said)
    const read = decode(wire)!
    wire.fill(0xee)
    assert.deepStrictEqual({ ...NOTHING, ...said }, read)
  })

  it("adds what a later handshake says to what an earlier one said; 0 takes an extension back", () => {
    const first = { ...NOTHING, messages: new Map([["a", 1], ["b", 2]]), port: 5, uploadOnly: false, version: "one" }
    const both = merge(merge(undefined, first), { messages: new Map([["a", 0], ["b", 7], ["c", 3]]), uploadOnly: true })
    assert.deepStrictEqual(both, {
      ...NOTHING,
      messages: new Map([["b", 7], ["c", 3]]),
      port: 5,
      uploadOnly: true,
      version: "one"
    })
  })
})
