import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Bytes from "../../../src/domain/Bytes.ts"
import { type Head, HttpReader } from "../../../src/domain/webseed/HttpReader.ts"
import { bytes, int } from "../generators.ts"

interface Read {
  readonly head: Head | undefined
  readonly body: Uint8Array
  readonly at: number
  readonly reader: HttpReader
}

/** Reads an answer that comes in pieces of these sizes, in turn; what was given is spoilt after each call. */
const readIn = (answer: Uint8Array, sizes: ReadonlyArray<number>): Read => {
  let head: Head | undefined
  const body: Array<Uint8Array> = []
  const reader = new HttpReader({
    onHead: (got) => {
      assert.isUndefined(head, "a second head")
      head = got
    },
    onBody: (bytes, from, to) => {
      assert.isTrue(to > from)
      body.push(Uint8Array.from(bytes.subarray(from, to)))
    }
  })
  let at = 0
  for (let i = 0; at < answer.length && !reader.isEnded && !reader.isBroken; i++) {
    const chunk = answer.slice(at, at + Math.max(1, sizes[i % sizes.length]!))
    const read = reader.push(chunk, 0, chunk.length)
    assert.isTrue(read === chunk.length || reader.isHeld || reader.isEnded || reader.isBroken)
    at += read
    if (reader.isHeld) reader.resume()
    chunk.fill(0)
  }
  return { head, body: Bytes.concat(body), at, reader }
}

const text = Bytes.fromLatin1

const sizes = Arbitrary.array(int(1, 40), { minLength: 1, maxLength: 6 })

const chunksOf = (body: Uint8Array, size: number): Uint8Array => {
  const out: Array<Uint8Array> = []
  for (let at = 0; at < body.length; at += size) {
    const chunk = body.subarray(at, at + size)
    out.push(text(`${chunk.length.toString(16)};x=1\r\n`), chunk, text("\r\n"))
  }
  return Bytes.concat([...out, text("0\r\nTrailer: y\r\n\r\n")])
}

const HEAD = "HTTP/1.1 206 Partial Content\r\nX-A: 1\r\nx-a:  2 \r\n"

const forms: ReadonlyArray<(body: Uint8Array, chunk: number) => Uint8Array> = [
  (body) => Bytes.concat([text(`${HEAD}Content-Length: ${body.length}\r\n\r\n`), body]),
  (body, chunk) => Bytes.concat([text(`${HEAD}Transfer-Encoding: Chunked\r\n\r\n`), chunksOf(body, chunk)]),
  (body) => Bytes.concat([text(`HTTP/1.1 103 Early\r\nlink: x\r\n\r\n${HEAD}Content-Length: ${body.length}\n\n`), body])
]

