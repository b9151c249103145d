import { assert, describe, it } from "@effect/vitest"
import npm from "bencode"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Bencode from "../../src/domain/Bencode.ts"
import * as Bytes from "../../src/domain/Bytes.ts"
import { bytes, int, textOf } from "./generators.ts"

const ascii = Bytes.fromLatin1

type Plain = number | Uint8Array | ReadonlyArray<Plain> | ReadonlyMap<string, Plain>

/** Reads a whole value through the public reader; keys as latin1, the first of a repeated key. */
const build = (value: Bencode.Value): Plain => {
  if (value.kind === "Bytes") return Bencode.bytes(value)!.slice()
  if (value.kind === "Integer") return Bencode.integer(value)!
  if (value.kind === "List") return Array.from(Bencode.items(value), build)
  const fields = new Map<string, Plain>()
  for (const [key, field] of Bencode.entries(value)) {
    const name = Bytes.toLatin1(key)
    if (!fields.has(name)) fields.set(name, build(field))
  }
  return fields
}

const readAll = (input: Uint8Array) => Result.map(Bencode.read(input), build)

const toEncodable = (value: Plain): Bencode.Encodable => {
  if (typeof value === "number" || value instanceof Uint8Array) return value
  if (value instanceof Map) {
    return new Map(Array.from(value as ReadonlyMap<string, Plain>, ([key, field]) => [ascii(key), toEncodable(field)]))
  }
  return (value as ReadonlyArray<Plain>).map(toEncodable)
}