describe("HttpReader", () => {
  it.prop("reads the same answer however it is cut, and not a byte behind it", [
    bytes(0, 90),
    int(0, forms.length - 1),
    int(1, 30),
    sizes
  ], ([body, form, chunk, sizes]) => {
    const answer = forms[form]!(body, chunk)
    const read = readIn(Bytes.concat([answer, text("HTTP/1.1 200")]), sizes)
    assert.isTrue(read.reader.isEnded)
    assert.deepStrictEqual(read.body, body)
    assert.strictEqual(read.at, answer.length)
    assert.strictEqual(read.head!.status, 206)
    assert.strictEqual(read.head!.headers.get("x-a"), "1, 2")
    assert.isTrue(read.head!.keeps)
  })

  it.prop("never throws, ends or breaks, and hands over nothing that was not there", [
    bytes(0, 90),
    int(0, forms.length - 1),
    Arbitrary.array(Arbitrary.all({ at: int(0, 400), to: int(0, 255) }), { maxLength: 5 }),
    sizes
  ], ([body, form, mutations, sizes]) => {
    const answer = forms[form]!(body, 9)
    for (const { at, to } of mutations) answer[at % answer.length] = to
    const read = readIn(answer, sizes)
    assert.isTrue(read.body.length <= answer.length)
    assert.isTrue(read.at === answer.length || read.reader.isEnded || read.reader.isBroken)
  })

  const heads: ReadonlyArray<readonly [string, string, number | undefined]> = [
    ["of another protocol", "220 ready\r\n", undefined],
    ["of HTTP/2 in clear", "HTTP/2 200\r\n", undefined],
    ["with a field that is none", "HTTP/1.1 200 x\r\nno colon\r\n\r\n", undefined],
    ["with a folded field", "HTTP/1.1 200 x\r\na: b\r\n c\r\n\r\n", undefined],
    ["with a field without a name", "HTTP/1.1 200 x\r\n: b\r\n\r\n", undefined],
    ["with half an end of a line in a field", "HTTP/1.1 200 x\r\na: b\rc: d\r\n\r\n", undefined],
    ["with two lengths", "HTTP/1.1 200 x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", undefined],
    ["with one length twice", "HTTP/1.1 200 x\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", 200],
    ["with a negative length", "HTTP/1.1 200 x\r\nContent-Length: -3\r\n\r\n", undefined],
    ["coded in a way that was not asked for", "HTTP/1.1 200 x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", undefined],
    ["that changes the protocol", "HTTP/1.1 101 x\r\nUpgrade: y\r\n\r\n", undefined],
    ["without a body", "HTTP/1.1 304 x\r\nContent-Length: 12\r\n\r\n", 304],
    ["without a reason", "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", 404]
  ]
  for (const [what, head, status] of heads) {
    it(`a head ${what}: ${status ?? "broken"}`, () => {
      const read = readIn(text(head), [7])
      assert.strictEqual(read.head?.status, status)
      assert.strictEqual(read.reader.isBroken, status === undefined)
      if (status !== undefined) assert.isTrue(read.reader.isEnded)
    })
  }

  it("knows which connections may be used again", () => {
    const keeps = (line: string, more = "") =>
      readIn(text(`${line} 200 x\r\ncontent-length: 0\r\n${more}\r\n`), [9]).head!.keeps
    assert.isTrue(keeps("HTTP/1.1"))
    assert.isFalse(keeps("HTTP/1.1", "Connection: Close\r\n"))
    assert.isFalse(keeps("HTTP/1.0"))
    assert.isTrue(keeps("HTTP/1.0", "Connection: keep-alive\r\n"))
    const open = readIn(text("HTTP/1.1 200 x\r\n\r\nabc"), [4])
    assert.isFalse(open.head!.keeps)
    assert.isTrue(open.reader.endsWithConnection)
    assert.deepStrictEqual(open.body, text("abc"))
  })

  it("takes no longer for one line than for another of its length", () => {
    const blanks = " \t".repeat(15_000)
    for (const value of [`${blanks}\rx`, `x${blanks}x${blanks}`, `${blanks}x${blanks}\rx`]) {
      for (const head of [`HTTP/1.1 200 x\r\na:${value}\r\n\r\n`, `HTTP/1.1 200${value}\r\n\r\n`]) {
        readIn(text(head), [997])
      }
    }
    const size = `5${blanks.slice(0, 1000)}`
    readIn(text(`HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n${size}x\r\n`), [997])
  }, 2000)

  it("bears only so much before the body, between chunks and behind them", () => {
    const long = "y".repeat(40_000)
    const chunked = "HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n"
    const fields = "x: y\r\n".repeat(8000)
    for (const answer of [long, `HTTP/1.1 200 ${long}`, `HTTP/1.1 200 x\r\n${fields}`, "\r\n".repeat(20_000)]) {
      assert.isTrue(readIn(text(answer), [1000]).reader.isBroken)
    }
    for (const rest of [`5;${long}`, `0\r\n${fields}`, "1000000000000000\r\n", "5\r\nabcdeX\r\n"]) {
      assert.isTrue(readIn(text(chunked + rest), [1000]).reader.isBroken, rest.slice(0, 20))
    }
  })
})