const leaf: Arbitrary.Arbitrary<Plain> = Arbitrary.all([
  int(0, 2),
  int(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
  bytes(0, 12)
]).pipe(Arbitrary.map(([kind, number, content]): Plain => kind === 0 ? number : content))

const level = (inner: Arbitrary.Arbitrary<Plain>, key: Arbitrary.Arbitrary<string>): Arbitrary.Arbitrary<Plain> =>
  Arbitrary.all([int(0, 2), Arbitrary.array(Arbitrary.all([key, inner]), { maxLength: 4 }), inner]).pipe(
    Arbitrary.map(([kind, pairs, single]): Plain => {
      if (kind === 0) return single
      return kind === 1 ? pairs.map(([, item]) => item) : new Map(pairs)
    })
  )

const anyKey = bytes(0, 5).pipe(Arbitrary.map(Bytes.toLatin1))
const asciiKey = textOf(["a", "b", "c", " ", "_", "1", "e"], 0, 5)

const value = level(level(level(leaf, anyKey), anyKey), anyKey)

const closed = Arbitrary.array(Arbitrary.all([asciiKey, level(level(leaf, asciiKey), asciiKey)]), { maxLength: 5 })
  .pipe(
    Arbitrary.map((pairs): ReadonlyMap<string, Plain> => new Map(pairs))
  )

/** What the package makes of a value, in our shape. */
const fromNpm = (value: unknown): Plain => {
  if (typeof value === "number") return value + 0
  if (value instanceof Uint8Array) return Uint8Array.from(value)
  if (Array.isArray(value)) return value.map(fromNpm)
  return new Map(Object.entries(value as object).map(([key, field]) => [key, fromNpm(field)]))
}

const sorted = (value: Plain): Plain => {
  if (Array.isArray(value)) return value.map(sorted)
  if (!(value instanceof Map)) return value
  const fields = Array.from(value as ReadonlyMap<string, Plain>, ([key, field]) => [key, sorted(field)] as const)
  return new Map(fields.sort((a, b) => a[0] < b[0] ? -1 : 1))
}

/** Bencode-like noise: mutated documents find more than random bytes do. */
const noise = textOf(["d", "l", "i", "e", ":", "-", "0", "1", "2", "9", "a", "1:a", "i1e", "le", "\0"], 0, 40).pipe(
  Arbitrary.map(ascii)
)

const usesEverything = (input: Uint8Array) => {
  const scanned = Bencode.scan(input)
  const result = readAll(input)
  assert.strictEqual(Result.isSuccess(result), Result.isSuccess(scanned))
  if (Result.isSuccess(scanned)) assert.isAtMost(scanned.success, input.length)
  Bencode.decodeClosed(input)
}

describe("Bencode.encode and read", () => {
  it.prop("round-trips any value, whatever follows it", [value, bytes(0, 3)], ([value, rest]) => {
    const encoded = Bencode.encode(toEncodable(value))
    const document = Bytes.concat([encoded, rest])
    const read = Result.getOrThrow(Bencode.read(document))
    assert.strictEqual(read.end, encoded.length)
    assert.deepStrictEqual(Bencode.raw(read), encoded)
    assert.deepStrictEqual(sorted(build(read)), sorted(value))
  })

  it.prop("agrees with the npm package on canonical text", [closed], ([fields]) => {
    const encoded = Bencode.encode(toEncodable(fields))
    assert.deepStrictEqual(encoded, Uint8Array.from(npm.encode(sorted(fields))))
    assert.deepStrictEqual(Result.getOrThrow(readAll(encoded)), fromNpm(npm.decode(encoded)))
    assert.deepStrictEqual(Result.getOrThrow(Bencode.decodeClosed(encoded)), fromNpm(npm.decode(encoded)))
  })

  it("writes every kind of value, with keys in the order of their bytes", () => {
    const written = Bencode.encode({
      "\u{1f600}": 1,
      "\uff00": -7,
      a: [1n << 70n, "é", Uint8Array.of(0xff)],
      left: undefined,
      B: new Map<string | Uint8Array, Bencode.Encodable>([[Uint8Array.of(0xff), 0], ["z", {}]])
    })
    const expected =
      "d1:Bd1:zde1:\xffi0ee1:ali1180591620717411303424e2:\xc3\xa91:\xffe3:\xef\xbc\x80i-7e4:\xf0\x9f\x98\x80i1ee"
    assert.strictEqual(Bytes.toLatin1(written), expected)
    assert.throws(() => Bencode.encode(1.5), RangeError)
    assert.throws(() => Bencode.encode(2 ** 53), RangeError)
  })

  it("finds fields with their spans, the first of a repeated key", () => {
    const document = ascii("d1:bi1e4:infod1:xi07ee1:ai-0e4:infole8:x:4:infoi3ee")
    const { a, b, info, missing } = Bencode.pick(Result.getOrThrow(Bencode.read(document)), [
      "a",
      "b",
      "info",
      "missing"
    ])
    assert.strictEqual(Bytes.toLatin1(Bencode.raw(info!)), "d1:xi07ee")
    assert.strictEqual(Bencode.integer(Bencode.pick(info, ["x"]).x), 7)
    assert.strictEqual(Object.is(Bencode.integer(a), 0), true)
    assert.strictEqual(Bencode.integer(b), 1)
    assert.isUndefined(missing)
    assert.deepStrictEqual(Bencode.pick(b, ["a"]), {})
    assert.isUndefined(Bencode.text(info))
  })

  it.prop("walks dictionaries in one pass as level by level", [value], ([value]) => {
    const read = Result.getOrThrow(Bencode.read(Bencode.encode(toEncodable(value))))
    const expected: Array<readonly [depth: number, key: string, value: string]> = []
    const levels = (value: Bencode.Value, depth: number) => {
      for (const [key, field] of Bencode.entries(value)) {
        expected.push([depth, Bytes.toLatin1(key), Bytes.toLatin1(Bencode.raw(field))])
        levels(field, depth + 1)
      }
    }
    levels(read, 0)
    const walked: typeof expected = []
    const walk = (count: number) => {
      walked.length = 0
      Bencode.walk(read, (key, at, depth) => {
        if (walked.length === count) return undefined
        const field = Bencode.valueAt(read.document, at)
        walked.push([depth, Bytes.toLatin1(key), Bytes.toLatin1(Bencode.raw(field))])
        return Bencode.isDictionaryAt(read.document, at) ? "Into" : field
      })
    }
    walk(Infinity)
    assert.deepStrictEqual(walked, expected)
    walk(2)
    assert.deepStrictEqual(walked, expected.slice(0, 2))
  })

  it("reads integers up to 2^53 - 1 and keeps larger ones raw", () => {
    const integer = (text: string) => Bencode.integer(Result.getOrThrow(Bencode.read(ascii(text))))
    assert.strictEqual(integer("i9007199254740991e"), Number.MAX_SAFE_INTEGER)
    assert.strictEqual(integer("i-9007199254740991e"), Number.MIN_SAFE_INTEGER)
    assert.isUndefined(integer("i9007199254740992e"))
    assert.isUndefined(integer(`i-${"9".repeat(100_000)}e`))
    const large = ascii("i18446744073709551615e")
    assert.deepStrictEqual(Bencode.raw(Result.getOrThrow(Bencode.read(large))), large)
  })
})

describe("Bencode.scan", () => {
  it.prop("never throws on noise, and reads whatever it passes", [noise], ([input]) => usesEverything(input), {
    arbitrary: { runs: 1000 }
  })

  it.prop("never throws on mutated documents", [value, int(0, 200), int(0, 255), int(0, 200)], (
    [value, at, byte, cut]
  ) => {
    const document = Bencode.encode(toEncodable(value))
    const mutated = document.slice()
    mutated[at % mutated.length] = byte
    usesEverything(mutated)
    usesEverything(document.subarray(0, cut % (document.length + 1)))
  }, { arbitrary: { runs: 500 } })

  it.prop("refuses every document that breaks off", [value], ([value]) => {
    const document = Bencode.encode(toEncodable(value))
    for (let end = 0; end < document.length; end++) {
      const scanned = Bencode.scan(document.subarray(0, end))
      assert.strictEqual(Result.isFailure(scanned) && scanned.failure.detail, "it is cut off", `cut at ${end}`)
    }
  })

  it("refuses what is not bencode", () => {
    for (
      const text of [
        "",
        "e",
        "i",
        "ie",
        "i-e",
        "i+1e",
        "i1.5e",
        "i1",
        "i 1e",
        "--1",
        ":",
        "1",
        "1:",
        "-1:a",
        "+1:a",
        "a",
        "l",
        "d",
        "di1e1:ae",
        "dle1:ae",
        "d1:ae",
        "d1:a1:b",
        "lie",
        "l1:ae1",
        "99999999999999999999999999:a",
        "4294967296:a"
      ]
    ) {
      const scanned = Bencode.scan(ascii(text))
      const whole = Result.isSuccess(scanned) && scanned.success === text.length
      assert.isFalse(whole, text)
    }
    assert.deepStrictEqual(Bencode.scan(ascii("l1:ae1")), Result.succeed(5))
  })

  it("tolerates leading zeros, -0, and keys repeated or out of order", () => {
    for (const text of ["i007e", "i-0e", "01:a", "d1:bi1e1:ai1ee", "d1:ai1e1:ai2ee", "00:"]) {
      assert.deepStrictEqual(Bencode.scan(ascii(text)), Result.succeed(text.length), text)
    }
  })

  const reasonOf = (result: Result.Result<unknown, Bencode.BencodeError>) =>
    Result.isFailure(result) ? result.failure.reason : "passed"

  it("stops at its limits", () => {
    const nested = (depth: number) => ascii("l".repeat(depth) + "e".repeat(depth))
    assert.strictEqual(reasonOf(Bencode.scan(nested(100))), "passed")
    assert.strictEqual(reasonOf(Bencode.scan(nested(101))), "TooDeep")
    assert.strictEqual(reasonOf(Bencode.scan(ascii("l".repeat(1_000_000)))), "TooDeep")
    assert.strictEqual(reasonOf(Bencode.scan(ascii("d1:a".repeat(1_000_000)))), "TooDeep")
    const limits = { maxBytes: 10, maxDepth: 2, maxTokens: 4 }
    assert.strictEqual(reasonOf(Bencode.scan(ascii("li1ei1eee"), limits)), "passed")
    assert.strictEqual(reasonOf(Bencode.scan(ascii("l0:0:0:0:e"), limits)), "TooManyTokens")
    assert.strictEqual(reasonOf(Bencode.scan(ascii("l0:0:0:00:e"), limits)), "TooLarge")
    assert.strictEqual(reasonOf(Bencode.decodeClosed(ascii(`d1:a${"l".repeat(5000)}${"e".repeat(5001)}`))), "TooDeep")
  })

  it("walks a million values in one pass each", () => {
    const document = ascii(`l${"0:".repeat(1_000_000)}e`)
    let count = 0
    for (const item of Bencode.items(Result.getOrThrow(Bencode.read(document)))) count += item.end - item.start
    assert.strictEqual(count, 2_000_000)
  })
})

describe("Bencode.decodeClosed", () => {
  const decode = (text: string) => Bencode.decodeClosed(ascii(text))

  it("keeps its own fields only, whatever the prototype", () => {
    const kept = Result.getOrThrow(decode("d9:__proto__d8:intervali1ee1:ai2ee"))
    assert.deepStrictEqual([...kept], [["a", 2]])
    assert.isUndefined(kept.get("toString"))
    const list = Result.getOrThrow(decode("d1:xd9:__proto__le1:ai1eee"))
    assert.deepStrictEqual(list.get("x"), new Map([["a", 1]]))
    // Here the package assigns to an accessor of a replaced prototype.
    assert.isTrue(Result.isFailure(decode("d9:__proto__0:6:lengthi1ee")))
    assert.isUndefined(Reflect.get({}, "interval"))
  })

  it("leaves out integers that cannot be exact", () => {
    const reply = Result.getOrThrow(decode("d8:completei18446744073709551615e8:intervali1800ee"))
    assert.deepStrictEqual([...reply], [["interval", 1800]])
    assert.deepStrictEqual([...Result.getOrThrow(decode("d1:xi-0e1:yi9007199254740993ee"))], [["x", 0]])
  })

  it("takes nothing but a dictionary, and ignores what follows it", () => {
    assert.isTrue(Result.isFailure(decode("le")))
    assert.isTrue(Result.isFailure(decode("i1e")))
    assert.deepStrictEqual(Result.getOrThrow(decode("d1:ai1eexyz")), new Map([["a", 1]]))
  })
})
